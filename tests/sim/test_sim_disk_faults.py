"""Faults of a simulated disk that whoever asks is told of, and a disk that is full."""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest
from disk_stand import DIRECTORY, OTHER, PATH, Stand, failing

from sim.disk import Mishap

SEEDS = range(100)


def test_a_write_that_fails_may_have_written_some_of_it() -> None:
    sizes = set()
    for seed in SEEDS:
        for mishap, code in (Mishap.EIO, errno.EIO), (Mishap.ENOSPC, errno.ENOSPC):
            stand = Stand(seed)
            fd = stand.strand(b"old")
            stand.disks.arm(DIRECTORY, "write", mishap)
            assert failing(stand.disk.write, fd, 3, bytes(100)) == code
            sizes.add(len(stand.read()))
            stand.disk.write(fd, 0, b"goes again")
    assert min(sizes) == 3 and max(sizes) == 103 and len(sizes) > 10


def test_after_a_failed_sync_the_next_one_succeeds_and_writes_nothing_of_it() -> None:
    """The pages are marked clean: whether they are on the platter, only a power cut shows."""
    kept, dropped = set(), set()
    for seed in SEEDS:
        stand = Stand(seed)
        fd = stand.strand(b"old")
        stand.disk.write(fd, 3, b"new")
        stand.disks.arm(DIRECTORY, "sync", Mishap.EIO)
        assert failing(stand.disk.sync, fd) == errno.EIO
        dropped.add(stand.read())
        stand.disk.sync(fd)
        kept.add(stand.disks.durable(PATH))
        stand.disks.power_cut()
        assert stand.read() in kept
    assert kept == {b"oldnew", b"old\0\0\0"}
    assert dropped == {b"oldnew", b"old\0\0\0"}, "ext4 and xfs keep the cache, btrfs does not"


@pytest.mark.parametrize("mishap", [Mishap.EIO, Mishap.ENOSPC])
def test_a_name_that_could_not_be_created_may_be_there(mishap: Mishap) -> None:
    found = set()
    for seed in SEEDS:
        stand = Stand(seed)
        stand.disks.arm(DIRECTORY, "create", mishap)
        failing(stand.disk.create, PATH)
        found.add(tuple(stand.disk.list(DIRECTORY)))
        assert stand.disk.open_files == 0
    assert found == ({(), ("strand",)} if mishap is Mishap.EIO else {()})


@pytest.mark.parametrize("operation", ["replace", "rename", "remove"])
def test_a_change_of_names_that_fails_may_have_happened(operation: str) -> None:
    found = set()
    for seed in SEEDS:
        stand = Stand(seed)
        stand.disk.replace(PATH, b"old")
        stand.disks.arm(DIRECTORY, operation, Mishap.EIO)
        more = {"replace": (b"new",), "rename": (OTHER,), "remove": ()}[operation]
        assert failing(getattr(stand.disk, operation), PATH, *more) == errno.EIO
        names = stand.disk.list(DIRECTORY)
        found.add((*names, stand.read()) if names == ["strand"] else tuple(names))
    after: dict[str, tuple[object, ...]] = {
        "replace": ("strand", b"new"),
        "rename": ("other",),
        "remove": (),
    }
    assert found == {("strand", b"old"), after[operation]}


@pytest.mark.parametrize("operation", ["open", "read", "truncate", "make_directory"])
def test_an_error_of_the_disk_is_told(operation: str) -> None:
    stand = Stand()
    fd = stand.strand(b"content")
    stand.disks.arm(DIRECTORY, operation, Mishap.EIO)
    calls: dict[str, Callable[[], object]] = {
        "open": lambda: stand.disk.open(PATH),
        "read": lambda: stand.disk.read(PATH, 0, 9),
        "truncate": lambda: stand.disk.truncate(fd, 0),
        "make_directory": lambda: stand.disk.make_directory(OTHER),
    }
    assert failing(calls[operation]) == errno.EIO
    assert stand.read() == b"content"
    calls[operation]()


def test_a_fault_can_be_set_for_a_later_operation_and_only_where_it_is_possible() -> None:
    stand = Stand()
    fd = stand.strand()
    stand.disks.arm(DIRECTORY, "sync", Mishap.EIO, skip=1)
    stand.disk.sync(fd)
    assert failing(stand.disk.sync, fd) == errno.EIO
    stand.disk.sync(fd)
    with pytest.raises(ValueError, match="read: found TORN, allowed: EIO, EVICTED"):
        stand.disks.arm(DIRECTORY, "read", Mishap.TORN)
    with pytest.raises(ValueError, match="nobody dies in read"):
        stand.disk.die_in("read")


def test_a_disk_has_room_for_so_many_bytes() -> None:
    stand = Stand()
    fd = stand.strand(bytes(600))
    stand.disks.set_capacity(DIRECTORY, 1000)
    stand.disk.write(fd, 0, bytes(600))
    assert failing(stand.disk.write, fd, 600, bytes(500)) == errno.ENOSPC
    assert stand.disks.space(DIRECTORY).used_bytes == len(stand.read()) == 1000
    assert failing(stand.disk.replace, OTHER, b"x") == errno.ENOSPC
    stand.disk.truncate(fd, 100)
    stand.disk.replace(OTHER, bytes(400))
    stand.disk.replace(OTHER, bytes(500))
    assert stand.disks.space(DIRECTORY).used_bytes == 600
    assert failing(stand.disk.replace, OTHER, bytes(500)) == errno.ENOSPC, "for a while 2"
    stand.disk.remove(PATH)
    assert stand.disks.space(DIRECTORY).used_bytes == 600, "an open file keeps its room"
    stand.disk.close(fd)
    assert stand.disks.space(DIRECTORY).used_bytes == 500
    stand.disks.power_cut()
    assert stand.disks.space(DIRECTORY).used_bytes == 500
    assert stand.disk.list(DIRECTORY) == ["other"], "nothing is left of what found no room"
