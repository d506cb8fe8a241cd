"""Whole nights: they hold, they replay, they find what is wrong, and they come to an end."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from hairpin.answer import Records
from hairpin.gate.commit import Committer
from hairpin.messages import QuestionTally
from hairpin.show import Mode
from hairpin.tally import keeper
from sim import night as nights
from sim.night import Night
from sim.phones import Line
from sim.plan import FIRST_MS, Plan, plan_of
from sim.producer import Producer
from sim.series import summary

Heard = tuple[float, bytes]
"""When, and what a phone got."""


def small(seed: int, profile: str = "quiet", **wishes: Any) -> Plan:
    plan = plan_of(seed, profile, questions=4, **wishes)
    return msgspec.structs.replace(plan, appetite=0.3)


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("mirrors", [1, 2, 3])
def test_a_night_without_troubles_loses_nothing(mode: Mode, mirrors: int) -> None:
    outcome = Night(small(mirrors, mode=mode, mirrors=mirrors)).run()
    assert outcome.violation == ""
    assert outcome.acknowledged > 100
    assert outcome.counted == outcome.acknowledged
    assert outcome.journalled == outcome.counted + outcome.repeats
    assert outcome.lives == 6, "a parent, a stage, three gates, and who counts again"


@pytest.mark.parametrize("profile", ["crashes", "network", "clocks"])
def test_nights_with_troubles_hold(profile: str) -> None:
    outcomes = [Night(small(seed, profile)).run() for seed in range(1, 6)]
    assert [outcome.violation for outcome in outcomes] == [""] * len(outcomes)
    assert sum(sum(outcome.faults.values()) for outcome in outcomes) > 10


def test_a_night_replays_to_the_letter() -> None:
    told = []
    for _ in range(2):
        night = Night(small(7, "crashes"))
        night.run()
        told.append(night.universe.transcript())
    assert told[0] == told[1]
    assert len(told[0].splitlines()) > 30
    other = Night(small(8, "crashes"))
    other.run()
    assert other.universe.transcript() != told[0]


def test_the_story_names_seed_steps_and_results() -> None:
    night = Night(small(3, mode=Mode.CLOCK))
    outcome = night.run()
    story = night.universe.transcript()
    for line in (
        "night      seed 3: quiet",
        "stage      begins as incarnation 1, director",
        "stage      opened question 1",
        "result of question 1:",
        "trouble    all is healed",
        "gate-1     ends",
    ):
        assert line in story
    assert summary([outcome]).text().endswith("all ledgers hold")


# --- what must be found ---------------------------------------------------------------------------


def violated(plan: Plan) -> str:
    outcome = Night(plan).run()
    told = summary([outcome]).text()
    assert f"make sim SEED={plan.seed}" in told
    return outcome.violation


def test_answers_that_are_acknowledged_but_not_journalled_are_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    journal = Committer._journal

    def forgetful(committer: Committer, records: Records) -> bool:
        return len(records) > 3 or journal(committer, records)

    monkeypatch.setattr(Committer, "_journal", forgetful)
    plan = msgspec.structs.replace(small(1), beat_ms=1_000)
    assert "acknowledged is within counted" in violated(plan)


def test_a_count_that_differs_from_the_model_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    take = keeper.Snapshots.take

    def generous(snapshots: keeper.Snapshots, *args: Any) -> Any:
        snapshot = take(snapshots, *args)
        questions = [_one_more(tally) for tally in snapshot.questions]
        return msgspec.structs.replace(snapshot, questions=tuple(questions))

    monkeypatch.setattr(keeper.Snapshots, "take", generous)
    assert "= model" in violated(small(1))


def _one_more(tally: QuestionTally) -> QuestionTally:
    return msgspec.structs.replace(tally, right=tally.right + 1) if tally.question == 1 else tally


def test_a_process_that_crashes_by_itself_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise ZeroDivisionError("a mistake in a step")

    monkeypatch.setattr("hairpin.gate.server.Gate._keep_house", broken)
    assert "no process falls by an error that nobody explains" in violated(small(1))


def test_a_night_that_never_ends_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    async def wait(_: Producer) -> None:
        await asyncio.sleep(1e9)

    monkeypatch.setattr(Producer, "run", wait)
    monkeypatch.setattr(nights, "GRACE_S", 60.0)
    assert "a night comes to its end: still going on" in violated(small(1))


# --- what phones are told -------------------------------------------------------------------------


def heard_until_the_reveal(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> list[tuple[float, bytes]]:
    heard: list[tuple[float, bytes]] = []
    night = Night(plan)
    received = Line.data_received

    def listen(line: Line, data: bytes) -> None:
        heard.append((night.universe.loop.now_s, data))
        received(line, data)

    with monkeypatch.context() as patch:
        patch.setattr(Line, "data_received", listen)
        assert night.run().violation == ""
    question = plan.show.questions[0]
    closes_s = (FIRST_MS + (question.duration_ms or 0)) / 1000
    return [(at_s, data) for at_s, data in heard if at_s < closes_s + 2]


def test_two_shows_with_other_right_answers_tell_phones_the_same_until_the_reveal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plan = msgspec.structs.replace(small(5, mode=Mode.CLOCK, mirrors=1), appetite=0.8)
    first = plan.show.questions[0]
    other = msgspec.structs.replace(first, right=0b10 if first.right != 0b10 else 0b01)
    show = msgspec.structs.replace(plan.show, questions=(other, *plan.show.questions[1:]))
    one = heard_until_the_reveal(plan, monkeypatch)
    two = heard_until_the_reveal(msgspec.structs.replace(plan, show=show), monkeypatch)
    assert len(one) > 300
    assert one == two
