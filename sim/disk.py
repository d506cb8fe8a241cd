"""The disks of one simulated machine: where each is mounted, and what a night does to them.

`disk_port` is what a process sees, with its `disk_open` files, and `disk_fate` what befalls it;
`disk_system` has names and `disk_files` contents, `disk_cut` power cuts, `disk_faults` mishaps of
single operations, and `disk_rot` decay.
"""

from __future__ import annotations

import errno
import random
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Protocol

import msgspec

from sim.disk_fate import Disk, Owner
from sim.disk_faults import DiskFaults, Mishap, Tally
from sim.disk_files import File, os_error
from sim.disk_port import SimDisk
from sim.disk_rot import Rot, rot
from sim.disk_system import Directory, FileSystem, Image, Node

__all__ = ["DiskFaults", "Disks", "Image", "Mishap", "Rot", "SimDisk", "Space"]


class Space(msgspec.Struct, frozen=True):
    """`capacity_bytes` None: never full."""

    capacity_bytes: int | None
    used_bytes: int


class Mortal(Owner, Protocol):
    """A process; `sim.process` has them."""

    def at_death(self, clean_up: Callable[[], None]) -> None: ...


def _nobody_waits(for_ms: float) -> None:
    raise AssertionError(f"a disk makes its process wait {for_ms} ms; give Disks a way to do that")


def _nobody_notes(who: str, what: str) -> None:
    """Only the tally knows then."""


