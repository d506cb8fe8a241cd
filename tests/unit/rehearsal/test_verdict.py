"""Go only if every rule holds; each rule can fail, and says what was found, needed, and helps."""

from __future__ import annotations

from typing import Any

import pytest
from rehearsed import FANS, QUESTIONS, findings, inside

from hairpin.rehearsal import verdict
from hairpin.rehearsal.findings import Latency, Rate
from hairpin.rehearsal.verdict import Limit, Need, judge

NEED = Need(fans=FANS, questions=QUESTIONS, shortest_s=20.0, public_url="")
GOOD = findings()
LEDGER, GATE, CROWD = GOOD.ledger, GOOD.gate, GOOD.generator


def limits(need: Need = NEED, **changes: Any) -> tuple[Limit, ...]:
    return judge(findings(**changes), need).limits


def only(need: Need = NEED, **changes: Any) -> Limit:
    (limit,) = limits(need, **changes)
    assert limit.found
    assert limit.needed
    assert limit.lift
    return limit


def rates(**reached: float) -> tuple[Rate, ...]:
    return tuple(
        Rate(rate.kind, rate.target_per_s, reached.get(rate.kind, rate.reached_per_s))
        for rate in GOOD.rates
    )


def slow(kind: str, p999_ms: float) -> tuple[Latency, ...]:
    return tuple(
        inside(one, p999_ms=p999_ms) if one.kind == kind else one for one in GOOD.latencies
    )


def test_a_good_rehearsal_is_a_go() -> None:
    found = judge(GOOD, NEED)
    assert (found.go, found.word, found.limits) == (True, "go", ())


BROKEN: dict[str, dict[str, Any]] = {
    "ledger": {"ledger": inside(LEDGER, balanced=False, problems=("3 answers are lost",))},
    "forged answers": {"forged_accepted": 1},
    "fans": {"fans": FANS * 9 // 10},
    "questions": {"questions": QUESTIONS - 1},
    "window": {"window_s": 20.5},
    "generator": {"generator": inside(CROWD, behind_ms_p99=100.1)},
    "answers per second": {"rates": rates(answers=GOOD.rates[0].target_per_s * 0.979)},
    "joins per second": {"rates": rates(joins=100)},
    "now per second": {"rates": rates(now=1)},
    "latency of answers": {"latencies": slow("answers", 251)},
    "latency of joins": {"latencies": slow("joins", 1_001)},
    "honest answers refused": {"refused_honest": {"overloaded": 1}},
    "honest joins refused": {"joins_refused": {"too_many": 7}},
    "answers given up": {"given_up": 30},
    "wall": {"wall_lag_p99_ms": 1_001.0},
}


@pytest.mark.parametrize("rule", BROKEN)
def test_every_rule_can_fail_alone(rule: str) -> None:
    limit = only(**BROKEN[rule])
    assert limit.rule == rule
    assert limit.inconclusive == (rule == "generator")


def test_no_rule_of_the_table_was_forgotten_here() -> None:
    """The front door has its own test below; rates, latency and refusals yield several limits."""
    told = {name for name, _, _ in verdict.RULES}
    grouped = {"rates", "latency", "refusals", "front door"}
    assert told - grouped <= set(BROKEN)
    assert len(BROKEN) == len(told - grouped) + 7


def test_exactly_at_the_limits_is_good_enough() -> None:
    at_the_edge = findings(
        fans=int(FANS * verdict.JOINED_SHARE),
        rates=rates(answers=GOOD.rates[0].target_per_s * verdict.REACHED_SHARE),
        latencies=slow("answers", verdict.ANSWER_P999_MS),
        wall_lag_p99_ms=verdict.WALL_LAG_P99_MS,
        generator=inside(CROWD, behind_ms_p99=verdict.BEHIND_P99_MS),
    )
    assert judge(at_the_edge, NEED).go


def test_the_crowd_must_take_the_way_of_the_phones() -> None:
    behind_a_proxy = Need(FANS, QUESTIONS, 20.0, "https://quiz.example.org")
    assert only(behind_a_proxy).rule == "front door"
    assert not limits(behind_a_proxy, url="https://quiz.example.org/", tls=True)


def test_what_proves_nothing_is_a_no_go_that_says_so() -> None:
    for changes in (
        {"ledger": inside(LEDGER, checked="crowd")},
        {"wall_lag_p99_ms": None},
        {"rates": GOOD.rates[1:]},
        {"generator": inside(CROWD, behind_ms_p99=5_000.0)},
    ):
        found = judge(findings(**changes), NEED)
        assert not found.go
        assert found.limits[0].inconclusive
        assert "Inconclusive" in found.summary


def test_questions_that_are_closed_by_hand_have_no_window() -> None:
    assert not limits(Need(FANS, QUESTIONS, None, ""), window_s=3_600.0)


def test_several_limits_are_all_told() -> None:
    found = judge(findings(**BROKEN["wall"], **BROKEN["fans"]), NEED)
    assert [limit.rule for limit in found.limits] == ["fans", "wall"]
    assert found.summary == "2 limits hit: fans, wall."


def test_the_measured_capacity_says_how_many_cores_lift_it() -> None:
    short = rates(answers=1)
    asked = GOOD.rates[0].target_per_s
    small = inside(GATE, capacity_answers_per_s_per_core=asked / 2.7)
    # four cores at seventy per cent of what one takes
    assert verdict.cores_needed(findings(gate=small)) == 4
    assert "4 cores for gates" in only(rates=short, gate=small).lift
    assert "cores from it" in only(rates=short).lift
    unmeasured = inside(GATE, capacity_answers_per_s_per_core=None)
    assert "was not measured" in only(rates=short, gate=unmeasured).lift
