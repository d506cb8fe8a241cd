"""What people pick: each country and age band leans its own way, so that results look alive.

Over the network nobody learns what is right before the reveal, and neither does the crowd. Where
it is told beforehand, as in a demo, some fans know the answer, as people do; all others follow
their taste.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.integer]
Masks = npt.NDArray[np.uint8]
Reals = npt.NDArray[np.float64]

# Standard deviations, in logits.
POPULARITY = 0.5
"""How far the whole crowd leans on one question."""
COUNTRY_LEANING = 0.6
AGE_LEANING = 0.4
DIFFICULTY = 0.7
"""How far questions differ in how many fans know them."""


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


def knowing(
    rng: np.random.Generator, skill: Reals, country: Numbers, age_band: Numbers
) -> npt.NDArray[np.bool_]:
    """Who knows the answer of one question; shape of `skill`, which is each fan's own (logits)."""
    by_country = rng.normal(0.0, COUNTRY_LEANING, 256)
    by_age = rng.normal(0.0, AGE_LEANING, 3)
    odds = skill + rng.normal(0.0, DIFFICULTY) + by_country[country] + by_age[age_band]
    return np.asarray(rng.logistic(size=len(skill)) < odds)


def right_choice(right: int, multiple: bool) -> int:
    """What somebody picks who knows it: the whole set, or one of several right ones."""
    return right if multiple else right & -right


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
