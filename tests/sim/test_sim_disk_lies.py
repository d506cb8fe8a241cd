"""Faults that nobody is told of: writes that go wrong silently, and decay."""

from __future__ import annotations

import pytest
from disk_stand import DIRECTORY, OTHER, PATH, Stand

from sim.disk import DiskFaults, Mishap, Rot

SEEDS = range(100)


@pytest.mark.parametrize("mishap", [Mishap.LOST, Mishap.TORN, Mishap.MISDIRECTED])
def test_a_write_that_the_disk_lies_about_shows_when_the_cache_is_gone(mishap: Mishap) -> None:
    found = set()
    others = set()
    for seed in SEEDS:
        stand = Stand(seed)
        stand.strand(b"o" * 2000, OTHER)
        fd = stand.strand(b"a" * 512)
        stand.disk.write(fd, 512, b"b" * 1024)
        stand.disks.arm(DIRECTORY, "sync", mishap)
        stand.disk.sync(fd)
        stand.disk.sync(fd)
        written = b"a" * 512 + b"b" * 1024
        assert stand.read() == written
        stand.disks.evict(DIRECTORY)
        assert len(stand.read()) == len(written), "sizes are the file system's own word"
        found.add(stand.read())
        others.add(stand.read(OTHER))
    lost = b"a" * 512 + bytes(1024)
    if mishap is Mishap.TORN:
        assert {b"a" * 512 + b"b" * 512 + bytes(512), b"a" * 512 + bytes(512) + b"b" * 512} < found
    else:
        assert lost in found
    if mishap is Mishap.MISDIRECTED:
        assert b"o" * 512 + b"b" * 1024 + b"o" * 464 in others, "another file is hit"
        assert b"b" * 512 + bytes(1024) in found, "or the same one elsewhere"
    else:
        assert others == {b"o" * 2000}


def test_a_misdirected_write_takes_its_whole_sectors_along() -> None:
    others = set()
    for seed in SEEDS:
        stand = Stand(seed)
        stand.strand(b"o" * 2048, OTHER)
        fd = stand.strand(b"a" * 300)
        stand.disk.write(fd, 300, b"b" * 300)
        stand.disks.arm(DIRECTORY, "sync", Mishap.MISDIRECTED)
        stand.disk.sync(fd)
        others.add(stand.disks.durable(OTHER))
    assert b"a" * 300 + b"b" * 300 + bytes(424) + b"o" * 1024 in others


def test_an_eviction_forgets_only_what_is_clean() -> None:
    stand = Stand()
    fd = stand.strand(b"clean")
    stand.disk.write(fd, 5, b"dirty")
    stand.disks.evict(DIRECTORY)
    assert stand.read() == b"cleandirty"
    stand.disks.set_faults(DIRECTORY, DiskFaults(read_evicted=1.0))
    stand.disk.truncate(fd, 7)
    assert stand.disk.read(PATH, 0, 99) == b"cleandi"


@pytest.mark.parametrize("kind", ["flip", "zero", "swap", "stale"])
def test_rot_does_what_it_tells_and_nothing_else(kind: str) -> None:
    wrong = set()
    for seed in SEEDS:
        stand = Stand(seed)
        fd = stand.strand(stand.disks.dice.randbytes(5_000))
        stand.strand(b"spared", OTHER)
        stand.disk.write(fd, 4_700, stand.disks.dice.randbytes(300))
        stand.disk.sync(fd)
        before = stand.read()
        rot = stand.disks.rot(DIRECTORY, pattern="str*", kind=kind)
        assert rot is not None and (rot.path, rot.kind) == (str(PATH), kind)
        end = rot.offset + len(rot.was)
        assert before[rot.offset : end] == rot.was != rot.now
        assert stand.read() == before[: rot.offset] + rot.now + before[end:]
        assert stand.read() == stand.disks.durable(PATH)
        assert stand.read(OTHER) == b"spared"
        assert stand.disks.tally.faults == {f"rot {kind}": 1}
        wrong.add(_changed_bytes(rot))
    assert wrong == {1} if kind == "flip" else max(wrong) > 250


def _changed_bytes(rot: Rot) -> int:
    return sum(a != b for a, b in zip(rot.was, rot.now, strict=True))


def test_a_stale_sector_has_an_older_content() -> None:
    found = set()
    for seed in SEEDS:
        stand = Stand(seed)
        fd = stand.strand(b"a" * 600)
        for letter in (b"b", b"c"):
            stand.disk.write(fd, 600, letter * 400)
            stand.disk.sync(fd)
        stand.disks.rot(DIRECTORY, kind="stale")
        found.add(stand.read())
    assert b"a" * 600 + b"b" * 400 in found
    assert b"a" * 600 + bytes(400) in found, "what was appended last is not there yet"


def test_rot_finds_nothing_where_nothing_is() -> None:
    stand = Stand()
    stand.strand()
    assert stand.disks.rot(DIRECTORY) is None
    assert stand.disks.rot(DIRECTORY, pattern="*.hpj") is None
    stand.disk.replace(OTHER, bytes(512))
    assert stand.disks.rot(DIRECTORY, kind="zero") is None, "zeros do not change"
    rot = stand.disks.rot(DIRECTORY)
    assert rot is not None and str(rot).startswith(f"flip: {OTHER} bytes ")
