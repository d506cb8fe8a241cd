"""A result once final changes only with a new version and a reason; versions never go back."""

from __future__ import annotations

from hairpin.messages import QuestionTally
from sim.checkers import Violation
from sim.checkers.results import told


def settled(tally: QuestionTally) -> bool:
    """Is it said to be so for good? A void question is counted to its end, too."""
    return tally.status == "final" or (tally.status == "void" and tally.version > 0)


class Versions:
    """Told every tally that anybody was shown, by whatever process, in order."""

    def __init__(self) -> None:
        self._last: dict[int, QuestionTally] = {}

    def show(self, tally: QuestionTally) -> None:
        if not settled(tally):
            return
        known = self._last.get(tally.question)
        if known is tally or known == tally:
            return
        self._last[tally.question] = tally
        name = f"question {tally.question + 1}"
        if known is None:
            return
        if tally.version < known.version:
            raise Violation(
                "versions never go back",
                f"{name}: version {tally.version} after version {known.version}",
            )
        if tally.version == known.version and (known.status, told(known)) != (
            tally.status,
            told(tally),
        ):
            raise Violation(
                "a final result changes only with a new version",
                f"{name}, version {tally.version}: {known.status} {told(known)}, "
                f"then {tally.status} {told(tally)}",
            )
        if tally.version > known.version and not tally.reason:
            raise Violation(
                "a new version has a reason", f"{name}: version {tally.version} has none"
            )
