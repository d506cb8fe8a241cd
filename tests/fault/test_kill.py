"""kill -9 while the crowd lives on: nothing acknowledged is lost, nothing is counted twice.

HAIRPIN_KILL_ROUNDS: how many rounds (20); HAIRPIN_SEED: whom, when, and what the fans do.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from living_node import LivingNode, wait_until
from shows import by_hand, question
from small_crowd import BURST_S, SmallCrowd

from hairpin.tally.recount import Recount, Recounter

pytestmark = pytest.mark.fault

ROUNDS = int(os.environ.get("HAIRPIN_KILL_ROUNDS", "20"))
SEED = int(os.environ.get("HAIRPIN_SEED") or random.SystemRandom().randrange(1 << 32))
FANS = 300
DURATION_S = 3_600
START_S = 2.0
"""Somewhere in the starting of a node that takes about so long."""
SETTINGS = 'join_allow = ["127.0.0.0/8"]\n'

VICTIMS = (
    *("gate", "gate", "both gates", "stage", "stage and gate"),
    *("parent", "all", "all, and again"),
)
MOMENTS = ("opening", "burst", "burst", "burst", "close")


@pytest.fixture
def crowds() -> Iterator[list[SmallCrowd]]:
    crowds: list[SmallCrowd] = []
    yield crowds
    for crowd in crowds:
        crowd.stop()


class Night:
    """One node, one crowd, and somebody who kills."""

    def __init__(self, node: LivingNode, crowd: SmallCrowd) -> None:
        self.node = node
        self.crowd = crowd
        self.dice = random.Random(SEED)
        self.killed: Counter[str] = Counter()

    def round(self, question: int) -> None:
        """One question, from its opening to its final result, with a kill somewhere between."""
        victim, moment = self.dice.choice(VICTIMS), self.dice.choice(MOMENTS)
        self.killed[f"{victim} at the {moment}"] += 1
        self.node.step("open", question)
        self.crowd.ask(question)
        if moment == "burst":
            time.sleep(self.dice.uniform(0, BURST_S))
        if moment != "close":
            self._kill_and_compare(victim)
            self.crowd.wait_answered()
        else:
            time.sleep(self.dice.uniform(BURST_S / 2, BURST_S))
        self.node.step("close", question)
        if moment == "close":
            self._kill_and_compare(victim)
        self._wait_final(question)

    def _kill_and_compare(self, victim: str) -> None:
        before = wait_until(self._question, "the question to be told")
        self._kill(victim)
        after = wait_until(self._question, f"the node after the death of {victim}")
        times = ("index", "opened_at", "closes_at")
        if before["state"] == after["state"]:
            assert [before[key] for key in times] == [after[key] for key in times]

    def _question(self) -> dict[str, object] | None:
        try:
            now = self.node.now()
        except (OSError, AssertionError):
            return None
        return {**now["question"], "state": now["state"]} if now["question"] else None

    def _kill(self, victim: str) -> None:
        node, facts = self.node, self.node.facts
        gate = self.dice.choice(facts.gates)
        pids = {
            "gate": (gate,),
            "both gates": facts.gates,
            "stage": (facts.stage,),
            "stage and gate": (facts.stage, gate),
        }
        if victim in pids:
            for pid in pids[victim]:
                node.kill(pid)
            node.wait_replaced(*pids[victim])
            return
        if victim == "parent":
            node.kill_parent()
        else:
            node.kill_all()
        if victim == "all, and again":
            node.launch()
            time.sleep(self.dice.uniform(0, START_S))
            node.kill_all()
        node.start()

    def _wait_final(self, question: int) -> None:
        def final() -> bool:
            tally = self.node.tally()["questions"][question]
            return bool(tally["status"] == "final")

        wait_until(final, f"the final result of question {question}")


def check_ledger(crowd: SmallCrowd, recounter: Recounter, recount: Recount, asked: int) -> None:
    """Section 5 of the design, as sets of (fan, question)."""
    counted = {(int(fan), q) for q in range(asked) for fan in recounter.counted_fans(q)}
    assert not crowd.acknowledged - counted, "acknowledged, and not counted"
    assert not counted - crowd.sent, "counted, and never sent"
    assert recount.counted == len(counted), "counted twice"
    assert recount.journalled == recount.counted + recount.repeats
    assert len(set(crowd.numbers)) == len(crowd.numbers), "a fan number issued twice"


def test_rounds_of_kill_9(node: Callable[..., LivingNode], crowds: list[SmallCrowd]) -> None:
    print(f"HAIRPIN_SEED={SEED} HAIRPIN_KILL_ROUNDS={ROUNDS}")
    show = by_hand([question(duration_s=DURATION_S)] * ROUNDS)
    running = node(show, settings=SETTINGS)
    crowd = SmallCrowd(running.port, FANS, SEED)
    crowds.append(crowd)
    crowd.start()
    night = Night(running, crowd)
    for index in range(ROUNDS):
        night.round(index)
    crowd.stop()
    crowds.clear()
    live = running.tally()
    assert running.interrupt() == 0
    recounter = running.recounter()
    recount = recounter.run()
    print(dict(night.killed), dict(crowd.statuses))
    print(f"sent {len(crowd.sent)}, acknowledged {len(crowd.acknowledged)}")
    print(f"counted {recount.counted}, repeats {recount.repeats}, strands {recount.strands}")
    check_ledger(crowd, recounter, recount, ROUNDS)
    assert [q.status for q in recount.questions] == ["final"] * ROUNDS
    assert [q["answers"] for q in live["questions"]] == [q.answers for q in recount.questions]
    assert recount.heads_verified >= ROUNDS
