"""Checkers of the running order, of finality, of versions and of fan numbers can fail."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from hairpin.messages import QuestionTally
from hairpin.order import State
from hairpin.stage.documents import Cue
from hairpin.ticket import TicketKey, issue
from sim.checkers import Violation
from sim.checkers.bounds import Bounds
from sim.checkers.finality import Finality
from sim.checkers.numbers import Numbers
from sim.checkers.steps import Steps, Told
from sim.checkers.versions import Versions

FINAL = QuestionTally(
    question=0,
    id="q1",
    status="final",
    version=1,
    reason="",
    missing=(),
    journalled=3,
    repeats=1,
    answers=2,
    by_choice=(2, 0),
    by_age_band=(),
    by_country={},
    right=2,
    wrong=0,
    best_country=None,
)


def step(kind: str, question: int = 0) -> dict[str, Any]:
    return {"type": kind, "question": question}


def take(*records: dict[str, Any]) -> Steps:
    steps = Steps()
    for record in records:
        steps.take(record)
    return steps


def invariant_of(*records: dict[str, Any]) -> str:
    with pytest.raises(Violation) as found:
        take(*records)
    return found.value.invariant


# --- steps ----------------------------------------------------------------------------------------


def test_a_whole_show_is_legal() -> None:
    told = [step(kind) for kind in ("opened", "closed", "revealed", "corrected", "voided")]
    steps = take({"type": "held"}, {"type": "released"}, *told, step("opened", 1))
    assert steps.states == {0: "void", 1: "open"}


@pytest.mark.parametrize(
    "records",
    [
        ("closed",),
        ("opened", "opened"),
        ("opened", "revealed"),
        ("opened", "corrected"),
        ("opened", "voided", "closed"),
        ("opened", "closed", "revealed", "revealed"),
        ("opened", "closed", "opened"),
    ],
)
def test_a_step_that_the_state_machine_does_not_know_is_found(records: tuple[str, ...]) -> None:
    assert invariant_of(*map(step, records)) == "no illegal step"


def test_two_questions_open_at_once_are_found() -> None:
    found = invariant_of(step("opened", 0), step("opened", 1))
    assert found == "one question is open at a time"


def test_a_show_that_is_armed_after_it_began_is_found() -> None:
    found = invariant_of(step("opened"), {"type": "armed"})
    assert found == "the show is armed before its first step"


def test_a_clock_that_is_held_twice_is_found() -> None:
    found = invariant_of({"type": "held"}, {"type": "held"})
    assert found == "the clock is held and released in turns"


def cue(state: State, opened_at: int | None) -> Cue:
    return Cue(0, "q1", {}, None, state, None, opened_at, None, 1, False, ())


def test_a_running_order_that_goes_back_is_found() -> None:
    told = Told()
    told.take([cue(State.WAITING, None)])
    told.take([cue(State.CLOSED, 5)])
    told.take([cue(State.CLOSED, 5)])
    with pytest.raises(Violation, match="what was shown is not taken back"):
        told.take([cue(State.OPEN, 5)])
    with pytest.raises(Violation, match="an opening stays"):
        told.take([cue(State.REVEALED, 6)])


# --- finality -------------------------------------------------------------------------------------


def test_final_before_every_living_gate_has_marked_is_found() -> None:
    finality = Finality()
    finality.born(2, lambda: True)
    finality.born(3, lambda: False)
    finality.born(4, lambda: True)
    finality.marked(2, [0])
    finality.sealed(4)
    finality.shown(0, 10.0)
    with pytest.raises(Violation, match="final means that no gate may still take answers"):
        finality.shown(1, 11.0)


def test_an_answer_after_the_final_result_is_found() -> None:
    finality = Finality()
    finality.born(2, lambda: False)
    finality.answered(2, [0], 9.0)
    finality.shown(0, 10.0)
    finality.answered(2, [1], 11.0)
    with pytest.raises(Violation, match="what is final gets no answers any more"):
        finality.answered(2, [0, 1], 12.0)


def test_a_frame_behind_a_fence_is_found() -> None:
    finality = Finality()
    finality.journalled(2)
    finality.fenced(2)
    finality.journalled(3)
    with pytest.raises(Violation, match="a fenced strand gets no more frames"):
        finality.journalled(2)


# --- versions -------------------------------------------------------------------------------------


def shown(*tallies: QuestionTally) -> None:
    versions = Versions()
    for tally in tallies:
        versions.show(tally)


def changed(**changes: object) -> QuestionTally:
    return msgspec.structs.replace(FINAL, **changes)


def test_a_correction_with_its_reason_is_a_new_version() -> None:
    provisional = changed(status="provisional", version=0, answers=1)
    corrected = changed(version=2, reason="a slip", right=0)
    shown(provisional, FINAL, provisional, FINAL, corrected, corrected)


@pytest.mark.parametrize(
    ("then", "invariant"),
    [
        (changed(answers=3), "a final result changes only with a new version"),
        (changed(right=1), "a final result changes only with a new version"),
        (changed(status="void"), "a final result changes only with a new version"),
        (changed(version=2), "a new version has a reason"),
        (changed(version=0), "versions never go back"),
    ],
)
def test_a_final_result_that_changes_is_found(then: QuestionTally, invariant: str) -> None:
    with pytest.raises(Violation) as found:
        shown(FINAL, then)
    assert found.value.invariant == invariant


# --- numbers and bounds ---------------------------------------------------------------------------


def test_a_number_on_two_tickets_is_found() -> None:
    numbers, key = Numbers(), TicketKey(1, bytes(16), bytes(16))
    numbers.lease({"first": 0, "count": 64})
    numbers.issue(issue(7, 0, 0, key))
    numbers.settle()
    with pytest.raises(Violation, match="a fan number is given once: 7 "):
        numbers.issue(issue(7, 1, 3, key))


def test_leases_that_overlap_and_numbers_without_one_are_found() -> None:
    numbers, key = Numbers(), TicketKey(1, bytes(16), bytes(16))
    numbers.lease({"first": 64, "count": 64})
    numbers.lease({"first": 0, "count": 64})
    with pytest.raises(Violation, match="a fan number is leased once"):
        numbers.lease({"first": 127, "count": 2})
    numbers.issue(issue(500, 0, 0, key))
    with pytest.raises(Violation, match="only leased numbers are issued"):
        numbers.settle()


def test_what_grows_beyond_its_bound_is_found() -> None:
    bounds = Bounds({"queue": 10})
    bounds.measure("gate-1", queue=10)
    assert bounds.highest == {"queue": 10}
    with pytest.raises(Violation, match="gate-2: queue is 11, at most 10"):
        bounds.measure("gate-2", queue=11)
