from __future__ import annotations

import math

import msgspec
import numpy as np

from hairpin.rehearsal.phones import Phones
from hairpin.rehearsal.script import Facts, Habits, Kind, Round, plan, plan_early, tails

FANS = 10_000
FACTS = Facts(
    question=3,
    choices=4,
    multiple=False,
    duration_ms=12_000.0,
    spread_ms=1_500.0,
)


def phones() -> Phones:
    return Phones(np.random.default_rng(1), FANS, ["FR", "GB"], 7, 0.05)


def planned(facts: Facts = FACTS) -> Round:
    nobody = np.zeros(FANS, dtype=np.bool_)
    return plan(np.random.default_rng(2), phones(), facts, Habits(), nobody)


def events(round_: Round, kind: Kind) -> list[int]:
    return np.flatnonzero(round_.kind == kind).tolist()


def tail(round_: Round, event: int) -> bytes:
    return round_.tails[event].tobytes()


def test_the_bytes_of_an_answer_are_those_of_the_contract() -> None:
    text = tails(0x2A, np.array([4, 255], np.uint8), np.array([3120.7, 1e12]))
    assert text.tobytes() == b"/2a040000c30/2afffffffff"


def test_events_are_in_the_order_of_time_and_all_kinds_happen() -> None:
    round_ = planned()
    assert (np.diff(round_.at_ms) >= 0).all()
    assert len(round_.fan) == len(round_.kind) == len(round_.at_ms) == len(round_.tails)
    assert set(round_.kind.tolist()) == set(Kind) - {Kind.EARLY, Kind.ASK}


def test_shares_are_those_of_the_habits() -> None:
    round_, habits = planned(), Habits()
    answers = len(events(round_, Kind.ANSWER)) + len(events(round_, Kind.DROP))
    for kind, share in (
        (Kind.DROP, habits.drops),
        (Kind.REPEAT, habits.repeats),
        (Kind.OTHER, habits.changes_mind),
        (Kind.FORGED, habits.forges),
    ):
        assert 0.4 * share < len(events(round_, kind)) / answers < 2.0 * share, kind
    assert 0.6 * FANS < answers < (1 - habits.skips / 2) * FANS


def test_a_fan_answers_once_unless_it_repeats_itself() -> None:
    round_ = planned()
    once = [event for kind in (Kind.ANSWER, Kind.DROP, Kind.LATE) for event in events(round_, kind)]
    fans = round_.fan[once].tolist()
    assert len(fans) == len(set(fans))


def test_a_repeat_has_the_same_bytes_and_a_second_thought_has_not() -> None:
    round_ = planned()
    first = {
        int(round_.fan[event]): tail(round_, event)
        for kind in (Kind.ANSWER, Kind.DROP)
        for event in events(round_, kind)
    }
    assert all(tail(round_, e) == first[int(round_.fan[e])] for e in events(round_, Kind.REPEAT))
    assert all(tail(round_, e) != first[int(round_.fan[e])] for e in events(round_, Kind.OTHER))


def test_late_answers_come_after_the_close_and_the_others_before() -> None:
    round_ = planned()
    assert all(round_.at_ms[e] > FACTS.duration_ms for e in events(round_, Kind.LATE))
    assert all(round_.at_ms[e] < FACTS.duration_ms for e in events(round_, Kind.ANSWER))


def test_nobody_answers_before_joining_was_possible() -> None:
    crowd, round_ = phones(), planned()
    fans = [round_.fan[event] for event in events(round_, Kind.ANSWER)]
    assert crowd.first_question[fans].max() <= FACTS.question


def test_a_question_without_an_end_has_no_late_answers() -> None:
    endless = msgspec.structs.replace(FACTS, duration_ms=math.inf)
    round_ = planned(endless)
    assert not events(round_, Kind.LATE)
    assert np.isfinite(round_.at_ms).all()


def test_early_fans_send_before_the_opening_and_do_not_answer_twice() -> None:
    crowd = phones()
    early = plan_early(np.random.default_rng(5), crowd, 3, Habits(early=0.02))
    assert len(early)
    assert (early.at_ms < 0).all()
    busy = np.zeros(FANS, dtype=np.bool_)
    busy[early.fan] = True
    main = plan(np.random.default_rng(6), crowd, FACTS, Habits(), busy)
    answering = main.fan[main.kind == Kind.ANSWER]
    assert not set(answering.tolist()) & set(early.fan.tolist())


def test_one_fan_is_a_crowd_too() -> None:
    alone = Phones(np.random.default_rng(1), 1, ["FR"], 7, 0.0)
    nobody = np.zeros(1, dtype=np.bool_)
    for seed in range(20):
        round_ = plan(np.random.default_rng(seed), alone, FACTS, Habits(), nobody)
        assert set(round_.fan.tolist()) == {0}


def test_the_same_seed_plans_the_same_question() -> None:
    one, two = planned(), planned()
    for name in ("fan", "kind", "tails", "at_ms"):
        assert (getattr(one, name) == getattr(two, name)).all()


def test_a_crowd_that_was_told_is_right_more_often_than_one_that_guesses() -> None:
    told = planned(msgspec.structs.replace(FACTS, right=0b0100))
    shares = []
    for round_ in (told, planned()):
        answers = events(round_, Kind.ANSWER)
        shares.append(np.mean([tail(round_, event)[3:5] == b"04" for event in answers]))
    assert shares[0] > 1.3 * shares[1]
    assert shares[0] < 0.95
