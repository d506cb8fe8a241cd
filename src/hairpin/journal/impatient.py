"""Disks that are waited for only so long, for processes that must not freeze with one of them.

Each directory has a lane of its own. What takes longer fails with ETIMEDOUT, and so does everything
else there, at once, until the late operation has ended. As long as a journal has one mirror there
is nothing to go on with instead, and operations take the time they take.
"""

from __future__ import annotations

import errno
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from hairpin.journal.mirrors import Mirrors
from hairpin.world import Disk, Lanes, World

T = TypeVar("T")


class _Mine(threading.local):
    """Lanes belong to one thread; another one that reads has lanes of its own."""

    def __init__(self) -> None:
        self.lanes: Lanes | None = None
        self.numbers: dict[Path, int] = {}
        self.late: Counter[int] = Counter()
        """Operations by lane that nobody waits for any more."""


class ImpatientDisk:
    """Implements `Disk`. Files must be closed by the thread that opened them."""

    def __init__(self, world: World, mirrors: Mirrors, patience_ms: float) -> None:
        self._world = world
        self._disk: Disk = world.disk
        self._mirrors = mirrors
        self._patience_ms = patience_ms
        self._mine = _Mine()
        self._directories: dict[int, Path] = {}
        """Of open files."""

    def create(self, path: Path, mode: int = 0o600) -> int:
        return self._opened(path, lambda: self._disk.create(path, mode))

    def open(self, path: Path) -> int:
        return self._opened(path, lambda: self._disk.open(path))

    def write(self, fd: int, offset: int, data: bytes) -> None:
        self._do(self._directories[fd], lambda: self._disk.write(fd, offset, data))

    def sync(self, fd: int) -> None:
        self._do(self._directories[fd], lambda: self._disk.sync(fd))

    def truncate(self, fd: int, size_bytes: int) -> None:
        self._do(self._directories[fd], lambda: self._disk.truncate(fd, size_bytes))

    def read(self, path: Path, offset: int, size_bytes: int) -> bytes:
        return self._do(path.parent, lambda: self._disk.read(path, offset, size_bytes))

    def size(self, path: Path) -> int:
        return self._do(path.parent, lambda: self._disk.size(path))

    def list(self, directory: Path) -> list[str]:
        return self._do(directory, lambda: self._disk.list(directory))

    def make_directory(self, directory: Path) -> None:
        self._do(directory, lambda: self._disk.make_directory(directory))

    def replace(self, path: Path, data: bytes, mode: int = 0o600) -> None:
        self._do(path.parent, lambda: self._disk.replace(path, data, mode))

    def rename(self, path: Path, new: Path) -> None:
        self._do(path.parent, lambda: self._disk.rename(path, new))

    def remove(self, path: Path) -> None:
        self._do(path.parent, lambda: self._disk.remove(path))

    def lock(self, fd: int, *, shared: bool = False, wait: bool = False) -> bool:
        place = self._directories[fd]
        return self._do(place, lambda: self._disk.lock(fd, shared=shared, wait=wait))

    def unlock(self, fd: int) -> None:
        self._do(self._directories[fd], lambda: self._disk.unlock(fd))

    def close(self, fd: int) -> None:
        """Behind what is late there, without waiting for it."""
        directory = self._directories.pop(fd)
        lanes, lane = self._lane(directory)
        if self._mine.late[lane]:
            self._mine.late[lane] += 1
            lanes.submit(lane, lambda: self._disk.close(fd))
        else:
            self._do(directory, lambda: self._disk.close(fd))

    # ----------------------------------------------------------------------------------------------

    def _opened(self, path: Path, open_it: Callable[[], int]) -> int:
        given_up = threading.Event()

        def job() -> int:
            fd = open_it()
            if given_up.is_set():
                self._disk.close(fd)
            return fd

        fd = self._do(path.parent, job, given_up)
        self._directories[fd] = path.parent
        return fd

    def _lane(self, directory: Path) -> tuple[Lanes, int]:
        mine = self._mine
        if mine.lanes is None:
            mine.lanes = self._world.threads.lanes()
        if directory not in mine.numbers:
            mine.numbers[directory] = mine.lanes.open(directory)
        return mine.lanes, mine.numbers[directory]

    def _do(
        self, directory: Path, job: Callable[[], T], given_up: threading.Event | None = None
    ) -> T:
        if len(self._mirrors.label.mirrors) == 1:
            return job()
        lanes, lane = self._lane(directory)
        late = self._mine.late
        while late.total() and (done := lanes.next(0)) is not None:
            late[done.lane] -= 1
        if late[lane]:
            raise self._too_late(directory)
        result: list[T] = []
        lanes.submit(lane, lambda: result.append(job()))
        clock = self._world.clock
        until_ms = clock.monotonic_ms() + self._patience_ms
        while (done := lanes.next(max(until_ms - clock.monotonic_ms(), 0))) is not None:
            if done.lane != lane:
                late[done.lane] -= 1
                continue
            if done.error is not None:
                raise done.error
            return result[0]
        late[lane] += 1
        if given_up is not None:
            given_up.set()
            if result:  # it ended while it was given up, and may not have seen that
                with suppress(OSError):
                    self._disk.close(result[0])  # type: ignore[arg-type]
        raise self._too_late(directory)

    def _too_late(self, directory: Path) -> OSError:
        return OSError(
            errno.ETIMEDOUT, f"no answer within {self._patience_ms:.0f} ms", str(directory)
        )
