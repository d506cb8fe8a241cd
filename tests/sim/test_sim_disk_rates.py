"""Faults by rates: each does its own, and a seed always the same."""

from __future__ import annotations

import errno
import math
import random

import msgspec
import pytest
from disk_stand import DIRECTORY, PATH, DiskProcess, Stand

from sim.disk import DiskFaults, SimDisk
from sim.process import Killed


def restless(seed: int, faults: DiskFaults) -> Stand:
    """A thousand operations on a disk with such faults; the process is another one after death."""
    stand = Stand(seed)
    stand.disks.set_faults(DIRECTORY, faults)
    dice = random.Random("operations")
    lives = 1
    for _ in range(1000):
        try:
            _some_operation(stand.disk, dice)
        except OSError as error:
            assert error.errno in (errno.EIO, errno.ENOSPC, errno.ENOENT, errno.EEXIST)
        except Killed:
            lives += 1
            stand.process = DiskProcess(lives)
            stand.disk = stand.disks.port(stand.process)
    return stand


def _some_operation(disk: SimDisk, dice: random.Random) -> None:
    path = DIRECTORY / dice.choice("abc")
    kind = dice.randrange(8)
    if kind == 0:
        disk.close(disk.create(path))
    elif kind < 4:
        fd = disk.open(path)
        disk.write(fd, dice.randrange(3000), dice.randbytes(700))
        disk.sync(fd)
        disk.close(fd)
    elif kind == 4:
        disk.read(path, 0, 5000)
    elif kind == 5:
        disk.replace(path, dice.randbytes(300))
    elif kind == 6:
        disk.rename(path, DIRECTORY / dice.choice("abc"))
    else:
        fd = disk.open(path)
        disk.truncate(fd, dice.randrange(4000))
        disk.close(fd)


ALL = DiskFaults(**dict.fromkeys(DiskFaults.__struct_fields__, 0.02))


@pytest.mark.parametrize("name", DiskFaults.__struct_fields__)
def test_each_rate_injects_its_fault(name: str) -> None:
    faults = restless(1, msgspec.structs.replace(DiskFaults(), **{name: 0.2})).disks.tally.faults
    assert sum(faults.values()) > 5
    assert len({what.partition(": ")[2] for what in faults}) == 1


def test_the_same_seed_has_the_same_faults() -> None:
    first, again, other = restless(1, ALL), restless(1, ALL), restless(2, ALL)
    assert first.notes == again.notes != other.notes
    assert first.disks.tally.operations == again.disks.tally.operations
    assert first.disks.snapshot(DIRECTORY) == again.disks.snapshot(DIRECTORY)
    assert len(first.disks.tally.faults) > 20
    assert sum(first.disks.tally.faults.values()) == len(first.notes)


def test_a_sound_disk_takes_no_chances() -> None:
    stand = restless(1, DiskFaults())
    untouched = random.Random(1).random()
    assert stand.notes == [] and stand.disks.dice.random() == untouched


def test_who_looks_on_from_outside_is_spared_and_not_counted() -> None:
    stand = Stand()
    stand.disk.replace(PATH, b"here")
    stand.disks.set_faults(DIRECTORY, DiskFaults(read_eio=1.0))
    stand.disks.hang(DIRECTORY, math.inf)
    before = stand.disks.tally.operations.copy()
    assert stand.disks.port(None).read(PATH, 0, 9) == b"here"
    assert stand.disks.tally.operations == before
