"""Journals that are sent and received: small strands, streams in memory, and what is seen."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

from faulty_disk import FaultyDisk

from hairpin.frame import Kind
from hairpin.journal import Writer
from hairpin.journal.disk import DiskJournal
from hairpin.journal.receiving import Received, receive
from hairpin.journal.sending import send
from hairpin.journal.snapshot import Snapshot
from hairpin.journal.snapshots import Snapshots
from hairpin.world import World, real_world

Seen = dict[int, list[bytes]]
"""Bodies by incarnation."""


class Source:
    """A journal that grows between its snapshots."""

    def __init__(self, directory: Path, *others: Path) -> None:
        self.world = real_world(disk=FaultyDisk())
        self.directory = directory
        self.journal = DiskJournal.create(self.world, directory, *others)
        self.writers: list[Writer] = []
        self.snapshots = Snapshots(self.world, self.journal.mirrors)

    def born(self) -> int:
        self.writers.append(self.journal.writer())
        return self.writers[-1].incarnation

    def write(self, incarnation: int, *bodies: bytes) -> None:
        for body in bodies:
            self.writers[incarnation - 1].commit(Kind.ANSWERS, body, 1)

    def take(self, name: str) -> Snapshot:
        return self.snapshots.take(self.journal, name)

    def stream(self, target: Snapshot, base: Snapshot | None = None) -> bytes:
        return stream_of(self.journal, target, base)


def small_source(directory: Path) -> tuple[Source, Snapshot, Snapshot]:
    """Two strands with segments, a third without a frame; `one`, then more of all, then `two`."""
    source = Source(directory)
    for _ in range(3):
        source.born()
    source.write(1, b"a0", b"a1")
    source.write(2, b"b0")
    one = source.take("one")
    source.writers[0].roll()
    source.write(1, b"a2")
    source.write(3, b"c0")
    source.born()
    source.write(4, b"d0", b"d1")
    source.born()
    return source, one, source.take("two")


def stream_of(journal: DiskJournal, target: Snapshot, base: Snapshot | None = None) -> bytes:
    parts: list[bytes] = []
    send(journal, target, base, parts.append)
    return b"".join(parts)


def take_in(directory: Path, stream: bytes, world: World | None = None, **how: bool) -> Received:
    return receive(world or quick_world(), directory, BytesIO(stream).read, **how)


def quick_world() -> World:
    return real_world(disk=FaultyDisk())


def seen(directory: Path) -> Seen:
    """What readers find there; nothing if there is no journal."""
    if not (directory / "journal.json").exists():
        return {}
    journal = DiskJournal.open(quick_world(), directory)
    return {n: [frame.body for frame in journal.follow(n).read()] for n in journal.incarnations()}


def named(directory: Path) -> list[str]:
    """Snapshots that are listed there."""
    if not (directory / "journal.json").exists():
        return []
    world = quick_world()
    found, damages = Snapshots(world, DiskJournal.open(world, directory).mirrors).all()
    assert not damages
    return [snapshot.name for snapshot in found]


def tree(directory: Path) -> dict[str, bytes | None]:
    """Every file with its content, every folder; without locks, which say nothing."""
    paths = [path for path in directory.rglob("*") if path.suffix != ".lock"]
    return {
        str(path.relative_to(directory)): path.read_bytes() if path.is_file() else None
        for path in sorted(paths)
    }


def changed(stream: bytes, at: int, change: Callable[[int], int]) -> bytes:
    return stream[:at] + bytes([change(stream[at])]) + stream[at + 1 :]
