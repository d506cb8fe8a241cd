"""May these answers in? A kernel over a whole batch: ticket, question, choice, time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hairpin.answer import RECORD, Records
from hairpin.gate.http import ANSWER_TEXT_BYTES
from hairpin.kernel import compiled
from hairpin.messages import GateQuestion
from hairpin.ticket import DECODE, TICKET_CHARS, Bytes, TicketKey, read_ticket

U = np.uint64

COUNTED = 204
BAD_TICKET = 401
NO_SUCH = 404
NOT_OPEN = 409
CLOSED = 410

HEX: Bytes = np.full(256, 255, np.uint8)
HEX[list(b"0123456789abcdef")] = np.arange(16, dtype=np.uint8)

_NEVER = np.iinfo(np.int64).max


@compiled
def _hex(text: Bytes, at: int, digits: int, table: Bytes) -> int:
    """The value of lower-case hex digits, -1 if one is not."""
    value = 0
    bad = np.uint8(0)  # looked at once, in the end: no branch for each digit
    for i in range(digits):
        digit = table[text[at + i]]
        bad |= digit
        value = (value << 4) | int(digit)
    return value if bad < 16 else -1


@compiled
def _judge(
    good_ticket: bool,
    question: int,
    choice: int,
    elapsed: int,
    received: int,
    opens: npt.NDArray[np.int64],
    closes: npt.NDArray[np.int64],
    masks: npt.NDArray[np.int64],
    multiple: npt.NDArray[np.bool],
) -> int:
    if not good_ticket:
        return BAD_TICKET
    if question < 0 or choice <= 0 or elapsed < 0 or masks[question] == 0:
        return NO_SUCH
    # Before it opens nobody may learn how many choices a question has.
    if received < opens[question]:
        return NOT_OPEN
    if choice >= masks[question] or (not multiple[question] and choice & (choice - 1) != 0):
        return NO_SUCH
    return CLOSED if received >= closes[question] else COUNTED


@compiled
def admit(
    text: Bytes,
    received: npt.NDArray[np.int64],
    key_number: int,
    decode: Bytes,
    hexes: Bytes,
    k0: U,
    k1: U,
    opens: npt.NDArray[np.int64],
    closes: npt.NDArray[np.int64],
    masks: npt.NDArray[np.int64],
    multiple: npt.NDArray[np.bool],
    fan: npt.NDArray[np.uint32],
    received_out: npt.NDArray[np.uint32],
    elapsed_out: npt.NDArray[np.uint32],
    question_out: npt.NDArray[np.uint8],
    choice_out: npt.NDArray[np.uint8],
    band: npt.NDArray[np.uint8],
    country: npt.NDArray[np.uint8],
    status: npt.NDArray[np.int64],
) -> int:
    """Judge n answers of 32 bytes each; fills the records' fields and the statuses.

    Returns how many got 204.
    """
    good = 0
    for i in range(len(received)):
        at = i * 32
        message, signed = read_ticket(text, at, decode, k0, k1)
        holds = bool(signed) and int((message >> U(48)) & U(255)) == key_number
        question = _hex(text, at + 21, 2, hexes) if text[at + 20] == 47 else -1
        choice = _hex(text, at + 23, 2, hexes)
        elapsed = _hex(text, at + 25, 7, hexes)
        judged = _judge(
            holds, question, choice, elapsed, received[i], opens, closes, masks, multiple
        )
        status[i] = judged
        if judged == COUNTED:
            fan[i] = message & U(0xFFFFFFFF)
            band[i] = (message >> U(32)) & U(255)
            country[i] = (message >> U(40)) & U(255)
            received_out[i] = min(max(received[i], 0), 0xFFFF_FFFF)
            elapsed_out[i] = elapsed
            question_out[i] = question
            choice_out[i] = choice
            good += 1
    return good


class Admission:
    """The doors of all questions, and the key that opens tickets."""

    def __init__(self, key: TicketKey) -> None:
        self._key_number = key.number
        self._k0, self._k1 = key.words()
        self._opens = np.full(256, _NEVER, np.int64)
        self._closes = np.full(256, _NEVER, np.int64)
        self._masks = np.zeros(256, np.int64)
        self._multiple = np.zeros(256, np.bool)

    def set_questions(self, questions: tuple[GateQuestion, ...], epoch_ms: int) -> None:
        for i, question in enumerate(questions):
            self._masks[i] = 1 << question.choices
            self._multiple[i] = question.multiple
            if question.opened_ms is not None:
                self._opens[i] = question.opened_ms - epoch_ms
            if question.closes_ms is not None and self._closes[i] != _SHUT:
                self._closes[i] = question.closes_ms - epoch_ms

    def shut(self, question: int) -> None:
        """No more answers, whenever they were received."""
        self._closes[question] = _SHUT

    def admit(
        self, text: Bytes, received: npt.NDArray[np.int64]
    ) -> tuple[Records, npt.NDArray[np.int64]]:
        """Judge answers of ANSWER_TEXT_BYTES each; `received` in ms since the show's epoch.

        Returns the records of those that may in, and the status of each.
        """
        size = len(received)
        records = np.zeros(size, RECORD)
        status = np.zeros(size, np.int64)
        assert len(text) == size * ANSWER_TEXT_BYTES
        good = admit(
            text,
            received,
            self._key_number,
            DECODE,
            HEX,
            self._k0,
            self._k1,
            self._opens,
            self._closes,
            self._masks,
            self._multiple,
            records["fan"],
            records["received_ms"],
            records["elapsed_ms"],
            records["question"],
            records["choice"],
            records["age_band"],
            records["country"],
            status,
        )
        return (records if good == size else records[status == COUNTED]), status


_SHUT = np.iinfo(np.int64).min


def answer_text(ticket: str, question: int, choice: int, elapsed_ms: int) -> bytes:
    """The 32 bytes that stand in the path of an answer."""
    padded = ticket.ljust(TICKET_CHARS, "!")[:TICKET_CHARS]
    return f"{padded}/{question:02x}{choice:02x}{elapsed_ms:07x}".encode("ascii", "replace")
