"""Nothing is counted before it is durable: not what a writer is still at, nor what it gave up.

A strand may be read as far as its writer has called it durable, or to where it was fenced.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from sim.checkers import Violation


class Watermark:
    """Told how far strands are durable, and how far they were counted in what people see."""

    def __init__(self) -> None:
        self._durable: Counter[int] = Counter()
        """Frames, by incarnation."""

    def durable(self, incarnation: int, frames: int) -> None:
        """Its writer says so, or a director has fenced it there."""
        self._durable[incarnation] = max(self._durable[incarnation], frames)

    def sealed(self, incarnation: int) -> None:
        """Its writer has written one more frame, the last one."""
        self._durable[incarnation] += 1

    def counted(self, positions: Mapping[str, int]) -> None:
        """A result that is shown rests on so many frames of each strand."""
        for incarnation, frames in positions.items():
            durable = self._durable[int(incarnation)]
            if frames > durable:
                raise Violation(
                    "nothing is counted before it is durable",
                    f"{frames} frames of incarnation {incarnation} are counted; durable: {durable}",
                )
