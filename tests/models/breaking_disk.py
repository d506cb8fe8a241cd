"""A real disk that breaks at one operation, whichever it is: so a test can try them all."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

from hairpin.world import RealDisk


class How(StrEnum):
    BEFORE = "the operation is not done"
    AFTER = "it is done, but fails"
    DEAD = "it is not done, and nothing works from then on"
    POWER = "the power is cut: nobody cleans up, and what was not synced is half gone"


class PowerCut(BaseException):
    """No handler of errors may catch it."""


class BreakingDisk(RealDisk):
    """Counts operations that change something; the one with number `at` breaks."""

    def __init__(self, at: int, how: How, watched: Path, code: int = errno.EIO) -> None:
        self._at = at
        self._how = how
        self._watched = watched
        self._code = code
        self._paths: dict[int, Path] = {}
        self._unsynced: set[Path] = set()
        self.done = 0
        self.after = watched.with_name(f"{watched.name}-after")
        """A copy of what the disk held when the power was cut."""

    @property
    def broke(self) -> bool:
        return self.done > self._at

    def create(self, path: Path, mode: int = 0o600) -> int:
        def make() -> int:
            fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, mode)
            self._paths[fd] = path
            return fd

        return self._step(make)

    def open(self, path: Path) -> int:
        fd = super().open(path)
        self._paths[fd] = path
        return fd

    def write(self, fd: int, offset: int, data: bytes) -> None:
        def put() -> None:
            RealDisk.write(self, fd, offset, data)
            self._unsynced.add(self._paths[fd])

        self._step(put)

    def sync(self, fd: int) -> None:
        self._step(lambda: self._unsynced.discard(self._paths[fd]))

    def replace(self, path: Path, data: bytes, mode: int = 0o600) -> None:
        part = path.with_name(f".{path.name}.part")

        def put() -> None:
            part.write_bytes(data)
            part.replace(path)

        self._step(put)

    def make_directory(self, directory: Path) -> None:
        self._step(lambda: directory.mkdir(mode=0o700, parents=True, exist_ok=True))

    def rename(self, path: Path, new: Path) -> None:
        self._step(lambda: path.replace(new))

    def remove(self, path: Path) -> None:
        self._step(lambda: path.unlink(missing_ok=True))

    def _step(self, operation: Callable[[], object]) -> int:
        number, self.done = self.done, self.done + 1
        result: object = None
        if number == self._at and self._how is How.AFTER:
            operation()
        if number == self._at or (number > self._at and self._how in (How.DEAD, How.POWER)):
            self._break(number)
        else:
            result = operation()
        return result if isinstance(result, int) else 0

    def _break(self, number: int) -> None:
        if self._how is not How.POWER:
            raise OSError(self._code, os.strerror(self._code))
        if number == self._at:
            shutil.copytree(self._watched, self.after)
            for path in self._unsynced:
                lost = self.after / path.relative_to(self._watched)
                lost.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        raise PowerCut
