"""Power cuts: what was synced is there, and nothing appears that nobody wrote."""

from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path

import pytest
from disk_stand import DIRECTORY, PATH, DiskProcess
from hypothesis import given
from hypothesis import strategies as st

from sim.disk import Disks, SimDisk
from sim.process import Killed

SEEDS = range(200)


def machine(seed: int) -> tuple[Disks, SimDisk]:
    disks = Disks(random.Random(seed))
    disks.mount(DIRECTORY)
    return disks, disks.port(DiskProcess())


def after_power_cut(disks: Disks) -> SimDisk:
    disks.power_cut()
    return disks.port(DiskProcess(2))


def content(disk: SimDisk, path: Path = PATH) -> bytes:
    return disk.read(path, 0, 1 << 20)


def marked(number: int, size_bytes: int) -> bytes:
    return bytes([number]) * size_bytes


WRITE = st.tuples(st.integers(0, 9_000), st.integers(1, 6_000))
TRUNCATE = st.tuples(st.integers(0, 9_000), st.none())


@given(
    synced=st.integers(0, 6_000),
    changes=st.lists(WRITE | TRUNCATE, max_size=8),
    seed=st.integers(0, 1 << 32),
)
def test_each_byte_is_one_that_was_there_since_the_last_sync(
    synced: int, changes: list[tuple[int, int | None]], seed: int
) -> None:
    disks, disk = machine(seed)
    fd = disk.create(PATH)
    disk.write(fd, 0, marked(255, synced))
    disk.sync(fd)
    versions = [content(disk)]
    for number, (offset, size_bytes) in enumerate(changes, 1):
        if size_bytes is None:
            disk.truncate(fd, offset)
        else:
            disk.write(fd, offset, marked(number, size_bytes))
        versions.append(content(disk))
    found = content(after_power_cut(disks))
    longest = max(map(len, versions))
    assert len(found) <= longest
    for at, byte in enumerate(found):
        assert byte in {0, *(version[at] for version in versions if at < len(version))}
    if all(size_bytes for _, size_bytes in changes):
        assert 0 not in found[:synced], "zeros are only where something was to grow"


@given(changes=st.lists(WRITE, max_size=6), seed=st.integers(0, 1 << 32))
def test_each_sector_is_whole_from_one_moment(changes: list[tuple[int, int]], seed: int) -> None:
    disks, disk = machine(seed)
    fd = disk.create(PATH)
    disk.write(fd, 0, marked(255, 7_000))
    disk.sync(fd)
    versions = [content(disk)]
    for number, (offset, size_bytes) in enumerate(changes, 1):
        disk.write(fd, offset, marked(number, size_bytes))
        versions.append(content(disk))
    found = content(after_power_cut(disks))
    for start, end in pairwise([*range(0, len(found), 512), len(found)]):
        assert found[start:end] in {v[start:end].ljust(end - start, b"\0") for v in versions}


@given(
    steps=st.lists(st.tuples(WRITE | TRUNCATE, st.booleans()), max_size=8),
    seed=st.integers(0, 1 << 32),
)
def test_what_was_synced_is_there(
    steps: list[tuple[tuple[int, int | None], bool]], seed: int
) -> None:
    """Between two syncs and many power cuts, too."""
    disks, disk = machine(seed)
    fd = disk.create(PATH)
    for number, ((offset, size_bytes), cut) in enumerate(steps, 1):
        if size_bytes is None:
            disk.truncate(fd, offset)
        else:
            disk.write(fd, offset, marked(number, size_bytes))
        disk.sync(fd)
        expected = content(disk)
        if cut:
            disk = after_power_cut(disks)
            fd = disk.open(PATH)
        assert content(disk) == expected == disks.durable(PATH)


def test_all_that_can_become_of_two_pages_does() -> None:
    """Lost, kept, torn inside a page, and the later one kept without the earlier."""
    found = set()
    for seed in SEEDS:
        disks, disk = machine(seed)
        fd = disk.create(PATH)
        disk.write(fd, 0, marked(1, 4096))
        disk.write(fd, 4096, marked(2, 4096))
        found.add(content(after_power_cut(disks)))
    first, second = marked(1, 4096), marked(2, 4096)
    assert {b"", first, first + second, bytes(4096) + second, bytes(8192)} <= found
    assert any(0 < page[:4096].count(1) < 4096 for page in found)


def test_a_truncation_that_was_not_synced_may_be_undone() -> None:
    sizes = set()
    for seed in SEEDS:
        disks, disk = machine(seed)
        fd = disk.create(PATH)
        disk.write(fd, 0, marked(1, 10_000))
        disk.sync(fd)
        disk.truncate(fd, 100)
        found = content(after_power_cut(disks))
        assert found[:100] == marked(1, 100)
        assert found[4096:] in (b"", marked(1, 10_000 - 4096)), "only its last page is written"
        sizes.add(len(found))
    assert sizes == {100, 10_000}


