"""Engine `disk`: strands as segment files in one directory of one machine.

    journal/journal.json             the journal's identity
    journal/<incarnation>-<segment>.hpj

A writer holds the lock of its first segment as long as it lives; the kernel lets go of it when the
process ends, however it ends. So whoever can take that lock knows that the writer is dead.
"""

from __future__ import annotations

import errno
from pathlib import Path

import msgspec
import structlog

from hairpin import frame as framing
from hairpin.errors import DataDamaged, EngineDown, YourMistake
from hairpin.frame import Kind
from hairpin.journal import Follower, StrandEnd, Writer
from hairpin.journal.reader import StrandReader, parse_name, segment_name
from hairpin.messages import Synced
from hairpin.world import World

log = structlog.get_logger()

IDENTITY = "journal.json"
FORMAT = 1
SEGMENT_BYTES_MAX = 256 << 20


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
        except FileNotFoundError:
            raise YourMistake(
                f"there is no journal in {directory}",
                "Name the data directory of a show that has run: the one given to --data.",
            ) from None
        try:
            identity = msgspec.json.decode(data, type=Identity)
            journal_id = int(identity.id, 16)
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
            if self._world.disk.lock(fd):
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
        fd = disk.open_append(self._directory / segment_name(incarnation, 0))
        try:
            if not disk.lock(fd):
                return None
            return self._end(incarnation)
        finally:
            disk.close(fd)

    def _end(self, incarnation: int) -> StrandEnd:
        """Cut off a torn last frame, make the rest durable."""
        disk = self._world.disk
        strand = StrandReader(disk, self._directory, self.id, incarnation)
        sealed = False
        for frame in strand.read():
            sealed = frame.kind is Kind.SEAL
        path = strand.path(strand.segment)
        dropped = disk.size(path) - strand.offset
        fd = disk.open_append(path)
        try:
            if dropped:
                log.warning(
                    "torn last frame dropped",
                    file=str(path),
                    at_byte=strand.offset,
                    dropped_bytes=dropped,
                    why=str(strand.torn),
                )
                disk.truncate(fd, strand.offset)
            disk.sync(fd)
        finally:
            disk.close(fd)
        return StrandEnd(incarnation, strand.frames, strand.chain, sealed, dropped)


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
        self._rolls = self._size_bytes > 0

    def seal(self) -> None:
        try:
            self.commit(Kind.SEAL, b"", 0)
        finally:
            if self._fd != self._lock_fd:
                self._disk.close(self._fd)
            self._disk.close(self._lock_fd)

    def _write(self, data: bytes) -> None:
        try:
            self._disk.append(self._fd, data)
        except OSError:
            # Part of the frame may be in the file; take it out, or leave the segment behind.
            try:
                self._disk.truncate(self._fd, self._size_bytes)
            except OSError:
                self._rolls = True
            raise
        try:
            self._disk.sync(self._fd)
        except OSError:
            # After a failed sync nobody knows what the disk holds, and a second sync may claim
            # success for pages that were thrown away. The frame is written anew elsewhere.
            self._rolls = True
            raise

    def _begin_segment(self) -> None:
        segment = self._segment + 1
        path = self._directory / segment_name(self.incarnation, segment)
        try:
            fd = self._disk.create(path)
        except FileExistsError:
            # Ours, from an attempt that failed: nothing in it became durable.
            fd = self._disk.open_append(path)
            self._disk.truncate(fd, 0)
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
