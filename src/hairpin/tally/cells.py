"""Counting one question: one 64-bit word per fan, merged by `min`.

A word is received_ms since the opening (28 bits, saturating), elapsed_ms after the clamp (28) and
the choice (8). All ones means no answer. `min` is commutative, associative and idempotent: any
order, any duplication and any replay of the same records give the same words and the same cells.
"""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt

from hairpin.answer import Records
from hairpin.country import CODES, COUNTRIES_MAX
from hairpin.kernel import compiled
from hairpin.show import AGE_BANDS, Question, Show

U = np.uint64
Words = npt.NDArray[np.uint64]
Cells = npt.NDArray[np.int64]

NO_ANSWER = U(0xFFFF_FFFF_FFFF_FFFF)
RECEIVED_MAX_MS = (1 << 28) - 2
"""One less than 28 bits hold, so that no answer is all ones."""
ELAPSED_MAX_MS = (1 << 28) - 1
_FANS_FIRST = 4096


class Clamp(msgspec.Struct, frozen=True):
    """How claimed times are bounded; all in ms. `opened_ms` counts from the show's epoch."""

    opened_ms: int
    allowance_ms: int
    floor_ms: int


@compiled
def merge(
    fan: npt.NDArray[np.uint32],
    received: npt.NDArray[np.uint32],
    elapsed: npt.NDArray[np.uint32],
    choice: npt.NDArray[np.uint8],
    band: npt.NDArray[np.uint8],
    country: npt.NDArray[np.uint8],
    opened: int,
    allowance: int,
    floor: int,
    words: Words,
    cells: Cells,
) -> int:
    """Merge records into `words` and `cells`; returns how many fans are new.

    A claim is clamped to [since - allowance, since], where since is the time from opening to
    receipt, and then raised to the floor.
    """
    fresh = 0
    for i in range(len(fan)):
        since = min(max(int(received[i]) - opened, 0), RECEIVED_MAX_MS)
        took = min(max(int(elapsed[i]), since - allowance), since)
        took = min(max(took, floor), ELAPSED_MAX_MS)
        word = (U(since) << U(36)) | (U(took) << U(8)) | U(choice[i])
        old = words[fan[i]]
        if word < old:
            if old == NO_ANSWER:
                fresh += 1
            else:
                cells[old & U(255), band[i], country[i]] -= 1
            words[fan[i]] = word
            cells[choice[i], band[i], country[i]] += 1
    return fresh


@compiled
def fold(
    words: Words,
    right: int,
    exact: bool,
    sign: int,
    correct: npt.NDArray[np.uint8],
    total_ms: npt.NDArray[np.uint32],
) -> None:
    """Add (`sign` 1) or take back (-1) a question's right answers; totals are u32, 49 days."""
    for fan in range(len(words)):
        word = words[fan]
        if word == NO_ANSWER:
            continue
        choice = int(word & U(255))
        good = choice == right if exact else choice & right != 0
        if good:
            took = np.int64((word >> U(8)) & U(ELAPSED_MAX_MS))
            correct[fan] = correct[fan] + sign
            total_ms[fan] = np.int64(total_ms[fan]) + sign * took


def _grown(array: npt.NDArray[np.generic], size: int, fill: int) -> npt.NDArray[np.generic]:
    bigger = np.full(size, fill, array.dtype)
    bigger[: len(array)] = array
    return bigger


def capacity_for(fan: int, have: int) -> int:
    """Room for fan numbers up to `fan`, growing by doubling."""
    size = max(have, _FANS_FIRST)
    while size <= fan:
        size *= 2
    return size


class OutOfRange(ValueError):
    """A record that no gate could have admitted."""


class QuestionCount:
    """Words and cells of one question."""

    def __init__(self, question: Question, clamp: Clamp) -> None:
        self.clamp = clamp
        self.journalled = 0
        self.answers = 0
        """Counted: one per fan."""
        self.words: Words = np.full(_FANS_FIRST, NO_ANSWER, np.uint64)
        self._legal = np.array([question.legal(choice) for choice in range(256)])
        masks = 1 << len(question.choices)
        self.cells: Cells = np.zeros((masks, AGE_BANDS, COUNTRIES_MAX), np.int64)
        """Shape (choice mask, age band, country)."""

    @property
    def repeats(self) -> int:
        return self.journalled - self.answers

    def add(self, records: Records) -> None:
        """Merge records of this question. Raises OutOfRange before anything is counted."""
        if not len(records):
            return
        if not (
            self._legal[records["choice"]].all()
            and int(records["age_band"].max()) < AGE_BANDS
            and int(records["country"].max()) < len(CODES)
        ):
            raise OutOfRange("a record's choice, age band or country does not exist in the show")
        highest = int(records["fan"].max())
        if highest >= len(self.words):
            size = capacity_for(highest, len(self.words))
            self.words = _grown(self.words, size, int(NO_ANSWER)).astype(np.uint64, copy=False)
        self.answers += merge(
            records["fan"],
            records["received_ms"],
            records["elapsed_ms"],
            records["choice"],
            records["age_band"],
            records["country"],
            self.clamp.opened_ms,
            self.clamp.allowance_ms,
            self.clamp.floor_ms,
            self.words,
            self.cells,
        )
        self.journalled += len(records)

    def forget_words(self) -> None:
        """The question is folded: cells stay, words can be had again from the journal."""
        self.words = np.full(0, NO_ANSWER, np.uint64)

    def fans(self) -> npt.NDArray[np.uint32]:
        """Numbers of the fans counted, ascending."""
        return np.flatnonzero(self.words != NO_ANSWER).astype(np.uint32)


class Scores:
    """Right answers and total times of all fans over all folded questions."""

    def __init__(self) -> None:
        self.correct: npt.NDArray[np.uint8] = np.zeros(_FANS_FIRST, np.uint8)
        self.total_ms: npt.NDArray[np.uint32] = np.zeros(_FANS_FIRST, np.uint32)
        self.seen: npt.NDArray[np.bool] = np.zeros(_FANS_FIRST, np.bool)

    def fold(self, words: Words, question: Question, right: int) -> None:
        self._apply(words, question, right, 1)
        self.seen[: len(words)] |= words != NO_ANSWER

    def unfold(self, words: Words, question: Question, right: int) -> None:
        self._apply(words, question, right, -1)

    def _apply(self, words: Words, question: Question, right: int, sign: int) -> None:
        size = len(words)
        if size > len(self.correct):
            self.correct = _grown(self.correct, size, 0).astype(np.uint8, copy=False)
            self.total_ms = _grown(self.total_ms, size, 0).astype(np.uint32, copy=False)
            self.seen = _grown(self.seen, size, 0).astype(np.bool, copy=False)
        if right:
            fold(words, right, question.multiple, sign, self.correct, self.total_ms)


def clamp_of(show: Show, opened_ms: int, epoch_ms: int) -> Clamp:
    return Clamp(opened_ms - epoch_ms, show.allowance_ms, show.elapsed_floor_ms)
