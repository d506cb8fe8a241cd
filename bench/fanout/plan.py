"""Our event streams beside the usual ones: Starlette with a queue for each browser."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import socket
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Self

import msgspec
import numpy as np

from bench.fanout.browsers import Browsers
from bench.fanout.server import FILES_SPARE, TOKEN, Facts
from bench.machine import scratch, two_cores
from bench.processes import Server, free_port
from bench.report import Bound, Contender, Guarantees
from bench.rounds import Measured, Missing, Options, Plan
from hairpin.node.family import allow_files

BROWSERS = 10_000
GOAL_MS = 100.0
HAIRPIN, STARLETTE = "hairpin", "starlette"
PUBLISH = b"POST /publish HTTP/1.1\r\nHost: bench\r\nContent-Length: 0\r\n\r\n"


class FanOut:
    """One server and its browsers; a sample is several results, one after another."""

    def __init__(self, name: str, text: str, browsers: int) -> None:
        self.contender = Contender(name, Guarantees(text=text))
        self._count = browsers
        self._stack = contextlib.ExitStack()
        self._last_ms: list[float] = []
        self._event_bytes = 0

    def __enter__(self) -> Self:
        allowed = allow_files(2 * (self._count + FILES_SPARE))
        if allowed < self._count + FILES_SPARE:
            raise Missing(f"{self._count} streams need as many open files: ulimit -n {allowed}")
        try:
            self._begin()
        except BaseException:
            self._stack.close()
            raise
        return self

    def _begin(self) -> None:
        port, directory = free_port(), scratch("fanout")
        self._stack.callback(shutil.rmtree, directory, ignore_errors=True)
        which = [self.contender.name, str(port), str(self._count + 10)]
        command = [sys.executable, "-m", "bench.fanout.server", *which]
        self._cores = two_cores()
        self._server = Server(command, self._cores.contender, directory)
        self._stack.callback(self._server.end)
        self._server.wait_listening(port)
        self._port = port
        header = f"Authorization: Bearer {TOKEN}\r\n"
        self._browsers = self._stack.enter_context(
            Browsers(port, "/events/wall", header, self._count)
        )
        self._button = self._stack.enter_context(socket.create_connection(("127.0.0.1", port)))

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def measure(self, seconds: float) -> Measured:
        """A delivery is one result at one browser; p50 and p99 are over all of them."""
        event_bytes = self._facts().event_bytes
        began, cpu_s = time.monotonic(), self._server.cpu_s()
        took: list[np.ndarray[tuple[int], np.dtype[np.float64]]] = []
        late: list[float] = []
        with pinned(self._cores.generator):
            while not took or time.monotonic() - began < seconds:
                ms = self._browsers.took_ns(self._publish, event_bytes) / 1e6
                self._button.recv(4096)
                late.append(self._facts().late_ms)
                took.append(ms)
        last = [float(ms.max()) for ms in took]
        self._last_ms += last
        self._event_bytes = event_bytes
        everything = np.concatenate(took)
        return Measured(
            answers=everything.size,
            cpu_s=self._server.cpu_s() - cpu_s,
            seconds=sum(last) / 1000,
            p50_ms=float(np.quantile(everything, 0.5)),
            p99_ms=float(np.quantile(everything, 0.99)),
            extra={
                "last_ms": statistics.median(last),
                "last_ms_worst": max(last),
                "timer_late_ms_worst": max(late),
            },
        )

    def _publish(self) -> None:
        """Waits for nothing: the reply is read when everybody has the result."""
        self._button.sendall(PUBLISH)

    def _facts(self) -> Facts:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        with contextlib.closing(connection):
            connection.request("GET", "/facts")
            return msgspec.json.decode(connection.getresponse().read(), type=Facts)

    def verify(self) -> str | None:
        """Everybody got every result, else `took_ns` had raised; how long the last one waited."""
        middle = statistics.median(self._last_ms)
        verdict = "within" if middle <= GOAL_MS else "beyond"
        return (
            f"{self.contender.name}: the last of {self._count:,} browsers had {self._event_bytes} "
            f"bytes after {middle:.0f} ms (worst {max(self._last_ms):.0f}, "
            f"n={len(self._last_ms)}), {verdict} {GOAL_MS:.0f} ms"
        )


@contextlib.contextmanager
def pinned(core: int) -> Iterator[None]:
    """This thread on one core meanwhile."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def runners(options: Options) -> Sequence[FanOut]:
    # Both servers hold their streams at once, and this process holds all browsers of both.
    browsers = BROWSERS // 10 if options.quick else min(BROWSERS, _room() // 2)
    return (
        FanOut(HAIRPIN, "the latest for everyone; a slow browser skips", browsers),
        FanOut(STARLETTE, "a queue for each; a slow browser loses the newest", browsers),
    )


def _room() -> int:
    """Streams for which this process may open files."""
    return allow_files(2 * BROWSERS + FILES_SPARE) - FILES_SPARE


PLAN = Plan(
    name="fanout",
    title="one result of 2 KB to every event stream",
    base=STARLETTE,
    unit="delivery",
    runners=runners,
    bounds=(Bound(HAIRPIN, STARLETTE, at_most=0.5),),
    quick_bounds=(Bound(HAIRPIN, STARLETTE, at_most=0.7),),
)
