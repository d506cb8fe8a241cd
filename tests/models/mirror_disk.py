"""A real disk whose directories fail, hang or vanish, each when it is told to."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

from hairpin.world import RealDisk

WRITING = ("create", "open", "write", "sync", "truncate", "replace", "rename", "remove")


class MirrorDisk(RealDisk):
    """No power is ever cut here, so that a sync costs nothing; `log` holds what was done."""

    def __init__(self) -> None:
        self._paths: dict[int, Path] = {}
        self._failing: dict[Path, dict[str, int]] = {}
        self._hanging: dict[Path, tuple[Event, tuple[str, ...]]] = {}
        self.log: list[tuple[str, Path]] = []

    def fail(self, directory: Path, *operations: str, code: int = errno.EIO) -> None:
        """From now on; without operations, all that write."""
        self._failing[directory] = dict.fromkeys(operations or WRITING, code)

    def hang(self, directory: Path, *operations: str) -> None:
        """From now on; without operations, all that write."""
        event, known = self._hanging.get(directory, (Event(), ()))
        self._hanging[directory] = event, (*known, *(operations or WRITING))

    def mend(self, directory: Path) -> None:
        self._failing.pop(directory, None)
        if hanging := self._hanging.pop(directory, None):
            hanging[0].set()

    def _do(self, operation: str, path: Path, action: Callable[[], Any]) -> Any:
        for directory, (mended, operations) in tuple(self._hanging.items()):
            if directory in (path, *path.parents) and operation in operations:
                mended.wait(30)
        for directory, codes in tuple(self._failing.items()):
            if directory in path.parents and operation in codes:
                raise OSError(codes[operation], os.strerror(codes[operation]), str(path))
        self.log.append((operation, path))
        return action()

    def create(self, path: Path, mode: int = 0o600) -> int:
        flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC
        fd: int = self._do("create", path, lambda: os.open(path, flags, mode))
        self._paths[fd] = path
        return fd

    def open(self, path: Path) -> int:
        fd: int = self._do("open", path, lambda: RealDisk.open(self, path))
        self._paths[fd] = path
        return fd

    def write(self, fd: int, offset: int, data: bytes) -> None:
        path = self._paths.get(fd, Path())
        self._do("write", path, lambda: RealDisk.write(self, fd, offset, data))

    def sync(self, fd: int) -> None:
        self._do("sync", self._paths.get(fd, Path()), lambda: None)

    def truncate(self, fd: int, size_bytes: int) -> None:
        path = self._paths.get(fd, Path())
        self._do("truncate", path, lambda: RealDisk.truncate(self, fd, size_bytes))

    def read(self, path: Path, offset: int, size_bytes: int) -> bytes:
        data: bytes = self._do("read", path, lambda: RealDisk.read(self, path, offset, size_bytes))
        return data

    def size(self, path: Path) -> int:
        size_bytes: int = self._do("size", path, lambda: RealDisk.size(self, path))
        return size_bytes

    def list(self, directory: Path) -> list[str]:
        names: list[str] = self._do("list", directory, lambda: RealDisk.list(self, directory))
        return names

    def replace(self, path: Path, data: bytes, mode: int = 0o600) -> None:
        self._do("replace", path, lambda: path.write_bytes(data))

    def rename(self, path: Path, new: Path) -> None:
        self._do("rename", path, lambda: path.replace(new))

    def remove(self, path: Path) -> None:
        self._do("remove", path, lambda: path.unlink(missing_ok=True))
