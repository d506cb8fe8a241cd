"""A server under load: the process, its own generator, and the fans who have answered already."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import msgspec

from bench.load.client import Generator
from bench.load.jobs import Fans, Job, Result
from bench.machine import Cores, scratch, two_cores
from bench.processes import free_port

SETTLE_S = 0.3
"""After a sample: what a contender does behind its replies belongs to their cost."""
FANS_FIRST_PER_S = 150_000
FANS_MORE = 1.5
"""Times as many tickets as the best rate so far would use."""
OK = 204


class Service(Protocol):
    """A contender's processes."""

    def cpu_s(self) -> float: ...

    def said(self) -> str: ...

    def end(self) -> None: ...


class Serving(msgspec.Struct, frozen=True):
    """A service that runs, and what it takes to answer it."""

    service: Service
    port: int
    key_number: int = 1
    key: str = "00" * 16
    private_port: int = 0
    token: str = ""
    data: Path | None = None


class Sampled(msgspec.Struct, frozen=True):
    result: Result
    cpu_s: float
    asked_s: float
    """How long requests were sent; `result.seconds` includes the last replies."""


CHOICES = 4
COUNTRIES = 3
"""Of the one question that all contenders ask."""

Start = Callable[[int, Cores, Path], Serving]
"""Start on a port, on the contender's core, with a directory; returns when it answers."""


class Site:
    """Shared by the runners that load the same server: the first starts it, the last ends it."""

    def __init__(self, name: str, start: Start, ports: int = 1) -> None:
        """`ports`: how many in a row the service listens on."""
        self.name = name
        self.acknowledged = 0
        self._start = start
        self._ports = ports
        self._users = 0
        self._next_fan = 0
        self._per_s = float(FANS_FIRST_PER_S)

    def __enter__(self) -> Site:
        if not self._users:
            self._begin()
        self._users += 1
        return self

    def _begin(self) -> None:
        cores = two_cores()
        with ExitStack() as stack:
            directory = scratch(self.name)
            self.serving = self._start(free_port(self._ports), cores, directory)
            stack.callback(shutil.rmtree, directory, ignore_errors=True)
            stack.callback(self.serving.service.end)
            self._generator = stack.enter_context(Generator(cores.generator))
            self._running = stack.pop_all()

    def __exit__(self, *_: object) -> None:
        self._users -= 1
        if not self._users:
            self._running.close()

    def load(self, job: Job, fans: bool) -> Sampled:
        """One sample of `job`, whose port and fans are set here."""
        job = msgspec.structs.replace(
            job, port=self.serving.port, fans=self._fans(job) if fans else None
        )
        service = self.serving.service
        self._generator.prepare(job)
        time.sleep(SETTLE_S)
        before_s = service.cpu_s()
        result = self._generator.go()
        time.sleep(SETTLE_S)
        cpu_s = service.cpu_s() - before_s
        self._generator.end()
        if fans:
            self._next_fan += result.sent
            self._per_s = max(self._per_s, result.replies / result.seconds)
            self.acknowledged += result.acknowledged
        return Sampled(result, cpu_s, job.seconds)

    def _fans(self, job: Job) -> Fans:
        per_s = job.per_s or self._per_s
        count = int(per_s * (job.seconds + job.warm_s) * FANS_MORE) + job.connections * job.depth
        serving = self.serving
        return Fans(self._next_fan, count, serving.key_number, serving.key, CHOICES, COUNTRIES)
