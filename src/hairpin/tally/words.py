"""The word of one fan for one question, and the kernels over all of them.

A word has 64 bits; from the highest: received_ms since the opening (27 bits, saturating), the time
that counts (19, as its distance from the receipt), the choice (8), and where the ticket is from
(10: age band and country). All ones means no answer. Merging is `min`, so that the first received
answer counts; `min` is commutative, associative and idempotent: any order, any duplication and any
replay of the same records give the same words and the same cells.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hairpin.answer import Records
from hairpin.country import CODES
from hairpin.kernel import compiled, inlined, prefetch
from hairpin.show import AGE_BANDS

U = np.uint64
Words = npt.NDArray[np.uint64]
Pairs = npt.NDArray[np.uint64]
"""Records as 64-bit halves, two for each, contiguous."""
Cells = npt.NDArray[np.int64]

NO_ANSWER = U(0xFFFF_FFFF_FFFF_FFFF)
RECEIVED_MAX_MS = (1 << 27) - 2
"""37 hours; one less than 27 bits hold, so that no answer is all ones."""
_BEFORE_MS = 500_000
"""The 19 bits hold the time that counts, less the time since the opening, plus this: it is shorter
by at most `ALLOWANCE_MS_MAX`, and longer by at most `ELAPSED_FLOOR_MS_MAX`."""
_CODES = U(len(CODES))
_BANDS = U(AGE_BANDS)
_AHEAD = 32
"""How many records ahead a word is asked for: memory answers while others are merged."""

REFUSED = -1
"""A record has a choice, age band or country that does not exist."""
OTHERS = -1
"""There are records of several questions."""


def pairs_of(records: Records) -> Pairs:
    """The same memory; records must lie side by side."""
    return records.view(np.uint64)


def parts_of(word: int) -> tuple[int, int, int]:
    """Of an answer's word: ms from the opening to the receipt, ms that count, choice."""
    received_ms = word >> 37
    return received_ms, received_ms - _BEFORE_MS + (word >> 18 & 0x7FFFF), word >> 10 & 0xFF


@inlined
def _signed(value: U) -> int:
    return np.int64(value)  # type: ignore[return-value]


@inlined
def elapsed_of(word: U) -> int:
    """The time that counts, in milliseconds."""
    return _signed(word >> U(37)) - _BEFORE_MS + _signed((word >> U(18)) & U(0x7FFFF))


@inlined
def choice_of(word: U) -> U:
    return (word >> U(10)) & U(0xFF)


@inlined
def origin_of(word: U) -> U:
    """Age band << 8 | country."""
    return word & U(0x3FF)


@inlined
def _legal(choice: U, limit: U, multiple: bool) -> bool:
    """As `Question.legal` says, without a branch."""
    return bool((choice != 0) & (choice < limit) & (multiple | ((choice & (choice - U(1))) == 0)))


@compiled
def only_question(pairs: Pairs) -> int:
    """The question that all these records answer, or OTHERS; there is at least one."""
    first = (pairs[1] >> U(32)) & U(0xFF)
    same = True
    for i in range(len(pairs) // 2):
        same &= (pairs[2 * i + 1] >> U(32)) & U(0xFF) == first
    return _signed(first) if same else OTHERS


@compiled
def survey(pairs: Pairs, choices: int, multiple: bool) -> int:
    """The highest fan number; REFUSED if a record is none that a gate could have admitted."""
    highest, limit = U(0), U(1 << choices)
    sound = True
    for i in range(len(pairs) // 2):
        tail = pairs[2 * i + 1]
        highest = max(highest, pairs[2 * i] & U(0xFFFF_FFFF))
        sound &= _legal((tail >> U(40)) & U(0xFF), limit, multiple)
        sound &= ((tail >> U(48)) & U(0xFF) < _BANDS) & (tail >> U(56) < _CODES)
    return _signed(highest) if sound else REFUSED


@inlined
def _merge(
    pairs: Pairs, opened: int, allowance: int, floor: int, words: Words, cells: Cells
) -> int:
    fresh = 0
    count = len(pairs) // 2
    for i in range(count):
        if i + _AHEAD < count:
            prefetch(words, pairs[2 * (i + _AHEAD)] & U(0xFFFF_FFFF))
        head, tail = pairs[2 * i], pairs[2 * i + 1]
        since = min(max(_signed(head >> U(32)) - opened, 0), RECEIVED_MAX_MS)
        took = min(max(_signed(tail & U(0xFFFF_FFFF)), since - allowance), since)
        took = max(took, floor)
        choice = (tail >> U(40)) & U(0xFF)
        origin = ((tail >> U(40)) & U(0x300)) | (tail >> U(56))
        kept = U(took - since + _BEFORE_MS)
        word = (U(since) << U(37)) | (kept << U(18)) | (choice << U(10)) | origin
        fan = head & U(0xFFFF_FFFF)
        old = words[fan]
        if word < old:
            if old == NO_ANSWER:
                fresh += 1
            else:
                cells[choice_of(old), origin_of(old)] -= 1
            words[fan] = word
            cells[choice, origin] += 1
    return fresh


@compiled
def merge(
    pairs: Pairs,
    choices: int,
    multiple: bool,
    opened: int,
    allowance: int,
    floor: int,
    words: Words,
    cells: Cells,
) -> tuple[int, int]:
    """Merge records into `words` and `cells`, unless one is refused or finds no room.

    Returns the highest fan number or REFUSED, and how many fans are new; nothing is changed if the
    first is REFUSED or not within `words`. `cells` is 2-d: choice, and age band << 8 | country. A
    claim is clamped to [since - allowance, since], where since is the time from opening to
    receipt, and then raised to the floor. All in ms.
    """
    highest = survey(pairs, choices, multiple)
    if highest == REFUSED or highest >= len(words):
        return highest, 0
    return highest, _merge(pairs, opened, allowance, floor, words, cells)


@compiled
def fold(
    words: Words,
    right: int,
    exact: bool,
    sign: int,
    correct: npt.NDArray[np.uint8],
    total_ms: npt.NDArray[np.uint32],
    origins: npt.NDArray[np.uint16],
) -> None:
    """Add (`sign` 1) or take back (-1) a question's right answers; totals are u32, 49 days.

    `origins` becomes 1 + origin for who answered, and stays so.
    """
    for fan in range(len(words)):
        word = words[fan]
        answered = word != NO_ANSWER
        choice = choice_of(word)
        good = answered & ((choice == U(right)) if exact else ((choice & U(right)) != 0))
        correct[fan] += np.uint8(sign if good else 0)
        total_ms[fan] += np.uint32(sign * elapsed_of(word) if good else 0)
        # Every answer of a fan says the same; the largest, lest the order of folds ever matters.
        origin = np.uint16(origin_of(word) + U(1) if answered else U(0))
        origins[fan] = max(origins[fan], origin)
