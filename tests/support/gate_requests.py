"""Requests that a gate may meet, with the status that each should get."""

from __future__ import annotations

from collections.abc import Callable

from gate_stand import KEY
from hypothesis import strategies as st

from hairpin.gate import general
from hairpin.gate.admit import answer_text
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
HOT: list[Kind] = [
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
GENERAL: list[tuple[int, bytes]] = [
    (200, in_json(TICKETS[3], 0, 1)),
    (404, in_json(TICKETS[3], 0, 5)),
    (400, b"POST /api/join HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}"),
    (200, b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"),
    (404, b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n"),
    (405, b"DELETE /now HTTP/1.1\r\nHost: a\r\n\r\n"),
    (200, b"\r\nGET /now?x HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n\r\n"),
]
LAST: list[tuple[int, bytes]] = [
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
REQUESTS = st.one_of(
    st.sampled_from(HOT).map(lambda kind: (kind[0], kind[1](PLAIN))), st.sampled_from(GENERAL)
)
