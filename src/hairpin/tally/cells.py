"""Counting one question, and the scores over all of them. Fan numbers are indexes of arrays.

Memory, for each fan number in use: 8 bytes for each question that holds words, that is until it is
final; 7 for the scores, once.
"""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt

from hairpin.answer import Records
from hairpin.country import CODES, COUNTRIES_MAX
from hairpin.errors import YourMistake
from hairpin.show import (
    AGE_BANDS,
    ALLOWANCE_MS_MAX,
    ELAPSED_FLOOR_MS_MAX,
    Question,
    Show,
)
from hairpin.tally import words as kernels
from hairpin.tally.column import Column, size_for
from hairpin.tally.words import NO_ANSWER, Cells, Pairs, U, Words

FANS_MAX = 1 << 20
"""How many fans are expected where nobody says it."""


class Clamp(msgspec.Struct, frozen=True):
    """How claimed times are bounded; all in ms. `opened_ms` counts from the show's epoch."""

    opened_ms: int
    allowance_ms: int
    floor_ms: int

    def __post_init__(self) -> None:
        for name, found, most in (
            ("allowance", self.allowance_ms, ALLOWANCE_MS_MAX),
            ("elapsed_floor", self.floor_ms, ELAPSED_FLOOR_MS_MAX),
        ):
            if not 0 <= found <= most:
                raise YourMistake(
                    f"the show's {name} is {found} ms; the tally counts with 0 to {most} ms",
                    f"Set {name} in the show file within these limits.",
                )


def clamp_of(show: Show, opened_ms: int, epoch_ms: int) -> Clamp:
    return Clamp(opened_ms - epoch_ms, show.allowance_ms, show.elapsed_floor_ms)


class OutOfRange(ValueError):
    """A record that no gate could have admitted."""

    def __init__(self) -> None:
        super().__init__("a record's choice, age band or country does not exist in the show")


class QuestionCount:
    """Words and cells of one question. `fans_max`: how many fans to expect."""

    def __init__(self, question: Question, clamp: Clamp, fans_max: int = FANS_MAX) -> None:
        self.clamp = clamp
        self.journalled = 0
        self.answers = 0
        """Counted: one per fan."""
        choices = len(question.choices)
        times = (clamp.opened_ms, clamp.allowance_ms, clamp.floor_ms)
        self._bounds = (choices, question.multiple, *times)
        self._words: Column[U] = Column(U, NO_ANSWER, fans_max)
        self.cells: Cells = np.zeros((1 << choices, AGE_BANDS, COUNTRIES_MAX), np.int64)
        """Shape (choice mask, age band, country)."""
        self._flat = self.cells.reshape(1 << choices, -1)

    @property
    def words(self) -> Words:
        """By fan number, as far as numbers are in use."""
        return self._words.array

    @property
    def repeats(self) -> int:
        return self.journalled - self.answers

    def add(self, records: Records) -> None:
        """Merge records of this question. Raises OutOfRange before anything is counted."""
        self.add_pairs(kernels.pairs_of(records))

    def add_pairs(self, pairs: Pairs) -> None:
        """As `add`."""
        highest, fresh = self._merge(pairs)
        if highest >= len(self._words.array):
            self._words.grow(size_for(highest, len(self._words.array)))
            highest, fresh = self._merge(pairs)
        if highest == kernels.REFUSED:
            raise OutOfRange
        self.answers += fresh
        self.journalled += len(pairs) // 2

    def check(self, pairs: Pairs) -> None:
        """Raises OutOfRange as adding them would."""
        choices, multiple, *_ = self._bounds
        if kernels.survey(pairs, choices, multiple) == kernels.REFUSED:
            raise OutOfRange

    def _merge(self, pairs: Pairs) -> tuple[int, int]:
        return kernels.merge(pairs, *self._bounds, self._words.array, self._flat)

    def adopt(self, words: Column[U]) -> None:
        """Before anything is counted: use what `forget_words` of another question gave back."""
        self._words = words

    def forget_words(self) -> Column[U]:
        """The question is folded: cells stay, words can be had again from the journal."""
        words, self._words = self._words, Column(U, NO_ANSWER, 0)
        words.reset()
        return words

    def fans(self) -> npt.NDArray[np.uint32]:
        """Numbers of the fans counted, ascending."""
        return np.flatnonzero(self.words != NO_ANSWER).astype(np.uint32)


class Scores:
    """Right answers and total times of all fans over all folded questions."""

    def __init__(self, fans_max: int = FANS_MAX) -> None:
        self._correct: Column[np.uint8] = Column(np.uint8, np.uint8(0), fans_max)
        self._total_ms: Column[np.uint32] = Column(np.uint32, np.uint32(0), fans_max)
        self._origins: Column[np.uint16] = Column(np.uint16, np.uint16(0), fans_max)

    @property
    def correct(self) -> npt.NDArray[np.uint8]:
        return self._correct.array

    @property
    def total_ms(self) -> npt.NDArray[np.uint32]:
        return self._total_ms.array

    @property
    def origins(self) -> npt.NDArray[np.uint16]:
        """0 for who was never seen, else 1 + (age band << 8 | country)."""
        return self._origins.array

    def origin(self, fan: int) -> tuple[str, int]:
        """Country code and age band of who answered a folded question."""
        band, country = divmod(int(self.origins[fan]) - 1, COUNTRIES_MAX)
        return CODES[country], band

    def fold(self, words: Words, question: Question, right: int) -> None:
        """Add who was right and how long they took, and note where everyone is from."""
        self._apply(words, question, right, 1)

    def unfold(self, words: Words, question: Question, right: int) -> None:
        """Take back what a fold of these words added."""
        self._apply(words, question, right, -1)

    def _apply(self, words: Words, question: Question, right: int, sign: int) -> None:
        for column in (self._correct, self._total_ms, self._origins):
            column.grow(len(words))
        kernels.fold(
            words, right, question.multiple, sign, self.correct, self.total_ms, self.origins
        )
