"""When people answer: delays between seeing a question and tapping a choice.

A mixture, in the proportions of `Curve`: those who know it at once, those who read and think, and
a long tail who put the phone down first. Each part is what studies of choice reaction times find:
a shortest reaction that nobody beats, then a lognormal spread (for the tail an exponential one).

Pure, given numpy's generator.
"""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt

Milliseconds = npt.NDArray[np.float64]


class Curve(msgspec.Struct, frozen=True):
    """Shape of the arrivals. Times in milliseconds after the fan saw the question.

    The defaults come from no one study: they put the median answer at 2.4 s and one in four fans
    within 1.2 s, which is a harder burst than an hour's quiz among friends would give.
    """

    reaction_ms: float = 350.0
    """Seeing, deciding and moving a thumb takes at least this."""
    fast_share: float = 0.35
    """Fans who know it at once."""
    fast_median_ms: float = 1_100.0
    fast_sigma: float = 0.35
    """Standard deviation of the logarithm."""
    tail_share: float = 0.06
    """Fans who look away first."""
    tail_mean_ms: float = 4_000.0
    """They come this much later on average, on top of thinking."""
    slow_median_ms: float = 3_200.0
    """All others, who read and think."""
    slow_sigma: float = 0.50


HUMAN = Curve()


def delays_ms(rng: np.random.Generator, fans: int, curve: Curve = HUMAN) -> Milliseconds:
    """How long each of `fans` people takes to tap; shape (fans,), unsorted, milliseconds."""
    part = rng.random(fans)
    fast = part < curve.fast_share
    tail = part >= 1.0 - curve.tail_share
    median = np.where(fast, curve.fast_median_ms, curve.slow_median_ms) - curve.reaction_ms
    sigma = np.where(fast, curve.fast_sigma, curve.slow_sigma)
    delay = curve.reaction_ms + median * np.exp(sigma * rng.standard_normal(fans))
    late = rng.exponential(curve.tail_mean_ms, fans)
    return np.asarray(delay + np.where(tail, late, 0.0), dtype=np.float64)


def seen_ms(rng: np.random.Generator, fans: int, spread_ms: float) -> Milliseconds:
    """When each phone shows the question, after its opening: phones spread their polls evenly."""
    return rng.random(fans) * max(spread_ms, 0.0)
