"""Frames with any content: they come back whole, and any flipped bit is found."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from hairpin import frame as framing
from hairpin.frame import HEADER_BYTES, Broken, Kind

kinds = st.sampled_from(list(Kind))
chains = st.binary(min_size=16, max_size=16)
bodies = st.binary(max_size=200)
u16, u32, u64 = (st.integers(0, 2**bits - 1) for bits in (16, 32, 64))


@settings(deadline=None)
@given(kinds, u64, u32, u64, chains, bodies, u32, u16, bodies)
def test_a_frame_comes_back_whole_from_anywhere(
    kind: Kind,
    journal: int,
    incarnation: int,
    sequence: int,
    previous: bytes,
    body: bytes,
    count: int,
    partition: int,
    before: bytes,
) -> None:
    data, chain = framing.pack(
        kind, journal, incarnation, sequence, previous, body, count, partition
    )
    frame = framing.unpack(before + data + b"more", len(before))
    assert (frame.kind, frame.journal, frame.incarnation) == (kind, journal, incarnation)
    assert (frame.sequence, frame.count, frame.partition) == (sequence, count, partition)
    assert (frame.body, frame.chain) == (body, chain)
    assert frame.offset == len(before)
    assert frame.size_bytes == len(data)
    assert framing.follows(frame, previous)


@settings(deadline=None, max_examples=60)
@given(kinds, u64, bodies, st.data())
def test_any_flipped_bit_is_found(
    kind: Kind, journal: int, body: bytes, data: st.DataObject
) -> None:
    whole, _ = framing.pack(kind, journal, 1, 0, bytes(16), body, 1)
    for bit in {data.draw(st.integers(0, len(whole) * 8 - 1)) for _ in range(20)}:
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        assert not intact(bytes(flipped)), f"bit {bit}"


def test_any_flipped_bit_of_a_header_is_found() -> None:
    whole, _ = framing.pack(Kind.ANSWERS, 5, 1, 0, bytes(16), b"x" * 32, 2)
    for bit in range(HEADER_BYTES * 8):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        assert not intact(bytes(flipped)), f"bit {bit}"


@settings(deadline=None)
@given(st.lists(bodies, max_size=6), st.integers(0, 3))
def test_a_strand_of_frames_comes_back_in_order_and_its_chain_follows(
    many: list[bytes], cut: int
) -> None:
    chain, data = bytes(16), b""
    for sequence, body in enumerate(many):
        whole, chain = framing.pack(Kind.ANSWERS, 5, 1, sequence, chain, body, 1)
        data += whole
    previous = bytes(16)
    read = list(framing.frames(data))
    for frame in read:
        assert framing.follows(frame, previous)
        previous = frame.chain
    assert [frame.body for frame in read] == many
    assert previous == chain


def intact(data: bytes) -> bool:
    try:
        framing.unpack(data)
    except Broken:
        return False
    return True
