"""A real disk that fails when it is told to, and else is fast: no power is ever cut here."""

from __future__ import annotations

import errno
import os
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from hairpin.world import RealDisk, World, real_world


@dataclass
class Fault:
    """The next call of `operation` fails. A write writes `keep` bytes before it does."""

    operation: str
    code: int = errno.EIO
    keep: int = 0


class FaultyDisk(RealDisk):
    """`faults` happen in their order, each at the next call of its operation."""

    def __init__(self, *faults: Fault) -> None:
        self.faults = deque(faults)

    def create(self, path: Path, mode: int = 0o600) -> int:
        self._fail("create")
        return os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, mode)

    def write(self, fd: int, offset: int, data: bytes) -> None:
        if self._due("write"):
            super().write(fd, offset, data[: self.faults[0].keep])
        self._fail("write")
        super().write(fd, offset, data)

    def sync(self, fd: int) -> None:
        self._fail("sync")

    def replace(self, path: Path, data: bytes, mode: int = 0o600) -> None:
        self._fail("replace")
        super().replace(path, data, mode)

    def truncate(self, fd: int, size_bytes: int) -> None:
        self._fail("truncate")
        super().truncate(fd, size_bytes)

    def _due(self, operation: str) -> bool:
        return bool(self.faults) and self.faults[0].operation == operation

    def _fail(self, operation: str) -> None:
        if self._due(operation):
            code = self.faults.popleft().code
            raise OSError(code, os.strerror(code))


def faulty_world(*faults: Fault) -> tuple[World, FaultyDisk]:
    disk = FaultyDisk(*faults)
    return real_world(disk=disk), disk
