"""Bugs of what follows from counts: versions and reasons, corrections, and who is first."""

from __future__ import annotations

from typing import Any

from hairpin.show import Mode
from hairpin.tally import snapshot
from hairpin.tally.book import Book
from hairpin.tally.cells import QuestionCount, Scores
from hairpin.tally.lines import Line
from sim.bugs.bug import Nights, Patch, bug
from sim.bugs.counting import LEADERS, ONE_VERSION

WHIMS = Nights(questions=8, fans=40, whim=1.0)
"""The producer corrects and voids."""


@bug(
    "correction-without-version", "tally/lines.py: Line.number", ONE_VERSION, seeds=9, nights=WHIMS
)
def correction_without_version(patch: Patch) -> None:
    """A result that is corrected keeps its version."""

    def number(line: Line) -> None:
        version = line.version
        original(line)
        line.version = version or line.version

    original = patch.replace(Line, "number", number)


@bug(
    "correction-without-reason",
    "tally/lines.py: Line.number",
    "a new version has a reason",
    seeds=9,
    nights=WHIMS,
)
def correction_without_reason(patch: Patch) -> None:
    """A result that is corrected does not say why."""

    def number(line: Line) -> None:
        original(line)
        line.reason = ""

    original = patch.replace(Line, "number", number)


@bug(
    "correction-not-refolded",
    "tally/book.py: Book._changed",
    *LEADERS,
    ONE_VERSION,
    seeds=9,
    nights=WHIMS,
)
def correction_not_refolded(patch: Patch) -> None:
    """A correction changes what is shown of its question, and leaves the scores as they are."""

    def changed(line: Line, reason: str) -> None:
        line.reason = reason
        line.changed = True

    patch.replace(Book, "_changed", staticmethod(changed))


@bug("fold-not-taken-back", "tally/cells.py: Scores.unfold", *LEADERS, seeds=9, nights=WHIMS)
def fold_not_taken_back(patch: Patch) -> None:
    """A question that is folded anew adds its scores once more."""
    patch.replace(Scores, "unfold", lambda *_: None)


@bug("void-still-scores", "tally/book.py: Book._fold", *LEADERS, seeds=12, nights=WHIMS)
def void_still_scores(patch: Patch) -> None:
    """A void question is shown as such, and still gives points."""

    def fold(book: Book, line: Line, count: QuestionCount) -> None:
        void, line.void = line.void, False
        original(book, line, count)
        line.void = void

    original = patch.replace(Book, "_fold", fold)


@bug(
    "struck-still-listed",
    "tally/snapshot.py: Snapshots._score",
    *LEADERS,
    seeds=12,
    nights=Nights(questions=2, mode=Mode.CLOCK),
)
def struck_still_listed(patch: Patch) -> None:
    """Who was struck loses the claim, and stays on the leaderboard."""

    def leaderboard(correct: Any, total_ms: Any, _: Any, *rest: Any) -> Any:
        return original(correct, total_ms, frozenset(), *rest)

    original = patch.replace(snapshot, "leaderboard", leaderboard)


@bug("fastest-first", "tally/leaderboard.py: leaderboard", *LEADERS, seeds=6)
def fastest_first(patch: Patch) -> None:
    """Who was fastest stands before who had more right."""

    def leaderboard(*arguments: Any) -> Any:
        places, more = original(*arguments)
        return sorted(places, key=lambda place: (place.total_ms, place.fan)), more

    original = patch.replace(snapshot, "leaderboard", leaderboard)
