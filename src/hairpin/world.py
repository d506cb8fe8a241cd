"""The one seam to what is not deterministic: clock, dice, disk, threads and network.

Everything else receives a `World`. The real one is made by `real_world()`; a simulated one needs
to implement the same small ports.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import random
import secrets
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue
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
        """Open a file that must not exist yet, for writing; its name is durable on return."""
        ...

    def open(self, path: Path) -> int:
        """Open a file that exists, for writing."""
        ...

    def write(self, fd: int, offset: int, data: bytes) -> None:
        """Write all of `data` there; not durable yet."""
        ...

    def sync(self, fd: int) -> None:
        """What was written is durable on return."""
        ...

    def truncate(self, fd: int, size_bytes: int) -> None: ...

    def read(self, path: Path, offset: int, size_bytes: int) -> bytes: ...

    def size(self, path: Path) -> int: ...

    def list(self, directory: Path) -> list[str]:
        """Names in `directory`, sorted; none if it does not exist."""
        ...

    def make_directory(self, directory: Path) -> None:
        """With its parents, for the owner only; no mistake if it exists. Durable on return."""
        ...

    def replace(self, path: Path, data: bytes, mode: int = 0o600) -> None:
        """Set the whole content of a file, durably and all at once."""
        ...

    def rename(self, path: Path, new: Path) -> None:
        """Within one directory, durably; a file that is called `new` gives way."""
        ...

    def remove(self, path: Path) -> None:
        """Durably; no mistake if it does not exist."""
        ...

    def lock(self, fd: int, *, shared: bool = False, wait: bool = False) -> bool:
        """Take the lock of an open file, or change its kind.

        False if another holder lives whose lock excludes this one: locks exclude each other unless
        both are shared. With `wait`, wait for it instead. Closing the file lets go of the lock.
        """
        ...

    def unlock(self, fd: int) -> None: ...

    def close(self, fd: int) -> None: ...


class Job(msgspec.Struct, frozen=True):
    """What came of something that was done in a lane."""

    lane: int
    error: Exception | None


class Lanes(Protocol):
    """Slow work of one owner: jobs of one lane one after the other, lanes side by side.

    Only the owner's thread calls this; jobs run elsewhere.
    """

    def open(self, directory: Path) -> int:
        """A lane for work on what lies in this directory; returns its number, from 0."""
        ...

    def submit(self, lane: int, job: Callable[[], None]) -> None: ...

    def next(self, timeout_ms: float) -> Job | None:
        """A job that ended, in order of ending; None if none does in time."""
        ...

    def close(self) -> None:
        """No more jobs; waits for nothing. Those that wait in a lane may or may not be done."""
        ...


class Threads(Protocol):
    def lanes(self) -> Lanes: ...


class Server(Protocol):
    def close(self) -> None:
        """Accept no more connections; those that are open stay."""
        ...


class Net(Protocol):
    """How connections reach a process."""

    @property
    def sockets(self) -> bool:
        """Are connections file descriptors of this system?"""
        ...

    async def serve(
        self, factory: Callable[[], asyncio.Protocol], listener: socket.socket
    ) -> Server:
        """Give each new connection of `listener` a protocol, on the running loop."""
        ...


class World(msgspec.Struct, frozen=True):
    clock: Clock
    dice: Dice
    disk: Disk
    threads: Threads
    net: Net


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
        fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, mode)
        try:
            os.fsync(fd)
            self._sync_directory(path.parent)
        except OSError:
            # The name stays: others may have counted on from it.
            os.close(fd)
            raise
        return fd

    def open(self, path: Path) -> int:
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)

    def write(self, fd: int, offset: int, data: bytes) -> None:
        view = memoryview(data)
        while view:
            written = os.pwrite(fd, view, offset)
            view, offset = view[written:], offset + written

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

    def make_directory(self, directory: Path) -> None:
        missing = [path for path in (directory, *directory.parents) if not path.exists()]
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in missing:
            self._sync_directory(path.parent)

    def replace(self, path: Path, data: bytes, mode: int = 0o600) -> None:
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        fd = os.open(part, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, mode)
        try:
            try:
                self.write(fd, 0, data)
                os.fsync(fd)
            finally:
                os.close(fd)
            part.replace(path)
        except OSError:
            part.unlink(missing_ok=True)
            raise
        self._sync_directory(path.parent)

    def rename(self, path: Path, new: Path) -> None:
        path.replace(new)
        self._sync_directory(new.parent)

    def remove(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        self._sync_directory(path.parent)

    def lock(self, fd: int, *, shared: bool = False, wait: bool = False) -> bool:
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        try:
            fcntl.flock(fd, kind if wait else kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def unlock(self, fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_UN)

    def close(self, fd: int) -> None:
        os.close(fd)

    @staticmethod
    def _sync_directory(directory: Path) -> None:
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


class RealLanes:
    """A thread for each lane. A thread that hangs in the kernel keeps nobody from ending."""

    def __init__(self) -> None:
        self._queues: list[SimpleQueue[Callable[[], None] | None]] = []
        self._done: SimpleQueue[Job] = SimpleQueue()

    def open(self, directory: Path) -> int:
        queue: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        lane = len(self._queues)
        self._queues.append(queue)
        work = threading.Thread(
            target=self._work, args=(lane, queue), name=f"lane {directory}", daemon=True
        )
        work.start()
        return lane

    def submit(self, lane: int, job: Callable[[], None]) -> None:
        self._queues[lane].put(job)

    def next(self, timeout_ms: float) -> Job | None:
        try:
            return self._done.get(timeout_ms > 0, timeout_ms / 1000 or None)
        except Empty:
            return None

    def close(self) -> None:
        for queue in self._queues:
            queue.put(None)

    def _work(self, lane: int, queue: SimpleQueue[Callable[[], None] | None]) -> None:
        while (job := queue.get()) is not None:
            error: Exception | None = None
            try:
                job()
            except Exception as failure:
                error = failure
            self._done.put(Job(lane, error))


class RealThreads:
    def lanes(self) -> Lanes:
        return RealLanes()


class RealNet:
    sockets = True

    async def serve(
        self, factory: Callable[[], asyncio.Protocol], listener: socket.socket
    ) -> Server:
        return await asyncio.get_running_loop().create_server(factory, sock=listener, backlog=4096)


def real_world(clock: Clock | None = None, disk: Disk | None = None) -> World:
    """`clock`, `disk`: others than the real ones, for whoever measures or breaks them."""
    return World(clock or RealClock(), RealDice(), disk or RealDisk(), RealThreads(), RealNet())