class Disks:
    """The system's disk at /, and those that are mounted.

    Where a method asks for a directory, any path on the disk that is meant will do.
    """

    def __init__(
        self,
        dice: random.Random,
        now_ms: Callable[[], float] = lambda: 0.0,
        wait: Callable[[float], None] = _nobody_waits,
        note: Callable[[str, str], None] = _nobody_notes,
    ) -> None:
        """`wait`: let that many milliseconds pass for the world. `note`: who, and what happens."""
        self.dice = dice
        self.now_ms = now_ms
        self.wait = wait
        self.tally = Tally()
        self._note = note
        self._mounts = {"/": Disk(FileSystem("/"))}
        self._found: dict[str, tuple[Disk, Directory]] = {}
        """Directories by path: finding one is the most frequent thing that happens here."""

    def mount(self, directory: Path, capacity_bytes: int | None = None) -> None:
        """A new, empty disk at this directory."""
        where = str(directory)
        if where in self._mounts:
            raise ValueError(f"{where} has a disk already")
        self.make(directory)
        self._mounts[where] = Disk(FileSystem(where, capacity_bytes))
        self._dress()

    def port(self, process: Mortal | None) -> SimDisk:
        """How a process sees the disks. None: whoever looks on from outside, and whom no fault
        befalls."""
        view = SimDisk(self, process)
        if process is not None:
            process.at_death(view.close_all)
        return view

    # --- what a night does to them ----------------------------------------------------------------

    def power_cut(self) -> None:
        """The whole machine goes off and on. Kill its processes before."""
        for disk in self._mounts.values():
            disk.system.power_cut(self.dice)
        self._dress()

    def set_faults(self, directory: Path, faults: DiskFaults) -> None:
        """From now on; `DiskFaults()` ends it."""
        self.disk(directory).trouble.set_faults(faults)

    def arm(self, directory: Path, operation: str, mishap: Mishap, skip: int = 0) -> None:
        """The next such operation on that disk goes wrong so, or a later one."""
        self.disk(directory).trouble.arm(operation, mishap, skip)

    def rot(
        self,
        directory: Path,
        dice: random.Random | None = None,
        pattern: str = "*",
        kind: str | None = None,
    ) -> Rot | None:
        """Spoil some bytes of a file whose name matches; None if there is none with content.

        `kind`: flip, zero, swap or stale; by the dice if it is not given.
        """
        disk = self.disk(directory)
        done = rot(disk.system, dice or self.dice, pattern, kind)
        if done is not None:
            self._tell(disk, f"rot {done.kind}", str(done))
        return done

    def evict(self, directory: Path, pattern: str = "*") -> None:
        """Forget the cache of clean pages: what is really on the platter shows."""
        for path, file in self.disk(directory).system.files():
            if fnmatchcase(path.rpartition("/")[2], pattern):
                file.evict()

    def hang(self, directory: Path, until_ms: float) -> None:
        """No operation ends before that; a time in the past mends it.

        For ever (inf) is for lanes: a process that waits so outside of one is as good as dead, and
        is killed.
        """
        disk = self.disk(directory)
        disk.trouble.hang_until_ms = until_ms
        disk.trouble.judge()
        if until_ms > self.now_ms():
            self._tell(disk, "hang", f"it hangs until {until_ms:.0f} ms")

    def slow(self, directory: Path, latency_ms: float) -> None:
        """Each job of a lane, or outside of lanes each operation but reads and writes, takes so
        long."""
        disk = self.disk(directory)
        disk.trouble.latency_ms = latency_ms
        disk.trouble.judge()

    def hang_until_ms(self, directory: Path) -> float:
        return self.disk(directory).trouble.hang_until_ms

    def latency_ms(self, directory: Path) -> float:
        return self.disk(directory).trouble.latency_ms

    def pull(self, directory: Path, code: int = errno.EIO) -> None:
        """The disk is gone: every operation fails, and files that are open never work again."""
        disk = self.disk(directory)
        disk.system.power_cut(self.dice)
        disk.trouble.gone = code
        disk.trouble.judge()
        self._dress()
        self._tell(disk, "pull", "it is gone")

    def put_back(self, directory: Path, image: Image | None = None) -> None:
        """The disk is there again, as it was or with an old content."""
        disk = self.disk(directory)
        disk.trouble.gone = None
        disk.trouble.judge()
        self._tell(disk, "put back", "it is back" if image is None else "it is back, but old")
        if image is not None:
            self.restore(directory, image)

    def snapshot(self, directory: Path) -> Image:
        """All that is on the platter."""
        return self.disk(directory).system.image()

    def restore(self, directory: Path, image: Image) -> None:
        """The disk is as it was; files that are open never work again."""
        self.disk(directory).system.load(image)
        self._dress()

    # --- what there is ----------------------------------------------------------------------------

    def space(self, directory: Path) -> Space:
        system = self.disk(directory).system
        return Space(system.capacity_bytes, system.used_bytes)

    def set_capacity(self, directory: Path, capacity_bytes: int | None) -> None:
        """May be less than what is used: then nothing can grow."""
        self.disk(directory).system.capacity_bytes = capacity_bytes

    def durable(self, path: Path) -> bytes:
        """What is on the platter of a file. Raises OSError as reading does."""
        _, directory = self.find(str(path.parent))
        node = directory.entries.get(path.name)
        if not isinstance(node, File):
            raise os_error(errno.ENOENT, path)
        return bytes(node.platter)

    # --- for the ports ----------------------------------------------------------------------------

    def disk(self, path: Path) -> Disk:
        """The one that a path lies on."""
        return self._mounted(str(path))[1]

    def find(self, directory: str) -> tuple[Disk, Directory]:
        """Raises OSError if there is no such directory, or its disk is gone."""
        found = self._found.get(directory)
        if found is None:
            found = self._walk(directory, make=False)
            self._found[directory] = found
        return found

    def make(self, directory: Path) -> None:
        """With its parents; not durable yet."""
        self._walk(str(directory), make=True)

    def moved(self, node: Node) -> None:
        if isinstance(node, Directory):
            self._found.clear()

    def injected(self, disk: Disk, operation: str, mishap: Mishap, told: str = "") -> None:
        what = f"{operation}: {mishap.value}"
        self._tell(disk, what, f"{what} ({told})" if told else what)

    # --- within -----------------------------------------------------------------------------------

    def _mounted(self, path: str) -> tuple[str, Disk]:
        where = path or "/"
        if where[0] != "/":
            raise ValueError(f"found {path!r}; simulated disks have absolute paths only")
        while where not in self._mounts:
            where = where.rpartition("/")[0] or "/"
        return where, self._mounts[where]

    def _walk(self, path: str, make: bool) -> tuple[Disk, Directory]:
        where, disk = self._mounted(path)
        if disk.trouble.gone is not None:
            raise os_error(disk.trouble.gone, path)
        directory = disk.system.root
        names = [name for name in path[len(where) :].split("/") if name]
        for at, name in enumerate(names):
            node = directory.entries.get(name)
            if node is None and make:
                node = Directory()
                disk.system.put(directory, name, node)
            if node is None:
                raise os_error(errno.ENOENT, path)
            if isinstance(node, File):
                exists = make and at == len(names) - 1
                raise os_error(errno.EEXIST if exists else errno.ENOTDIR, path)
            directory = node
        return disk, directory

    def _dress(self) -> None:
        """After the trees changed: every mounted disk has a directory that it hides."""
        self._found.clear()
        for where in self._mounts:
            above, _, name = where.rpartition("/")
            beneath = self._mounted(above)[1]
            if not name or beneath.trouble.gone is not None:
                continue
            directory = self._walk(above, make=True)[1]
            point = directory.entries.setdefault(name, Directory())
            assert isinstance(point, Directory), f"{where} became a file"
            point.mounted = True
            beneath.system.commit()

    def _tell(self, disk: Disk, kind: str, told: str) -> None:
        self.tally.faults[kind] += 1
        self._note(f"disk {disk.system.where}", told)
