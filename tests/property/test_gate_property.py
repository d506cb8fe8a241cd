"""What the gate takes for one request, everybody takes for one request, however it arrives."""

from __future__ import annotations

import asyncio
import itertools

import httptools
from gate_requests import HOT, LAST, PLAIN, REQUESTS, Kind, header_blocks
from gate_stand import Stand, settle
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hairpin.answer import Records
from hairpin.errors import PeerMistake
from hairpin.gate import general
from hairpin.gate.http import judge


class Witness:
    """What httptools hears."""

    def __init__(self, request: bytes) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.heads = self.requests = 0
        self.body = b""
        self.keeps_alive = False
        self.parser = httptools.HttpRequestParser(self)
        self.parser.feed_data(request)

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value.strip(b" \t")))

    def on_headers_complete(self) -> None:
        self.heads += 1
        self.keeps_alive = self.parser.should_keep_alive()

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.requests += 1

    def values(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.headers if key == name]


@given(header_blocks())
@settings(max_examples=1_000, deadline=None)
@example(b"Host: a\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n")
@example(b"Host: a\r\nHost: b c\r\n\r\n")
@example(b"Host: a\r\nHost:\r\n\r\n")
@example(b"Host: a\r\nContent-Length:\r\n\r\n")
@example(b"Host: a\r\nX: y\r\n folded\r\n\r\n")
def test_a_plain_block_means_to_httptools_what_it_means_to_the_gate(block: bytes) -> None:
    plain = judge(block)
    if plain is None:
        return
    heard = Witness(b"POST /t/1FR HTTP/1.1\r\n" + block)
    assert (heard.heads, heard.requests, heard.body) == (1, 1, b"")
    assert heard.keeps_alive
    assert not heard.parser.should_upgrade()
    assert len(heard.values(b"host")) == 1
    assert not heard.values(b"transfer-encoding")
    assert heard.values(b"content-length") in ([], [b"0"])
    assert b",".join(heard.values(b"if-none-match")) == plain.none_match
    assert b",".join(heard.values(b"x-forwarded-for")) == plain.forwarded_for
    request = general.Request(b"POST /t/1FR HTTP/1.1\r\n" + block)
    assert (request.body_bytes, request.keeps_alive) == (0, True)


@given(st.binary(max_size=60), header_blocks())
@settings(max_examples=500, deadline=None)
def test_a_head_is_one_request_or_refused(line: bytes, block: bytes) -> None:
    head, end, _ = (line + b"\r\n" + block).partition(b"\r\n\r\n")
    try:
        request = general.Request(head + end)
    except PeerMistake:
        return
    heard = Witness(head + end + bytes(request.body_bytes))
    assert (heard.heads, heard.requests) == (1, 1)
    assert len(heard.body) == request.body_bytes


# --- streams of requests --------------------------------------------------------------------------


def hear(pieces: list[bytes], at_once: bool) -> tuple[bytes, bool, Records]:
    """What one connection is sent and journalled: (bytes, closed, records)."""

    async def run() -> tuple[bytes, bool, Records]:
        stand = Stand()
        await stand.ready()
        connection, transport = stand.connect()
        for piece in pieces:
            if not transport.closed:
                connection.data_received(piece)
            if not at_once:
                await settle()
        await settle()
        return transport.sent, transport.closed, stand.writer.answers()

    return asyncio.run(run())


def statuses(sent: bytes) -> list[int]:
    return [int(part[:3]) for part in sent.split(b"HTTP/1.1 ")[1:]]


@given(
    st.lists(REQUESTS, max_size=8),
    st.none() | st.sampled_from(LAST),
    st.lists(st.integers(0, 3_000), max_size=6),
    st.booleans(),
)
@settings(max_examples=120, deadline=None)
def test_replies_do_not_depend_on_where_the_stream_was_split(
    requests: list[tuple[int, bytes]],
    last: tuple[int, bytes] | None,
    cuts: list[int],
    at_once: bool,
) -> None:
    requests = [*requests, last] if last else requests
    stream = b"".join(request for _, request in requests)
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [stream[a:b] for a, b in itertools.pairwise(places)]
    sent, closed, records = hear([stream], at_once=False)
    assert statuses(sent) == [status for status, _ in requests]
    assert closed == (last is not None)
    again = hear([piece for piece in pieces if piece], at_once)
    assert again[:2] == (sent, closed)
    assert again[2].tobytes() == records.tobytes()


@given(st.sampled_from([make(PLAIN) for _, make in HOT]))
@settings(max_examples=len(HOT), deadline=None)
def test_byte_by_byte_gives_the_same_reply(request: bytes) -> None:
    whole = hear([request], at_once=False)
    single = hear([request[i : i + 1] for i in range(len(request))], at_once=True)
    assert single[:2] == whole[:2]


@given(st.lists(st.sampled_from(HOT), min_size=1, max_size=6))
@settings(max_examples=80, deadline=None)
def test_the_general_path_accepts_exactly_what_the_hot_path_accepts(kinds: list[Kind]) -> None:
    hot = hear([make(PLAIN) for _, make in kinds], at_once=False)
    slow = hear([make(PLAIN + b"TE: trailers\r\n") for _, make in kinds], at_once=False)
    assert statuses(slow[0]) == statuses(hot[0]) == [status for status, _ in kinds]
    assert slow[2].tobytes() == hot[2].tobytes()
    assert not slow[1]
    assert not hot[1]
