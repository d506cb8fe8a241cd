"""Batches of requests as bytes: joins, looks, answers, forgeries and junk."""

from __future__ import annotations

import random
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from hairpin.rehearsal.forms import FIRST_JUNK, GET, POST
from hairpin.rehearsal.phones import JOIN_CHARS, TICKET_CHARS, Phones
from hairpin.rehearsal.script import TAIL_CHARS, Kind, Round
from hairpin.rehearsal.wire import LINE_BYTES, Batch, Codes, Flag

Events = npt.NDArray[np.int64]

_ASK_LINE = np.frombuffer(b"GET /now", dtype=np.uint8)
_ANSWER_LINE = np.frombuffer(b"POST /a/", dtype=np.uint8)
_TICKET_AT = len(_ANSWER_LINE)
_TAIL_AT = _TICKET_AT + TICKET_CHARS
_ANSWER_END = _TAIL_AT + TAIL_CHARS


def empty(number: int) -> Batch:
    """Room for `number` requests in the form of an answer."""
    return Batch(
        code=np.zeros(number, np.int64),
        line=np.zeros((number, LINE_BYTES), np.uint8),
        length=np.zeros(number, np.uint8),
        form=np.full(number, POST, np.uint8),
        flags=np.zeros(number, np.uint8),
    )


def joined_up(parts: Iterable[Batch]) -> Batch:
    """All of them, one after another."""
    columns = zip(*(empty(0), *parts), strict=True)
    return Batch(*(np.concatenate(column) for column in columns))


def joins(phones: Phones, fans: Events) -> Batch:
    """The code of a join is its fan."""
    made = empty(len(fans))
    made.code[:] = fans
    made.line[:, :JOIN_CHARS] = phones.join_lines(fans)
    made.length[:] = JOIN_CHARS
    made.flags[:] = Flag.KEEP
    return made


def looks(code: Codes) -> Batch:
    made = empty(len(code))
    made.code[:] = code
    made.line[:, : len(_ASK_LINE)] = _ASK_LINE
    made.length[:] = len(_ASK_LINE)
    made.form[:] = GET
    return made


def junk(code: Codes, events: Events, forms: int) -> Batch:
    """`forms`: how many kinds of junk there are."""
    made = empty(len(code))
    made.code[:] = code
    made.form[:] = FIRST_JUNK + events % forms
    made.flags[:] = Flag.ONCE
    return made


def answers(phones: Phones, round_: Round, events: Events, code: Codes) -> Batch:
    """Of fans who hold tickets; forgeries among them are spoilt here."""
    made = empty(len(code))
    kind = round_.kind[events]
    made.code[:] = code
    made.line[:, :_TICKET_AT] = _ANSWER_LINE
    made.line[:, _TICKET_AT:_TAIL_AT] = phones.ticket[round_.fan[events]]
    made.line[:, _TAIL_AT:_ANSWER_END] = round_.tails[events]
    made.length[:] = _ANSWER_END
    for place in np.flatnonzero(kind == Kind.FORGED).tolist():
        ticket = made.line[place, _TICKET_AT:_TAIL_AT].tobytes()
        line = forged(ticket, round_.tails[events[place]].tobytes(), int(events[place]))
        made.line[place, : len(line)] = np.frombuffer(line, dtype=np.uint8)
        made.length[place] = len(line)
    made.flags[(kind == Kind.DROP) & (round_.tries[events] == 0)] = Flag.HANG_UP
    return made


def forged(ticket: bytes, tail: bytes, number: int) -> bytes:
    """An answer that no gate may accept: made up, altered, cut short, or an impossible choice."""
    kind = number % 4
    if kind == 0:
        ticket = random.Random(number).randbytes(10).hex().encode()
    elif kind == 1:
        ticket = ticket[:7] + (b"A" if ticket[7:8] != b"A" else b"B") + ticket[8:]
    elif kind == 2:
        ticket = ticket[:13]
    else:
        tail = tail[:3] + b"00" + tail[5:]  # no choice at all
    return b"POST /a/" + ticket + tail
