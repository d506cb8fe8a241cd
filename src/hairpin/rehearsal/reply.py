"""The head of an HTTP reply, as far as a crowd must understand it. One compiled pass."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hairpin.kernel import compiled

Bytes = npt.NDArray[np.uint8]

PARTIAL = -1
"""The head is not whole yet."""
GARBAGE = 0
"""What came is no HTTP/1 reply."""

_LENGTH = np.frombuffer(b"content-length:", dtype=np.uint8)
_CLOSE = np.frombuffer(b"connection: close", dtype=np.uint8)
_CODING = np.frombuffer(b"transfer-encoding:", dtype=np.uint8)
_VERSION = np.frombuffer(b"HTTP/1.", dtype=np.uint8)

LF, SPACE, ZERO, NINE = 10, 32, 48, 57


@compiled
def read_head(buffer: Bytes, size: int) -> tuple[int, int, int, bool]:
    """Of the first `size` bytes: status, bytes of the head, bytes of the body, and whether the
    connection ends with this reply.

    A body in a transfer coding cannot be measured here: it has 0 bytes, and the connection ends.
    """
    if size < 13:
        return PARTIAL, 0, 0, False
    if not _begins(buffer, 0, size, _VERSION) or buffer[8] != SPACE:
        return GARBAGE, size, 0, True
    status = 0
    for place in range(9, 12):
        digit = int(buffer[place])
        if digit < ZERO or digit > NINE:
            return GARBAGE, size, 0, True
        status = 10 * status + digit - ZERO
    length, ends = 0, buffer[7] == ZERO
    start = 12
    for place in range(12, size):
        if buffer[place] != LF:
            continue
        if place - start <= 1 and start > 12:  # an empty line
            if status == 204 or status == 304:
                length = 0
            return status, place + 1, length, ends
        start = place + 1
        if _begins(buffer, start, size, _LENGTH):
            length = _number(buffer, start + len(_LENGTH), size)
        elif _begins(buffer, start, size, _CLOSE) or _begins(buffer, start, size, _CODING):
            ends = True
    return PARTIAL, 0, 0, False


@compiled
def _begins(buffer: Bytes, start: int, size: int, name: Bytes) -> bool:
    """Do these bytes begin with `name`, whatever the case of their letters?"""
    if start + len(name) > size:
        return False
    for offset in range(len(name)):
        found, wanted = int(buffer[start + offset]), int(name[offset])
        if found != wanted and (found < 65 or found > 90 or found + 32 != wanted):
            return False
    return True


@compiled
def _number(buffer: Bytes, start: int, size: int) -> int:
    number = 0
    for place in range(start, min(size, start + 20)):
        digit = int(buffer[place])
        if digit == SPACE:
            continue
        if digit < ZERO or digit > NINE or number > 1 << 40:
            break
        number = 10 * number + digit - ZERO
    return number
