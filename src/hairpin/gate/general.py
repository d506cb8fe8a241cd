"""Everything that is not hot: strict parsing by httptools, served by the Starlette application.

One request at a time, whole before it is served: heads up to 16 KiB, bodies up to 4 KiB. Transfer
codings are refused, so that no two parsers can disagree about where a request ends.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import unquote

import httptools
import structlog

from hairpin.errors import PeerMistake

log = structlog.get_logger()

HEAD_BYTES_MAX = 16 << 10
BODY_BYTES_MAX = 4 << 10


class Application(Protocol):
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...


class Request:
    """A request whose head is complete."""

    def __init__(self, head: bytes) -> None:
        """Raises PeerMistake with the status of the reply."""
        self.url = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self._ends = 0
        self.keeps_alive = False
        self._parser = parser = httptools.HttpRequestParser(self)
        upgrade = False
        try:
            parser.feed_data(head)
        except httptools.HttpParserUpgrade:
            upgrade = True
        except httptools.HttpParserError as error:
            raise PeerMistake(HTTPStatus.BAD_REQUEST, f"malformed request: {error}") from None
        if self._ends != 1:
            raise PeerMistake(HTTPStatus.BAD_REQUEST, "malformed request: not one whole head")
        self.method = parser.get_method().decode("ascii")
        self.version = parser.get_http_version()
        if self.version not in ("1.0", "1.1"):
            raise PeerMistake(HTTPStatus.BAD_REQUEST, f"HTTP/{self.version} is not spoken here")
        self.keeps_alive &= not upgrade
        self.body_bytes = self._body_bytes()

    # Called by the parser.
    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value.strip(b" \t")))

    def on_headers_complete(self) -> None:
        self._ends += 1
        # Asked here, because the parser forgets it with the end of the message.
        self.keeps_alive = bool(self._parser.should_keep_alive())

    def on_body(self, _: bytes) -> None:
        # To the parser the head ended before our end of it: nobody may guess who is right.
        self._ends += 1

    def _values(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.headers if key == name]

    def _body_bytes(self) -> int:
        if self._values(b"transfer-encoding"):
            raise PeerMistake(
                HTTPStatus.LENGTH_REQUIRED, "transfer codings are not taken: send Content-Length"
            )
        if len(self._values(b"host")) != 1 and self.version != "1.0":
            raise PeerMistake(HTTPStatus.BAD_REQUEST, "exactly one Host is needed")
        lengths = self._values(b"content-length")
        if len(lengths) > 1 or any(not length.isdigit() for length in lengths):
            raise PeerMistake(HTTPStatus.BAD_REQUEST, "one Content-Length, in digits")
        size = int(lengths[0]) if lengths else 0
        if size > BODY_BYTES_MAX:
            raise PeerMistake(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {BODY_BYTES_MAX} bytes of body"
            )
        return size

    def scope(self, peer: str, port: int) -> MutableMapping[str, Any]:
        path, _, query = self.url.partition(b"?")
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": self.version,
            "method": self.method,
            "scheme": "http",
            "path": unquote(path.decode("latin-1")),
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": self.headers,
            "client": (peer, port),
            "server": None,
        }


async def serve(
    application: Application, request: Request, body: bytes, peer: str, port: int, date: bytes
) -> bytes:
    """The application's whole reply as bytes; 500 if it fails."""
    inbox = [{"type": "http.request", "body": body, "more_body": False}]
    outbox: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return inbox.pop() if inbox else {"type": "http.disconnect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        outbox.append(message)

    try:
        await application(request.scope(peer, port), receive, send)
    except Exception:
        log.exception("a page failed", path=request.url.partition(b"?")[0].decode("latin-1"))
        outbox = [{"type": "http.response.start", "status": 500, "headers": []}]
    return _assemble(request, outbox, date)


def _assemble(request: Request, outbox: list[MutableMapping[str, Any]], date: bytes) -> bytes:
    start = outbox[0]
    status = HTTPStatus(start["status"])
    body = b"".join(message.get("body", b"") for message in outbox[1:])
    headers = [(k.lower(), v) for k, v in start["headers"]]
    names = {name for name, _ in headers}
    lines = [b"HTTP/1.1 %d %b\r\n" % (status, status.phrase.encode()), date]
    lines += [b"%b: %b\r\n" % header for header in headers]
    if b"access-control-allow-origin" not in names:
        lines.append(b"access-control-allow-origin: *\r\n")
    if b"content-length" not in names and status not in (204, 304):
        lines.append(b"content-length: %d\r\n" % len(body))
    if not request.keeps_alive:
        lines.append(b"connection: close\r\n")
    elif request.version == "1.0":
        lines.append(b"connection: keep-alive\r\n")
    lines.append(b"\r\n")
    if request.method != "HEAD" and status not in (204, 304):
        lines.append(body)
    return b"".join(lines)
