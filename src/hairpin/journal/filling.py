"""Writing one dead strand into a mirror, segment by segment: frames that were read and verified."""

from __future__ import annotations

from pathlib import Path

import msgspec

from hairpin import frame as framing
from hairpin.frame import Frame
from hairpin.journal.fence import segments
from hairpin.journal.level import PART_SUFFIX
from hairpin.journal.mirrors import open_or_create
from hairpin.journal.names import segment_name
from hairpin.journal.reader import StrandReader
from hairpin.world import Disk

_RUN_BYTES = 1 << 20
"""What is compared and written at once."""


class Filled(msgspec.Struct, frozen=True):
    """All segments before this one are level, and durable."""

    segment: int = 0
    frames: int = 0
    """In the segments before."""
    chain: str = ""
    """Of the last of these."""
    bytes: int = 0
    done: bool = False
    """The strand has ended, and is level to its end."""


class Filling:
    """One strand of a dead writer; `step` until `at_end`, then `complete`."""

    def __init__(
        self, disk: Disk, reader: StrandReader, directory: Path, rewrite: bool, at: Filled
    ) -> None:
        """`reader`: reads members only, and has read nothing yet. `rewrite`: what the mirror shows
        may not be on its disk."""
        self._disk = disk
        self._directory = directory
        self._rewrite = rewrite
        self.reader = reader
        if at.frames:
            reader.segment, reader.frames = at.segment, at.frames
            reader.chain = bytes.fromhex(at.chain)
        self._filled = at
        self._segment = at.segment
        self._chain = reader.chain
        self._frames = reader.read()
        self._fd = -1
        self._run: list[bytes] = []
        self._run_at = 0
        self._run_bytes = 0
        self.at_end = False
        self.sync_failed = False
        self.done_bytes = at.bytes
        self.written_bytes = 0

    def step(self, size_bytes: int) -> Filled:
        """Take on about so many bytes. Raises OSError, DataDamaged."""
        until = self.done_bytes + size_bytes
        while self.done_bytes < until:
            frame = next(self._frames, None)
            if frame is None:
                self.at_end = True
                break
            self._take(frame)
        return self._filled

    def more(self) -> list[Frame]:
        """What the reader finds where it ended; to be taken, too."""
        return list(self.reader.read())

    def take(self, frames: list[Frame]) -> Filled:
        for frame in frames:
            self._take(frame)
        return self._filled

    def complete(self) -> Filled:
        """The strand ends where the reader is; durable on return."""
        self._end_segment()
        for segment in segments(self._disk, self._directory, self.reader.incarnation):
            if segment > self._segment:
                self._disk.remove(self._path(segment))
        reader = self.reader
        return Filled(self._segment, reader.frames, reader.chain.hex(), self.done_bytes, done=True)

    def close(self) -> None:
        """Let go of the file; what was not noted as level is done again."""
        if self._fd >= 0:
            self._disk.close(self._fd)
            self._fd = -1

    def _path(self, segment: int) -> Path:
        return self._directory / segment_name(self.reader.incarnation, segment)

    def _take(self, frame: Frame) -> None:
        at = self.reader.offset - frame.size_bytes
        if self.reader.segment != self._segment:
            self._end_segment()
            # Segments have no gaps; one without frames is left behind by a write that failed.
            for segment in range(self._segment + 1, self.reader.segment):
                self._disk.replace(self._path(segment), b"")
            self._segment = self.reader.segment
            self._filled = Filled(self._segment, frame.sequence, self._chain.hex(), self.done_bytes)
        if not self._run:
            self._run_at = at
        self._run.append(framing.packed(frame))
        self._run_bytes += frame.size_bytes
        self._chain = frame.chain
        self.done_bytes += frame.size_bytes
        if self._run_bytes >= _RUN_BYTES:
            self._flush()

    def _flush(self) -> None:
        data, at = b"".join(self._run), self._run_at
        fd = self._open()
        if self._rewrite or self._disk.read(self._target(), at, len(data)) != data:
            self._disk.write(fd, at, data)
            self.written_bytes += len(data)
        self._run, self._run_at, self._run_bytes = [], at + len(data), 0

    def _target(self) -> Path:
        path = self._path(self._segment)
        return path.with_name(path.name + PART_SUFFIX) if self._rewrite else path

    def _open(self) -> int:
        if self._fd < 0:
            if self._rewrite:
                self._disk.remove(self._target())
            self._fd = open_or_create(self._disk, self._target())
        return self._fd

    def _end_segment(self) -> None:
        """Its file holds these frames, and nothing else; durable on return."""
        self._flush()
        end = self._run_at
        fd = self._open()
        if self._disk.size(self._target()) != end:
            self._disk.truncate(fd, end)
        try:
            self._disk.sync(fd)
        except OSError:
            self.sync_failed = True
            raise
        self.close()
        if self._rewrite:
            self._disk.rename(self._target(), self._path(self._segment))
        self._run_at = 0
