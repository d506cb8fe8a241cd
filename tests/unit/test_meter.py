"""The histogram: within its stated error, for any values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hairpin.meter import Histogram


def test_an_empty_histogram_says_zero() -> None:
    assert Histogram().quantile_ms(0.5) == 0.0
    assert Histogram().count == 0


@settings(deadline=None)
@given(st.lists(st.floats(0.01, 99_000), min_size=1, max_size=50), st.floats(0, 1))
def test_a_quantile_is_within_twelve_percent_of_a_value_of_that_rank(
    values: list[float], share: float
) -> None:
    histogram = Histogram()
    histogram.add(values)
    exact = np.quantile(values, share, method="inverted_cdf")
    assert histogram.count == len(values)
    assert histogram.quantile_ms(share) == pytest.approx(exact, rel=0.12)


def test_batches_add_up() -> None:
    one, many = Histogram(), Histogram()
    values = [0.5, 3.0, 40.0, 40.0]
    one.add(values)
    for value in values:
        many.add(value)
    shares = (0.1, 0.5, 0.9, 1.0)
    assert [one.quantile_ms(s) for s in shares] == [many.quantile_ms(s) for s in shares]


def test_values_beyond_the_scale_count_at_its_ends() -> None:
    histogram = Histogram()
    histogram.add([-1.0, 0.0, 1e12])
    assert histogram.count == 3
    assert histogram.quantile_ms(0.5) == pytest.approx(0.01, rel=0.12)
    assert histogram.quantile_ms(1.0) == pytest.approx(100_000, rel=0.12)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=30), st.integers(1, 5))
def test_one_value_many_times_is_that_value_many_times(values: list[float], times: int) -> None:
    one, many = Histogram(), Histogram()
    for value in values:
        one.add_same(value, times)
        many.add([value] * times)
    assert one.count == many.count
    assert [one.quantile_ms(q) for q in (0.1, 0.5, 1.0)] == [
        many.quantile_ms(q) for q in (0.1, 0.5, 1.0)
    ]
