"""Header blocks as kernels judge them: each is read once and remembered, since phones repeat them.

The rules are those of `http.judge`; what is plain here is plain there, never the other way round
only: two If-None-Match or a long block are left to the ordinary server.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hairpin import libc
from hairpin.gate.general import HEAD_BYTES_MAX
from hairpin.kernel import compiled
from hairpin.ticket import Bytes

U = np.uint64

BLOCKS = 4096
BLOCK_BYTES_MAX = 1024
"""Of a remembered block; browsers send less."""
SCRATCH = BLOCKS
"""The row of a block that is read and not remembered."""
BLOCK = np.dtype(
    [
        ("size", np.int32),
        # Where the values of two headers stand in the block; size 0 if there is none.
        ("match_at", np.int32),
        ("match_size", np.int32),
        ("forwarded_at", np.int32),
        ("forwarded_size", np.int32),
    ]
)
Blocks = npt.NDArray[np.void]

NOT_PLAIN = -1

_TOKEN, _VALUE = 1, 2
CLASSES: Bytes = np.zeros(256, np.uint8)
CLASSES[list(b"!#$%&'*+-.^_`|~")] |= _TOKEN
for _first, _last in (b"09", b"AZ", b"az"):
    CLASSES[_first : _last + 1] |= _TOKEN
CLASSES[0x20:0x7F] |= _VALUE
CLASSES[0x80:] |= _VALUE
CLASSES[0x09] |= _VALUE

_NAMES = (
    b"te",
    b"host",
    b"expect",
    b"upgrade",
    b"trailer",
    b"connection",
    b"if-none-match",
    b"content-length",
    b"x-forwarded-for",
    b"proxy-connection",
    b"transfer-encoding",
)
NAMES: Bytes = np.frombuffer(b"".join(_NAMES) + b"keep-alive", np.uint8).copy()
NAME_AT = np.array([0, *np.cumsum([len(name) for name in _NAMES])], np.int64)
_KEEP_ALIVE_AT = int(NAME_AT[-1])
# Kernels take these arrays as constants of theirs.
_HOST, _CONNECTION, _MATCH, _LENGTH, _FORWARDED = 1, 5, 6, 7, 8
HEAD_END: Bytes = np.frombuffer(b"\r\n\r\n", np.uint8).copy()

_SPACE, _TAB, _CR, _LF, _COLON, _COMMA, _ZERO = 32, 9, 13, 10, 58, 44, 48


@compiled
def same_text(text: Bytes, at: int, lower: Bytes, lower_at: int, size: int) -> bool:
    """Are these bytes, in whatever case, the lower-case ones?"""
    for i in range(size):
        byte = text[at + i]
        if 65 <= byte <= 90:
            byte += 32
        if byte != lower[lower_at + i]:
            return False
    return True


@compiled
def _which(text: Bytes, at: int, size: int) -> int:
    """The number of a name that matters, -1 for all others."""
    for i in range(len(NAME_AT) - 1):
        if size == NAME_AT[i + 1] - NAME_AT[i] and same_text(text, at, NAMES, NAME_AT[i], size):
            return i
    return -1


@compiled
def judge(
    text: Bytes,
    at: int,
    end: int,
    block: Blocks,
    row: int,
) -> bool:
    """Is the header block in [at, end) plain? It ends with an empty line. Fills row `row`."""
    start = at
    hosts = lengths = 0
    block["match_size"][row] = 0
    block["forwarded_size"][row] = 0
    block["size"][row] = end - start
    while at < end - 2:
        name = at
        while CLASSES[text[at]] & _TOKEN:
            at += 1
        if at == name or text[at] != _COLON:
            return False
        which = _which(text, name, at - name)
        at += 1
        while text[at] == _SPACE or text[at] == _TAB:
            at += 1
        value = at
        while CLASSES[text[at]] & _VALUE:
            at += 1
        if text[at] != _CR or text[at + 1] != _LF:
            return False
        last = at
        while last > value and (text[last - 1] == _SPACE or text[last - 1] == _TAB):
            last -= 1
        size = last - value
        at += 2
        if which < 0:
            continue
        if which == _HOST:
            hosts += 1
            for i in range(value, last):
                if text[i] == _SPACE or text[i] == _TAB or text[i] == _COMMA:
                    return False
            if size == 0 or hosts > 1:
                return False
        elif which == _LENGTH:
            lengths += 1
            if size != 1 or text[value] != _ZERO or lengths > 1:
                return False
        elif which == _CONNECTION:
            if size != 10 or not same_text(text, value, NAMES, _KEEP_ALIVE_AT, 10):
                return False
        elif which == _MATCH:
            if block["match_size"][row] or size == 0:
                return False
            block["match_at"][row], block["match_size"][row] = value - start, size
        elif which == _FORWARDED:
            if block["forwarded_size"][row] or size == 0:
                return False
            block["forwarded_at"][row], block["forwarded_size"][row] = value - start, size
        else:
            return False
    return hosts == 1


@compiled
def _hash(text: Bytes, at: int, size: int) -> int:
    """Eight lanes, because one byte after the other would cost more than the judgement."""
    prime = U(0x100000001B3)
    a, b, c, d, e, f, g, h = U(1), U(2), U(3), U(4), U(5), U(6), U(7), U(8)
    stop = at + size - 7
    while at < stop:
        a = (a ^ U(text[at])) * prime
        b = (b ^ U(text[at + 1])) * prime
        c = (c ^ U(text[at + 2])) * prime
        d = (d ^ U(text[at + 3])) * prime
        e = (e ^ U(text[at + 4])) * prime
        f = (f ^ U(text[at + 5])) * prime
        g = (g ^ U(text[at + 6])) * prime
        h = (h ^ U(text[at + 7])) * prime
        at += 8
    mixed = ((a * prime ^ b) * prime ^ c) * prime ^ d
    mixed = (((mixed * prime ^ e) * prime ^ f) * prime ^ g) * prime ^ h
    mixed ^= mixed >> U(29)
    return int(np.int64((mixed ^ U(size)) & U(BLOCKS - 1)))


@compiled
def find_block(
    text: Bytes,
    at: int,
    end: int,
    blocks: Blocks,
    texts: Bytes,
) -> int:
    """The row of the header block at `at`, read and remembered if need be.

    NOT_PLAIN if it is not plain, or not whole before `end`. `texts` has shape (BLOCKS, bytes).
    """
    base = libc.address(text)
    found = libc.memmem(base + at, end - at, libc.address(HEAD_END), 4)
    if found == 0:
        return NOT_PLAIN
    size = found - base + 4 - at
    if size > BLOCK_BYTES_MAX:
        plain = size <= HEAD_BYTES_MAX and judge(text, at, at + size, blocks, SCRATCH)
        return SCRATCH if plain else NOT_PLAIN
    row = _hash(text, at, size)
    place = libc.address(texts) + row * BLOCK_BYTES_MAX
    if blocks["size"][row] == size and libc.memcmp(place, base + at, size) == 0:
        return row
    if not judge(text, at, at + size, blocks, SCRATCH):
        return NOT_PLAIN
    if blocks["forwarded_size"][SCRATCH]:
        return SCRATCH  # each client's is another: it would only push out those that come again
    blocks[row] = blocks[SCRATCH]
    libc.memcpy(place, base + at, size)
    return row