def test_if_a_truncation_is_undone_what_was_written_behind_it_is_not_found() -> None:
    """It went to other blocks; those of before belong to the file again."""
    sizes = set()
    for seed in SEEDS:
        disks, disk = machine(seed)
        fd = disk.create(PATH)
        disk.write(fd, 0, marked(1, 10_000))
        disk.sync(fd)
        disk.truncate(fd, 100)
        disk.write(fd, 8_192, marked(2, 100))
        found = content(after_power_cut(disks))
        sizes.add(len(found))
        if len(found) == 10_000:
            assert found[4096:] == marked(1, 10_000 - 4096)
        else:
            assert 1 not in found[100:], "what was cut off does not come back"
    assert {100, 8_292, 10_000} <= sizes


def test_a_killed_process_loses_nothing_and_holds_nothing() -> None:
    disks, _ = machine(1)
    process = DiskProcess(3)
    disk = disks.port(process)
    fd = disk.create(PATH)
    assert disk.lock(fd)
    disk.write(fd, 0, b"not synced")
    process.kill()
    other = disks.port(DiskProcess(4))
    assert other.lock(other.open(PATH))
    assert content(other) == b"not synced"
    assert disk.open_files == 0
    with pytest.raises(Killed):
        disk.close(fd)
    with pytest.raises(Killed):
        disk.list(DIRECTORY)


def test_files_that_were_open_before_a_power_cut_are_dead() -> None:
    disks, disk = machine(1)
    fd = disk.create(PATH)
    disks.power_cut()
    with pytest.raises(OSError, match="Input/output"):
        disk.write(fd, 0, b"x")
    with pytest.raises(OSError, match="Input/output"):
        disk.sync(fd)
    disk.close(fd)


def test_names_are_durable_on_return() -> None:
    for seed in SEEDS[:40]:
        disks, disk = machine(seed)
        disk.make_directory(DIRECTORY / "inner")
        disk.close(disk.create(DIRECTORY / "inner" / "one"))
        disk.close(disk.create(DIRECTORY / "two"))
        disk.replace(DIRECTORY / "three", b"whole")
        disk.replace(DIRECTORY / "four", b"first")
        disk.replace(DIRECTORY / "four", b"second")
        disk.rename(DIRECTORY / "two", DIRECTORY / "five")
        disk.remove(DIRECTORY / "three")
        disk = after_power_cut(disks)
        assert disk.list(DIRECTORY) == ["five", "four", "inner"]
        assert disk.list(DIRECTORY / "inner") == ["one"]
        assert content(disk, DIRECTORY / "four") == b"second"


@pytest.mark.parametrize(
    ("operation", "outcomes"),
    [
        ("create", {(), ("new",)}),
        ("replace", {b"old", b"new"}),
        ("rename", {("label",), ("moved",)}),
        ("remove", {(), ("label",)}),
    ],
)
def test_who_dies_in_changing_a_name_leaves_the_old_or_the_new(
    operation: str, outcomes: set[object]
) -> None:
    label = DIRECTORY / "label"
    found = set()
    for seed in SEEDS:
        disks, disk = machine(seed)
        if operation != "create":
            disk.replace(label, b"old")
        disk.die_in(operation)
        with pytest.raises(Killed):
            if operation == "create":
                disk.create(DIRECTORY / "new")
            elif operation == "replace":
                disk.replace(label, b"new")
            elif operation == "rename":
                disk.rename(label, DIRECTORY / "moved")
            else:
                disk.remove(label)
        after = after_power_cut(disks) if seed % 2 else disks.port(DiskProcess(2))
        names = [name for name in after.list(DIRECTORY) if not name.startswith(".")]
        found.add(content(after, label) if operation == "replace" else tuple(names))
    assert found == outcomes


def test_a_write_in_which_its_process_dies_has_some_whole_pages() -> None:
    sizes = set()
    for seed in SEEDS:
        disks, disk = machine(seed)
        fd = disk.create(PATH)
        disk.write(fd, 0, marked(1, 100))
        disk.die_in("write")
        with pytest.raises(Killed):
            disk.write(fd, 100, marked(2, 10_000))
        found = content(disks.port(DiskProcess(2)))
        assert found == (marked(1, 100) + marked(2, 10_000))[: len(found)]
        sizes.add(len(found))
    assert sizes == {100, 4096, 8192, 10_100}


def test_the_same_seed_leaves_the_same() -> None:
    def night(seed: int) -> bytes:
        disks, disk = machine(seed)
        fd = disk.create(PATH)
        for number in range(1, 40):
            disk.write(fd, number * 300, marked(number, 300))
        return content(after_power_cut(disks))

    nights = [night(seed) for seed in range(20)]
    assert nights == [night(seed) for seed in range(20)]
    assert len(set(nights)) > 10
