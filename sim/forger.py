"""Somebody changes an answer in the journal after the show, in all mirrors and with a new checksum.

Only the chain can tell then: docs/formats.md.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path

import google_crc32c

from hairpin import frame as framing
from hairpin.frame import HEADER_BYTES, Frame
from sim.disk import Disks

CRC_AT, CHAIN_AT = 36, 40
ELAPSED_AT = HEADER_BYTES + 8
"""In the first record of a body of answers: the time that its phone has claimed."""


def forge(disks: Disks, mirrors: Iterable[Path], frame: Frame) -> int:
    """`frame`: of answers, as it was read. Returns in how many places it was changed."""
    good = framing.packed(frame)
    bad = _forged(good)
    places = 0
    for mirror in mirrors:
        for path, file in disks.disk(mirror).system.files():
            at = file.platter.find(good) if path.endswith(".hpj") else -1
            while at >= 0:
                file.platter[at : at + len(bad)] = bad
                file.evict()
                places += 1
                at = file.platter.find(good)
    return places


def _forged(good: bytes) -> bytes:
    """One bit of a claimed time is another, and the checksum holds."""
    frame = bytearray(good)
    frame[ELAPSED_AT] ^= 1
    frame[CRC_AT:CHAIN_AT] = bytes(4)
    struct.pack_into("<I", frame, CRC_AT, google_crc32c.value(bytes(frame)))
    return bytes(frame)
