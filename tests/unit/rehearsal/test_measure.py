from __future__ import annotations

import numpy as np
import pytest

from hairpin.rehearsal.measure import Row, Timeline, Waits


def test_quantiles_are_kept_to_a_few_percent_and_the_longest_exactly() -> None:
    values = np.random.default_rng(1).lognormal(1.0, 2.0, 20_000)
    waits = Waits()
    waits.add(values[:5_000])
    waits.add(values[5_000:])
    for share in (0.5, 0.9, 0.99, 0.999):
        assert waits.quantile_ms(share) == pytest.approx(np.quantile(values, share), rel=0.05)
    assert waits.quantile_ms(1.0) <= waits.max_ms == values.max()
    assert waits.total == 20_000


def test_of_nothing_every_quantile_is_zero() -> None:
    assert Waits().quantile_ms(0.99) == 0.0


def test_two_crowds_add_up_to_what_one_would_have_seen() -> None:
    rng = np.random.default_rng(2)
    values, times = rng.random(500) * 90, rng.random(500) * 30_000
    both, parts = Waits(), [Waits(), Waits()]
    both.add(values)
    line, lines = Timeline(1_000_000), [Timeline(1_000_000), Timeline(1_004_000)]
    line.plan(Row.OFFERED, 1_004_000 + times)
    for number in range(2):
        parts[number].add(values[number::2])
        lines[number].plan(Row.OFFERED, 1_004_000 + times[number::2])
    assert ((parts[0] + parts[1]).counts == both.counts).all()
    total = lines[1] + lines[0]
    assert total.begin_ms == line.begin_ms
    assert total.busiest(Row.OFFERED) == line.busiest(Row.OFFERED) > 0
    seconds = line.seconds(Row.OFFERED)
    assert (total.seconds(Row.OFFERED)[: len(seconds)] == seconds).all()
    assert seconds.sum() == 500


def test_the_busiest_second_need_not_begin_with_one() -> None:
    line = Timeline(0)
    line.count(Row.ACKNOWLEDGED, 900.0, 5)
    line.count(Row.ACKNOWLEDGED, 1_750.0, 6)
    line.count(Row.ACKNOWLEDGED, 9_000.0, 7)
    assert line.busiest(Row.ACKNOWLEDGED) == 11
    assert line.seconds(Row.ACKNOWLEDGED)[:2].tolist() == [5, 6]


def test_it_grows_with_the_evening_but_not_for_ever() -> None:
    line = Timeline(0)
    line.count(Row.NOW, 7_200_000.0, 1)
    line.count(Row.NOW, 1e15, 1)
    line.count(Row.NOW, -5_000.0, 1)
    line.plan(Row.NOW, np.array([3_600_000.0, 1e15, -1.0]))
    assert line.counts.sum() == 2
