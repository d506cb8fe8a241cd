"""What the gate takes for one request, everybody takes for one request, however it arrives."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable

import httptools
from gate_stand import KEY, Stand, settle
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hairpin.answer import Records
from hairpin.errors import PeerMistake
from hairpin.gate import general
from hairpin.gate.admit import answer_text
from hairpin.gate.http import judge
from hairpin.ticket import TicketKey, issue

TICKETS = tuple(issue(fan, fan % 3, fan % 200, KEY) for fan in range(6))
FOREIGN = issue(1, 1, 1, TicketKey(7, bytes(16), bytes(16)))
OTHER_NUMBER = issue(1, 1, 1, TicketKey(8, KEY.ticket, KEY.claim))

# --- header blocks ------------------------------------------------------------------------------

_NAMES = st.sampled_from(
    [
        *(b"Host", b"host", b"HOST", b"Content-Length", b"content-length", b"Transfer-Encoding"),
        *(b"Connection", b"Keep-Alive", b"Upgrade", b"Expect", b"TE", b"Trailer", b"X-Thing"),
        *(b"If-None-Match", b"if-none-match", b"X-Forwarded-For", b"x-forwarded-for"),
        *(b"Host ", b" Host", b"Ho st", b"", b"X\x00", b"Content_Length", b"\tContent-Length"),
    ]
)
_VALUES = st.sampled_from(
    [
        *(
            b"a",
            b"a:80",
            b"a b",
            b"a,b",
            b"",
            b"0",
            b"00",
            b"+0",
            b"0, 0",
            b"5",
            b"0\t",
            b"chunked",
        ),
        *(b"keep-alive", b"Keep-Alive", b"close", b"keep-alive, close", b"upgrade", b"identity"),
        *(
            b'"1"',
            b'W/"1", "2"',
            b"*",
            b"192.0.2.1, 10.0.0.1",
            b"\xe9t\xe9",
            b"x\ty",
            b"100-continue",
        ),
        *(b"x\x00y", b"x\ry", b"x\ny", b"0\r\n 5", b"a\r\n\tb", b"\x0b0", b"0\x0c", b"x\x7f"),
    ]
)
_SPACES = st.sampled_from([b"", b" ", b"  ", b"\t", b" \t "])
_ENDS = st.sampled_from([b"\r\n"] * 8 + [b"\n", b"\r", b"\r\r\n", b"\n\r\n"])
_LINES = st.builds(
    lambda name, before, value, after, end: name + b":" + before + value + after + end,
    *(_NAMES, _SPACES, _VALUES, _SPACES, _ENDS),
)
_HOST = st.sampled_from([b"Host: a\r\n", b"host:a:8000\r\n", b"HOST: \ta \r\n"])


@st.composite
def header_blocks(draw: st.DrawFn) -> bytes:
    """Mostly with one good Host, so that what else is wrong decides."""
    lines = draw(st.lists(st.one_of(_LINES, _LINES, st.binary(max_size=12)), max_size=4))
    if draw(st.booleans()):
        lines.insert(draw(st.integers(0, len(lines))), draw(_HOST))
    return b"".join(lines) + b"\r\n"


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

PLAIN = b"Host: a\r\nUser-Agent: x\r\n"


def post(path: str, headers: bytes = PLAIN) -> bytes:
    return b"POST %b HTTP/1.1\r\n%b\r\n" % (path.encode(), headers)


def answer(ticket: str, question: int, choice: int, headers: bytes = PLAIN) -> bytes:
    return post("/a/" + answer_text(ticket, question, choice, 1_234).decode(), headers)


def in_json(ticket: str, question: int, choice: int) -> bytes:
    body = b'{"ticket":"%b","question":%d,"choices":[%d],"elapsed_ms":9}' % (
        *(ticket.encode(), question, choice),
    )
    return b"POST /api/answer HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b" % (
        len(body),
        body,
    )


Kind = tuple[int, Callable[[bytes], bytes]]
"""The expected status, and the request with these headers."""
_HOT: list[Kind] = [
    *((204, lambda h, t=t: answer(t, 0, 1, h)) for t in TICKETS),
    (204, lambda h: answer(TICKETS[0], 1, 0b1010, h)),
    (401, lambda h: answer(FOREIGN, 0, 1, h)),
    (401, lambda h: answer(OTHER_NUMBER, 0, 1, h)),
    (401, lambda h: answer("x" * 20, 0, 1, h)),
    (404, lambda h: answer(TICKETS[1], 0, 0b11, h)),
    (404, lambda h: answer(TICKETS[1], 9, 1, h)),
    (404, lambda h: post("/a/" + TICKETS[1] + "/000100004D2", h)),
    (409, lambda h: answer(TICKETS[2], 2, 1, h)),
    (410, lambda h: answer(TICKETS[2], 3, 1, h)),
    (201, lambda h: post("/t/1FR", h)),
    (404, lambda h: post("/t/3FR", h)),
    (404, lambda h: post("/t/1QQ", h)),
    (200, lambda h: b"GET /now HTTP/1.1\r\n" + h + b"\r\n"),
    (304, lambda h: b'GET /now HTTP/1.1\r\nIf-None-Match: W/"1"\r\n' + h + b"\r\n"),
    (304, lambda h: b"GET /now HTTP/1.1\r\nIf-None-Match: *\r\n" + h + b"\r\n"),
    (200, lambda h: b'GET /now HTTP/1.1\r\nIf-None-Match: "9"\r\n' + h + b"\r\n"),
    (204, lambda h: b"OPTIONS /a/b HTTP/1.1\r\n" + h + b"\r\n"),
    (204, lambda h: b"OPTIONS * HTTP/1.1\r\n" + h + b"\r\n"),
]
_GENERAL: list[tuple[int, bytes]] = [
    (200, in_json(TICKETS[3], 0, 1)),
    (404, in_json(TICKETS[3], 0, 5)),
    (400, b"POST /api/join HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}"),
    (200, b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"),
    (404, b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n"),
    (405, b"DELETE /now HTTP/1.1\r\nHost: a\r\n\r\n"),
    (200, b"\r\nGET /now?x HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n\r\n"),
]
_LAST: list[tuple[int, bytes]] = [
    (200, b"GET /now HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
    (400, b"GET /now HTTP/1.1\r\n\r\n"),
    (400, b"GET /now HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
    (400, b"GET /now HTTP/1.1\nHost: a\r\n\r\n"),
    (400, b"POST /a/x HTTP/1.1\r\n\r\nGET /now" + b"x" * 11 + b" HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, b"POST /t/\r\n\r HTTP/1.1\r\nHost: a\r\n\r\n"),
    (411, b"POST /t/1FR HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    (413, b"POST /t/1FR HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n"),
    (431, b"GET /now HTTP/1.1\r\nHost: a\r\nX: " + b"y" * general.HEAD_BYTES_MAX + b"\r\n\r\n"),
]
_REQUESTS = st.one_of(
    st.sampled_from(_HOT).map(lambda kind: (kind[0], kind[1](PLAIN))), st.sampled_from(_GENERAL)
)


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
    st.lists(_REQUESTS, max_size=8),
    st.none() | st.sampled_from(_LAST),
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


@given(st.sampled_from([make(PLAIN) for _, make in _HOT]))
@settings(max_examples=len(_HOT), deadline=None)
def test_byte_by_byte_gives_the_same_reply(request: bytes) -> None:
    whole = hear([request], at_once=False)
    single = hear([request[i : i + 1] for i in range(len(request))], at_once=True)
    assert single[:2] == whole[:2]


@given(st.lists(st.sampled_from(_HOT), min_size=1, max_size=6))
@settings(max_examples=80, deadline=None)
def test_the_general_path_accepts_exactly_what_the_hot_path_accepts(kinds: list[Kind]) -> None:
    hot = hear([make(PLAIN) for _, make in kinds], at_once=False)
    slow = hear([make(PLAIN + b"TE: trailers\r\n") for _, make in kinds], at_once=False)
    assert statuses(slow[0]) == statuses(hot[0]) == [status for status, _ in kinds]
    assert slow[2].tobytes() == hot[2].tobytes()
    assert not slow[1]
    assert not hot[1]
