"""The book: journal frames in, counts and leaderboard out. The same for live and for recounting.

Control records tell what was asked, answers are merged, and a question folds into the scores when
it is final: closed, and every gate has written its close marker, sealed its strand, or was fenced.
What changes later (a correction, a void, a late answer) refolds the question from the journal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import singledispatchmethod

import numpy as np
import numpy.typing as npt

from hairpin import messages as m
from hairpin.answer import RECORD, Records
from hairpin.errors import DataDamaged
from hairpin.frame import Frame, Kind
from hairpin.journal import decode_control
from hairpin.show import Show
from hairpin.tally.cells import OutOfRange, QuestionCount, Scores, clamp_of
from hairpin.tally.lines import LATE, Line, Positions, Strand

Replay = Callable[[Positions], Iterable[Records]]
"""Yields all journalled answers up to these positions."""


class Book:
    """Counts of one show. `replay` is asked only when a question must be refolded."""

    def __init__(self, replay: Replay) -> None:
        self.replay = replay
        self.armed: m.Armed | None = None
        self.lines: list[Line] = []
        self.scores = Scores()
        self.struck: set[int] = set()
        self.strands: dict[int, Strand] = {}
        self.fenced: list[m.Fenced] = []
        self.published: list[m.Published] = []
        self.named: set[int] = set()
        """Incarnations that some record speaks of: their strands must be there."""
        self._early: dict[int, list[tuple[Frame, Records]]] = {}

    @property
    def show(self) -> Show:
        if self.armed is None:
            raise DataDamaged(
                "the journal has no show", "Its first strand is missing: restore it from a copy."
            )
        return self.armed.show

    def positions(self) -> Positions:
        return {number: strand.frames for number, strand in self.strands.items()}

    def unasked(self) -> list[int]:
        """Questions that were answered, but never opened as far as the book knows."""
        return sorted(self._early)

    def apply(self, frame: Frame) -> None:
        """Take in the next frame of a strand."""
        strand = self.strands.setdefault(frame.incarnation, Strand())
        strand.frames = frame.sequence + 1
        strand.chain = frame.chain
        if frame.kind is Kind.ANSWERS:
            self._answers(frame)
        elif frame.kind is Kind.SEAL:
            strand.ended = True
        else:
            record = decode_control(frame.body)
            if isinstance(record, m.Born):
                strand.role = record.role
            elif isinstance(record, m.Marked):
                strand.marked.update(record.questions)
            else:
                self._control(record)

    def settle(self, incarnations: Iterable[int]) -> list[int]:
        """Fold what became final, given all strands that there are; returns those questions."""
        strands = [(n, self.strands.setdefault(n, Strand())) for n in incarnations]
        settled = []
        for index, line in enumerate(self.lines):
            if not line.awaits_fold or line.count is None:
                continue
            line.missing = tuple(n for n, strand in strands if not strand.done_with(index))
            if not line.missing:
                self._fold(line, line.count, line.reason)
                line.resume_version()
                settled.append(index)
        return settled

    # --- control ----------------------------------------------------------------------------------

    @singledispatchmethod
    def _control(self, record: m.AnyControl) -> None:
        """Records that do not change counts need no entry here."""

    @_control.register
    def _(self, record: m.Armed) -> None:
        if self.armed is None or self.armed.show_hash != record.show_hash:
            self.lines = [Line(question) for question in record.show.questions]
        self.armed = record

    @_control.register
    def _(self, record: m.Opened) -> None:
        line = self._line(record.question)
        armed = self.armed
        assert armed is not None, "a question opens after its show was armed"
        line.opened_ms = record.at_ms
        line.count = QuestionCount(
            line.question, clamp_of(armed.show, record.at_ms, armed.epoch_ms)
        )
        for frame, records in self._early.pop(record.question, []):
            with _admitted(frame):
                line.count.add(records)

    @_control.register
    def _(self, record: m.Closed) -> None:
        self._line(record.question).closed = True

    @_control.register
    def _(self, record: m.Corrected) -> None:
        line = self._line(record.question)
        line.right = record.right
        self._changed(line, record.question, record.reason)

    @_control.register
    def _(self, record: m.Voided) -> None:
        line = self._line(record.question)
        line.void = True
        line.closed = True
        self._changed(line, record.question, record.reason)

    @_control.register
    def _(self, record: m.Struck) -> None:
        self.struck.add(record.fan)

    @_control.register
    def _(self, record: m.Fenced) -> None:
        self.fenced.append(record)
        self.named.add(record.incarnation)
        self.strands.setdefault(record.incarnation, Strand()).fenced_at = record.frames

    @_control.register
    def _(self, record: m.Leased) -> None:
        self.named.add(record.to)

    @_control.register
    def _(self, record: m.Published) -> None:
        self.published.append(record)
        self.named.update(map(int, record.positions))
        line = self._line(record.question)
        line.told, line.changed = record, False

    def _line(self, question: int) -> Line:
        if question >= len(self.show.questions):
            raise DataDamaged(
                f"journal damaged: a step of question {question + 1}, which does not exist",
                "Keep the files as they are, and restore them from a copy.",
            )
        return self.lines[question]

    # --- answers ----------------------------------------------------------------------------------

    def _answers(self, frame: Frame) -> None:
        for index, records in by_question(frame):
            if index >= len(self.show.questions):
                raise _damaged(frame, f"an answer to question {index + 1}, which does not exist")
            line = self.lines[index]
            line.reach[frame.incarnation] = frame.sequence + 1
            if line.count is None:
                # Received within the permitted clock skew before the opening was heard of.
                self._early.setdefault(index, []).append((frame, records))
                continue
            with _admitted(frame):
                if line.version:
                    self._refold(line, index, LATE)
                else:
                    line.count.add(records)

    # --- folding ----------------------------------------------------------------------------------

    def _fold(self, line: Line, count: QuestionCount, reason: str) -> None:
        right = 0 if line.void else line.right
        self.scores.fold(count.words, line.question, right)
        line.folded = (right, self.positions())
        line.version += 1
        line.reason = reason
        count.forget_words()

    def _changed(self, line: Line, index: int, reason: str) -> None:
        line.reason = reason
        line.changed = True
        if line.version:
            self._refold(line, index, reason)

    def _refold(self, line: Line, index: int, reason: str) -> None:
        """Take the old fold back and fold anew, both from the journal."""
        assert line.folded is not None
        right, upto = line.folded
        self.scores.unfold(self.recount(index, upto).words, line.question, right)
        line.count = self.recount(index, self.positions())
        self._fold(line, line.count, reason)

    def recount(self, index: int, upto: Positions) -> QuestionCount:
        """Words and cells of one question from the journal, up to these positions."""
        line, armed = self.lines[index], self.armed
        assert armed is not None
        assert line.opened_ms is not None
        clamp = clamp_of(armed.show, line.opened_ms, armed.epoch_ms)
        count = QuestionCount(line.question, clamp)
        for records in self.replay(upto):
            count.add(records[records["question"] == index])
        return count


@contextmanager
def _admitted(frame: Frame) -> Iterator[None]:
    """What no gate could have admitted is damage of the frame that it stands in."""
    try:
        yield
    except OutOfRange as error:
        raise _damaged(frame, str(error)) from error


def by_question(frame: Frame) -> list[tuple[int, Records]]:
    """A frame's answers by question index. Raises DataDamaged if the body is not whole records."""
    records = answers_of(frame)
    questions: npt.NDArray[np.uint8] = np.unique(records["question"])
    if len(questions) == 1:
        return [(int(questions[0]), records)]
    return [(int(q), records[records["question"] == q]) for q in questions]


def answers_of(frame: Frame) -> Records:
    """The answers of a frame, 1-d RECORD."""
    if len(frame.body) != frame.count * RECORD.itemsize:
        raise _damaged(frame, f"{len(frame.body)} bytes are not {frame.count} answers")
    return np.frombuffer(frame.body, RECORD)


def _damaged(frame: Frame, why: str) -> DataDamaged:
    return DataDamaged(
        f"journal damaged: frame {frame.sequence} of incarnation {frame.incarnation}: {why}",
        "Keep the files as they are, and restore them from a copy.",
    )
