"""One memcached server as it is spoken to here: batches of increments, and sums of many counters.

Meta commands of memcached 1.6 make a counter and add to it in one step without a reply, so that a
batch costs one round trip, whatever its size. Calls block, for a few seconds at most.
"""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple
from urllib.parse import urlsplit

from hairpin.errors import EngineDown, YourMistake

SCHEME = "memcached"
PORT = 11211
TIMEOUT_S = 2.0
BATCH_MAX = 500
"""Commands between two confirmations: their replies, if any, fit every socket's buffer."""
VERSION_MIN = (1, 6)
_RECEIVE_BYTES = 1 << 18
_ERRORS = (b"ERROR", b"CLIENT_ERROR", b"SERVER_ERROR")
"""Beginnings of a reply that has no end of its own."""
LINE_END = b"\r\n"


class Address(NamedTuple):
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{SCHEME}://{host}:{self.port}"


def address_of(url: str) -> Address:
    """Reads `memcached://HOST:PORT`. Raises YourMistake."""
    try:
        parts = urlsplit(url)
        address = Address(parts.hostname or "", parts.port or PORT)
    except ValueError:
        parts, address = urlsplit(""), Address("", 0)
    surplus = parts.path.strip("/") or parts.query or parts.fragment or parts.username
    if parts.scheme != SCHEME or not address.host or surplus:
        raise YourMistake(
            f"--tally: found {url!r}; allowed: {SCHEME}://HOST:PORT",
            f"For example --tally {SCHEME}://127.0.0.1:{PORT}",
        )
    return address


class Unconfirmed(EngineDown):
    """The connection broke after a batch had left: some of it may count, or all, or nothing."""


class Server:
    """A connection that is made when it is needed. All calls raise EngineDown."""

    def __init__(self, address: Address, timeout_s: float = TIMEOUT_S) -> None:
        self.address = address
        self._timeout_s = timeout_s
        self._socket: socket.socket | None = None

    def close(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.close()
        self._socket = None

    def connect(self) -> None:
        """Does nothing if there is a connection."""
        if self._socket is not None:
            return
        try:
            self._socket = socket.create_connection(self.address, self._timeout_s)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._expect_version()
        except OSError as error:
            raise self._down(error.strerror or str(error)) from error

    def add(self, deltas: Iterable[tuple[str, int]], note: tuple[str, bytes] | None = None) -> int:
        """Add to counters; one that is missing begins at 0. Returns how many were refused.

        `note`: a key to set behind the last counter. Raises Unconfirmed if no confirmation came.
        """
        self.connect()
        refused = 0
        commands = (f"ma {key} N0 J{delta} D{delta} q\r\n" for key, delta in deltas)
        for batch in _batches(commands):
            refused += self._batch(batch.encode())
        if note is not None:
            key, value = note
            kept = b"set %b 0 0 %d noreply\r\n%b\r\n" % (key.encode(), len(value), value)
            refused += self._batch(kept)
        return refused

    def total(self, keys: Iterable[str]) -> int:
        """The sum of many counters; one that is missing counts 0."""
        reply = self._ask(b"get " + " ".join(keys).encode(), b"END")
        try:
            return sum(map(int, reply[1::2]))
        except ValueError as error:
            raise self._down(f"a counter holds no number: {error}") from error

    def get(self, key: str) -> bytes | None:
        reply = self._ask(b"get " + key.encode(), b"END")
        return reply[1] if len(reply) > 1 else None

    def put(self, key: str, value: bytes) -> None:
        """For values without a line end."""
        self._ask(b"set %b 0 0 %d\r\n%b" % (key.encode(), len(value), value), b"STORED")

    def stats(self) -> dict[str, str]:
        lines = (line.decode("latin-1").split(" ", 2) for line in self._ask(b"stats", b"END"))
        return {line[1]: line[2] for line in lines if len(line) == 3}

    def _batch(self, commands: bytes) -> int:
        """Send quiet commands; returns how many replies speak of an error.

        A counter that was just made is told by some versions in spite of q: HD.
        """
        try:
            replies = self._ask(commands + b"mn", b"MN")
        except EngineDown as error:
            raise Unconfirmed(error.message, error.remedy) from error
        return sum(line[:2] != b"HD" for line in replies)

    def _ask(self, request: bytes, end: bytes) -> list[bytes]:
        """The lines of a reply, without the last one, which is `end`."""
        self.connect()
        assert self._socket is not None
        try:
            self._socket.sendall(request + LINE_END)
            return _receive(self._socket, end)
        except OSError as error:
            raise self._down(str(error) or type(error).__name__) from error

    def _expect_version(self) -> None:
        version = self.stats().get("version", "")
        found = re.match(r"(\d+)\.(\d+)", version)
        if found is None or (int(found[1]), int(found[2])) < VERSION_MIN:
            raise self._down(f"it is memcached {version}, and version 1.6 or later is needed")

    def _down(self, why: str) -> EngineDown:
        self.close()
        return EngineDown(
            f"{self.address} does not serve: {why}",
            f"Start it, for example: memcached -l {self.address.host} -p {self.address.port}",
        )


def _receive(connection: socket.socket, end: bytes) -> list[bytes]:
    """Lines until `end`. Raises OSError if there will be no end."""
    tail = end + LINE_END
    data = b""
    while data != tail and not data.endswith(b"\n" + tail):
        more = connection.recv(_RECEIVE_BYTES)
        if not more:
            raise ConnectionResetError("it closed the connection")
        data += more
        if data.endswith(LINE_END) and data.startswith(_ERRORS) and end != b"MN":
            raise ConnectionAbortedError(data.decode("latin-1").strip())
    return data[: -len(tail)].split(LINE_END)[:-1]


def _batches(commands: Iterable[str]) -> Iterator[str]:
    iterator = iter(commands)
    while batch := "".join(islice(iterator, BATCH_MAX)):
        yield batch
