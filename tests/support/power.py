"""Disks whose power can be cut under a running node: what was not synced is gone."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from faulty_mount import FaultyMount
from loop_disk import LoopDisk


class PowerDisk(Protocol):
    """`data` lies on it, and `mirrors` of the journal beside that, if any."""

    data: Path
    mirrors: tuple[Path, ...]

    def cut(self) -> None:
        """From now on everything fails."""
        ...

    def restore(self) -> None:
        """After everyone who used it is dead."""
        ...


class FaultyDisk:
    """Keeps nothing but what was synced, or besides that what its dice say."""

    def __init__(self, mount: FaultyMount, dice: random.Random) -> None:
        self.data = mount.path / "data"
        self.mirrors: tuple[Path, ...] = ()
        self._mount = mount
        self._dice = dice

    def cut(self) -> None:
        self._mount.cut_power(keep_some=self._dice.random() < 0.5)

    def restore(self) -> None:
        self._mount.restore_power()


class TwoDisks:
    """A mirror of the journal on each; they lose their power one a moment after the other."""

    def __init__(self, mounts: list[FaultyMount], dice: random.Random) -> None:
        self._disks = [FaultyDisk(mount, dice) for mount in mounts]
        self.data = self._disks[0].data
        self.mirrors = (self._disks[1].data / "journal",)
        self._dice = dice

    def cut(self) -> None:
        for disk in self._dice.sample(self._disks, 2):
            disk.cut()
            time.sleep(self._dice.choice([0, 0, 0.01, 0.1]))

    def restore(self) -> None:
        for disk in self._disks:
            disk.restore()


class Ext4Disk:
    """A real file system; its journal is replayed at the next mount."""

    def __init__(self, disk: LoopDisk) -> None:
        self.data = disk.point / "data"
        self.mirrors: tuple[Path, ...] = ()
        self.cut = disk.cut_power
        self.restore = disk.restore_power


@contextlib.contextmanager
def power_disk(kind: str, directory: Path, seed: int) -> Iterator[PowerDisk]:
    """`kind`: faulty, two faulty, or ext4. Skips the test, saying why, where it is not allowed."""
    if kind == "faulty":
        with FaultyMount(directory / "faulty", seed) as mount:
            yield FaultyDisk(mount, random.Random(seed))
        return
    if kind == "two faulty":
        with (
            FaultyMount(directory / "first", seed) as first,
            FaultyMount(directory / "second", seed + 1) as second,
        ):
            yield TwoDisks([first, second], random.Random(seed))
        return
    disk = LoopDisk(directory)
    try:
        yield Ext4Disk(disk)
    finally:
        disk.end()
