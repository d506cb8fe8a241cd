"""What is to be tried again, and when: arrays of codes in slices of ten milliseconds. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from hairpin.rehearsal.wire import Codes, Reals

SLICE_MS = 10.0


class Retries:
    """Takes and gives whole arrays; a slice is given out once its last moment has come."""

    def __init__(self) -> None:
        self._slices: dict[int, list[Codes]] = {}
        self._count = 0
        self._next: int | None = None
        """The earliest slice that may hold something."""

    def __len__(self) -> int:
        return self._count

    def add(self, at_ms: Reals | float, codes: Codes) -> None:
        """`at_ms`: one time for all, or one for each."""
        if not len(codes):
            return
        slices: npt.NDArray[np.int64] = np.broadcast_to(
            np.asarray(at_ms) // SLICE_MS, codes.shape
        ).astype(np.int64)
        order = np.argsort(slices, kind="stable")
        slices, codes = slices[order], codes[order]
        cuts = np.flatnonzero(np.diff(slices)) + 1
        for part in np.split(np.arange(len(codes)), cuts):
            self._slices.setdefault(int(slices[part[0]]), []).append(codes[part])
        self._count += len(codes)
        first = int(slices[0])
        self._next = first if self._next is None else min(self._next, first)

    def due(self, now_ms: float) -> Iterator[Codes]:
        """Everything whose time has come, earliest first."""
        if self._next is None:
            return
        end = int(now_ms // SLICE_MS)
        if end <= self._next:
            return
        for number in sorted(number for number in self._slices if number < end):
            for codes in self._slices.pop(number):
                self._count -= len(codes)
                yield codes
        self._next = min(self._slices, default=None)
