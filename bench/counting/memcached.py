"""The account's scheme on memcached: many keys for each cell, so that none is hot.

Keys are `q{n}age{a}{country}{shard}{right|wrong}{1-100}`, shard 1-15 for the heavy countries and
1-3 for all others, as the product's own engine spells them. Both numbers are drawn at random for
each answer, and who reads adds all keys of a cell up. To the scheme's favour every key exists, and
its name is spelled, before the question opens: an answer costs one increment and no more.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pymemcache.client.base import Client  # type: ignore[import-untyped]

from bench.counting.answers import BATCH, HANDFUL, HEAVY, Batch, Counts
from bench.counting.scheme import cpu_s
from bench.machine import two_cores
from bench.processes import Server, free_port
from bench.report import Contender, Guarantees
from bench.rounds import Missing
from hairpin.country import CODES, COUNTRIES_MAX
from hairpin.show import AGE_BANDS
from hairpin.tally.memcached_keys import CELLS, SHARDS, Scheme, cell_name

MEMORY_MB = 2048
"""Enough for the keys of all rounds: nothing is evicted here, as it may be elsewhere."""
TOGETHER = 100

_SCHEME = Scheme(HEAVY)
_CELLS = [cell for cell in map(cell_name, range(CELLS)) if cell.country < len(CODES)]
_WIDTHS = np.array([_SCHEME.country_shards(cell.country) * SHARDS for cell in _CELLS])
"""How many keys each cell has."""
_FIRST = (np.cumsum(_WIDTHS) - _WIDTHS).reshape(AGE_BANDS, len(CODES), 2)
"""Place of each cell's first key; shape (age band, country, wrong or right)."""


def keys(question: int) -> list[str]:
    """All keys of a question, cell after cell."""
    return [key for cell in _CELLS for key in _SCHEME.keys(question, cell)]


class Draw:
    """Which key an answer increments."""

    def __init__(self) -> None:
        self._chance = np.random.default_rng()
        self._widths = _WIDTHS.reshape(_FIRST.shape)

    def places(self, batch: Batch) -> list[int]:
        cells = (batch.records["age_band"], batch.records["country"], batch.right)
        drawn = (self._chance.random(len(batch.right)) * self._widths[cells]).astype(np.int64)
        places: list[int] = (_FIRST[cells] + drawn).tolist()
        return places


class Memcached:
    """A server, and the reading of its totals; how to increment is for the schemes below."""

    forms: frozenset[str] = frozenset()
    batch = BATCH
    contender: Contender

    def __init__(self) -> None:
        self._port = free_port()
        self._server: Server | None = None
        self._draw = Draw()
        self._keys: list[str] = []

    def start(self, directory: Path) -> None:
        binary = shutil.which("memcached")
        if binary is None:
            raise Missing("no memcached in PATH; install the system package memcached")
        command = [binary, "-l", "127.0.0.1", "-p", str(self._port), "-m", str(MEMORY_MB)]
        if os.geteuid() == 0:
            command += ["-u", "nobody"]
        self._server = Server(command, two_cores().contender, directory)
        self._server.wait_listening(self._port)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self._port))

    def begin(self, question: int) -> None:
        self._keys = keys(question)
        with self.connect() as connection:
            for at in range(0, len(self._keys), 10_000):
                lines = [
                    f"set {key} 0 0 1 noreply\r\n0\r\n" for key in self._keys[at : at + 10_000]
                ]
                connection.sendall("".join(lines).encode())
            barrier(connection)

    def server_cpu_s(self) -> float:
        assert self._server is not None
        return cpu_s(self._server.pids)

    def counts(self, question: int) -> Counts:
        values = np.array(list(self._values(question)), np.int64)
        found = np.zeros((AGE_BANDS, COUNTRIES_MAX, 2), np.int64)
        found[:, : len(CODES)] = np.add.reduceat(values, _FIRST.reshape(-1)).reshape(_FIRST.shape)
        return found

    def _values(self, question: int) -> Iterator[int]:
        """Of all keys, in their order."""
        names = keys(question)
        with self.connect() as connection, connection.makefile("rb") as replies:
            for at in range(0, len(names), TOGETHER):
                some = names[at : at + TOGETHER]
                connection.sendall(f"get {' '.join(some)}\r\n".encode())
                for _ in some:
                    replies.readline()
                    yield int(replies.readline())
                replies.readline()

    def score(self) -> None:
        return None

    def stop(self) -> None:
        if self._server is not None:
            self._server.end()


class PerAnswer(Memcached):
    """As in the account: one increment, one reply, for each answer."""

    batch = HANDFUL

    def __init__(self) -> None:
        super().__init__()
        self.contender = Contender(
            "memcached, incr per answer",
            Guarantees(text="in memory, repeats count twice; pymemcache, keys made beforehand"),
        )
        self._client: Client | None = None

    def start(self, directory: Path) -> None:
        super().start(directory)
        self._client = Client(("127.0.0.1", self._port), no_delay=True)

    def count(self, batch: Batch) -> None:
        assert self._client is not None
        incr, names = self._client.incr, self._keys
        for place in self._draw.places(batch):
            incr(names[place], 1)

    def finish(self, question: int) -> None:
        """Every increment was answered."""

    def stop(self) -> None:
        if self._client is not None:
            self._client.close()
        super().stop()


class Pipelined(Memcached):
    """A hundred increments in one write, and nobody waits for replies."""

    def __init__(self) -> None:
        super().__init__()
        self.contender = Contender(
            "memcached, 100 at once",
            Guarantees(text="in memory, repeats count twice, losses go unseen (noreply)"),
        )
        self._connection: socket.socket | None = None
        self._lines: list[bytes] = []

    def start(self, directory: Path) -> None:
        super().start(directory)
        self._connection = self.connect()

    def begin(self, question: int) -> None:
        super().begin(question)
        self._lines = [f"incr {key} 1 noreply\r\n".encode() for key in self._keys]

    def count(self, batch: Batch) -> None:
        assert self._connection is not None
        lines = self._lines
        places = self._draw.places(batch)
        for at in range(0, len(places), TOGETHER):
            some = [lines[place] for place in places[at : at + TOGETHER]]
            self._connection.sendall(b"".join(some))

    def finish(self, question: int) -> None:  # noqa: ARG002 - as the port says
        assert self._connection is not None
        barrier(self._connection)

    def stop(self) -> None:
        if self._connection is not None:
            self._connection.close()
        super().stop()


def barrier(connection: socket.socket) -> None:
    """Wait until everything that was sent is done: a connection's commands are done in order."""
    connection.sendall(b"version\r\n")
    reply = b""
    while not reply.endswith(b"\r\n"):
        data = connection.recv(4096)
        if not data:
            raise ConnectionError("memcached closed the connection")
        reply += data
