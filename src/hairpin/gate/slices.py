"""Hot requests sliced out of a read buffer by compiled code: bytes in, entries out.

Accepts a part of what `http` describes and `Connection` takes, never more. Where it stops, the
ordinary server goes on with the same bytes.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hairpin import libc
from hairpin.gate.blocks import NOT_PLAIN, Blocks, find_block
from hairpin.gate.general import HEAD_BYTES_MAX
from hairpin.gate.http import ANSWER_TEXT_BYTES
from hairpin.kernel import compiled
from hairpin.ticket import Bytes

REFUSED = 0
"""Whatever a connection beyond the limit asks for."""
ANSWER = 1
NOW = 2
NOW_SAME = 3
"""`/now`, and the client has it already."""
PREFLIGHT = 4
JOIN = 5

ENTRY = np.dtype(
    [
        ("fd", np.int32),
        ("kind", np.int32),
        # Of an answer or a join: its number among the answers or joins of the sweep.
        ("number", np.int32),
    ]
)
Entries = npt.NDArray[np.void]
JOINER = np.dtype(
    [
        ("fd", np.int32),
        ("who", np.uint8, 3),
        # Where the value of X-Forwarded-For was copied to, and its size, which may be 0.
        ("forwarded_at", np.int32),
        ("forwarded_size", np.int32),
    ]
)
Joiners = npt.NDArray[np.void]

PIPELINED_MAX = 256
"""Requests of one connection in one sweep; the rest is for the ordinary server."""
DOCUMENTS_MAX = 8
"""Whole `/now` documents of one connection in one sweep: then the ordinary server goes on, which
makes no more of them than the client reads."""
FORWARDED_BYTES_MAX = 256

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_/"
PATH_BYTE: npt.NDArray[np.bool] = np.zeros(256, np.bool)
PATH_BYTE[list(_ALPHABET)] = True

_ANSWER, _JOIN, _NOW, _OPTIONS = b"POST /a/", b"POST /t/", b"GET /now HTTP/1.1\r\n", b"OPTIONS "
_VERSION = b" HTTP/1.1\r\n"
WORDS: Bytes = np.frombuffer(_ANSWER + _JOIN + _NOW + _OPTIONS + _VERSION, np.uint8).copy()
_JOIN_AT = len(_ANSWER)
_NOW_AT = _JOIN_AT + len(_JOIN)
_OPTIONS_AT = _NOW_AT + len(_NOW)
_VERSION_AT = _OPTIONS_AT + len(_OPTIONS)
_NOW_SIZE, _VERSION_SIZE = len(_NOW), len(_VERSION)
TEXT_BYTES = ANSWER_TEXT_BYTES

# Counters of a sweep.
ENTRIES, ANSWERS, JOINS, FORWARDED = 0, 1, 2, 3


@compiled
def _is(text: Bytes, at: int, end: int, word: int, size: int) -> bool:
    return (
        end - at >= size
        and libc.memcmp(libc.address(text) + at, libc.address(WORDS) + word, size) == 0
    )


@compiled
def first_line(text: Bytes, at: int, end: int) -> tuple[int, int]:
    """What the request at `at` asks for, and where its first line ends; (0, at) if not hot."""
    if _is(text, at, end, 0, 8):
        line_end = at + 8 + TEXT_BYTES
        good = _is(text, line_end, end, _VERSION_AT, _VERSION_SIZE)
        if good:
            for i in range(at + 8, line_end):
                good &= PATH_BYTE[text[i]]
        return (ANSWER, line_end + _VERSION_SIZE) if good else (0, at)
    if _is(text, at, end, _NOW_AT, _NOW_SIZE):
        return NOW, at + _NOW_SIZE
    if _is(text, at, end, _JOIN_AT, 8):
        if _is(text, at + 11, end, _VERSION_AT, _VERSION_SIZE) and (
            48 <= text[at + 8] <= 57 and 65 <= text[at + 9] <= 90 and 65 <= text[at + 10] <= 90
        ):
            return JOIN, at + 11 + _VERSION_SIZE
        return 0, at
    if _is(text, at, end, _OPTIONS_AT, 8):
        stop = at + 8
        while stop < end and 33 <= text[stop] <= 126:
            stop += 1
        if stop > at + 8 and _is(text, stop, end, _VERSION_AT, _VERSION_SIZE):
            return PREFLIGHT, stop + _VERSION_SIZE
    return 0, at


@compiled
def matches(text: Bytes, at: int, size: int, etag: Bytes) -> int:
    """Does an If-None-Match name this tag? 1 yes, 0 no, -1 if it is a list or something else."""
    if size > 2 and text[at] == 87 and text[at + 1] == 47:  # W/: compared as a strong one
        at, size = at + 2, size - 2
    if size < 2 or text[at] != 34 or text[at + size - 1] != 34:
        return -1
    for i in range(at + 1, at + size - 1):
        if text[i] == 34 or text[i] == 44:
            return -1
    same = size == len(etag) and (
        libc.memcmp(libc.address(text) + at, libc.address(etag), size) == 0
    )
    return 1 if same else 0


@compiled
def _join(
    fd: int,
    text: Bytes,
    who: int,
    at: int,
    size: int,
    counts: npt.NDArray[np.int64],
    joiners: Joiners,
    forwarded: Bytes,
) -> None:
    """Note a join by the three bytes at `who`; X-Forwarded-For is at `at`."""
    number, copied = counts[JOINS], counts[FORWARDED]
    joiners["fd"][number] = fd
    for i in range(3):
        joiners["who"][number, i] = text[who + i]
    joiners["forwarded_at"][number] = copied
    joiners["forwarded_size"][number] = size
    libc.memcpy(libc.address(forwarded) + copied, libc.address(text) + at, size)
    counts[JOINS], counts[FORWARDED] = number + 1, copied + size


@compiled
def slice_requests(
    text: Bytes,
    at: int,
    end: int,
    fd: int,
    last: npt.NDArray[np.int32],
    etag: Bytes,
    blocks: Blocks,
    block_texts: Bytes,
    counts: npt.NDArray[np.int64],
    entries: Entries,
    answers: Bytes,
    joiners: Joiners,
    forwarded: Bytes,
) -> int:
    """Slice the hot requests in [at, end); returns where the first one begins that is not hot, or
    not whole.

    `last`: rows of the blocks that this connection sent last, of GETs and of POSTs. `answers` has
    shape (n, 32) and gets what stands between `/a/` and the blank. There must be room for
    PIPELINED_MAX more entries, answers and joins.
    """
    base = libc.address(text)
    documents = 0
    for _ in range(PIPELINED_MAX):
        kind, line_end = first_line(text, at, end)
        if kind == 0:
            return at
        side = 0 if kind == NOW else 1
        row = int(last[side])
        size = int(blocks["size"][row])
        known = block_texts.shape[1] * row + libc.address(block_texts)
        if size == 0 or end - line_end < size or libc.memcmp(base + line_end, known, size) != 0:
            row = find_block(text, line_end, end, blocks, block_texts)
            if row == NOT_PLAIN:
                return at
            size = int(blocks["size"][row])
            if row < len(block_texts):
                last[side] = row
        if line_end - at + size > HEAD_BYTES_MAX:
            return at
        if kind == NOW and blocks["match_size"][row]:
            same = matches(
                text, line_end + blocks["match_at"][row], blocks["match_size"][row], etag
            )
            if same < 0:
                return at
            kind = NOW_SAME if same else NOW
        if kind == NOW:
            documents += 1
            if documents > DOCUMENTS_MAX:
                return at
        entry = counts[ENTRIES]
        entries["number"][entry] = 0
        if kind == ANSWER:
            number = counts[ANSWERS]
            libc.memcpy(libc.address(answers) + number * TEXT_BYTES, base + at + 8, TEXT_BYTES)
            entries["number"][entry] = number
            counts[ANSWERS] = number + 1
        elif kind == JOIN:
            long = blocks["forwarded_size"][row]
            if long > FORWARDED_BYTES_MAX:
                return at
            entries["number"][entry] = counts[JOINS]
            place = line_end + blocks["forwarded_at"][row]
            _join(fd, text, at + 8, place, long, counts, joiners, forwarded)
        entries["fd"][entry] = fd
        entries["kind"][entry] = kind
        counts[ENTRIES] = entry + 1
        at = line_end + size
        if at >= end:
            return at
    return at
