"""What people pick: each country and age band leans its own way, so that results look alive.

The crowd does not know the right answers, and nobody outside the node does before the reveal. Some
choices are simply more popular, and some fans lean more than others.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.integer]
Masks = npt.NDArray[np.uint8]

POPULARITY = 0.9
"""How far the whole crowd leans on one question (standard deviation, logits)."""
COUNTRY_LEANING = 0.6
AGE_LEANING = 0.4


def choices(
    rng: np.random.Generator,
    country: Numbers,
    age_band: Numbers,
    number: int,
    multiple: bool,
) -> Masks:
    """One bit mask per fan; shape of `country`. `number` choices exist, at most 8.

    A country's leaning depends on the generator and the country, not on who else is in the crowd.
    """
    liking = rng.normal(0.0, POPULARITY, number)
    by_country = rng.normal(0.0, COUNTRY_LEANING, (256, number))
    by_age = rng.normal(0.0, AGE_LEANING, (3, number))
    leaning = liking + by_country[country] + by_age[age_band]
    if multiple:
        return _several(rng, leaning)
    best = np.argmax(leaning + rng.gumbel(size=leaning.shape), axis=1)
    return np.asarray(np.left_shift(1, best), dtype=np.uint8)


def _several(rng: np.random.Generator, leaning: npt.NDArray[np.float64]) -> Masks:
    """Every choice on its own merits; who likes none takes the best of them."""
    score = leaning + rng.logistic(size=leaning.shape)
    picked = score > 0.0
    picked[np.arange(len(score)), np.argmax(score, axis=1)] = True
    weights = np.left_shift(1, np.arange(leaning.shape[1]))
    return np.asarray(picked @ weights, dtype=np.uint8)


def another(rng: np.random.Generator, first: Masks, number: int) -> Masks:
    """One choice for each fan that differs from the `first` one; needs two choices or more."""
    step = rng.integers(1, number, len(first))
    lowest = np.log2(first & -first.astype(np.int16)).astype(np.int64)
    return np.asarray(np.left_shift(1, (lowest + step) % number), dtype=np.uint8)
