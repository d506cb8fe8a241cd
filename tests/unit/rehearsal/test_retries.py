from __future__ import annotations

import numpy as np

from hairpin.rehearsal.retries import SLICE_MS, Retries


def due(retries: Retries, now_ms: float) -> list[int]:
    return [code for codes in retries.due(now_ms) for code in codes.tolist()]


def test_each_comes_at_its_time_and_once() -> None:
    retries = Retries()
    at = np.random.default_rng(1).random(300) * 1_000
    retries.add(at, np.arange(300))
    seen: list[int] = []
    for now in range(0, 1_100, 7):
        found = due(retries, float(now))
        assert all(at[code] <= now for code in found)
        assert all(at[code] > now - 7 - SLICE_MS for code in found)
        seen += found
        assert len(retries) == 300 - len(seen)
    assert sorted(seen) == list(range(300))


def test_what_is_added_late_is_not_forgotten() -> None:
    retries = Retries()
    retries.add(500.0, np.array([1, 2]))
    assert due(retries, 600.0) == [1, 2]
    retries.add(np.array([100.0]), np.array([3]))
    assert due(retries, 601.0) == [3]
    retries.add(np.zeros(0), np.zeros(0, np.int64))
    assert due(retries, 1e9) == []
