"""By the clock, a reveal waits until its result is final, or for ten seconds."""

from __future__ import annotations

from sim.checkers import Violation

WAIT_MS = 10_000
"""docs/http-api.md promises so much."""


class Patience:
    """Told what directors journal, what became final, and what the producer pressed."""

    def __init__(self, reveal_after_ms: int) -> None:
        self._reveal_after_ms = reveal_after_ms
        self._closed_ms: dict[int, int] = {}
        self._excused: set[int] = set()
        """Shown as final, or revealed by hand."""

    def closed(self, question: int, at_ms: int) -> None:
        self._closed_ms[question] = at_ms

    def excused(self, question: int) -> None:
        """Its result was shown as final, or the producer wants to see it now."""
        self._excused.add(question)

    def revealed(self, question: int, at_ms: int) -> None:
        if question in self._excused or question not in self._closed_ms:
            return
        waited_ms = at_ms - self._closed_ms[question] - self._reveal_after_ms
        if waited_ms < WAIT_MS:
            raise Violation(
                "by the clock a reveal waits for its result",
                f"question {question + 1} is not final, and was revealed {waited_ms} ms after "
                f"it was due; at least {WAIT_MS} are waited",
            )
