"""`python -m bench.http.handshake_client`: phones that come by TLS, one after the other.

A task comes as JSON on stdin, what was done goes as JSON to stdout. Python's own TLS is dear, so
that only what the server spends is worth looking at.
"""

from __future__ import annotations

import socket
import ssl
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from enum import StrEnum

import msgspec

NAME = "localhost"
REQUEST = (
    b"POST /a/AAAAAAAAAAAAAAAAAAAA/00020000384 HTTP/1.1\r\n"
    b"Host: localhost\r\nContent-Length: 0\r\n\r\n"
)
KEPT = 32
"""Connections that are kept, each with an answer under way at a time."""
KEPT_ANSWERS = 900
"""On each of them; nginx closes a connection after its thousandth request."""


class Way(StrEnum):
    KEPT = "kept"
    RESUMED = "resumed"
    FULL = "full"


class Task(msgspec.Struct, frozen=True):
    port: int
    certificate: str
    """Path of the one certificate that is believed."""
    tls: str
    """`TLSv1_2` or `TLSv1_3`."""
    way: Way
    seconds: float


class Done(msgspec.Struct, frozen=True):
    answers: int
    seconds: float
    took_ms: list[float]
    """Each new connection with its answer; empty where connections are kept."""


class Phones:
    def __init__(self, task: Task) -> None:
        self._task = task
        self._context = ssl.create_default_context(cafile=task.certificate)
        version = ssl.TLSVersion[task.tls]
        self._context.minimum_version = self._context.maximum_version = version
        self._session: ssl.SSLSession | None = None

    def work(self) -> Done:
        if self._task.way is Way.RESUMED:
            self._session = self._answer()
        began = time.perf_counter()
        took_ms: list[float] = []
        answers = 0
        if self._task.way is Way.KEPT:
            answers = sum(self._keep(began))
        else:
            took_ms.extend(self._come_anew(began))
        return Done(answers or len(took_ms), time.perf_counter() - began, took_ms)

    def _over(self, began: float) -> bool:
        return time.perf_counter() - began >= self._task.seconds

    def _come_anew(self, began: float) -> Iterator[float]:
        while not self._over(began):
            start = time.perf_counter()
            session = self._answer()
            yield (time.perf_counter() - start) * 1_000
            if self._task.way is Way.RESUMED:
                self._session = session

    def _answer(self) -> ssl.SSLSession | None:
        """One answer on a connection of its own; the session to resume."""
        with self._connect() as connection:
            assert connection.session_reused is (self._session is not None)
            connection.sendall(REQUEST)
            _take(connection)
            return connection.session

    def _keep(self, began: float) -> Iterator[int]:
        while not self._over(began):
            with ExitStack() as stack:
                connections = [stack.enter_context(self._connect()) for _ in range(KEPT)]
                for _ in range(KEPT_ANSWERS):
                    for connection in connections:
                        connection.sendall(REQUEST)
                    for connection in connections:
                        _take(connection)
                    yield KEPT
                    if self._over(began):
                        break

    def _connect(self) -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", self._task.port), timeout=30)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._context.wrap_socket(plain, server_hostname=NAME, session=self._session)


def _take(connection: ssl.SSLSocket) -> None:
    """A reply without a body."""
    data = connection.recv(4_096)
    assert data.startswith(b"HTTP/1.1 204 ") and data.endswith(b"\r\n\r\n"), data


if __name__ == "__main__":
    task = msgspec.json.decode(sys.stdin.buffer.read(), type=Task)
    sys.stdout.buffer.write(msgspec.json.encode(Phones(task).work()))
