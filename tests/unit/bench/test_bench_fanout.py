"""The fan-out's contenders for real, with few browsers: everyone gets every result."""

from __future__ import annotations

import pytest

from bench.fanout.plan import HAIRPIN, PLAN, STARLETTE, FanOut
from bench.fanout.server import Results
from hairpin.libc import AVAILABLE

BROWSERS = 20


@pytest.mark.skipif(not AVAILABLE, reason="the bench's browsers need Linux on x86-64 or ARM")
@pytest.mark.parametrize("name", [HAIRPIN, STARLETTE])
def test_every_browser_gets_every_result(name: str) -> None:
    with FanOut(name, "", BROWSERS) as contender:
        measured = contender.measure(0.0)
        again = contender.measure(0.0)
        said = contender.verify()
    assert measured.answers == again.answers == BROWSERS
    assert measured.p99_ms is not None
    assert 0 < measured.extra["last_ms"] == measured.extra["last_ms_worst"]
    assert said is not None
    assert f"the last of {BROWSERS} browsers" in said


def test_an_event_has_about_2_kb_and_each_one_is_another() -> None:
    results = Results(BROWSERS)
    first = results.event()
    results.publish()
    second = results.event()
    assert 1_900 < len(first) == len(second) < 2_200
    assert first != second


def test_the_bounds_name_the_contenders() -> None:
    bounds = [*PLAN.bounds, *(PLAN.quick_bounds or ())]
    assert {(bound.contender, bound.base) for bound in bounds} == {(HAIRPIN, STARLETTE)}
