"""kill -9 while the crowd lives on: nothing acknowledged is lost, nothing is counted twice.

HAIRPIN_KILL_ROUNDS: how many rounds (100 in CI, else 20); HAIRPIN_SEED: whom, when, and what the
fans do. A show has a limit of questions and each round asks one, so that many rounds are several
shows one after the other, each with a data directory of its own; every second one has two mirrors.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import mirrored
import pytest
from ledger import end_and_check, wait_final
from living_node import LivingNode, wait_until
from shows import by_hand, question
from small_crowd import SmallCrowd

pytestmark = pytest.mark.fault

ROUNDS = int(os.environ.get("HAIRPIN_KILL_ROUNDS") or (100 if os.environ.get("CI") else 20))
ROUNDS_A_SHOW = min(50, -(-ROUNDS // 2))
SEED = int(os.environ.get("HAIRPIN_SEED") or random.SystemRandom().randrange(1 << 32))
FANS = 300
BURST_S = 0.4
"""Short, so that a kill hits many answers at once, and no round waits for stragglers."""
DURATION_S = 3_600
START_S = 1.5
"""Somewhere in the starting of a node that takes about so long."""

VICTIMS = (
    *("gate", "gate", "both gates", "stage", "stage and gate"),
    *("parent", "all", "all, and again"),
)
MOMENTS = ("opening", "burst", "burst", "burst", "close")


class Night:
    """One node, one crowd, and somebody who kills."""

    def __init__(self, node: LivingNode, crowd: SmallCrowd, dice: random.Random) -> None:
        self.node = node
        self.crowd = crowd
        self.dice = dice
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
        wait_final(self.node, question)

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


def rounds(show: int) -> int:
    return min(ROUNDS_A_SHOW, ROUNDS - show * ROUNDS_A_SHOW)


@pytest.mark.timeout(60 + 12 * ROUNDS_A_SHOW)
@pytest.mark.parametrize("show", range(-(-ROUNDS // ROUNDS_A_SHOW)))
def test_rounds_of_kill_9(
    node: Callable[..., LivingNode], crowds: list[SmallCrowd], tmp_path: Path, show: int
) -> None:
    print(f"HAIRPIN_SEED={SEED} HAIRPIN_KILL_ROUNDS={ROUNDS}: show {show}")
    text = mirrored.settings(*[tmp_path / "second"] * (show % 2))
    running = node(by_hand([question(duration_s=DURATION_S)] * rounds(show)), settings=text)
    crowd = SmallCrowd(running.port, FANS, SEED + show, burst_s=BURST_S)
    crowds.append(crowd)
    crowd.start()
    night = Night(running, crowd, random.Random(SEED + show))
    for index in range(rounds(show)):
        night.round(index)
    print(dict(night.killed))
    crowds.clear()
    recount = end_and_check(running, crowd, rounds(show))
    for alone in mirrored.recounts_alone(running):
        assert (alone.head, alone.counted) == (recount.head, recount.counted)
