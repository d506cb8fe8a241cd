"""The one seam to what is not deterministic: clock, dice and disk.

Everything else receives a `World`. The real one is made by `real_world()`; a simulated one needs
to implement the same three small ports.
"""

from __future__ import annotations

import fcntl
import os
import random
import secrets
import sys
import time
from pathlib import Path
from typing import Protocol

import msgspec


class Clock(Protocol):
    """Time of day that never jumps while the process lives."""

    def now_ms(self) -> int:
        """Milliseconds since 1970-01-01 UTC."""
        ...

    def monotonic_ms(self) -> float:
        """Milliseconds for measuring intervals."""
        ...


class Dice(Protocol):
    """Chance."""

    def uniform(self, low: float, high: float) -> float: ...

    def secret(self, size_bytes: int) -> bytes:
        """Unpredictable bytes, fit for keys."""
        ...


class Disk(Protocol):
    """The few file operations on which durability rests. Errors are `OSError`."""

    def create(self, path: Path, mode: int = 0o600) -> int:
        """Open a file that must not exist yet, for appending; its name is durable on return."""
        ...

    def open_append(self, path: Path) -> int: ...

    def append(self, fd: int, data: bytes) -> None:
        """Write all of `data` at the end; not durable yet."""
        ...

    def sync(self, fd: int) -> None:
        """What was appended is durable on return."""
        ...

    def truncate(self, fd: int, size_bytes: int) -> None: ...

    def read(self, path: Path, offset: int, size_bytes: int) -> bytes: ...

    def size(self, path: Path) -> int: ...

    def list(self, directory: Path) -> list[str]:
        """Names in `directory`, sorted; none if it does not exist."""
        ...

    def replace(self, path: Path, data: bytes, mode: int = 0o600) -> None:
        """Set the whole content of a file, durably and all at once."""
        ...

    def lock(self, fd: int) -> bool:
        """Take the exclusive lock of an open file; False if another holder lives."""
        ...

    def close(self, fd: int) -> None: ...


class World(msgspec.Struct, frozen=True):
    clock: Clock
    dice: Dice
    disk: Disk


class RealClock:
    """Anchored once to the time of day, then driven by the monotonic clock.

    CLOCK_MONOTONIC is one for all processes of a machine, so that forked children that share the
    anchor agree to the millisecond, whatever happens to the time of day meanwhile.
    """

    def __init__(self) -> None:
        self._anchor_ns = time.time_ns() - time.monotonic_ns()

    def now_ms(self) -> int:
        return (self._anchor_ns + time.monotonic_ns()) // 1_000_000

    def monotonic_ms(self) -> float:
        return time.monotonic_ns() / 1e6


class RealDice:
    def __init__(self) -> None:
        self._random = random.SystemRandom()  # forked children must not share one stream

    def uniform(self, low: float, high: float) -> float:
        return self._random.uniform(low, high)

    def secret(self, size_bytes: int) -> bytes:
        return secrets.token_bytes(size_bytes)


class RealDisk:
    def create(self, path: Path, mode: int = 0o600) -> int:
        fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_APPEND | os.O_CLOEXEC, mode)
        try:
            os.fsync(fd)
            self._sync_directory(path.parent)
        except OSError:
            # The name stays: others may have counted on from it.
            os.close(fd)
            raise
        return fd

    def open_append(self, path: Path) -> int:
        return os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)

    def append(self, fd: int, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]

    def sync(self, fd: int) -> None:
        # macOS has no fdatasync, and its fsync does not reach the platter; F_FULLFSYNC does.
        if sys.platform == "darwin":
            fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
        else:
            os.fdatasync(fd)

    def truncate(self, fd: int, size_bytes: int) -> None:
        os.ftruncate(fd, size_bytes)

    def read(self, path: Path, offset: int, size_bytes: int) -> bytes:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(size_bytes)

    def size(self, path: Path) -> int:
        return path.stat().st_size

    def list(self, directory: Path) -> list[str]:
        try:
            return sorted(path.name for path in directory.iterdir())
        except FileNotFoundError:
            return []

    def replace(self, path: Path, data: bytes, mode: int = 0o600) -> None:
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        fd = os.open(part, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, mode)
        try:
            try:
                self.append(fd, data)
                os.fsync(fd)
            finally:
                os.close(fd)
            part.replace(path)
        except OSError:
            part.unlink(missing_ok=True)
            raise
        self._sync_directory(path.parent)

    def lock(self, fd: int) -> bool:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def close(self, fd: int) -> None:
        os.close(fd)

    @staticmethod
    def _sync_directory(directory: Path) -> None:
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def real_world() -> World:
    return World(RealClock(), RealDice(), RealDisk())
