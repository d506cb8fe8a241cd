"""Reading an exported journal. Nothing of an archive is taken on trust, and no end may be torn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from hairpin import frame as framing
from hairpin.errors import DataDamaged, EngineDown, YourMistake
from hairpin.frame import Broken, Frame
from hairpin.journal import Follower
from hairpin.journal.export import (
    BLOCK_BYTES,
    END,
    FOLDER,
    FORMAT,
    IDENTITY,
    Identity,
    header,
    identity_bytes,
    padding,
)
from hairpin.journal.names import parse_name, segment_name
from hairpin.world import Disk

_CHUNK_BYTES = 1 << 20
_AGAIN = "Ask for the export again."


class ExportedJournal:
    """A journal in an archive."""

    def __init__(self, disk: Disk, path: Path) -> None:
        """Raises YourMistake if this is no export, DataDamaged if it is none as it was written."""
        self._archive = _Archive(disk, path)
        self.id, at = self._identity()
        self._members: dict[int, tuple[int, int]] = {}
        """Where the frames of each incarnation begin, and their size in bytes."""
        while (block := self._archive.read(at, BLOCK_BYTES)) != bytes(BLOCK_BYTES):
            at = self._member(at, block)
        if self._archive.read(at, len(END) + 1) != END:
            raise self._archive.damaged(at, "the archive does not end as it was written")

    def incarnations(self) -> list[int]:
        return sorted(self._members)

    def follow(self, incarnation: int) -> Follower:
        begin, size_bytes = self._members[incarnation]
        return _ExportedStrand(self._archive, self.id, incarnation, begin, size_bytes)

    def _identity(self) -> tuple[int, int]:
        """The journal's id, and where the next member begins."""
        archive, size_bytes = self._archive, len(identity_bytes(0))
        if archive.read(0, BLOCK_BYTES) != header(FOLDER + IDENTITY, size_bytes):
            raise YourMistake(
                f"{archive.path} is not what `hairpin journal export` writes",
                "Name an export, a journal, or the data directory of a show.",
            )
        data = archive.read(BLOCK_BYTES, size_bytes)
        try:
            found = msgspec.json.decode(data, type=Identity)
            journal_id = int(found.id, 16)
            if found.format > FORMAT:
                raise YourMistake(
                    f"{archive.path}: format {found.format}; this program reads format {FORMAT}",
                    "Use the version of hairpin that wrote it.",
                )
            sound = journal_id >= 0 and data == identity_bytes(journal_id)
        except (msgspec.MsgspecError, ValueError):
            sound = False
        if not sound:
            raise archive.damaged(BLOCK_BYTES, f"{FOLDER}{IDENTITY} is not what was written")
        return journal_id, archive.end_of(BLOCK_BYTES, size_bytes)

    def _member(self, at: int, block: bytes) -> int:
        """Note one strand; returns where the next member begins."""
        name, size_bytes = _name_and_size(block)
        incarnation, _ = parse_name(name.removeprefix(FOLDER)) or (0, 0)
        if block != header(FOLDER + segment_name(incarnation, 0), size_bytes):
            raise self._archive.damaged(at, f"no member as it was written: {name!r}")
        if incarnation <= max(self._members, default=0):
            raise self._archive.damaged(at, f"{name} does not stand in its place")
        begin = at + BLOCK_BYTES
        self._members[incarnation] = (begin, size_bytes)
        return self._archive.end_of(begin, size_bytes)


def _name_and_size(block: bytes) -> tuple[str, int]:
    """What the block before a member says, if it is one."""
    name = block[:100].rstrip(b"\0").decode("latin-1")
    if block[124:125] == b"\x80":
        return name, int.from_bytes(block[125:136], "big")
    digits = block[124:135]
    return name, int(digits, 8) if digits.isdigit() and max(digits) < ord("8") else 0


class _Archive:
    """The bytes of a tar, and how to complain of them."""

    def __init__(self, disk: Disk, path: Path) -> None:
        self._disk = disk
        self.path = path

    def read(self, at: int, size_bytes: int) -> bytes:
        try:
            return self._disk.read(self.path, at, size_bytes)
        except OSError as error:
            raise EngineDown(
                f"cannot read {self.path}: {error.strerror}",
                "Give read permission, or look at the disk.",
            ) from error

    def end_of(self, begin: int, size_bytes: int) -> int:
        """Where the block after a member begins."""
        end, rest = begin + size_bytes, padding(size_bytes)
        if end + len(rest) > self._disk.size(self.path) or self.read(end, len(rest)) != rest:
            raise self.damaged(end, "the archive ends too early, or holds more than frames")
        return end + len(rest)

    def damaged(self, at: int, why: str) -> DataDamaged:
        return DataDamaged(f"export damaged: {self.path} at byte {at}: {why}", _AGAIN)


class _ExportedStrand:
    """The frames of one member. Every byte of it must belong to one of them."""

    def __init__(
        self, archive: _Archive, journal: int, incarnation: int, begin: int, size_bytes: int
    ) -> None:
        self._archive = archive
        self._owner = (journal, incarnation)
        self._at = begin
        self._end = begin + size_bytes
        self.frames = 0
        self.chain = framing.genesis(journal, incarnation)

    def read(self, upto_frames: int | None = None) -> Iterator[Frame]:
        size_bytes = _CHUNK_BYTES
        while self._at < self._end and (upto_frames is None or self.frames < upto_frames):
            start, size_bytes = self._at, min(size_bytes, self._end - self._at)
            data = self._archive.read(start, size_bytes)
            if len(data) < size_bytes:
                raise self._damaged("the file became shorter")
            yield from self._read_chunk(data, upto_frames)
            # A frame may be larger than a chunk; then it is read by itself.
            size_bytes = _CHUNK_BYTES if self._at > start else framing.FRAME_BYTES_MAX

    def _read_chunk(self, data: bytes, upto_frames: int | None) -> Iterator[Frame]:
        view, used = memoryview(data), 0
        while used < len(data) and self.frames != upto_frames:
            try:
                frame = framing.unpack(view, used)
            except Broken as broken:
                last = self._at + len(data) - used == self._end
                if broken.torn and not last:
                    return
                raise self._damaged(broken.why) from None
            self._check(frame)
            self._at += frame.size_bytes
            used += frame.size_bytes
            self.frames += 1
            self.chain = frame.chain
            yield frame

    def _check(self, frame: Frame) -> None:
        if (frame.journal, frame.incarnation) != self._owner:
            raise self._damaged(
                f"it belongs to journal {frame.journal:016x}, incarnation {frame.incarnation}"
            )
        if frame.sequence != self.frames:
            raise self._damaged(f"frame {frame.sequence} stands where {self.frames} belongs")
        if not framing.follows(frame, self.chain):
            raise self._damaged(f"frame {frame.sequence} does not continue the chain")

    def _damaged(self, why: str) -> DataDamaged:
        return self._archive.damaged(
            self._at, f"after {self.frames} frames of incarnation {self._owner[1]}: {why}"
        )
