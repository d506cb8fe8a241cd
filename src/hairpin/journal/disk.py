"""Engine `disk`: strands as segment files in one directory of one machine.

    journal/journal.json             the journal's identity
    journal/<incarnation>-<segment>.hpj

A writer holds the lock of its first segment as long as it lives; the kernel lets go of it when the
process ends, however it ends. So whoever can take that lock knows that the writer is dead.
"""

from __future__ import annotations

from itertools import count
from pathlib import Path

import msgspec
import structlog

from hairpin.errors import DataDamaged, EngineDown, YourMistake
from hairpin.frame import Kind
from hairpin.journal import Follower, StrandEnd, Writer
from hairpin.journal.reader import RESTORE, StrandReader, parse_name, segment_name
from hairpin.journal.writer import DiskWriter
from hairpin.world import World

log = structlog.get_logger()

IDENTITY = "journal.json"
FORMAT = 1


class Identity(msgspec.Struct, frozen=True):
    format: int
    id: str


class DiskJournal:
    """The journal in `directory`. Create it once with `create`, then `open` it."""

    def __init__(self, world: World, directory: Path, journal_id: int) -> None:
        self._world = world
        self._directory = directory
        self.id = journal_id

    @classmethod
    def create(cls, world: World, directory: Path) -> DiskJournal:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        identity = Identity(FORMAT, world.dice.secret(8).hex())
        world.disk.replace(directory / IDENTITY, msgspec.json.encode(identity))
        return cls(world, directory, int(identity.id, 16))

    @classmethod
    def open(cls, world: World, directory: Path) -> DiskJournal:
        path = directory / IDENTITY
        try:
            data = world.disk.read(path, 0, 4096)
        except (FileNotFoundError, NotADirectoryError):
            raise YourMistake(
                f"there is no journal in {directory}",
                "Name the data directory of a show that has run: the one given to --data.",
            ) from None
        except OSError as error:
            raise EngineDown(
                f"cannot read {path}: {error.strerror}",
                "Give read permission, or look at the disk.",
            ) from error
        try:
            identity = msgspec.json.decode(data, type=Identity)
            journal_id = int(identity.id, 16)
            if not 0 <= journal_id < 1 << 64:
                raise ValueError(f"id {identity.id} is not 64 bits")
        except (msgspec.MsgspecError, ValueError) as error:
            raise DataDamaged(
                f"{path} cannot be read: {error}", "Restore it from a copy."
            ) from None
        if identity.format != FORMAT:
            raise YourMistake(
                f"{path}: format {identity.format}; this program reads format {FORMAT}",
                "Use the version of hairpin that wrote it.",
            )
        return cls(world, directory, journal_id)

    def writer(self) -> Writer:
        taken = self.incarnations()
        number = taken[-1] + 1 if taken else 1
        while True:
            path = self._directory / segment_name(number, 0)
            try:
                fd = self._world.disk.create(path)
            except FileExistsError:
                number += 1
                continue
            except OSError as error:
                raise EngineDown(
                    f"cannot begin a strand: {path}: {error.strerror}",
                    "Give the journal's disk space and write permission.",
                ) from error
            # A strand that was fenced between its creation and the lock has a seal in it.
            if self._world.disk.lock(fd) and self._world.disk.size(path) == 0:
                return DiskWriter(self._world, self._directory, self.id, number, fd)
            self._world.disk.close(fd)
            number += 1

    def incarnations(self) -> list[int]:
        names = map(parse_name, self._world.disk.list(self._directory))
        return sorted({name[0] for name in names if name is not None})

    def follow(self, incarnation: int) -> Follower:
        return StrandReader(self._world.disk, self._directory, self.id, incarnation)

    def fence(self, incarnation: int) -> StrandEnd | None:
        disk = self._world.disk
        path = self._directory / segment_name(incarnation, 0)
        try:
            fd = disk.open(path)
        except FileNotFoundError:
            raise DataDamaged(
                f"journal damaged: {path} at byte 0: the file is missing", RESTORE
            ) from None
        try:
            if not disk.lock(fd):
                return None
            end = self._end(incarnation)
            if end.frames:
                return end
            # Who created it may be about to lock it, and must see that it is too late.
            writer = DiskWriter(self._world, self._directory, self.id, incarnation, fd)
            writer.commit(Kind.SEAL, b"", 0)
            return msgspec.structs.replace(self._end(incarnation), dropped_bytes=end.dropped_bytes)
        finally:
            disk.close(fd)

    def _end(self, incarnation: int) -> StrandEnd:
        """Cut off a torn last frame, make the rest durable."""
        disk = self._world.disk
        strand = StrandReader(disk, self._directory, self.id, incarnation)
        sealed = False
        for frame in strand.read():
            sealed = frame.kind is Kind.SEAL
        dropped = self._cut(strand.path(strand.segment), strand.offset, str(strand.torn))
        for segment in count(strand.segment + 1):
            # Begun, but no frame in it became durable.
            try:
                dropped += self._cut(strand.path(segment), 0, "no whole frame in it")
            except FileNotFoundError:
                break
        return StrandEnd(incarnation, strand.frames, strand.chain, sealed, dropped)

    def _cut(self, path: Path, size_bytes: int, why: str) -> int:
        """Make a segment end there, durably; returns how many bytes were dropped."""
        disk = self._world.disk
        dropped = disk.size(path) - size_bytes
        fd = disk.open(path)
        try:
            if dropped:
                log.warning(
                    "torn last frame dropped",
                    file=str(path),
                    at_byte=size_bytes,
                    dropped_bytes=dropped,
                    why=why,
                )
                disk.truncate(fd, size_bytes)
            disk.sync(fd)
        finally:
            disk.close(fd)
        return dropped
