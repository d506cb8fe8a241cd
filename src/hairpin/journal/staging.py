"""Segment files that are being received, under names that no reader knows until all is proven."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from hairpin.journal.names import segment_name
from hairpin.journal.writer import SEGMENT_BYTES_MAX
from hairpin.world import Disk

NOT_SHOWN = ".received"
"""Behind the name of a segment that no reader is to find yet."""
_BUFFER_BYTES = 1 << 20


class Staging:
    """Writes the same files into each of the folders. All methods raise OSError."""

    def __init__(
        self, disk: Disk, folders: Sequence[Path], first_segment: Callable[[int], int]
    ) -> None:
        """`first_segment`: of an incarnation, the number that its next segment gets."""
        self._disk = disk
        self._folders = folders
        self._first_segment = first_segment
        self._incarnation: int | None = None
        self._segment = 0
        self._fds: list[int] = []
        self._size_bytes = 0
        self._buffer = bytearray()
        self._names: list[str] = []

    def put(self, incarnation: int, data: bytes) -> None:
        """Append a frame, or nothing, to a strand; strands come one after the other."""
        if incarnation != self._incarnation:
            self._close()
            self._incarnation = incarnation
            self._begin(self._first_segment(incarnation))
        elif self._size_bytes + len(self._buffer) + len(data) > SEGMENT_BYTES_MAX:
            self._close()
            self._begin(self._segment + 1)
        self._buffer += data
        if len(self._buffer) >= _BUFFER_BYTES:
            self._write()

    def finish(self) -> None:
        """All that was put is durable on return."""
        self._close()

    def show(self) -> None:
        """Give the files their names."""
        for folder in self._folders:
            for name in self._names:
                self._disk.rename(folder / (name + NOT_SHOWN), folder / name)

    def clear(self) -> None:
        """Remove what was not shown, of this attempt and of earlier ones."""
        self._let_go()
        for folder in self._folders:
            for name in self._disk.list(folder):
                if name.endswith(NOT_SHOWN):
                    self._disk.remove(folder / name)

    def _begin(self, segment: int) -> None:
        assert self._incarnation is not None
        name = segment_name(self._incarnation, segment)
        self._segment = segment
        self._size_bytes = 0
        for folder in self._folders:
            self._fds.append(self._disk.create(folder / (name + NOT_SHOWN)))
        self._names.append(name)

    def _write(self) -> None:
        for fd in self._fds:
            self._disk.write(fd, self._size_bytes, bytes(self._buffer))
        self._size_bytes += len(self._buffer)
        self._buffer.clear()

    def _close(self) -> None:
        if self._buffer:
            self._write()
        for fd in self._fds:
            self._disk.sync(fd)
        self._let_go()

    def _let_go(self) -> None:
        for fd in self._fds:
            self._disk.close(fd)
        self._fds.clear()
        self._buffer.clear()
