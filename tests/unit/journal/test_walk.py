"""The fast way through frames sees what the thorough one sees."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hairpin import frame as framing
from hairpin.frame import Kind

JOURNAL, STRAND = 7, 3


def strand(sizes: list[int]) -> bytes:
    chain, data = framing.genesis(JOURNAL, STRAND), b""
    for sequence, size in enumerate(sizes):
        frame, chain = framing.pack(
            Kind.ANSWERS, JOURNAL, STRAND, sequence, chain, bytes([sequence % 256]) * size, 1
        )
        data += frame
    return data


def intact(data: bytes) -> int:
    """How many frames `unpack` takes, one after the other."""
    at = count = 0
    while at < len(data):
        try:
            frame = framing.unpack(data, at)
        except framing.Broken:
            break
        if (frame.journal, frame.incarnation, frame.sequence) != (JOURNAL, STRAND, count):
            break
        at, count = at + frame.size_bytes, count + 1
    return count


@given(st.lists(st.integers(0, 300), max_size=8), st.integers(0, 1 << 16), st.integers(0, 255))
def test_it_stops_where_unpacking_does(sizes: list[int], at: int, change: int) -> None:
    data = strand(sizes)
    if data:
        place = at % len(data)
        data = data[:place] + bytes([data[place] ^ change]) + data[place + 1 :]
    end, count, last = framing.walk(data, JOURNAL, STRAND, 0)
    assert count == intact(data)
    if last >= 0:
        frame = framing.unpack(data, last)
        assert (frame.sequence, framing.chain_at(data, last)) == (count - 1, frame.chain)
        assert last + frame.size_bytes == end


def test_it_stops_where_it_is_told() -> None:
    data = strand([10, 20, 30])
    assert framing.walk(data, JOURNAL, STRAND, 0, 2)[:2] == (66 + 76, 2)
    assert framing.walk(data, JOURNAL, STRAND, 1, at=66)[:2] == (len(data), 3)


def test_another_strand_and_another_journal_are_none() -> None:
    data = strand([10])
    assert framing.walk(data, JOURNAL, STRAND + 1, 0) == (0, 0, -1)
    assert framing.walk(data, JOURNAL + 1, STRAND, 0) == (0, 0, -1)
    assert framing.walk(data, JOURNAL, STRAND, 1) == (0, 1, -1)
