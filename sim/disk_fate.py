"""What befalls the disk operations of one process: it waits, they fail, or it dies in them."""

from __future__ import annotations

import errno
import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, Protocol

from sim.disk_faults import CHANGING, Mishap, Tally, Trouble, sync_wrong
from sim.disk_files import File, os_error
from sim.disk_system import Directory, FileSystem, Node

ACKNOWLEDGED = (Mishap.LOST, Mishap.TORN, Mishap.MISDIRECTED)
"""Mishaps that nobody is told of."""


class Owner(Protocol):
    """A process, as far as its disks need to know it."""

    name: str
    number: int
    in_lane: bool
    """Is what runs now the work of a lane? Then the lane has waited for the disk already."""

    def check(self) -> None: ...
    def stand_aside(self) -> bool: ...
    def die_here(self, why: str = "") -> NoReturn: ...


class Disk:
    """A file system, and what is wrong with the disk that it lies on."""

    def __init__(self, system: FileSystem) -> None:
        self.system = system
        self.trouble = Trouble()


class Ground(Protocol):
    """What all ports of a machine share."""

    dice: random.Random
    tally: Tally

    @property
    def now_ms(self) -> Callable[[], float]: ...
    @property
    def wait(self) -> Callable[[float], None]: ...
    def disk(self, path: Path) -> Disk: ...
    def find(self, directory: str) -> tuple[Disk, Directory]: ...
    def make(self, directory: Path) -> None: ...
    def moved(self, node: Node) -> None: ...
    def injected(self, disk: Disk, operation: str, mishap: Mishap, told: str = "") -> None: ...


class Fate:
    """Without an owner nothing befalls anybody, no time passes and nothing is counted."""

    def __init__(self, ground: Ground, owner: Owner | None) -> None:
        self._ground = ground
        self._owner = owner
        self._doom: str | None = None

    def die_in(self, operation: str) -> None:
        """The process dies in the middle of its next operation of this name."""
        if operation not in CHANGING:
            raise ValueError(f"nobody dies in {operation}; allowed: {', '.join(CHANGING)}")
        self._doom = operation

    def check(self) -> None:
        """Every operation begins with this. Raises what the owner raises when it is dead."""
        if self._owner is not None:
            self._owner.check()

    def stand_aside(self) -> bool:
        """Let other processes run meanwhile; False if none can."""
        return self._owner is not None and self._owner.stand_aside()

    def begin(self, operation: str, disk: Disk) -> Mishap | None:
        """How this operation is to go wrong, if it is. Raises if the disk is gone."""
        owner = self._owner
        if owner is None:
            return None
        self._ground.tally.operations[operation] += 1
        if self._doom is None and not disk.trouble.active:
            return None
        self._wait(operation, disk.trouble, owner)
        if disk.trouble.gone is not None:
            self._ground.tally.faults[f"{operation}: the disk is gone"] += 1
            raise os_error(disk.trouble.gone)
        if operation == self._doom:
            self._doom = None
            mishap: Mishap | None = Mishap.DEATH
        else:
            mishap = disk.trouble.draw(operation, self._ground.dice)
        told_later = mishap in ACKNOWLEDGED or (operation == "sync" and mishap is Mishap.EIO)
        if mishap is not None and not told_later:
            self._ground.injected(disk, operation, mishap)
        return mishap

    def _wait(self, operation: str, trouble: Trouble, owner: Owner) -> None:
        """For a disk that hangs or is slow, unless a lane has done that."""
        if owner.in_lane:
            return
        hang_ms = trouble.hang_until_ms - self._ground.now_ms()
        if hang_ms == math.inf:
            owner.die_here(f"for it hangs for ever in {operation}")
        slow_ms = trouble.latency_ms if operation in CHANGING and operation != "write" else 0.0
        if hang_ms > 0 or slow_ms:
            self._ground.wait(max(hang_ms, 0.0) + slow_ms)
            owner.check()

    def surely(self, mishap: Mishap | None, path: Path | str = "") -> None:
        """Fail or die, if that is to happen."""
        if mishap is Mishap.DEATH:
            assert self._owner is not None, "nothing befalls an onlooker"
            self._owner.die_here("in the middle of a disk operation")
        if mishap is not None:
            raise os_error(errno.ENOSPC if mishap is Mishap.ENOSPC else errno.EIO, path)

    def perhaps(self, mishap: Mishap | None, path: Path | str = "") -> None:
        """The same before anything was done, half of the times; a full disk always says so."""
        if mishap is Mishap.ENOSPC or (mishap is not None and self._ground.dice.random() < 0.5):
            self.surely(mishap, path)

    def sync_wrong(self, disk: Disk, file: File, mishap: Mishap) -> None:
        others = [other for _, other in disk.system.files()]
        told = sync_wrong(file, mishap, others, self._ground.dice)
        self._ground.injected(disk, "sync", mishap, told)
