"""Bounded memory of how the answers came in and how late the wall was."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from hairpin.stage.history import LAGS_MAX, POINTS_MAX, LagHistory, RateHistory


def test_a_curve_starts_at_the_opening() -> None:
    history = RateHistory(1_000)
    history.add(1_250, 40)
    history.add(1_500, 90)
    assert history.points() == ((0, 0), (250, 40), (500, 90))


def test_what_is_not_later_is_left_out() -> None:
    history = RateHistory(1_000)
    history.add(1_250, 40)
    history.add(1_250, 50)
    history.add(900, 60)
    assert history.points() == ((0, 0), (250, 40))


@given(st.lists(st.integers(1, 5_000), max_size=2_000))
def test_never_too_many_points_and_the_last_one_is_the_latest(steps_ms: list[int]) -> None:
    history = RateHistory(0)
    at_ms = 0
    for answers, step_ms in enumerate(steps_ms, start=1):
        at_ms += step_ms
        history.add(at_ms, answers)
        points = history.points()
        assert len(points) <= POINTS_MAX
        assert points[0] == (0, 0)
        assert points[-1] == (at_ms, answers)
        assert list(points) == sorted(points)


def test_a_long_question_keeps_its_shape() -> None:
    history = RateHistory(0)
    for second in range(1, 7_200):
        history.add(second * 1_000, second)
    points = history.points()
    widest_ms = max(b[0] - a[0] for a, b in itertools.pairwise(points))
    assert len(points) > POINTS_MAX // 4
    assert widest_ms < 7_200_000 / (POINTS_MAX / 5)


def test_lags() -> None:
    lags = LagHistory()
    assert lags.quantile_ms(0.99) is None
    for lag_ms in range(1, 101):
        lags.add(lag_ms)
    assert (lags.quantile_ms(0.5), lags.quantile_ms(0.99), lags.quantile_ms(1.0)) == (51, 100, 100)
    for _ in range(LAGS_MAX):
        lags.add(7)
    assert (lags.quantile_ms(1.0), lags.count) == (7, 100 + LAGS_MAX)
