"""What a crowd measures, in a form that several crowds can add up: waits, and counts over time."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]

STEPS_PER_OCTAVE = 32
"""Waits are kept to 2 %."""
OCTAVES = 25
"""From a microsecond to half a minute, which no request lives to see."""
BUCKETS = STEPS_PER_OCTAVE * OCTAVES

SLICE_MS = 100
SLICES_PER_S = 1_000 // SLICE_MS
SLICES_MAX = 24 * 3_600 * SLICES_PER_S
"""A day; what happens later is counted in no slice."""


class Waits:
    """A histogram of milliseconds with a constant relative error; the longest one is exact."""

    def __init__(self, counts: Counts | None = None, max_ms: float = 0.0) -> None:
        self.counts = np.zeros(BUCKETS, np.int64) if counts is None else counts
        self.max_ms = max_ms

    def add(self, waits_ms: npt.NDArray[np.float64]) -> None:
        if not len(waits_ms):
            return
        octave = np.log2(np.maximum(waits_ms * 1_000.0, 1.0))
        bucket = np.minimum((octave * STEPS_PER_OCTAVE).astype(np.int64), BUCKETS - 1)
        self.counts += np.bincount(bucket, minlength=BUCKETS)
        self.max_ms = max(self.max_ms, float(waits_ms.max()))

    @property
    def total(self) -> int:
        return int(self.counts.sum())

    def quantile_ms(self, share: float) -> float:
        """The upper edge of the bucket in which this share is reached; 0 of nothing."""
        if not self.total:
            return 0.0
        sums = np.cumsum(self.counts)
        bucket = int(np.searchsorted(sums, max(1.0, np.ceil(share * sums[-1]))))
        edge = float(2.0 ** ((bucket + 1) / STEPS_PER_OCTAVE)) / 1_000.0
        return min(round(edge, 3), self.max_ms)

    def __add__(self, other: Waits) -> Waits:
        return Waits(self.counts + other.counts, max(self.max_ms, other.max_ms))


class Row(IntEnum):
    """What a `Timeline` counts. OFFERED and so on: what the plan wanted sent in that slice."""

    OFFERED = 0
    """Honest answers."""
    ACKNOWLEDGED = 1
    REFUSED = 2
    """Honest answers, whether or not they were tried again."""
    JOINS_OFFERED = 3
    JOINED = 4
    NOW_OFFERED = 5
    NOW = 6
    """Documents that came."""


class Timeline:
    """Counts of each kind in slices of SLICE_MS, on the node's own clock.

    `begin_ms` (since 1970, a multiple of SLICE_MS) is where slice 0 begins.
    """

    def __init__(self, begin_ms: int, counts: Counts | None = None) -> None:
        self.begin_ms = begin_ms - begin_ms % SLICE_MS
        self.counts = np.zeros((len(Row), 600), np.int64) if counts is None else counts

    def count(self, row: Row, at_ms: float, number: int) -> None:
        """`number` of them happened at one moment, in milliseconds since 1970."""
        if not number:
            return
        place = int(at_ms - self.begin_ms) // SLICE_MS
        if 0 <= place < SLICES_MAX:
            self._grow(place)
            self.counts[row, place] += number

    def plan(self, row: Row, at_ms: npt.NDArray[np.float64]) -> None:
        """One of them is planned at each of these times."""
        place = ((at_ms - self.begin_ms) // SLICE_MS).astype(np.int64)
        place = place[(place >= 0) & (place < SLICES_MAX)]
        if len(place):
            self._grow(int(place.max()))
            self.counts[row] += np.bincount(place, minlength=self.counts.shape[1])

    def busiest(self, row: Row) -> int:
        """The most that fell into any second."""
        sums = np.concatenate(([0], np.cumsum(self.counts[row])))
        if len(sums) <= SLICES_PER_S:
            return int(sums[-1])
        return int((sums[SLICES_PER_S:] - sums[:-SLICES_PER_S]).max())

    def seconds(self, row: Row) -> Counts:
        """Counts of whole seconds since the beginning."""
        padded = np.pad(self.counts[row], (0, -self.counts.shape[1] % SLICES_PER_S))
        return np.asarray(padded.reshape(-1, SLICES_PER_S).sum(axis=1), dtype=np.int64)

    def __add__(self, other: Timeline) -> Timeline:
        begin_ms = min(self.begin_ms, other.begin_ms)
        lines = [(line, (line.begin_ms - begin_ms) // SLICE_MS) for line in (self, other)]
        size = min(max(shift + line.counts.shape[1] for line, shift in lines), SLICES_MAX)
        total = np.zeros((len(Row), size), np.int64)
        for line, shift in lines:
            room = max(0, size - shift)
            total[:, shift : shift + line.counts.shape[1]] += line.counts[:, :room]
        return Timeline(begin_ms, total)

    def _grow(self, place: int) -> None:
        size = self.counts.shape[1]
        if place >= size:
            self.counts = np.pad(self.counts, ((0, 0), (0, max(place + 1 - size, size))))
