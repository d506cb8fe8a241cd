"""Whoever can hear the news soon knows the running order: what was missed is told again."""

from __future__ import annotations

from sim.checkers import Violation

WITHIN_S = 60.0
"""A gate reports every twenty seconds even in silence, and whoever is behind is told again."""


class Prompt:
    """Told now and then which running order a gate knows, while it can hear the stage."""

    def __init__(self) -> None:
        self._behind_since_s: dict[int, float] = {}

    def excused(self) -> None:
        """News may be lost now, or there is nobody to tell them."""
        self._behind_since_s.clear()

    def knows(self, incarnation: int, known: int, told: int, at_s: float) -> None:
        """This gate knows the order `known`; `told` is the stage's last."""
        if known == told:
            self._behind_since_s.pop(incarnation, None)
            return
        since_s = self._behind_since_s.setdefault(incarnation, at_s)
        if at_s - since_s > WITHIN_S:
            raise Violation(
                "gates learn of the running order",
                f"incarnation {incarnation} knows {known} for {at_s - since_s:.0f} s, while the "
                f"stage tells {told}",
            )
