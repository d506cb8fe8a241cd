"""What all gates together have done, the dead ones included, so that no counter goes backwards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from hairpin.messages import GateReport

DEAD_MAX = 64
"""Dead gates whose last report is kept apart, in case a late one still arrives."""


class GateBook:
    """The last report of every incarnation; counters are sums over all that ever reported."""

    def __init__(self) -> None:
        self._last: dict[int, GateReport] = {}
        self._alive: frozenset[int] = frozenset()
        self._retired: set[int] = set()
        self._acknowledged = 0
        self._tickets = 0
        self._commits = 0
        self._refused: Counter[str] = Counter()
        self._requests: Counter[str] = Counter()

    def update(self, reports: Mapping[int, GateReport]) -> None:
        """`reports`: the latest of each gate that lives, by incarnation."""
        for incarnation, report in reports.items():
            last = self._last.get(incarnation)
            if incarnation not in self._retired and (last is None or last.at_ms <= report.at_ms):
                self._last[incarnation] = report
        self._alive = frozenset(reports) - self._retired
        dead = [incarnation for incarnation in self._last if incarnation not in self._alive]
        for incarnation in dead[: max(0, len(dead) - DEAD_MAX)]:
            self._retire(incarnation)

    def alive(self) -> tuple[GateReport, ...]:
        return tuple(self._last[incarnation] for incarnation in sorted(self._alive))

    @property
    def acknowledged(self) -> int:
        return self._acknowledged + sum(report.acknowledged for report in self._last.values())

    @property
    def tickets(self) -> int:
        return self._tickets + sum(report.tickets for report in self._last.values())

    @property
    def commits(self) -> int:
        return self._commits + sum(report.commits for report in self._last.values())

    def refused(self) -> dict[str, int]:
        """By reason."""
        total = Counter(self._refused)
        for report in self._last.values():
            total.update(report.refused)
        return dict(total)

    def requests(self) -> dict[str, int]:
        """By kind of request."""
        total = Counter(self._requests)
        for report in self._last.values():
            total.update(report.requests)
        return dict(total)

    def _retire(self, incarnation: int) -> None:
        report = self._last.pop(incarnation)
        self._retired.add(incarnation)
        self._acknowledged += report.acknowledged
        self._tickets += report.tickets
        self._commits += report.commits
        self._refused.update(report.refused)
        self._requests.update(report.requests)
