"""Seeded answers, the same for every scheme, and what a plain count of them gives.

About 2 % are repeats: a phone that heard nothing sends the same bytes once more. Times are such
that the tally's clamp changes none of them, so that every scheme sums the same elapsed times.
"""

from __future__ import annotations

from functools import cached_property

import msgspec
import numpy as np
import numpy.typing as npt

from hairpin.answer import RECORD, Records
from hairpin.country import CODES, COUNTRIES_MAX, INDEX
from hairpin.gate.http import ANSWER_TEXT_BYTES
from hairpin.show import AGE_BANDS, Choice, Question
from hairpin.tally.cells import Clamp
from hairpin.ticket import ENCODE, TICKET_CHARS, TicketKey, write_tickets

SEED = 20131123
BATCH = 1000
HANDFUL = 100
"""What schemes get at once that take one answer at a time: how it is counted does not change."""
REPEATS = 0.02
RIGHT = 0b0010
CHOICES = 4
OPENED_MS = 60_000
BURST_MS = 60_000
ALLOWANCE_MS = 3_000
FLOOR_MS = 200
TICKETS_PER_FAN = 3
"""A show's default: so many fan numbers its tally expects."""
CLAMP = Clamp(OPENED_MS, ALLOWANCE_MS, FLOOR_MS)
HEAVY = ("GB", "US", "ZZ")
"""The countries of which the account's scheme makes more keys than of others."""
_HEAVY_SHARE = 0.7
_NO_TEXT = np.zeros(0, np.uint8)

Counts = npt.NDArray[np.int64]
"""Shape (age band, country, wrong or right)."""


class Row(msgspec.Struct, frozen=True, gc=False):
    """One answer as a service holds it that works on one at a time."""

    fan: int
    elapsed_ms: int
    choice: int
    age_band: int
    country: int
    right: bool


class Batch(msgspec.Struct, frozen=True):
    """Some answers to one question, in the forms in which schemes like them."""

    question: int
    records: Records
    text: npt.NDArray[np.uint8]
    """As they stand in requests, with tickets to verify: ANSWER_TEXT_BYTES each."""
    rows: list[Row]
    right: npt.NDArray[np.uint8]
    """1 where the choice is the right one."""


class Score(msgspec.Struct, frozen=True):
    """Over all fans: right answers, and the time that they took."""

    right: int
    elapsed_ms: int


class Answers:
    """`size` answers of `fans` fans to one question, which every further question gets again."""

    def __init__(self, size: int, fans: int) -> None:
        self.fans = fans
        chance = np.random.default_rng(SEED)
        repeats = int(size * REPEATS)
        records = records_of(chance.permutation(fans)[: size - repeats], chance)
        self.records = _with_repeats(records, repeats, chance)
        self.right = (self.records["choice"] == RIGHT).astype(np.uint8)
        self.key = TicketKey(7, chance.bytes(16), chance.bytes(16))

    def __len__(self) -> int:
        return len(self.records)

    def batch(self, question: int, part: slice, forms: frozenset[str]) -> Batch:
        """`forms`: which of "text" and "rows" are wanted."""
        records = self.records[part].copy()
        records["question"] = question
        right = self.right[part]
        text = self._text(question, part) if "text" in forms else _NO_TEXT
        rows = _rows(records, right) if "rows" in forms else []
        return Batch(question, records, text, rows, right)

    def _text(self, question: int, part: slice) -> npt.NDArray[np.uint8]:
        lines = self._lines[part].copy()
        lines[:, 21:23] = np.frombuffer(b"%02x" % question, np.uint8)
        return lines.reshape(-1)

    @cached_property
    def _lines(self) -> npt.NDArray[np.uint8]:
        """Ticket, slash, question, choice, elapsed: (size, ANSWER_TEXT_BYTES) characters."""
        records, size = self.records, len(self.records)
        tickets = np.zeros((size, TICKET_CHARS), np.uint8)
        tails = np.full(size, self.key.number << 16, np.uint64)
        tails |= records["age_band"].astype(np.uint64)
        tails |= records["country"].astype(np.uint64) << np.uint64(8)
        k0, k1 = self.key.words()
        write_tickets(records["fan"].copy(), tails, ENCODE, k0, k1, tickets)
        lines = np.full((size, ANSWER_TEXT_BYTES), ord("0"), np.uint8)
        lines[:, :TICKET_CHARS] = tickets
        lines[:, TICKET_CHARS] = ord("/")
        _write_hex(records["choice"], 2, lines[:, 23:25])
        _write_hex(records["elapsed_ms"], 7, lines[:, 25:32])
        return lines

    # --- what a plain count gives -----------------------------------------------------------------

    def counts(self, size: int, deduplicated: bool) -> Counts:
        """Counts of one question's first `size` answers."""
        records, right = self._counted(size, deduplicated)
        places = records["age_band"].astype(np.int64) * COUNTRIES_MAX + records["country"]
        flat = np.bincount(places * 2 + right, minlength=AGE_BANDS * COUNTRIES_MAX * 2)
        return flat.reshape(AGE_BANDS, COUNTRIES_MAX, 2)

    def score(self, sizes: list[int]) -> Score:
        """Over questions of which the first `sizes` answers were taken, each fan once."""
        total = Score(0, 0)
        for size in sizes:
            records, right = self._counted(size, deduplicated=True)
            took = int(records["elapsed_ms"][right == 1].sum(dtype=np.int64))
            total = Score(total.right + int(right.sum()), total.elapsed_ms + took)
        return total

    def _counted(self, size: int, deduplicated: bool) -> tuple[Records, npt.NDArray[np.uint8]]:
        if not deduplicated:
            return self.records[:size], self.right[:size]
        first = np.unique(self.records["fan"][:size], return_index=True)[1]
        return self.records[first], self.right[first]


