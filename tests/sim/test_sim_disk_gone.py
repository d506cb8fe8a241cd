"""Disks that are slow, hang, are gone, and come back."""

from __future__ import annotations

import errno
import math
from collections.abc import Callable
from pathlib import Path

import pytest
from disk_stand import DIRECTORY, OTHER, PATH, Stand, failing

from sim.process import Killed


def test_a_disk_that_hangs_stops_whoever_is_in_no_lane() -> None:
    stand = Stand(in_lane=False)
    fd = stand.strand()
    stand.disks.hang(DIRECTORY, 5_000.0)
    assert stand.disks.hang_until_ms(PATH) == 5_000.0
    stand.disk.replace(Path("/elsewhere"), b"another disk is free")
    assert stand.waited == []
    stand.disk.write(fd, 0, b"x")
    stand.disk.sync(fd)
    assert stand.waited == [4_000.0], "the second comes after it"
    assert stand.now_ms == 5_000.0
    stand.disks.hang(DIRECTORY, math.inf)
    stand.process.in_lane = True
    stand.disk.sync(fd)
    stand.process.in_lane = False
    with pytest.raises(Killed, match="hangs for ever"):
        stand.disk.sync(fd)


def test_a_slow_disk_takes_its_time_for_all_but_reads_and_writes() -> None:
    stand = Stand(in_lane=False)
    fd = stand.strand()
    stand.disks.slow(DIRECTORY, 30.0)
    assert stand.disks.latency_ms(PATH) == 30.0
    stand.disk.write(fd, 0, b"x")
    stand.disk.read(PATH, 0, 1)
    assert stand.waited == []
    stand.disk.sync(fd)
    stand.disk.replace(OTHER, b"x")
    assert stand.waited == [30.0, 30.0]


def test_a_disk_that_is_gone_fails_and_comes_back_as_it_was_or_old() -> None:
    stand = Stand()
    fd = stand.strand(b"one")
    old = stand.disks.snapshot(DIRECTORY)
    stand.disk.write(fd, 3, b" two")
    stand.disk.sync(fd)
    stand.disk.make_directory(DIRECTORY / "new")
    stand.disks.pull(DIRECTORY)
    calls: list[Callable[[], object]] = [
        lambda: stand.disk.write(fd, 0, b"x"),
        lambda: stand.disk.sync(fd),
        lambda: stand.disk.lock(fd),
        lambda: stand.disk.read(PATH, 0, 1),
        lambda: stand.disk.list(DIRECTORY),
        lambda: stand.disk.make_directory(DIRECTORY / "more"),
        lambda: stand.disk.replace(OTHER, b""),
    ]
    assert [failing(call) for call in calls] == [errno.EIO] * len(calls)
    stand.disks.put_back(DIRECTORY)
    assert stand.disk.list(DIRECTORY) == ["new", "strand"]
    assert stand.read() == b"one two"
    assert failing(stand.disk.write, fd, 0, b"x") == errno.EIO, "it was opened before"
    stand.disk.close(fd)
    stand.disks.pull(DIRECTORY, errno.ENODEV)
    assert failing(stand.disk.read, PATH, 0, 1) == errno.ENODEV
    stand.disks.put_back(DIRECTORY, old)
    assert stand.disk.list(DIRECTORY) == ["strand"]
    assert stand.read() == b"one"


def test_each_mirror_is_a_disk_of_its_own_wherever_it_is_mounted() -> None:
    stand = Stand()
    inner = DIRECTORY / "data" / "journal"
    stand.disks.mount(inner)
    stand.strand(b"outer", DIRECTORY / "data" / "file")
    stand.strand(b"inner", inner / "file")
    image = stand.disks.snapshot(inner)
    stand.disk.remove(inner / "file")
    stand.disks.pull(DIRECTORY)
    assert stand.disk.list(inner) == []
    stand.disks.restore(inner, image)
    assert stand.read(inner / "file") == b"inner"
    stand.disks.put_back(DIRECTORY)
    assert stand.disk.list(DIRECTORY / "data") == ["file", "journal"]
    assert failing(stand.disk.rename, inner, DIRECTORY / "x") == errno.EBUSY
    assert failing(stand.disk.rename, inner / "file", OTHER) == errno.EXDEV
