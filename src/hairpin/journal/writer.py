"""Writing one strand into its segment files, and what to do when the disk fails."""

from __future__ import annotations

import errno
from pathlib import Path

from hairpin import frame as framing
from hairpin.errors import EngineDown
from hairpin.frame import Kind
from hairpin.journal.reader import segment_name
from hairpin.messages import Synced
from hairpin.world import World

SEGMENT_BYTES_MAX = 256 << 20


class DiskWriter:
    """Appends frames to one strand, each durable before `commit` returns."""

    def __init__(
        self, world: World, directory: Path, journal: int, incarnation: int, lock_fd: int
    ) -> None:
        self._disk = world.disk
        self._directory = directory
        self._journal = journal
        self._lock_fd = lock_fd
        self._fd = lock_fd
        self._rolls = False
        self._sealed = False
        self._chain = framing.genesis(journal, incarnation)
        self._synced = Synced(incarnation, 0)
        self._segment = 0
        self._size_bytes = 0

    @property
    def incarnation(self) -> int:
        return self._synced.incarnation

    @property
    def synced(self) -> Synced:
        return self._synced

    def commit(self, kind: Kind, body: bytes, count: int) -> Synced:
        at = self._synced
        self._check_open()
        data, chain = framing.pack(
            kind, self._journal, at.incarnation, at.frames, self._chain, body, count
        )
        try:
            if self._rolls or self._size_bytes + len(data) > SEGMENT_BYTES_MAX:
                self._begin_segment()
            self._write(data)
        except OSError as error:
            raise EngineDown(
                f"the journal cannot write: {self._directory}: {error.strerror}",
                _REMEDIES.get(error.errno or 0, "Look at the disk that it names."),
            ) from error
        self._chain = chain
        self._size_bytes += len(data)
        self._synced = Synced(at.incarnation, at.frames + 1)
        return self._synced

    def roll(self) -> None:
        # A failed write may have asked for a new segment already.
        self._rolls |= self._size_bytes > 0

    def seal(self) -> None:
        self._check_open()
        try:
            self.commit(Kind.SEAL, b"", 0)
        finally:
            self._sealed = True  # its file numbers may soon belong to others
            if self._fd != self._lock_fd:
                self._disk.close(self._fd)
            self._disk.close(self._lock_fd)

    def _check_open(self) -> None:
        if self._sealed:
            raise EngineDown(f"strand {self.incarnation} is sealed", "Begin a new one.")

    def _write(self, data: bytes) -> None:
        try:
            self._disk.write(self._fd, self._size_bytes, data)
        except OSError:
            self._take_back()
            raise
        try:
            self._disk.sync(self._fd)
        except OSError:
            # After a failed sync nobody knows what the disk holds, and a second sync may claim
            # success for pages that were thrown away. What follows is written elsewhere.
            self._take_back()
            self._rolls = True
            raise

    def _take_back(self) -> None:
        """A frame that nobody was promised must not be found after a crash, whole or in part."""
        try:
            self._disk.truncate(self._fd, self._size_bytes)
        except OSError:
            self._rolls = True

    def _begin_segment(self) -> None:
        segment = self._segment + 1
        path = self._directory / segment_name(self.incarnation, segment)
        try:
            fd = self._disk.create(path)
        except FileExistsError:
            # Ours, from an attempt that failed: nothing in it became durable, not even its name.
            self._disk.replace(path, b"")
            fd = self._disk.open(path)
        if self._fd != self._lock_fd:
            self._disk.close(self._fd)
        self._fd = fd
        self._rolls = False
        self._segment = segment
        self._size_bytes = 0


_REMEDIES = {
    errno.ENOSPC: "The disk is full: make room; answers are taken again at once.",
    errno.EDQUOT: "The quota is used up: make room; answers are taken again at once.",
    errno.EIO: "The disk reports an input/output error: replace it.",
    errno.EROFS: "The file system turned read-only: look at the disk.",
}
