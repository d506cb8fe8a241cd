from __future__ import annotations

import numpy as np

from hairpin.rehearsal import taste

FANS = 8_000


def crowd_of(countries: int) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(FANS) % countries, np.arange(FANS) // countries % 3


def test_one_choice_is_one_bit_among_those_that_exist() -> None:
    masks = taste.choices(np.random.default_rng(1), *crowd_of(5), 4, multiple=False)
    assert set(masks.tolist()) == {1, 2, 4, 8}


def test_several_choices_are_never_none() -> None:
    masks = taste.choices(np.random.default_rng(1), *crowd_of(5), 3, multiple=True)
    assert masks.min() >= 1
    assert masks.max() < 8
    assert len(set(masks.tolist())) > 3


def test_countries_differ_so_that_one_can_be_the_best() -> None:
    country, age_band = crowd_of(4)
    masks = taste.choices(np.random.default_rng(3), country, age_band, 4, multiple=False)
    shares = [np.mean(masks[country == number] == 2) for number in range(4)]
    assert max(shares) > 1.2 * min(shares)


def test_a_second_thought_is_another_choice() -> None:
    first = np.array([1, 2, 4, 8, 3, 12], dtype=np.uint8)
    for seed in range(20):
        second = taste.another(np.random.default_rng(seed), first, 4)
        assert (second != first).all()
        assert set(second.tolist()) <= {1, 2, 4, 8}


def test_who_is_skilled_knows_more_and_countries_differ() -> None:
    country, age_band = crowd_of(6)
    skill = np.repeat([-2.0, 2.0], FANS // 2)
    knows = taste.knowing(np.random.default_rng(5), skill, country, age_band)
    assert knows[FANS // 2 :].mean() > 2 * knows[: FANS // 2].mean()
    shares = [knows[country == number].mean() for number in range(6)]
    assert max(shares) > 1.1 * min(shares)


def test_who_knows_picks_the_whole_set_or_one_right_choice() -> None:
    assert taste.right_choice(0b0110, multiple=True) == 0b0110
    assert taste.right_choice(0b0110, multiple=False) == 0b0010
