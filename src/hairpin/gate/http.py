"""The hot set in bytes: slicing requests out of a buffer, and prebuilt replies.

A request is hot if its first line has exactly the expected form and its header block is plain:
well-formed, one Host, no body, no transfer coding, nothing that changes the connection. Blocks are
judged once and remembered, since a phone sends the same ones again and again. Whatever is not hot
is for the general server; it is never guessed at here.
"""

from __future__ import annotations

import re
from http import HTTPStatus

import msgspec

from hairpin.ticket import CLAIM_CHARS, TICKET_CHARS

ANSWER_TEXT_BYTES = 32
"""Ticket, slash, question, choice, elapsed: what the kernels read."""

# Whole first lines, so that no byte in them can mean another end of the request to somebody else.
ANSWER = re.compile(rb"POST /a/([A-Za-z0-9_/-]{32}) HTTP/1\.1\r\n")
JOIN = re.compile(rb"POST /t/([0-9][A-Z]{2}) HTTP/1\.1\r\n")
OPTIONS = re.compile(rb"OPTIONS [!-~]+ HTTP/1\.1\r\n")
NOW = b"GET /now HTTP/1.1\r\n"
HEAD_END = b"\r\n\r\n"

_FIELD = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[ \t]*[^\x00-\x08\x0a-\x1f\x7f]*\r\n"
_BLOCK = re.compile(rb"(?:" + _FIELD + rb")*\r\n")
_UNUSUAL = re.compile(
    rb"(?i)(?:^|\n)(?:transfer-encoding|expect|upgrade|trailer|te|proxy-connection)[ \t]*:"
)
_CONNECTION = re.compile(rb"(?i)(?:^|\n)connection:[ \t]*([^\r\n]*?)[ \t]*\r")
_LENGTH = re.compile(rb"(?i)(?:^|\n)content-length:[ \t]*([^\r\n]*?)[ \t]*\r")
_HOST = re.compile(rb"(?i)(?:^|\n)host:[ \t]*([^\r\n]*?)[ \t]*\r")
_HOST_VALUE = re.compile(rb"[^\s,]+")
_NONE_MATCH = re.compile(rb"(?i)(?:^|\n)if-none-match:[ \t]*([^\r\n]*?)[ \t]*\r")
_FORWARDED = re.compile(rb"(?i)(?:^|\n)x-forwarded-for:[ \t]*([^\r\n]*?)[ \t]*\r")
_REMEMBERED_MAX = 4096
_REMEMBERED_BYTES_MAX = 2048
"""Of one block: browsers send less, and nobody can make us keep more."""


class Plain(msgspec.Struct, frozen=True):
    """What a plain header block says that a hot request needs to know."""

    none_match: bytes
    forwarded_for: bytes


def judge(block: bytes) -> Plain | None:
    """Read a header block, from after the first line to the empty line; None if it is not plain."""
    if _BLOCK.fullmatch(block) is None or _UNUSUAL.search(block) is not None:
        return None
    hosts = _HOST.findall(block)
    if len(hosts) != 1 or _HOST_VALUE.fullmatch(hosts[0]) is None:
        return None
    if _LENGTH.findall(block) not in ([], [b"0"]):
        return None
    if any(kept.lower() != b"keep-alive" for kept in _CONNECTION.findall(block)):
        return None
    return Plain(
        none_match=b",".join(_NONE_MATCH.findall(block)),
        forwarded_for=b",".join(_FORWARDED.findall(block)),
    )


def unchanged(none_match: bytes, etag: bytes) -> bool:
    """Does an If-None-Match name this tag? For GET weak tags compare as strong ones do."""
    tags = [tag.strip().removeprefix(b"W/") for tag in none_match.split(b",")]
    return etag.removeprefix(b"W/") in tags or tags == [b"*"]


class HeaderBlocks:
    """Remembers the plain ones among the header blocks that were judged; bounded."""

    def __init__(self) -> None:
        self._plain: dict[bytes, Plain] = {}

    def read(self, block: bytes) -> Plain | None:
        known = self._plain.get(block)
        if known is not None:
            return known
        plain = judge(block)
        if plain is not None and len(block) <= _REMEMBERED_BYTES_MAX:
            if len(self._plain) >= _REMEMBERED_MAX:
                self._plain.clear()
            self._plain[block] = plain
        return plain


_CORS = b"Access-Control-Allow-Origin: *\r\n"
_PREFLIGHT = (
    b"Access-Control-Allow-Methods: GET, POST, OPTIONS\r\n"
    b"Access-Control-Allow-Headers: Content-Type\r\n"
    b"Access-Control-Max-Age: 86400\r\n"
)
_RETRY = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
_STATUSES = (
    HTTPStatus.NO_CONTENT,
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.CONFLICT,
    HTTPStatus.GONE,
    HTTPStatus.LENGTH_REQUIRED,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    HTTPStatus.SERVICE_UNAVAILABLE,
)


class Replies:
    """Whole replies as bytes, made anew once a second because each carries its Date."""

    def __init__(self, date: bytes) -> None:
        self.date = b"Date: " + date + b"\r\n"
        self.by_status = {status.value: self._bare(status) for status in _STATUSES}
        self.closing = {s: self._bare(HTTPStatus(s), close=True) for s in self.by_status}
        self.preflight = b"HTTP/1.1 204 No Content\r\n" + self.date + _CORS + _PREFLIGHT + b"\r\n"
        self.now = b""
        self.now_unchanged = b""
        self.now_etag = b""

    def set_now(self, body: bytes, etag: bytes) -> None:
        """The document of this second. An ETag names the state, not the second."""
        about = b"ETag: " + etag + b"\r\nCache-Control: public, max-age=1\r\n" + self.date + _CORS
        self.now = (
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            + about
            + b"Content-Length: %d\r\n\r\n" % len(body)
            + body
        )
        self.now_unchanged = b"HTTP/1.1 304 Not Modified\r\n" + about + b"\r\n"
        self.now_etag = etag

    def joined(self, ticket: str, code: str) -> bytes:
        body = b'{"ticket":"%b","claim":"%b"}' % (ticket.encode(), code.encode())
        return (
            b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nCache-Control: no-store\r\n"
            + self.date
            + _CORS
            + b"Content-Length: %d\r\n\r\n" % len(body)
            + body
        )

    def joined_holes(self) -> tuple[bytes, tuple[int, int]]:
        """The reply to a join, and where in it ticket and claim code stand."""
        ticket, code = "t" * TICKET_CHARS, "c" * CLAIM_CHARS
        reply = self.joined(ticket, code)
        return reply, (reply.rindex(ticket.encode()), reply.rindex(code.encode()))

    def _bare(self, status: HTTPStatus, close: bool = False) -> bytes:
        lines = [b"HTTP/1.1 %d %b\r\n" % (status, status.phrase.encode()), self.date, _CORS]
        if status is not HTTPStatus.NO_CONTENT:
            lines.append(b"Content-Length: 0\r\n")
        if status in _RETRY:
            lines.append(b"Retry-After: 1\r\n")
        if close:
            lines.append(b"Connection: close\r\n")
        return b"".join(lines) + b"\r\n"
