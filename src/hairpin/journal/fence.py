"""Ending the strand of a dead writer: where it ends, the same in every mirror, for ever."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import structlog

from hairpin import frame as framing
from hairpin.errors import DataDamaged, EngineDown
from hairpin.frame import Kind
from hairpin.journal import StrandEnd
from hairpin.journal.level import level_file
from hairpin.journal.mirrors import Mirror, Mirrors, open_or_create, overwrite
from hairpin.journal.names import lock_name, parse_name, segment_name
from hairpin.journal.reader import RESTORE, StrandReader
from hairpin.world import Disk

log = structlog.get_logger()


def fence(disk: Disk, mirrors: Mirrors, incarnation: int) -> StrandEnd | None:
    """None while the strand's writer lives."""
    with strand_locks(disk, mirrors, incarnation) as dead:
        if not dead:
            return None
        end = _end(disk, mirrors, incarnation)
        if end.frames:
            return end
        # Who created it may be about to lock it, and must see that it is too late.
        chain = framing.genesis(mirrors.journal, incarnation)
        seal, _ = framing.pack(Kind.SEAL, mirrors.journal, incarnation, 0, chain, b"", 0)
        for mirror in mirrors.members():
            with _explained(f"end strand {incarnation} in {mirror.directory}"):
                overwrite(disk, mirror.directory / segment_name(incarnation, 0), 0, seal)
        sealed = _end(disk, mirrors, incarnation)
        return msgspec.structs.replace(sealed, dropped_bytes=end.dropped_bytes)


@contextmanager
def strand_locks(disk: Disk, mirrors: Mirrors, incarnation: int) -> Iterator[bool]:
    """Is the strand's writer dead? While the block lasts nobody else finds it so."""
    fds, dead = [], True
    first = segment_name(incarnation, 0)
    try:
        for mirror in mirrors.members():
            with _explained(f"ask in {mirror.directory} if strand {incarnation} is written to"):
                if not _exists(disk, mirror.directory / first):
                    continue  # its writer died before it came here
                fds.append(open_or_create(disk, mirror.directory / lock_name(incarnation)))
                dead = disk.lock(fds[-1]) and dead
        if not fds:
            path = mirrors.members()[0].directory / first
            raise DataDamaged(f"journal damaged: {path} at byte 0: the file is missing", RESTORE)
        yield dead
    finally:
        for fd in fds:
            disk.close(fd)


def _end(disk: Disk, mirrors: Mirrors, incarnation: int) -> StrandEnd:
    """Read to the last whole frame of the best copy; what follows is cut off everywhere."""
    reader = StrandReader(mirrors, incarnation)
    sealed = False
    for frame in reader.read():
        sealed = frame.kind is Kind.SEAL
    dropped = _make_equal(disk, mirrors, reader)
    return StrandEnd(incarnation, reader.frames, reader.chain, sealed, dropped)


def cut_behind(disk: Disk, mirrors: Mirrors, reader: StrandReader) -> None:
    """Make a strand end where this reader ends, which has read nothing yet."""
    for _ in reader.read():
        pass
    _make_equal(disk, mirrors, reader)


def _make_equal(disk: Disk, mirrors: Mirrors, reader: StrandReader) -> int:
    """Durably; returns how many bytes were dropped, of all copies together."""
    dropped = 0
    for mirror in mirrors.members():
        with _explained(f"end strand {reader.incarnation} in {mirror.directory}"):
            dropped += _drop_behind(disk, mirror.directory, reader)
            if mirror.id != reader.source.id:
                _level(disk, mirror, reader)
            _write_last_anew(disk, mirror.directory, reader)
    return dropped


def _drop_behind(disk: Disk, directory: Path, reader: StrandReader) -> int:
    """Cut off what no reader takes: behind the last whole frame, and what failed writes left at
    the ends of segments before. Make the rest durable."""
    dropped = 0
    ends = reader.ends | {reader.segment: reader.offset}
    # The last one first: after a crash no segment must be missing before one that is there.
    for segment in reversed(segments(disk, directory, reader.incarnation)):
        if segment < reader.segment and segment not in ends:
            continue  # the reader began behind it
        path = directory / segment_name(reader.incarnation, segment)
        dropped += _cut(disk, path, ends.get(segment, 0), reader)
        if segment > reader.segment:
            disk.remove(path)
    return dropped


def _write_last_anew(disk: Disk, directory: Path, reader: StrandReader) -> None:
    """If its writer died when its sync had failed, the system shows it, and the disk has it not,
    and another sync may say that all is well."""
    if reader.last is not None:
        segment, offset, frame = reader.last
        path = directory / segment_name(reader.incarnation, segment)
        overwrite(disk, path, offset, framing.packed(frame))


def _cut(disk: Disk, path: Path, end: int, reader: StrandReader) -> int:
    torn = max(disk.size(path) - end, 0)
    fd = disk.open(path)
    try:
        if torn:
            log.warning(
                "torn last frame dropped",
                file=str(path),
                at_byte=end,
                dropped_bytes=torn,
                why=str(reader.torn or "no whole frame in it"),
            )
            disk.truncate(fd, end)
        disk.sync(fd)
    finally:
        disk.close(fd)
    return torn


def _level(disk: Disk, mirror: Mirror, reader: StrandReader) -> None:
    """After a crash only the last segment can differ, unless a file is missing or cut short."""
    for segment in range(reader.segment + 1):
        name = segment_name(reader.incarnation, segment)
        good, copy = reader.source.directory / name, mirror.directory / name
        last = segment == reader.segment
        size_bytes = reader.offset if last else disk.size(good)
        if last or not _has(disk, copy, size_bytes):
            level_file(disk, good, copy, size_bytes)


def _has(disk: Disk, path: Path, size_bytes: int) -> bool:
    return _exists(disk, path) and disk.size(path) == size_bytes


def _exists(disk: Disk, path: Path) -> bool:
    try:
        disk.size(path)
    except FileNotFoundError:
        return False
    return True


def segments(disk: Disk, directory: Path, incarnation: int) -> list[int]:
    """Numbers of a strand's segments in one mirror."""
    names = map(parse_name, disk.list(directory))
    return [name[1] for name in names if name is not None and name[0] == incarnation]


@contextmanager
def _explained(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise EngineDown(
            f"cannot {what}: {error.strerror}", "Give the disk space and write permission."
        ) from error
