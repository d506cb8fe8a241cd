"""How the answers came in, and how late the wall showed them; both in bounded space."""

from __future__ import annotations

from collections import deque

POINTS_MAX = 120
LAGS_MAX = 4096


class RateHistory:
    """Points [ms since the opening, answers counted until then] of one question, for the wall.

    Never more than `POINTS_MAX`: when full, every second point is dropped and the shortest step
    between two points doubles, so that a long question keeps its whole shape. The last point is
    always the latest count. After a restart the line is straight from the opening to the first
    count seen, which is all that can be known without reading the journal again.
    """

    def __init__(self, opened_ms: int) -> None:
        self.opened_ms = opened_ms
        self._points: list[tuple[int, int]] = [(0, 0)]
        self._step_ms = 1

    def add(self, at_ms: int, answers: int) -> None:
        elapsed_ms = at_ms - self.opened_ms
        last_ms = self._points[-1][0]
        if elapsed_ms <= last_ms:
            return
        # The latest point may stand closer than one step; the next one then takes its place.
        if len(self._points) > 1 and last_ms - self._points[-2][0] < self._step_ms:
            self._points.pop()
        self._points.append((elapsed_ms, answers))
        if len(self._points) > POINTS_MAX:
            self._thin()

    def points(self) -> tuple[tuple[int, int], ...]:
        return tuple(self._points)

    def _thin(self) -> None:
        last = self._points[-1]
        self._points = [*self._points[:-1:2], last]
        self._step_ms = max(self._step_ms * 2, 2 * last[0] // POINTS_MAX)


class LagHistory:
    """From the receiving of an answer until the wall had it, in ms."""

    def __init__(self) -> None:
        self.count = 0
        self.sum_ms = 0
        self._latest_ms: deque[int] = deque(maxlen=LAGS_MAX)

    def add(self, lag_ms: int) -> None:
        self.count += 1
        self.sum_ms += lag_ms
        self._latest_ms.append(lag_ms)

    def quantile_ms(self, quantile: float) -> int | None:
        """None before the first one."""
        ordered = sorted(self._latest_ms)
        return ordered[min(int(quantile * len(ordered)), len(ordered) - 1)] if ordered else None
