"""Sending a snapshot, or what came since another one, as a stream of frames."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from hairpin.errors import DataDamaged, YourMistake
from hairpin.frame import packed
from hairpin.journal import Readable
from hairpin.journal.sendstream import Begin, StreamWriter
from hairpin.journal.snapshot import Reach, Snapshot

Progress = Callable[[int, int], None]
"""Told (bytes done, bytes in all)."""


class Sent(msgspec.Struct, frozen=True):
    """What went into the stream."""

    journal: str
    base: str | None
    snapshot: str
    frames: int
    bytes: int
    """Of these frames."""
    head: str


def send(
    journal: Readable,
    target: Snapshot,
    base: Snapshot | None,
    write: Callable[[bytes], object],
    progress: Progress | None = None,
) -> Sent:
    """Write the stream that leads from `base` to `target`; every frame is verified once more.

    Raises YourMistake if the base is not older, DataDamaged if the journal is not what the
    snapshots say: then the stream lacks its end, and nobody accepts it.
    """
    begin = Begin(base, target)
    problem = begin.problem()
    if problem is not None:
        raise YourMistake(
            f"nothing leads from snapshot {base.name if base else ''} to {target.name}: {problem}",
            "Name the older one with --from; `hairpin journal snapshots DIR` lists them.",
        )
    stream = StreamWriter(write)
    stream.begin(begin)
    for incarnation, start, until in begin.legs():
        if start.frames < until.frames:
            _send_strand(journal, incarnation, start, until, stream, begin, progress)
    stream.end()
    return Sent(
        target.journal,
        base.name if base else None,
        target.name,
        stream.frames,
        stream.size_bytes,
        target.head,
    )


def _send_strand(
    journal: Readable,
    incarnation: int,
    start: Reach,
    until: Reach,
    stream: StreamWriter,
    begin: Begin,
    progress: Progress | None,
) -> None:
    follower = journal.follow(incarnation)
    passed = 0
    for frame in follower.read(start.frames):
        passed += frame.size_bytes
    if begin.base is not None:
        found = Reach(follower.frames, passed, follower.chain.hex())
        _compare(found, start, incarnation, begin.base)
    for frame in follower.read(until.frames):
        data = packed(frame)
        passed += len(data)
        stream.frame(data)
        if progress:
            progress(stream.size_bytes, begin.size_bytes)
    found = Reach(follower.frames, passed, follower.chain.hex())
    _compare(found, until, incarnation, begin.target)


def _compare(found: Reach, told: Reach, incarnation: int, snapshot: Snapshot) -> None:
    if found != told:
        raise DataDamaged(
            f"journal damaged: snapshot {snapshot.name} has incarnation {incarnation} with "
            f"{told.frames} frames and chain {told.chain}; here it has {found.frames} and "
            f"{found.chain}",
            "Restore its files from a copy; if only the snapshot is wrong, delete it and take "
            "another.",
        )
