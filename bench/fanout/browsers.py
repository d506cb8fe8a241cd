"""Thousands of browsers in one process: they connect, listen, and note when they have a result."""

from __future__ import annotations

import contextlib
import select
import socket
import time
from collections.abc import Callable
from typing import Self

import numpy as np
import numpy.typing as npt

from bench.load.wire import EVENTS_MAX, FILES_MAX, Bytes, Numbers, now_ns
from hairpin.errors import EngineDown
from hairpin.kernel import compiled
from hairpin.libc import EPOLL_EVENT, EPOLLIN, MSG_RECV, address, epoll_wait, recv

PATIENCE_NS = 30_000_000_000
QUIET_NS = 100_000_000
"""When nothing came for so long, everybody has everything."""
BUFFER_BYTES = 1 << 16


@compiled
def listen(
    epoll: int,
    events: npt.NDArray[np.void],
    buffer: Bytes,
    got: Numbers,
    had_it_ns: Numbers,
    wanted_bytes: int,
    browsers: int,
    quiet_ns: int,
) -> int:
    """Read until `browsers` streams have `wanted_bytes`, or nothing came for `quiet_ns`.

    `got`: bytes by descriptor. `had_it_ns`: when a stream had them, by descriptor. Returns how many
    have; negative if a stream ended. It polls and never sleeps: waking a sleeping reader would be
    charged to the server, whose real browsers are elsewhere.
    """
    clock = np.zeros(2, np.int64)
    heard_ns = now_ns(clock)
    have = 0
    while have < browsers:
        count = epoll_wait(epoll, address(events), len(events), 0)
        at_ns = now_ns(clock)
        if count <= 0:
            if at_ns - heard_ns > quiet_ns:
                break
            continue
        heard_ns = at_ns
        for i in range(count):
            fd = events[i]["fd"]
            size = recv(fd, address(buffer), buffer.size, MSG_RECV)
            if size <= 0:
                return -1
            before = got[fd]
            got[fd] = before + size
            if before < wanted_bytes <= before + size:
                had_it_ns[fd] = at_ns
                have += 1
    return have


class Browsers:
    """`count` connections to one event stream of a server on loopback."""

    def __init__(self, port: int, path: str, headers: str, count: int) -> None:
        self._stack = contextlib.ExitStack()
        self._epoll = self._stack.enter_context(select.epoll())
        self._events = np.zeros(EVENTS_MAX, EPOLL_EVENT)
        self._buffer = np.zeros(BUFFER_BYTES, np.uint8)
        self._got = np.zeros(FILES_MAX, np.int64)
        self._had_it_ns = np.zeros(FILES_MAX, np.int64)
        request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{headers}\r\n".encode()
        self._fds = [self._connect(port, request) for _ in range(count)]

    def __enter__(self) -> Self:
        began = self._listen(1, PATIENCE_NS)
        if began != len(self._fds):
            self._stack.close()
            raise EngineDown(f"{began} of {len(self._fds)} streams began")
        self.settle()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _connect(self, port: int, request: bytes) -> int:
        connection = self._stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        connection.sendall(request)
        self._epoll.register(connection.fileno(), EPOLLIN)
        return connection.fileno()

    def settle(self) -> None:
        """Read until nothing comes any more."""
        self._listen(1 << 40, QUIET_NS)
        self._got[:] = 0

    def took_ns(self, publish: Callable[[], None], size_bytes: int) -> Numbers:
        """How long each browser waited for a result of so many bytes. Raises EngineDown."""
        began_ns = time.monotonic_ns()
        publish()
        have = self._listen(size_bytes, PATIENCE_NS)
        if have != len(self._fds):
            raise EngineDown(f"{have} of {len(self._fds)} browsers got the result")
        took: Numbers = self._had_it_ns[self._fds] - began_ns
        self.settle()
        return took

    def _listen(self, wanted_bytes: int, quiet_ns: int) -> int:
        have = listen(
            self._epoll.fileno(),
            self._events,
            self._buffer,
            self._got,
            self._had_it_ns,
            wanted_bytes,
            len(self._fds),
            quiet_ns,
        )
        if have < 0:
            raise EngineDown("the server ended a stream")
        return have
