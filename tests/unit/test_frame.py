"""Frames: their bytes as the format states them, and what reading says of damaged ones."""

from __future__ import annotations

import hashlib
import struct

import google_crc32c
import pytest

from hairpin import frame as framing
from hairpin.frame import BODY_BYTES_MAX, HEADER_BYTES, Broken, Kind

JOURNAL = 0x1122334455667788
GENESIS = framing.genesis(JOURNAL, 3)


def packed(sequence: int = 0, previous: bytes = GENESIS, body: bytes = b"body") -> bytes:
    return framing.pack(Kind.ANSWERS, JOURNAL, 3, sequence, previous, body, 2, 5)[0]


def test_the_bytes_are_those_of_the_format() -> None:
    data, chain = framing.pack(Kind.CONTROL, JOURNAL, 3, 9, GENESIS, b"body", 2, 5)
    assert HEADER_BYTES == 56
    start = b"HPN1" + bytes([1, 2]) + struct.pack("<HQIIQI", 5, JOURNAL, 3, 2, 9, 4)
    assert data[:36] == start
    assert chain == hashlib.blake2b(GENESIS + start + b"body", digest_size=16).digest()
    assert data[40:56] == chain
    blanked = start + bytes(4) + chain + b"body"
    assert data[36:40] == struct.pack("<I", google_crc32c.value(blanked))
    assert data[56:] == b"body"


def test_genesis_depends_on_journal_and_incarnation() -> None:
    seeds = {framing.genesis(journal, n) for journal in (1, 2) for n in (1, 2)}
    assert len(seeds) == 4


def test_a_chain_follows_its_predecessor_only() -> None:
    first, chain = framing.pack(Kind.ANSWERS, JOURNAL, 3, 0, GENESIS, b"a", 1)
    second = framing.unpack(packed(1, chain))
    assert framing.follows(framing.unpack(first), GENESIS)
    assert framing.follows(second, chain)
    assert not framing.follows(second, GENESIS)


def test_a_body_changed_with_a_fresh_checksum_no_longer_follows() -> None:
    data = bytearray(packed())
    data[HEADER_BYTES] ^= 1
    blanked = bytes(data[:36]) + bytes(4) + bytes(data[40:])
    data[36:40] = struct.pack("<I", google_crc32c.value(blanked))
    assert not framing.follows(framing.unpack(bytes(data)), GENESIS)


def test_another_version_is_refused_by_name() -> None:
    data = bytearray(packed())
    data[4] = 2
    with pytest.raises(Broken, match="format version 2, this program reads 1") as found:
        framing.unpack(bytes(data))
    assert not found.value.torn


def test_an_unknown_kind_is_refused_by_name() -> None:
    data = bytearray(packed())
    data[5] = 9
    blanked = bytes(data[:36]) + bytes(4) + bytes(data[40:])
    data[36:40] = struct.pack("<I", google_crc32c.value(blanked))
    with pytest.raises(Broken, match="kind 9"):
        framing.unpack(bytes(data))


def test_the_largest_body_is_packed_and_a_larger_one_refused() -> None:
    whole = packed(body=bytes(BODY_BYTES_MAX))
    assert len(framing.unpack(whole).body) == BODY_BYTES_MAX
    with pytest.raises(ValueError, match=f"{BODY_BYTES_MAX + 1} bytes; at most {BODY_BYTES_MAX}"):
        packed(body=bytes(BODY_BYTES_MAX + 1))


def test_a_size_beyond_the_limit_is_damage_and_not_a_torn_end() -> None:
    data = bytearray(packed())
    data[32:36] = struct.pack("<I", BODY_BYTES_MAX + 1)
    with pytest.raises(Broken, match="at most") as found:
        framing.unpack(bytes(data))
    assert not found.value.torn


def test_reading_stops_at_the_first_frame_that_is_not_whole() -> None:
    first, chain = framing.pack(Kind.ANSWERS, JOURNAL, 3, 0, GENESIS, b"a", 1)
    data = first + packed(1, chain)
    reading = framing.frames(data[:-1])
    assert next(reading).sequence == 0
    with pytest.raises(Broken) as found:
        next(reading)
    assert (found.value.offset, found.value.torn) == (len(first), True)


def test_an_intact_frame_is_found_behind_a_broken_one_and_behind_a_false_magic() -> None:
    whole = packed()
    data = b"\0" * 7 + b"HPN1 no frame" + whole
    assert framing.intact_frame_after(data, 0) == len(data) - len(whole)
    assert framing.intact_frame_after(data[:-1], 0) is None


def test_the_head_depends_on_every_strand_its_length_and_its_chain() -> None:
    one, two = bytes(16), bytes([1]) * 16
    heads = {
        framing.head({}),
        framing.head({1: (1, one)}),
        framing.head({1: (2, one)}),
        framing.head({1: (1, two)}),
        framing.head({2: (1, one)}),
        framing.head({1: (1, one), 2: (1, two)}),
    }
    assert len(heads) == 6
    assert framing.head({2: (1, two), 1: (1, one)}) == framing.head({1: (1, one), 2: (1, two)})
