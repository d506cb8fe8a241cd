"""A real ext4 in an image file: its power can be cut, and it can be made slow."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from faulty_mount import expect_mounts, mounted

SHUT_DOWN = 0x8004587D
"""FS_IOC_SHUTDOWN of ext4, xfs and others (linux/fs.h)."""
WITHOUT_FLUSHING = 2
IMAGE_BYTES = 64 << 20
CONTROL = Path("/sys/fs/cgroup/blkio")


class LoopDisk:
    """Mounted at `point` until `end`."""

    def __init__(self, directory: Path) -> None:
        """Skips the test, saying why, where this machine does not allow it."""
        expect_mounts("/dev/loop-control")
        self.point = directory / "ext4"
        self.point.mkdir()
        self._image = directory / "ext4.img"
        with self._image.open("wb") as file:
            file.truncate(IMAGE_BYTES)
        subprocess.run([_program("mkfs.ext4"), "-q", self._image], check=True, timeout=60)
        self._mounted = ExitStack()
        self._mount()

    @property
    def device(self) -> str:
        """Its numbers, such as 7:0."""
        number = self.point.stat().st_dev
        return f"{os.major(number)}:{os.minor(number)}"

    def cut_power(self) -> None:
        """From now on everything fails; what was not synced is lost."""
        fd = os.open(self.point, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, SHUT_DOWN, struct.pack("I", WITHOUT_FLUSHING))
        finally:
            os.close(fd)

    def restore_power(self) -> None:
        """When nobody uses it any more: mounted anew, its journal replayed."""
        self.end()
        self._mount()

    def end(self) -> None:
        self._mounted.close()

    def _mount(self) -> None:
        command = ["mount", "-t", "ext4", "-o", "loop", str(self._image), str(self.point)]
        self._mounted.enter_context(mounted(command, self.point))


class Throttle:
    """Limits what processes that `join` may write to one device, as a slow disk does."""

    def __init__(self, group: Path, device: str) -> None:
        self._group = group
        self._device = device

    def join(self) -> None:
        """The calling process, and its children."""
        (self._group / "tasks").write_text(str(os.getpid()))

    def set(self, bytes_per_s: int) -> None:
        """0: no limit."""
        (self._group / "blkio.throttle.write_bps_device").write_text(
            f"{self._device} {bytes_per_s}"
        )


@contextlib.contextmanager
def throttle(device: str) -> Iterator[Throttle]:
    """Skips the test, saying why, where this machine does not let us."""
    group = CONTROL / f"hairpin-test-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no blkio group can be made in {CONTROL}: {error.strerror}")
    try:
        slow = Throttle(group, device)
        try:
            slow.set(0)
        except OSError as error:
            pytest.skip(f"this kernel does not throttle {device}: {error.strerror}")
        yield slow
        slow.set(0)
    finally:
        for pid in (group / "tasks").read_text().split():
            (CONTROL / "tasks").write_text(pid)
        group.rmdir()


def _program(name: str) -> str:
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if found is None:
        reason = f"{name} is not installed (Debian: apt-get install e2fsprogs)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found
