"""One number for each fan: an array that grows with the fan numbers in use.

It takes addresses for all fans that a show expects; memory follows as numbers come into use, so
that growing copies nothing and there are never two of it. Beyond the expectation the room doubles,
and is copied.
"""

from __future__ import annotations

from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

D = TypeVar("D", np.uint8, np.uint16, np.uint32, np.uint64)

STEP = 4096
"""Fans; a column grows by this or by a thirty-second, whichever is more."""
ROOM_MAX = 1 << 26
"""Fans for whom there is room from the start: half a GiB of addresses for 64-bit numbers."""


def size_for(fan: int, have: int) -> int:
    """How many fans to have in use when the number `fan` comes."""
    if fan < have:
        return have
    return max(-(-(fan + 1) // STEP) * STEP, have + have // 32)


class Column(Generic[D]):
    """`array` is 1-d, by fan number; who holds on to it misses what comes after a `grow`.

    The first step of what it has room for is in use from the start.
    """

    def __init__(self, kind: type[D], blank: D, fans_max: int) -> None:
        self._blank: D = blank
        self._room: npt.NDArray[D] = np.empty(min(fans_max, ROOM_MAX), kind)
        self.reset()

    def reset(self) -> None:
        """Forget everything; memory stays, for whoever uses the column next."""
        self.array: npt.NDArray[D] = self._room[:0]
        self.grow(min(STEP, len(self._room)))

    def grow(self, size: int) -> None:
        """Have `size` fans in use, new ones blank; nothing if there are as many."""
        used = len(self.array)
        if size <= used:
            return
        if size > len(self._room):
            room = np.empty(max(size, 2 * len(self._room)), self._room.dtype)
            room[:used] = self.array
            self._room = room
        self.array = self._room[:size]
        self.array[used:] = self._blank
