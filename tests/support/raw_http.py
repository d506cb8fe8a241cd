"""HTTP by the byte: what is sent is exactly what the test says, and replies are read one by one."""

from __future__ import annotations

import contextlib
import socket
from types import TracebackType
from typing import NamedTuple, Self

PATIENCE_S = 60.0


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    """Names in lower case; a name that came twice holds both values, joined by a comma."""
    body: bytes


def take_reply(data: bytes, to_head: bool = False) -> tuple[Reply, bytes] | None:
    """The first reply in `data` and what follows; None if it is not whole yet.

    `to_head`: the request was HEAD, so there is no body whatever the length says.
    """
    head, found, rest = data.partition(b"\r\n\r\n")
    if not found:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    version, status, _ = first.split(" ", 2)
    assert version == "HTTP/1.1", first
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        assert colon, f"no header: {line!r}"
        name = name.lower()
        headers[name] = f"{headers[name]}, {value.strip()}" if name in headers else value.strip()
    bodyless = to_head or status in ("204", "304") or status.startswith("1")
    size = 0 if bodyless else int(headers["content-length"])
    if len(rest) < size:
        return None
    return Reply(int(status), headers, rest[:size]), rest[size:]


class RawClient:
    """One connection to a port of this machine."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._data = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        """What the server does not want any more is not our mistake."""
        with contextlib.suppress(ConnectionError):
            self._socket.sendall(data)

    def end_sending(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def reply(self, to_head: bool = False) -> Reply:
        while (taken := take_reply(self._data, to_head)) is None:
            data = self._receive()
            assert data, f"the connection ended instead of a reply; read so far: {self._data!r}"
            self._data += data
        reply, self._data = taken
        return reply

    def rest(self) -> list[Reply]:
        """All replies until the server closes the connection."""
        while data := self._receive():
            self._data += data
        replies = []
        while taken := take_reply(self._data):
            reply, self._data = taken
            replies.append(reply)
        assert not self._data, f"not a reply: {self._data!r}"
        return replies

    def _receive(self) -> bytes:
        try:
            return self._socket.recv(65_536)
        except ConnectionError:
            return b""


def exchange(port: int, data: bytes) -> list[Reply]:
    """All replies to `data` on a connection that sends nothing after it and waits for the close."""
    with RawClient(port) as client:
        client.send(data)
        client.end_sending()
        return client.rest()


def ask(client: RawClient, line: str, headers: str = "", body: bytes = b"") -> Reply:
    """One request and its reply, which must be fit for a page from anywhere."""
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    client.send(f"{line} HTTP/1.1\r\n{headers}{length}Host: a\r\n\r\n".encode() + body)
    reply = client.reply(to_head=line.startswith("HEAD "))
    assert reply.headers["access-control-allow-origin"] == "*"
    assert "set-cookie" not in reply.headers
    assert reply.headers["date"].endswith(" GMT")
    if reply.status in (429, 503):
        assert int(reply.headers["retry-after"]) >= 1
    return reply
