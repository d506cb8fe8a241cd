"""Frames: the unit of the journal, the same bytes on disk, on a stream and in a backup.

A frame is a 56-byte header and a body, little-endian:

    offset size field
    0      4    magic "HPN1"
    4      1    version (1)
    5      1    kind: 1 answers, 2 control, 3 seal
    6      2    partition
    8      8    journal id
    16     4    incarnation of the writer
    20     4    count of records in the body
    24     8    sequence within the incarnation, from 0
    32     4    size of the body in bytes
    36     4    crc32c of the header with this field zero, and of the body
    40     16   chain: BLAKE2b-128 of the previous chain, the header without crc and chain, the body

The first chain of an incarnation follows `genesis(journal, incarnation)`.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from enum import IntEnum

import google_crc32c
import msgspec

MAGIC = b"HPN1"
VERSION = 1
HEADER = struct.Struct("<4sBBHQIIQII16s")
HEADER_BYTES = HEADER.size
BODY_BYTES_MAX = 4 << 20
FRAME_BYTES_MAX = HEADER_BYTES + BODY_BYTES_MAX
_FIELDS = struct.Struct("<4sBBHQIIQII")
"""Of the header, but the chain."""
_CRC_BLANK = bytes(4)
_CRC_AT = 36
_CHAIN_AT = 40


class Kind(IntEnum):
    ANSWERS = 1
    CONTROL = 2
    SEAL = 3


_KINDS = {int(kind): kind for kind in Kind}


class Frame(msgspec.Struct, frozen=True):
    kind: Kind
    partition: int
    journal: int
    incarnation: int
    sequence: int
    count: int
    chain: bytes
    body: bytes
    offset: int
    """Of the header, within what was read."""

    @property
    def size_bytes(self) -> int:
        return HEADER_BYTES + len(self.body)


class Broken(Exception):
    """No intact frame at `offset`; `torn` if the bytes just end too early."""

    def __init__(self, offset: int, why: str, torn: bool) -> None:
        super().__init__(f"at byte {offset}: {why}")
        self.offset = offset
        self.why = why
        self.torn = torn


class Newer(Broken):
    """A frame of a format that this program does not know yet."""


def genesis(journal: int, incarnation: int) -> bytes:
    """The chain before an incarnation's first frame."""
    seed = struct.pack("<4sQI", MAGIC, journal, incarnation)
    return hashlib.blake2b(seed, digest_size=16).digest()


def _chained(previous: bytes, header: bytes, body: bytes) -> bytes:
    digest = hashlib.blake2b(previous + header[:_CRC_AT], digest_size=16)
    digest.update(body)
    return digest.digest()


def _checksum(header: bytes, body: bytes) -> int:
    blanked = header[:_CRC_AT] + bytes(4) + header[_CHAIN_AT:]
    value: int = google_crc32c.extend(google_crc32c.value(blanked), body)
    return value


def pack(
    kind: Kind,
    journal: int,
    incarnation: int,
    sequence: int,
    previous: bytes,
    body: bytes,
    count: int,
    partition: int = 0,
) -> tuple[bytes, bytes]:
    """A whole frame and its chain. Raises ValueError if the body is too large."""
    if len(body) > BODY_BYTES_MAX:
        raise ValueError(f"a body of {len(body)} bytes; at most {BODY_BYTES_MAX}")
    fields = (MAGIC, VERSION, kind, partition, journal, incarnation, count, sequence, len(body))
    chain = _chained(previous, HEADER.pack(*fields, 0, bytes(16)), body)
    header = HEADER.pack(*fields, 0, chain)
    header = HEADER.pack(*fields, _checksum(header, body), chain)
    return header + body, chain


def packed(frame: Frame) -> bytes:
    """The frame's bytes, as `pack` made them."""
    fields = (MAGIC, VERSION, frame.kind, frame.partition, frame.journal, frame.incarnation)
    numbers = (frame.count, frame.sequence, len(frame.body))
    blank = HEADER.pack(*fields, *numbers, 0, frame.chain)
    header = HEADER.pack(*fields, *numbers, _checksum(blank, frame.body), frame.chain)
    return header + frame.body


