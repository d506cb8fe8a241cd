"""The wire for plain HTTP: batches in, outcomes out, and everything between in compiled code."""

from __future__ import annotations

import select
import socket
import struct
import time
from typing import Any

import numpy as np
import numpy.typing as npt

from hairpin import libc
from hairpin.errors import EngineDown
from hairpin.rehearsal import links, loop
from hairpin.rehearsal.forms import Forms, forms
from hairpin.rehearsal.links import BEGIN, END, IN_FLIGHT, N_DONE, N_LOST, N_OPEN
from hairpin.rehearsal.wire import ROOM, Batch, Outcomes


class Sockets:
    """`number` connections to one address, driven from the thread that calls `turn`."""

    def __init__(self, host: str, port: int, number: int, texts: Forms, seed: int) -> None:
        """Raises `EngineDown` where no such host is known."""
        family, address = _resolve(host, port)
        self._epoll = select.epoll()
        self._links = links.make(
            number,
            texts.text,
            texts.begin,
            texts.end,
            np.frombuffer(address, dtype=np.uint8),
            family,
            self._epoll.fileno(),
        )
        loop.seed(seed)

    @property
    def lost(self) -> int:
        return int(self._links.sums[N_LOST])

    @property
    def open(self) -> int:
        return int(self._links.sums[N_OPEN])

    @property
    def in_flight(self) -> int:
        sums = self._links.sums
        return int(sums[IN_FLIGHT] + sums[END] - sums[BEGIN])

    @property
    def room(self) -> int:
        sums = self._links.sums
        return ROOM - int(sums[END] - sums[BEGIN])

    def submit(self, batch: Batch) -> None:
        """See `Wire`. What waits already moves to the front of the box first."""
        k, number = self._links, len(batch.code)
        begin, end = int(k.sums[BEGIN]), int(k.sums[END])
        waiting = end - begin
        boxes: tuple[npt.NDArray[Any], ...] = (
            k.box_code,
            k.box_line,
            k.box_length,
            k.box_form,
            k.box_flags,
        )
        for box, column in zip(boxes, batch, strict=True):
            if begin:
                box[:waiting] = box[begin:end].copy()
            box[waiting : waiting + number] = column
        k.sums[BEGIN], k.sums[END] = 0, waiting + number

    async def turn(self, longest_ms: float) -> Outcomes:
        loop.turn(self._links, longest_ms)
        return self._outcomes()

    def drop_stuck(self, now_ms: float) -> Outcomes:
        loop.drop_stuck(self._links, now_ms)
        return self._outcomes()

    async def stop(self) -> Outcomes:
        loop.close_all(self._links, time.monotonic_ns() / 1e6)
        self._epoll.close()
        return self._outcomes()

    def _outcomes(self) -> Outcomes:
        k = self._links
        number = int(k.sums[N_DONE])
        return Outcomes(
            k.done_code[:number].copy(),
            k.done_status[:number].copy(),
            k.done_sent_ms[:number].copy(),
            k.done_latency_ms[:number].copy(),
            k.done_body[:number],
            k.done_length[:number].copy(),
        )


def available() -> bool:
    """Can compiled loops make system calls here?"""
    return libc.AVAILABLE


def warm() -> None:
    """Compile the loop into the cache, or load it from there, so that no crowd waits for it."""
    if not available():
        return
    texts = forms("http://localhost")
    nowhere = np.zeros(16, dtype=np.uint8)
    nobody = links.make(0, *texts, nowhere, int(socket.AF_INET), -1)
    loop.seed(0)
    loop.turn(nobody, 0.0)
    loop.drop_stuck(nobody, 0.0)
    loop.close_all(nobody, 0.0)


def _resolve(host: str, port: int) -> tuple[int, bytes]:
    """Family and socket address, as the C library wants it."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise EngineDown(f"{host} is no known host: {error}", "Check the address.") from error
    family, _, _, _, where = found[0]
    if family == socket.AF_INET6:
        raw = socket.inet_pton(family, str(where[0]))
        scope = int(where[3]) if len(where) > 3 else 0
        return int(family), struct.pack("=HHI16sI", family, socket.htons(port), 0, raw, scope)
    raw = socket.inet_pton(family, str(where[0]))
    return int(family), struct.pack("=HH4s8x", family, socket.htons(port), raw)
