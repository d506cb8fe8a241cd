"""The book: journal frames in, counts and leaderboard out. The same for live and for recounting.

Control records tell what was asked, answers are merged, and a question folds into the scores when
it is final: closed, and every gate has written its close marker, sealed its strand, or was fenced.
What changes later (a correction, a void, a late answer) makes a final question stale, until it is
refolded from the journal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import singledispatchmethod

from hairpin import messages as m
from hairpin.errors import DataDamaged
from hairpin.frame import Frame, Kind
from hairpin.journal import decode_control
from hairpin.show import Show
from hairpin.tally.batch import by_question, damaged
from hairpin.tally.cells import OutOfRange, QuestionCount, Scores, clamp_of
from hairpin.tally.column import Column
from hairpin.tally.lines import Line, Positions, Strand
from hairpin.tally.words import Pairs, U

Replay = Callable[[Positions], Iterable[Frame]]
"""Yields all journalled frames of answers up to these positions."""


class Book:
    """Counts of one show. `replay` is asked only when a question is recounted."""

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
        self._spare: Column[U] | None = None
        """A folded question's memory, for the next one."""
        self._early: dict[int, list[tuple[Frame, Pairs]]] = {}

    @property
    def permission(self) -> m.Permission | None:
        """On what grounds the show was armed."""
        return None if self.armed is None else self.armed.permission

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

    def asked(self) -> list[int]:
        """Questions that were opened, in that order."""
        opened = {n: li.opened_ms for n, li in enumerate(self.lines) if li.opened_ms is not None}
        return sorted(opened, key=opened.__getitem__)

    def done_with(self, incarnation: int, question: int) -> bool:
        """Will this strand hold no more answers to the question?"""
        strand = self.strands.get(incarnation)
        return strand is not None and strand.done_with(question)

    def apply(self, frame: Frame) -> None:
        """Take in the next frame of a strand."""
        strand = self.strands.get(frame.incarnation)
        if strand is None:
            strand = self.strands[frame.incarnation] = Strand()
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
                self._fold(line, line.count)
                settled.append(index)
        return settled

    def stale(self) -> list[int]:
        """Final questions whose scores hold an earlier state; `refold` each with its `recount`."""
        return [index for index, line in enumerate(self.lines) if line.stale]

    def recount(self, index: int, upto: Positions | None = None) -> QuestionCount:
        """Words and cells of one question from the journal, up to these positions or its fold.

        Changes nothing, and reads nothing that changes once a question was opened: another thread
        may do it while this one applies frames. The question must have been opened.
        """
        line, armed = self.lines[index], self.armed
        assert armed is not None
        assert line.opened_ms is not None
        if upto is None:
            assert line.folded is not None
            upto = line.folded[1]
        clamp = clamp_of(armed.show, line.opened_ms, armed.epoch_ms)
        count = QuestionCount(line.question, clamp, armed.show.tickets_max)
        for frame in self.replay(upto):
            for question, pairs in by_question(frame):
                if question == index:
                    count.add_pairs(pairs)
        return count

    def refold(self, index: int, count: QuestionCount) -> None:
        """Take the old fold of a stale question back, add what came late, and fold it anew.

        `count` is the question's `recount` up to its fold.
        """
        line = self.lines[index]
        assert line.folded is not None
        self.scores.unfold(count.words, line.question, line.folded[0])
        for pairs in line.late:
            count.add_pairs(pairs)
        line.late.clear()
        line.stale = False
        line.count = count
        self._fold(line, count)

    # --- control ----------------------------------------------------------------------------------

    @singledispatchmethod
    def _control(self, record: m.AnyControl) -> None:
        """Records that do not change counts need no entry here."""

    @_control.register
    def _(self, record: m.Armed) -> None:
        if self.armed is None or self.armed.show_hash != record.show_hash:
            self.lines = [Line(question) for question in record.show.questions]
            self.scores = Scores(record.show.tickets_max)
        self.armed = record

    @_control.register
    def _(self, record: m.Opened) -> None:
        line = self._line(record.question)
        armed = self.armed
        assert armed is not None, "a question opens after its show was armed"
        line.opened_ms = record.at_ms
        clamp = clamp_of(armed.show, record.at_ms, armed.epoch_ms)
        line.count = QuestionCount(line.question, clamp, armed.show.tickets_max)
        for frame, pairs in self._early.pop(record.question, []):
            self._add(line, line.count, frame, pairs)

    @_control.register
    def _(self, record: m.Closed) -> None:
        self._line(record.question).closed = True

    @_control.register
    def _(self, record: m.Corrected) -> None:
        line = self._line(record.question)
        line.right = record.right
        self._changed(line, record.reason)

    @_control.register
    def _(self, record: m.Voided) -> None:
        line = self._line(record.question)
        line.void = True
        line.closed = True
        self._changed(line, record.reason)

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
        for index, pairs in by_question(frame):
            if index >= len(self.lines):
                _ = self.show
                raise damaged(frame, f"an answer to question {index + 1}, which does not exist")
            line = self.lines[index]
            line.reach[frame.incarnation] = frame.sequence + 1
            if line.count is None:
                # Received within the permitted clock skew before the opening was heard of.
                self._early.setdefault(index, []).append((frame, pairs))
            else:
                self._add(line, line.count, frame, pairs)

    def _add(self, line: Line, count: QuestionCount, frame: Frame, pairs: Pairs) -> None:
        """Answers of a frame; what no gate could have admitted is damage of it."""
        try:
            if line.version:
                count.check(pairs)
                line.late.append(pairs)
                line.stale = True
                return
            if self._spare is not None and not count.journalled:
                count.adopt(self._spare)
                self._spare = None
            count.add_pairs(pairs)
        except OutOfRange as error:
            raise damaged(frame, str(error)) from error

    # --- folding ----------------------------------------------------------------------------------

    def _fold(self, line: Line, count: QuestionCount) -> None:
        right = 0 if line.void else line.right
        self.scores.fold(count.words, line.question, right)
        line.folded = (right, self.positions())
        line.number()
        words = count.forget_words()
        counting = any(li.count and li.count.journalled for li in self.lines if not li.version)
        self._spare = None if counting else words

    @staticmethod
    def _changed(line: Line, reason: str) -> None:
        line.reason = reason
        line.changed = True
        line.stale = line.version > 0
