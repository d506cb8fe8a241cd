from __future__ import annotations

import numpy as np

from hairpin.rehearsal.arrival import HUMAN, Curve, delays_ms, seen_ms


def test_a_burst_comes_first_and_a_long_tail_after_it() -> None:
    delays = delays_ms(np.random.default_rng(1), 50_000)
    p10, p50, p99 = np.percentile(delays, [10, 50, 99])
    assert p10 < 0.5 * p50
    assert p99 > 3 * p50


def test_half_of_the_fast_are_faster_than_their_median() -> None:
    curve = Curve(fast_share=1.0, tail_share=0.0)
    delays = delays_ms(np.random.default_rng(2), 20_000, curve)
    assert abs(np.median(delays) - curve.fast_median_ms) < 0.03 * curve.fast_median_ms


def test_the_tail_comes_later_by_its_mean() -> None:
    without = delays_ms(np.random.default_rng(3), 50_000, Curve(tail_share=0.0, fast_share=0.0))
    all_late = delays_ms(np.random.default_rng(3), 50_000, Curve(tail_share=1.0, fast_share=0.0))
    later = all_late.mean() - without.mean()
    assert abs(later - HUMAN.tail_mean_ms) < 0.05 * HUMAN.tail_mean_ms


def test_phones_spread_their_polls_evenly() -> None:
    seen = seen_ms(np.random.default_rng(4), 10_000, 1_500.0)
    quarters = np.histogram(seen, bins=4, range=(0.0, 1_500.0))[0]
    assert quarters.sum() == 10_000
    assert quarters.min() > 0.9 * quarters.max()
    assert not seen_ms(np.random.default_rng(4), 10, 0.0).any()
