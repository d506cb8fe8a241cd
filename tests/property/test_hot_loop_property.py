"""The compiled hot loop takes what the ordinary server takes, and never anything else."""

from __future__ import annotations

import asyncio
import contextlib
import itertools

import numpy as np
from gate_requests import HOT, LAST, PLAIN, REQUESTS, header_blocks
from gate_stand import Stand, settle
from hot_stand import HotStand
from hypothesis import example, given, settings
from hypothesis import strategies as st
from raw_http import Reply

from hairpin.answer import Records
from hairpin.gate import blocks, http, slices

Heard = tuple[list[tuple[int, bytes]], Records]


def told(replies: list[Reply]) -> list[tuple[int, bytes]]:
    return [(reply.status, reply.body) for reply in replies]


def by_ordinary_server(pieces: list[bytes]) -> Heard:
    async def run() -> Heard:
        stand = Stand()
        await stand.ready()
        connection, transport = stand.connect()
        for piece in pieces:
            if not transport.closed:
                connection.data_received(piece)
            await settle()
        return told(transport.replies()), stand.writer.answers()

    return asyncio.run(run())


def by_hot_loop(pieces: list[bytes]) -> Heard:
    async def run() -> Heard:
        with contextlib.closing(HotStand()) as stand:
            await stand.ready()
            replies = await stand.exchange(*pieces)
            return told(replies), stand.writer.answers()

    return asyncio.run(run())


def same(hot: Heard, ordinary: Heard) -> None:
    assert hot[0] == ordinary[0]
    assert hot[1].tobytes() == ordinary[1].tobytes()


@given(
    st.lists(REQUESTS, max_size=6),
    st.none() | st.sampled_from(LAST),
    st.lists(st.integers(0, 2_000), max_size=4),
)
@settings(max_examples=80, deadline=None)
def test_both_take_the_same_from_the_same_bytes(
    requests: list[tuple[int, bytes]], last: tuple[int, bytes] | None, cuts: list[int]
) -> None:
    stream = b"".join(request for _, request in ([*requests, last] if last else requests))
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [stream[a:b] for a, b in itertools.pairwise(places) if a < b]
    same(by_hot_loop(pieces), by_ordinary_server(pieces))


@given(
    st.lists(st.sampled_from(HOT).map(lambda kind: kind[1](PLAIN)), min_size=1, max_size=4),
    st.lists(
        st.tuples(
            st.integers(0, 1_200),
            st.sampled_from(["flip", "cut", "double", "insert"]),
            st.binary(min_size=1, max_size=3) | st.sampled_from([b"\r\n", b"\r\n\r\n", b":", b" "]),
        ),
        min_size=1,
        max_size=3,
    ),
)
@settings(max_examples=150, deadline=None)
def test_both_take_the_same_from_damaged_bytes(
    requests: list[bytes], damage: list[tuple[int, str, bytes]]
) -> None:
    stream = b"".join(requests)
    for at, how, what in damage:
        at %= len(stream)
        rest = {"flip": at + len(what), "cut": at + 1, "double": at - 1, "insert": at}[how]
        middle = b"" if how in ("cut", "double") else what
        stream = stream[:at] + middle + stream[max(rest, 0) :]
    if stream:
        same(by_hot_loop([stream]), by_ordinary_server([stream]))


@given(header_blocks() | header_blocks().map(lambda block: PLAIN + block))
@settings(max_examples=1_500, deadline=None)
@example(b"Host: a\r\nConnection: Keep-Alive\r\n\r\n")
@example(b"Host: a\r\nContent-Length: 0\r\n\r\n")
@example(b"Host:a\r\nTE: trailers\r\n\r\n")
@example(b"Host: a\r\nX: y\r\n folded\r\n\r\n")
def test_a_block_that_the_kernel_finds_plain_is_plain(block: bytes) -> None:
    whole = block[: block.index(b"\r\n\r\n") + 4] if b"\r\n\r\n" in block else block
    text = np.frombuffer(block, np.uint8)
    rows = np.zeros(blocks.BLOCKS + 1, blocks.BLOCK)
    texts = np.zeros((blocks.BLOCKS, blocks.BLOCK_BYTES_MAX), np.uint8)

    def find() -> int:
        return blocks.find_block(
            *(text, 0, len(text), rows, texts),
        )

    row = find()
    plain = http.judge(whole)
    if row == blocks.NOT_PLAIN:
        # Left to the ordinary server though it is plain: two of a kind, or an empty value.
        several = plain is not None and any(
            whole.lower().count(name) for name in (b"if-none-match", b"x-forwarded-for")
        )
        assert plain is None or several
        return
    assert plain is not None
    found = rows[row]
    assert found["size"] == len(whole)
    match = whole[found["match_at"] :][: found["match_size"]]
    forwarded = whole[found["forwarded_at"] :][: found["forwarded_size"]]
    assert (match, forwarded) == (plain.none_match, plain.forwarded_for)
    again = find()
    assert again == row, "remembered, or read again"


@given(
    st.sampled_from([b'"1"', b'W/"1"', b'"2"', b"*", b'"1", "2"', b'"', b"W/", b"1", b'"a"b"']),
    st.sampled_from([b'"1"', b'"12"']),
)
@settings(deadline=None)  # the first call may have to compile
def test_an_etag_is_compared_as_the_words_say_or_not_at_all(value: bytes, etag: bytes) -> None:
    told = slices.matches(
        np.frombuffer(value, np.uint8), 0, len(value), np.frombuffer(etag, np.uint8)
    )
    assert told in (-1, int(http.unchanged(value, etag)))
    if value in (b'"1"', b'W/"1"', b'"2"'):
        assert told >= 0


@given(
    st.binary(max_size=80)
    | st.sampled_from([kind[1](PLAIN) for kind in HOT]).flatmap(
        lambda request: st.integers(0, len(request)).map(lambda size: request[:size])
    )
)
@settings(max_examples=500, deadline=None)
@example(b"OPTIONS * HTTP/1.1\r\n")
@example(b"OPTIONS  HTTP/1.1\r\n")
@example(b"POST /a/" + b"%" * 32 + b" HTTP/1.1\r\n")
def test_a_first_line_is_hot_for_both_or_for_the_ordinary_server_alone(line: bytes) -> None:
    text = np.frombuffer(line + b"~", np.uint8)
    kind, end = slices.first_line(text, 0, len(line))
    if kind == slices.NOW:
        assert line.startswith(http.NOW)
        assert end == len(http.NOW)
        return
    patterns = {slices.ANSWER: http.ANSWER, slices.JOIN: http.JOIN, slices.PREFLIGHT: http.OPTIONS}
    found = {k: match for k, pattern in patterns.items() if (match := pattern.match(line))}
    assert set(found) == ({kind} if kind else set())
    if kind:
        assert end == found[kind].end()
