"""A journal in several mirrors that are damaged, put back old and filled again."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from mirror_disk import MirrorDisk

from hairpin.frame import Kind
from hairpin.journal import Writer
from hairpin.journal.disk import DiskJournal
from hairpin.journal.label import State
from hairpin.journal.labels import read_label
from hairpin.journal.mirrors import Mirror
from hairpin.journal.names import parse_name
from hairpin.journal.resilver import Progress, Resilver
from hairpin.world import Disk, World, real_world

STALL_MS = 5_000.0
STEP_BYTES = 300
"""So that small strands take several steps."""


class Cared:
    """Strands are written whole and die, unless a test keeps them alive."""

    def __init__(self, place: Path, n: int = 2) -> None:
        self.place = place
        self.disk = MirrorDisk()
        self.world = real_world(disk=self.disk)
        self.places = [place / name for name in "abcd"[:n]]
        self.journal = DiskJournal.create(self.world, *self.places, stall_ms=STALL_MS)
        self._living: list[Writer] = []

    def born(self) -> Writer:
        writer = self.journal.writer()
        self._living.append(writer)
        return writer

    def die(self, writer: Writer) -> int:
        """As by kill -9, after every disk has done what it was given."""
        settle(writer)
        for copy in writer._copies:  # type: ignore[attr-defined]
            copy.close()
        self._living.remove(writer)
        return writer.incarnation

    def dead(self, *segments: list[bytes]) -> int:
        writer = self.born()
        for bodies in segments:
            writer.roll()
            write(writer, *bodies)
        return self.die(writer)

    def night(self) -> None:
        """Three strands: of several segments, sealed, and without a frame."""
        self.dead([b"a" * 200, b"b" * 300], [b"c"], [b"d" * 500] * 3)
        sealed = self.born()
        write(sealed, b"e" * 100)
        sealed.seal()
        self._living.remove(sealed)
        self.dead()

    def lose(self, which: int) -> Mirror:
        """This mirror was away while something was written."""
        self.disk.fail(self.places[which])
        writer = self.born()
        write(writer, b"while it was away")
        self.disk.mend(self.places[which])
        self.die(writer)
        return self.mirror(which)

    def mirror(self, which: int) -> Mirror:
        return next(m for m in self.journal.mirrors.all() if m.directory == self.places[which])

    def reopen(self, world: World | None = None, degraded: bool = False) -> DiskJournal:
        return DiskJournal.open(world or self.world, *self.places, degraded=degraded)

    def resilver(self, which: int, disk: Disk | None = None) -> Resilver:
        world = self.world if disk is None else real_world(disk=disk)
        journal = self.reopen(world)
        mirror = next(m for m in journal.mirrors.all() if m.directory == self.places[which])
        return Resilver(world, journal.mirrors, mirror, STEP_BYTES)

    def states(self, which: int = 0) -> dict[str, str]:
        """State by directory name, as the label of that mirror says."""
        label = read_label(self.disk, self.places[which])
        return {Path(entry.directory).name: str(entry.state) for entry in label.mirrors}

    def files(self, which: int) -> dict[str, bytes]:
        return files(self.places[which])

    def bodies(self) -> dict[int, list[bytes]]:
        journal = self.reopen()
        return {
            n: [frame.body for frame in journal.follow(n).read()] for n in journal.incarnations()
        }

    def copy(self, which: int) -> Path:
        """The mirror as it is now, to be put back later."""
        kept = self.place / f"{self.places[which].name}-old"
        shutil.copytree(self.places[which], kept)
        return kept

    def put_back(self, which: int, kept: Path) -> None:
        shutil.rmtree(self.places[which])
        shutil.copytree(kept, self.places[which])

    def end(self) -> None:
        for place in self.places:
            self.disk.mend(place)
        for writer in self._living:
            writer._end_lanes()  # type: ignore[attr-defined]


def settle(writer: Writer) -> None:
    """Wait for the mirrors that were not waited for."""
    while any(copy.busy for copy in writer._copies if copy.on):  # type: ignore[attr-defined]
        writer._collect(100.0)  # type: ignore[attr-defined]


def bring_up(writer: Writer) -> None:
    """Tend it until all mirrors take part."""
    copies = writer._copies  # type: ignore[attr-defined]
    for _ in range(2_000):
        for copy in copies:
            copy.retry_at_ms = 0.0
        writer.tend()
        if all(copy.on for copy in copies):
            return
        time.sleep(0.005)
    raise AssertionError("a mirror stays away")


def write(writer: Writer, *bodies: bytes) -> None:
    for body in bodies:
        writer.commit(Kind.ANSWERS, body, 1)


def files(directory: Path) -> dict[str, bytes]:
    """All segments that hold anything."""
    found = {
        path.name: path.read_bytes()
        for path in sorted(directory.iterdir())
        if parse_name(path.name) is not None
    }
    return {name: data for name, data in found.items() if data}


def run(resilver: Resilver, steps_max: int = 500) -> list[Progress]:
    """Until it is finished, or waits for a living writer."""
    steps = []
    for _ in range(steps_max):
        steps.append(resilver.step())
        if steps[-1].finished or steps[-1].waiting or steps[-1].elsewhere:
            return steps
    raise AssertionError("it does not come to an end")


MEMBER = str(State.MEMBER)
STALE = str(State.STALE)