def question(number: int) -> Question:
    """The question that these answers answer, as the tally knows it."""
    text = {"en": "Which one?"}
    choices = tuple(Choice({"en": name}) for name in ("one", "two", "three", "four"))
    return Question(f"q{number}", text, choices, RIGHT, False, None, None)


def records_of(fans: npt.NDArray[np.int64], chance: np.random.Generator) -> Records:
    """One answer of each of these fans to question 0, in the order of their receipt."""
    size = len(fans)
    records = np.zeros(size, RECORD)
    records["fan"] = fans
    since = np.sort(chance.integers(500, BURST_MS, size))
    records["received_ms"] = OPENED_MS + since
    records["elapsed_ms"] = np.maximum(since - chance.integers(0, ALLOWANCE_MS, size), FLOOR_MS)
    records["choice"] = 1 << chance.integers(0, CHOICES, size)
    records["age_band"] = chance.integers(0, AGE_BANDS, size)
    records["country"] = _countries(size, chance)
    return records


def _countries(size: int, chance: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Most fans are from the heavy countries, the others from anywhere, a few countries first."""
    others = np.array([i for i, code in enumerate(CODES) if code not in HEAVY], np.uint8)
    heavy = np.array([INDEX[code] for code in HEAVY], np.uint8)
    ranks = np.minimum(chance.zipf(1.3, size) - 1, len(others) - 1)
    is_heavy = chance.random(size) < _HEAVY_SHARE
    return np.where(is_heavy, heavy[chance.integers(0, len(heavy), size)], others[ranks])


def _with_repeats(records: Records, repeats: int, chance: np.random.Generator) -> Records:
    """Put the same bytes in again, each within a thousand answers after the first time."""
    again = np.sort(chance.integers(0, len(records), repeats))
    order = np.arange(len(records), dtype=np.float64)
    later = again + chance.uniform(0.5, 1000, repeats)
    both = np.concatenate([records, records[again]])
    sorted_: Records = both[np.argsort(np.concatenate([order, later]), kind="stable")]
    # A repeat is received when it arrives: with those among which it stands now.
    sorted_["received_ms"] = np.maximum.accumulate(sorted_["received_ms"])
    return sorted_


def _rows(records: Records, right: npt.NDArray[np.uint8]) -> list[Row]:
    names = ("fan", "elapsed_ms", "choice", "age_band", "country")
    columns = [records[name].tolist() for name in names]
    return [Row(*fields) for fields in zip(*columns, right.astype(bool).tolist(), strict=True)]


def _write_hex(values: npt.NDArray[np.generic], digits: int, out: npt.NDArray[np.uint8]) -> None:
    characters = np.frombuffer(b"0123456789abcdef", np.uint8)
    numbers = values.astype(np.uint32)
    for digit in range(digits):
        out[:, digits - 1 - digit] = characters[(numbers >> np.uint32(4 * digit)) & 15]
