"""Received on a simulated machine: its power is cut, and what was not synced is lost."""

from __future__ import annotations

import random
from io import BytesIO
from pathlib import Path

import pytest
from disk_stand import DIRECTORY, DiskProcess

from hairpin.frame import Kind
from hairpin.journal.disk import DiskJournal
from hairpin.journal.receiving import receive
from hairpin.journal.sending import send
from hairpin.journal.snapshot import Snapshot
from hairpin.journal.snapshots import Snapshots
from hairpin.world import World, real_world
from sim.disk import Disks, SimDisk
from sim.process import Killed

COPY = DIRECTORY / "data" / "journal"
Content = tuple[dict[int, list[bytes]], list[str]]
CALLS_MAX = 1_000


class Mortal(DiskProcess):
    """Dies at the disk operation of this number."""

    def __init__(self, at: int) -> None:
        super().__init__(2)
        self._left = at

    def check(self) -> None:
        super().check()
        self._left -= 1
        if self._left < 0:
            self.die_here("as it was told")


def on(disk: SimDisk) -> World:
    return real_world(disk=disk)


def content(disks: Disks, directory: Path) -> Content:
    """What readers find, and the snapshots that are listed."""
    world = on(disks.port(None))
    if "journal.json" not in world.disk.list(directory):
        return {}, []
    journal = DiskJournal.open(world, directory)
    frames = {n: [f.body for f in journal.follow(n).read()] for n in journal.incarnations()}
    found, damages = Snapshots(world, journal.mirrors).all()
    assert not damages
    return frames, [snapshot.name for snapshot in found]


class Case:
    """A source, and a copy of its first snapshot if the stream is an increment."""

    def __init__(self, seed: int, incremental: bool) -> None:
        self.disks = Disks(random.Random(seed))
        self.disks.mount(DIRECTORY)
        world = on(self.disks.port(None))
        journal = DiskJournal.create(world, Path("/source/journal"))
        snapshots = Snapshots(world, journal.mirrors)
        writers = [journal.writer() for _ in range(2)]
        writers[0].commit(Kind.ANSWERS, b"a" * 5_000, 1)
        one = snapshots.take(journal, "one")
        writers[0].commit(Kind.ANSWERS, b"b" * 9_000, 1)
        writers[1].commit(Kind.ANSWERS, b"c" * 5_000, 1)
        journal.writer().commit(Kind.ANSWERS, b"d", 1)
        two = snapshots.take(journal, "two")
        if incremental:
            receive(world, COPY, BytesIO(self.stream(journal, one)).read)
        self.wanted = self.stream(journal, two, one if incremental else None)
        self.before = content(self.disks, COPY)
        self.after = (
            content(self.disks, Path("/source/journal"))[0],
            [*self.before[1], "two"],
        )

    @staticmethod
    def stream(journal: DiskJournal, target: Snapshot, base: Snapshot | None = None) -> bytes:
        parts: list[bytes] = []
        send(journal, target, base, parts.append)
        return b"".join(parts)

    def receive(self, disk: SimDisk) -> None:
        receive(on(disk), COPY, BytesIO(self.wanted).read)


@pytest.mark.parametrize("incremental", [False, True])
def test_the_old_or_the_new_is_there_after_a_power_cut_at_any_operation(incremental: bool) -> None:
    for at in range(CALLS_MAX):
        case = Case(at, incremental)
        process = Mortal(at)
        try:
            case.receive(case.disks.port(process))
        except Killed:
            pass
        else:
            assert content(case.disks, COPY) == case.after
            break
        case.disks.power_cut()
        found = content(case.disks, COPY)
        if found != case.after:
            assert found == case.before, at
            case.receive(case.disks.port(None))
            assert content(case.disks, COPY) == case.after, at
    else:
        raise AssertionError("it never came to its end")
    assert at > 20


@pytest.mark.parametrize("incremental", [False, True])
def test_what_was_received_outlives_a_power_cut(incremental: bool) -> None:
    for seed in range(20):
        case = Case(seed, incremental)
        process = DiskProcess(2)
        case.receive(case.disks.port(process))
        process.kill()
        case.disks.power_cut()
        assert content(case.disks, COPY) == case.after


def test_a_snapshot_outlives_a_power_cut_with_its_frames() -> None:
    """A frame that can be read may not be synced yet: then the snapshot must do it."""
    for seed in range(20):
        disks = Disks(random.Random(seed))
        disks.mount(DIRECTORY)
        world = on(disks.port(None))
        journal = DiskJournal.create(world, COPY)
        journal.writer().commit(Kind.ANSWERS, b"synced", 1)
        path = COPY / "00000001-0000.hpj"
        whole = world.disk.read(path, 0, 1 << 20)
        fd = world.disk.open(path)
        world.disk.truncate(fd, 0)
        world.disk.sync(fd)
        world.disk.write(fd, 0, whole)  # as another process, that has not come to its sync
        taken = Snapshots(world, journal.mirrors).take(journal, "one")
        assert taken.frames == 1
        disks.power_cut()
        assert content(disks, COPY) == ({1: [b"synced"]}, ["one"])
