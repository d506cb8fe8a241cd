"""A column: room for all fans from the start, in use as far as numbers came."""

from __future__ import annotations

import numpy as np
import pytest

from hairpin.tally.column import STEP, Column, size_for


def test_it_grows_in_small_steps_so_that_little_lies_idle() -> None:
    assert (size_for(0, 0), size_for(STEP - 1, 0), size_for(STEP, 0)) == (STEP, STEP, 2 * STEP)
    assert size_for(5, 4 * STEP) == 4 * STEP
    assert size_for(32_000_000, 32_000_000) == 33_000_000


@pytest.mark.parametrize("fans_max", [0, STEP, 100_000])
def test_what_was_kept_stays_and_the_rest_is_blank(fans_max: int) -> None:
    column = Column(np.uint32, np.uint32(7), fans_max)
    assert len(column.array) == (STEP if fans_max else 0)
    for size in (3, 2, 5_000, 20_000):
        before = column.array.copy()
        column.grow(size)
        assert len(column.array) == max(len(before), size)
        assert (column.array[: len(before)] == before).all()
        assert (column.array[len(before) :] == 7).all()
        column.array[-1] = size


def test_within_its_room_nothing_is_copied() -> None:
    column = Column(np.uint8, np.uint8(0), 9_000)
    first = column.array
    column.grow(9_000)
    assert np.shares_memory(first, column.array)
    column.grow(9_001)
    assert not np.shares_memory(first, column.array)


def test_a_column_that_is_used_again_is_blank_again() -> None:
    column = Column(np.uint16, np.uint16(1), 50_000)
    column.grow(50_000)
    column.array[:] = 9
    column.reset()
    column.grow(20_000)
    assert (column.array == 1).all()
