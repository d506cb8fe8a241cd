"""Receiving a stream: verified frame by frame, staged, and believed only after its last byte."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from hairpin.errors import EngineDown
from hairpin.journal.increment import StandingReplica
from hairpin.journal.label import LABEL
from hairpin.journal.labels import SPARE
from hairpin.journal.opening import find_mirrors
from hairpin.journal.replica import NewReplica, Target
from hairpin.journal.sending import Progress
from hairpin.journal.sendstream import Begin, StreamReader
from hairpin.world import World


class Received(msgspec.Struct, frozen=True):
    """What came out of the stream."""

    journal: str
    base: str | None
    snapshot: str
    frames: int
    bytes: int
    """Of these frames."""
    head: str
    dry_run: bool


def receive(
    world: World,
    directory: Path,
    read: Callable[[int], bytes],
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Received:
    """Make the journal in `directory` what the stream says; with `dry_run`, only say if it fits.

    `read(n)` returns n bytes, fewer only at the end. Whatever is raised, the journal is what it
    was: DataDamaged or YourMistake for the stream, YourMistake for a target that it does not fit,
    EngineDown for a disk. Only one may write to the directory at a time; the caller sees to that.
    """
    stream = StreamReader(read)
    begin = stream.begin()
    target = _target(world, directory)
    target.check(begin)
    frames = _frames(stream, begin, progress)
    if dry_run:
        deque(frames, maxlen=0)
    else:
        _take_over(frames, begin, target, directory)
    return Received(
        begin.target.journal,
        begin.base.name if begin.base else None,
        begin.target.name,
        begin.frames,
        begin.size_bytes,
        begin.target.head,
        dry_run,
    )


def _target(world: World, directory: Path) -> Target:
    if {LABEL, SPARE} & set(world.disk.list(directory)):
        return StandingReplica(world, directory, find_mirrors(world, [directory]))
    return NewReplica(world, directory)


def _frames(
    stream: StreamReader, begin: Begin, progress: Progress | None
) -> Iterator[tuple[int, bytes]]:
    """(incarnation, bytes) of each; ends when the whole stream is proven."""
    done = 0
    for frame, data in stream.frames():
        yield frame.incarnation, data
        done += len(data)
        if progress:
            progress(done, begin.size_bytes)


def _take_over(
    frames: Iterator[tuple[int, bytes]], begin: Begin, target: Target, directory: Path
) -> None:
    try:
        staging = target.stage()
        for incarnation in begin.born_empty():
            # Incarnations are numbered without gaps: a strand without a frame is there, too.
            staging.put(incarnation, b"")
        for incarnation, data in frames:
            staging.put(incarnation, data)
        staging.finish()
        target.commit(begin)
    except OSError as error:
        target.abandon()
        raise EngineDown(
            f"cannot receive into {directory}: {error.strerror}",
            "Nothing was changed. Give the disk space and write permission, then send it again.",
        ) from error
    except BaseException:
        target.abandon()
        raise
