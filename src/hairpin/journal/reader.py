"""Reading one strand from its segment files, with checksums, chain and sequence verified."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

from hairpin import frame as framing
from hairpin.errors import DataDamaged
from hairpin.frame import Broken, Frame
from hairpin.world import Disk

SUFFIX = ".hpj"
_CHUNK_BYTES = 1 << 20
"""What is read at once stays in the processor's caches; a larger frame is read by itself."""
RESTORE = "Keep the files as they are, and restore this one from a copy."


def segment_name(incarnation: int, segment: int) -> str:
    return f"{incarnation:08x}-{segment:04x}{SUFFIX}"


def parse_name(name: str) -> tuple[int, int] | None:
    """(incarnation, segment) of a segment's file name; None for any other file."""
    stem, dot, suffix = name.partition(".")
    parts = stem.split("-")
    if dot + suffix != SUFFIX or len(parts) != 2:
        return None
    try:
        return int(parts[0], 16), int(parts[1], 16)
    except ValueError:
        return None


class StrandReader:
    """Keeps its place in a strand: segment, byte, sequence and chain."""

    def __init__(self, disk: Disk, directory: Path, journal: int, incarnation: int) -> None:
        self._disk = disk
        self._directory = directory
        self._journal = journal
        self.incarnation = incarnation
        self.segment = 0
        self.offset = 0
        self.frames = 0
        self.chain = framing.genesis(journal, incarnation)
        self.torn: Broken | None = None
        """Why the last read without a limit stopped before the end of the file."""

    def read(self, upto_frames: int | None = None) -> Iterator[Frame]:
        """Frames that were not read yet, until `upto_frames` were, or all intact ones."""
        self.torn = None
        while upto_frames is None or self.frames < upto_frames:
            following = self._following()
            limits = [n for n in (upto_frames, following and following[1]) if n is not None]
            stop = min(limits, default=None)
            yield from self._read_segment(stop)
            if stop is not None and self.frames != stop:
                raise self._damaged(self.torn.why if self.torn else f"frame {stop - 1} is missing")
            if following is None or self.frames < following[1]:
                return
            self.segment = following[0]
            self.offset = 0
            self.torn = None

    def path(self, segment: int) -> Path:
        return self._directory / segment_name(self.incarnation, segment)

    def _following(self) -> tuple[int, int] | None:
        """The next segment that holds a frame, and that frame's sequence.

        A segment that a failed write left behind may end with frames that were never acknowledged,
        or hold none at all. The next one begins with their numbers again; only those count.
        """
        for segment in count(self.segment + 1):
            try:
                start = self._disk.read(self.path(segment), 0, 2 * framing.FRAME_BYTES_MAX)
            except FileNotFoundError:
                self._expect_none_after(segment)
                return None
            try:
                return segment, framing.unpack(start).sequence
            except Broken as broken:
                self._judge_end(start, 0, broken, segment)
        raise AssertionError("count() ends never")

    def _expect_none_after(self, segment: int) -> None:
        """Segments are numbered without gaps: a later one means that this one was removed."""
        names = [parse_name(name) for name in self._disk.list(self._directory)]
        own = {name[1] for name in names if name is not None and name[0] == self.incarnation}
        if segment not in own and any(other > segment for other in own):
            raise self._damaged("the file is missing, but later segments are here", segment)

    def _read_segment(self, stop: int | None) -> Iterator[Frame]:
        size_bytes = _CHUNK_BYTES
        while stop is None or self.frames < stop:
            path, start = self.path(self.segment), self.offset
            try:
                data = self._disk.read(path, start, size_bytes)
            except FileNotFoundError:
                raise self._damaged("the file is missing") from None
            yield from self._read_chunk(data, stop)
            at_end = len(data) < size_bytes
            if self.torn is not None and (at_end or not self.torn.torn):
                if stop is None:
                    # The chunk may end right here: judge by what follows in the file.
                    rest = self._disk.read(path, self.offset, 2 * framing.FRAME_BYTES_MAX)
                    self._judge_end(rest, 0, self.torn, self.segment)
                return
            if at_end:
                return
            size_bytes = _CHUNK_BYTES if self.offset > start else framing.FRAME_BYTES_MAX

    def _read_chunk(self, data: bytes, stop: int | None) -> Iterator[Frame]:
        """The chunk's whole frames; `offset` moves past each."""
        view = memoryview(data)
        used = 0
        self.torn = None
        while used < len(data) and (stop is None or self.frames < stop):
            try:
                frame = framing.unpack(view, used)
            except Broken as broken:
                self.torn = broken
                break
            self._check(frame)
            self.frames += 1
            self.chain = frame.chain
            size_bytes = frame.size_bytes
            self.offset += size_bytes
            used += size_bytes
            yield frame

    def _check(self, frame: Frame) -> None:
        if (frame.journal, frame.incarnation) != (self._journal, self.incarnation):
            raise self._damaged(
                f"it belongs to journal {frame.journal:016x}, incarnation {frame.incarnation}"
            )
        if frame.sequence != self.frames:
            raise self._damaged(f"frame {frame.sequence} stands where {self.frames} belongs")
        if not framing.follows(frame, self.chain):
            raise self._damaged(f"frame {frame.sequence} does not continue the chain")

    def _judge_end(self, data: bytes, at: int, broken: Broken, segment: int) -> None:
        """A torn last frame is the mark of a crash; anything else is damage."""
        if isinstance(broken, framing.Newer):
            raise self._damaged(broken.why, segment)
        if len(data) - at > framing.FRAME_BYTES_MAX:
            raise self._damaged(f"{broken.why}, and more than one frame follows", segment)
        if framing.intact_frame_after(data, at) is not None:
            raise self._damaged(f"{broken.why}, but intact frames follow", segment)

    def _damaged(self, why: str, segment: int | None = None) -> DataDamaged:
        here = segment is None or segment == self.segment
        path = self.path(self.segment if segment is None else segment)
        return DataDamaged(
            f"journal damaged: {path} at byte {self.offset if here else 0}, "
            f"after {self.frames} frames of incarnation {self.incarnation}: {why}",
            RESTORE,
        )
