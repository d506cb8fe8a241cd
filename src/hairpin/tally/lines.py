"""The lines of the book: what is known of one question, and of one writer."""

from __future__ import annotations

from hairpin import messages as m
from hairpin.show import Question
from hairpin.tally.cells import QuestionCount
from hairpin.tally.words import Pairs

Positions = dict[int, int]
"""Incarnation to number of frames."""

LATE = "late answers"
"""Why a final result changed, if nobody changed it."""


class Line:
    """One question in the book."""

    def __init__(self, question: Question) -> None:
        self.question = question
        self.right = question.right
        self.opened_ms: int | None = None
        self.closed = False
        self.void = False
        self.count: QuestionCount | None = None
        self.version = 0
        """0 until the result is final for the first time."""
        self.reason = ""
        self.folded: tuple[int, Positions] | None = None
        """The right answer with which it was folded, and up to which frames."""
        self.missing: tuple[int, ...] = ()
        self.told: m.Published | None = None
        """The result that was published last, by an earlier process, too."""
        self.changed = False
        """Corrected or voided since then."""
        self.reach: Positions = {}
        """The last frame of each strand that holds an answer to it."""
        self.stale = False
        """Final, but the scores hold an earlier state of it, until it is folded anew."""
        self.late: list[Pairs] = []
        """Answers that came after the fold."""

    @property
    def awaits_fold(self) -> bool:
        return self.closed and not self.version and self.count is not None

    @property
    def status(self) -> str:
        if self.stale:
            return "provisional"
        if self.void:
            return "void"
        if self.version:
            return "final"
        return "provisional" if self.closed else "counting"

    def number(self) -> None:
        """After a fold: go on from the version that people saw, whoever folds, and how often."""
        told = self.told
        if told is None:
            self.version = 1
            return
        late = any(n > told.positions.get(str(strand), 0) for strand, n in self.reach.items())
        if not self.changed:
            self.reason = LATE if late else told.reason
        self.version = told.version + (late or self.changed)


class Strand:
    """What the book knows of one writer."""

    def __init__(self) -> None:
        self.role: str | None = None
        self.frames = 0
        self.chain = bytes(16)
        self.ended = False
        self.fenced_at: int | None = None
        self.marked: set[int] = set()

    def done_with(self, question: int) -> bool:
        if self.role is not None and self.role != "gate":
            return True
        fenced = self.fenced_at is not None and self.frames >= self.fenced_at
        return self.ended or fenced or question in self.marked
