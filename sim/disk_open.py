"""The files that one simulated process has open."""

from __future__ import annotations

import errno
import heapq

from sim.disk_fate import Disk
from sim.disk_files import File, os_error

FIRST_FD = 3


class Opened:
    """An open file description; it holds locks."""

    __slots__ = ("disk", "file", "generation")

    def __init__(self, disk: Disk, file: File) -> None:
        self.disk = disk
        self.file = file
        self.generation = disk.system.generation
        file.opens += 1

    def let_go(self) -> None:
        if self.generation == self.disk.system.generation:
            self.file.locks.pop(self, None)
            self.disk.system.closed(self.file)


class OpenFiles:
    """By number; each gets the lowest one that is free, as POSIX has it."""

    def __init__(self) -> None:
        self._opened: dict[int, Opened] = {}
        self._free: list[int] = []

    def __len__(self) -> int:
        return len(self._opened)

    def add(self, disk: Disk, file: File) -> int:
        fd = heapq.heappop(self._free) if self._free else FIRST_FD + len(self._opened)
        self._opened[fd] = Opened(disk, file)
        return fd

    def at(self, fd: int) -> Opened:
        opened = self._opened.get(fd)
        if opened is None:
            raise os_error(errno.EBADF)
        if opened.generation != opened.disk.system.generation:
            raise os_error(errno.EIO)
        return opened

    def close(self, fd: int) -> None:
        opened = self._opened.pop(fd, None)
        if opened is None:
            raise os_error(errno.EBADF)
        opened.let_go()
        heapq.heappush(self._free, fd)

    def close_all(self) -> None:
        for opened in self._opened.values():
            opened.let_go()
        self._opened.clear()
        self._free.clear()
