"""Disks whose power can be cut under a running node: what was not synced is gone."""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import shutil
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import pytest
from faulty_mount import FaultyMount, expect_mounts, mounted

SHUT_DOWN = 0x8004587D
"""FS_IOC_SHUTDOWN of ext4, xfs and others (linux/fs.h)."""
WITHOUT_FLUSHING = 2
IMAGE_BYTES = 64 << 20


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
    """A real file system in an image file; its journal is replayed at the next mount."""

    def __init__(self, directory: Path) -> None:
        """Skips the test, saying why, where this machine does not allow it."""
        expect_mounts("/dev/loop-control")
        self._point = directory / "ext4"
        self._point.mkdir()
        self._image = directory / "ext4.img"
        with self._image.open("wb") as file:
            file.truncate(IMAGE_BYTES)
        subprocess.run([_program("mkfs.ext4"), "-q", self._image], check=True, timeout=60)
        self.data = self._point / "data"
        self.mirrors: tuple[Path, ...] = ()
        self._mounted = ExitStack()
        self._mount()

    def cut(self) -> None:
        fd = os.open(self._point, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, SHUT_DOWN, struct.pack("I", WITHOUT_FLUSHING))
        finally:
            os.close(fd)

    def restore(self) -> None:
        self.end()
        self._mount()

    def end(self) -> None:
        self._mounted.close()

    def _mount(self) -> None:
        command = ["mount", "-t", "ext4", "-o", "loop", str(self._image), str(self._point)]
        self._mounted.enter_context(mounted(command, self._point))


@contextlib.contextmanager
def power_disk(kind: str, directory: Path, seed: int) -> Iterator[PowerDisk]:
    """`kind`: faulty, two faulty, or ext4. Skips the test, saying why, where that is not allowed."""
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
    disk = Ext4Disk(directory)
    try:
        yield disk
    finally:
        disk.end()


def _program(name: str) -> str:
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if found is None:
        reason = f"{name} is not installed (Debian: apt-get install e2fsprogs)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found
