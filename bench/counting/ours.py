"""This product: the journal's writer, the tally's cells and scores, in one process."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bench.counting.answers import (
    BATCH,
    CHOICES,
    CLAMP,
    RIGHT,
    TICKETS_PER_FAN,
    Answers,
    Batch,
    Counts,
    Score,
    question,
)
from bench.report import Contender, Guarantees
from hairpin.answer import Records
from hairpin.frame import Kind
from hairpin.gate.admit import Admission
from hairpin.journal import Writer
from hairpin.journal.disk import DiskJournal
from hairpin.messages import GateQuestion
from hairpin.tally.cells import QuestionCount, Scores
from hairpin.world import real_world


class Ours:
    """Batches of 1000: a frame with checksum and chain, fdatasync, words, cells; then the fold."""

    forms: frozenset[str] = frozenset()
    batch = BATCH

    def __init__(self, answers: Answers) -> None:
        text = "checksums, chain, recountable"
        self.contender = Contender("hairpin", Guarantees(True, True, True, text=text))
        self._tickets = answers.fans * TICKETS_PER_FAN
        self._writer: Writer | None = None
        self._counts: dict[int, QuestionCount] = {}
        self._scores = Scores(self._tickets)

    def start(self, directory: Path) -> None:
        self._writer = DiskJournal.create(real_world(), directory).writer()

    def begin(self, question_number: int) -> None:
        self._counts[question_number] = QuestionCount(
            question(question_number), CLAMP, self._tickets
        )
        if (before := self._counts.get(question_number - 1)) is not None:
            before.forget_words()

    def count(self, batch: Batch) -> None:
        self._take(batch.question, batch.records)

    def _take(self, question_number: int, records: Records) -> None:
        assert self._writer is not None
        self._writer.commit(Kind.ANSWERS, records.tobytes(), len(records))
        self._counts[question_number].add(records)

    def finish(self, question_number: int) -> None:
        count = self._counts[question_number]
        self._scores.fold(count.words, question(question_number), RIGHT)

    def server_cpu_s(self) -> float:
        return 0.0

    def counts(self, question_number: int) -> Counts:
        cells = self._counts[question_number].cells
        right = cells[RIGHT]
        return np.stack([cells.sum(axis=0) - right, right], axis=-1)

    def score(self) -> Score:
        scores = self._scores
        return Score(int(scores.correct.sum()), int(scores.total_ms.sum(dtype=np.int64)))

    def stop(self) -> None:
        if self._writer is not None:
            self._writer.seal()


class OursVerified(Ours):
    """The same, from the characters of the request on: ticket, question, choice, time."""

    forms = frozenset({"text"})

    def __init__(self, answers: Answers) -> None:
        super().__init__(answers)
        self.contender = Contender(
            "hairpin with tickets",
            Guarantees(True, True, True, True, "checksums, chain, recountable"),
        )
        self._admission = Admission(answers.key)

    def begin(self, question_number: int) -> None:
        super().begin(question_number)
        door = GateQuestion(CHOICES, False, CLAMP.opened_ms, None, False)
        self._admission.set_questions((door,) * (question_number + 1), 0)

    def count(self, batch: Batch) -> None:
        received = batch.records["received_ms"].astype(np.int64)
        records, _ = self._admission.admit(batch.text, received)
        self._take(batch.question, records)
