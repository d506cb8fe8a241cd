"""Measuring: latencies in logarithmic buckets, cheap to add to by the batch."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

_PER_DECADE = 20
_FIRST_MS = 0.01
_BUCKETS = 7 * _PER_DECADE


class Histogram:
    """Milliseconds from 0.01 to 100,000, within 12 %."""

    def __init__(self) -> None:
        self._counts = np.zeros(_BUCKETS + 1, np.int64)

    def add(self, values_ms: npt.ArrayLike) -> None:
        values = np.maximum(np.atleast_1d(np.asarray(values_ms, np.float64)), _FIRST_MS)
        at = np.log10(values / _FIRST_MS) * _PER_DECADE
        buckets = np.minimum(at, _BUCKETS).astype(np.int64)
        self._counts += np.bincount(buckets, minlength=_BUCKETS + 1)

    def add_same(self, value_ms: float, times: int = 1) -> None:
        """One value so many times."""
        at = math.log10(max(value_ms, _FIRST_MS) / _FIRST_MS) * _PER_DECADE
        self._counts[min(int(at), _BUCKETS)] += times

    def quantile_ms(self, share: float) -> float:
        """The smallest value that is not below `share` of all values; 0 if there are none."""
        total = int(self._counts.sum())
        if not total:
            return 0.0
        rank = max(share * total, 1)  # at least one value, so that share 0 is the least of them
        bucket = int(np.searchsorted(np.cumsum(self._counts), rank))
        return float(_FIRST_MS * 10 ** ((bucket + 0.5) / _PER_DECADE))

    @property
    def count(self) -> int:
        return int(self._counts.sum())