def unpack(data: bytes | memoryview, offset: int = 0) -> Frame:
    """The frame at `offset`; its checksum holds, its chain is not followed yet. Raises `Broken`."""
    rest = len(data) - offset
    if rest < HEADER_BYTES:
        raise Broken(offset, f"{rest} bytes, a header has {HEADER_BYTES}", torn=True)
    header = bytes(data[offset : offset + HEADER_BYTES])
    magic, version, kind, partition, journal, incarnation, count, sequence, size, crc, chain = (
        HEADER.unpack(header)
    )
    if magic != MAGIC:
        raise Broken(offset, f"magic is {magic!r}, not {MAGIC!r}", torn=False)
    if version != VERSION:
        unknown = Newer if version > VERSION else Broken
        raise unknown(offset, f"format version {version}, this program reads {VERSION}", torn=False)
    if size > BODY_BYTES_MAX:
        raise Broken(offset, f"a body of {size} bytes, at most {BODY_BYTES_MAX}", torn=False)
    if rest < HEADER_BYTES + size:
        raise Broken(offset, f"{rest} bytes of a frame of {HEADER_BYTES + size}", torn=True)
    body = bytes(data[offset + HEADER_BYTES : offset + HEADER_BYTES + size])
    if _checksum(header, body) != crc:
        raise Broken(offset, "the checksum does not hold", torn=False)
    known = _KINDS.get(kind)
    if known is None:
        raise Broken(offset, f"kind {kind} is unknown", torn=False)
    return Frame(known, partition, journal, incarnation, sequence, count, chain, body, offset)


def walk(
    data: bytes, journal: int, incarnation: int, sequence: int, upto: int | None = None, at: int = 0
) -> tuple[int, int, int]:
    """Verify frames of one strand from `at` on, until frame `upto`, or one that is not intact.

    For gigabytes per second: looks at checksum, identity and sequence, and makes no objects; who
    wants to know why it stops asks `unpack`. Returns where it stops, the sequence of the frame
    that would be next, and where the last frame begins (-1: there is none).
    """
    value, extend, fields = google_crc32c.value, google_crc32c.extend, _FIELDS.unpack_from
    last, ends = -1, len(data) - HEADER_BYTES
    while at <= ends and sequence != upto:
        magic, version, kind, _, journal_, incarnation_, _, sequence_, size, crc = fields(data, at)
        end = at + HEADER_BYTES + size
        if (
            (magic, version) != (MAGIC, VERSION)
            or (sequence_, incarnation_, journal_) != (sequence, incarnation, journal)
            or end > len(data)
            or size > BODY_BYTES_MAX
            or kind not in _KINDS
            or extend(
                extend(value(data[at : at + _CRC_AT]), _CRC_BLANK), data[at + _CHAIN_AT : end]
            )
            != crc
        ):
            break
        last, at, sequence = at, end, sequence + 1
    return at, sequence, last


def chain_at(data: bytes, at: int) -> bytes:
    """The chain of the frame that begins there."""
    return data[at + _CHAIN_AT : at + HEADER_BYTES]


def follows(frame: Frame, previous: bytes) -> bool:
    """Does this frame's chain continue `previous`?"""
    fields = (MAGIC, VERSION, frame.kind, frame.partition, frame.journal, frame.incarnation)
    header = HEADER.pack(*fields, frame.count, frame.sequence, len(frame.body), 0, bytes(16))
    return _chained(previous, header, frame.body) == frame.chain


def frames(data: bytes) -> Iterator[Frame]:
    """All frames of `data` in order. Raises `Broken` at the first that is not intact."""
    view = memoryview(data)
    offset = 0
    while offset < len(data):
        frame = unpack(view, offset)
        yield frame
        offset += frame.size_bytes


def intact_frame_after(data: bytes, offset: int) -> int | None:
    """Where the next intact frame begins after `offset`: then what lies before is no torn end."""
    at = data.find(MAGIC, offset + 1)
    while at >= 0:
        try:
            unpack(data, at)
        except Broken:
            at = data.find(MAGIC, at + 1)
        else:
            return at
    return None


def head(chains: dict[int, tuple[int, bytes]]) -> str:
    """One hash over the heads of all chains: {incarnation: (frames, chain)}; hex."""
    digest = hashlib.blake2b(digest_size=16)
    for incarnation, (count, chain) in sorted(chains.items()):
        digest.update(struct.pack("<IQ16s", incarnation, count, chain))
    return digest.hexdigest()
