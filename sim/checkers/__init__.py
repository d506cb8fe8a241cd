"""What must hold whatever happens. One file for each family of invariants.

A checker is fed with what the universe saw, knows nothing of the scenario that led there, and
raises `Violation`. Each has tests that show that it can fail.
"""

from __future__ import annotations


class Violation(AssertionError):
    """An invariant does not hold: which one, and the numbers."""

    def __init__(self, invariant: str, found: str) -> None:
        super().__init__(f"{invariant}: {found}")
        self.invariant = invariant
        self.found = found
