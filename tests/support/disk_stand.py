"""Simulated disks without a universe around them: a machine, a process, a clock that waits."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from sim.disk import Disks
from sim.process import Killed

DIRECTORY = Path("/mirror")
PATH = DIRECTORY / "strand"
OTHER = DIRECTORY / "other"


class DiskProcess:
    def __init__(self, number: int = 1, in_lane: bool = True) -> None:
        self.name = f"process {number}"
        self.number = number
        self.in_lane = in_lane
        self.dead = False
        self._at_death: list[Callable[[], None]] = []

    def check(self) -> None:
        if self.dead:
            raise Killed(self.name)

    def die_here(self, why: str = "") -> NoReturn:
        self.kill()
        raise Killed(f"{self.name} {why}")

    def kill(self) -> None:
        self.dead = True
        for clean_up in self._at_death:
            clean_up()

    def at_death(self, clean_up: Callable[[], None]) -> None:
        self._at_death.append(clean_up)


class Stand:
    """A machine with one disk, and a process on it. `waited` is in ms."""

    def __init__(self, seed: int = 1, in_lane: bool = True) -> None:
        self.now_ms = 1000.0
        self.waited: list[float] = []
        self.notes: list[tuple[str, str]] = []
        self.disks = Disks(
            random.Random(seed),
            lambda: self.now_ms,
            self._wait,
            lambda who, what: self.notes.append((who, what)),
        )
        self.disks.mount(DIRECTORY)
        self.process = DiskProcess(1, in_lane)
        self.disk = self.disks.port(self.process)

    def _wait(self, for_ms: float) -> None:
        self.waited.append(for_ms)
        self.now_ms += for_ms

    def strand(self, content: bytes = b"", path: Path = PATH) -> int:
        """A synced file; returns its number."""
        fd = self.disk.create(path)
        self.disk.write(fd, 0, content)
        self.disk.sync(fd)
        return fd

    def read(self, path: Path = PATH) -> bytes:
        return self.disks.port(None).read(path, 0, 1 << 20)


def failing(operation: Callable[..., object], *arguments: object) -> int | None:
    """Its errno."""
    with pytest.raises(OSError) as caught:
        operation(*arguments)
    return caught.value.errno
