"""The faulty disk itself: it loses what was not synced and no more, and fails when told."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from faulty_mount import FaultyMount

from hairpin.world import RealDisk

pytestmark = pytest.mark.fault


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[FaultyMount]:
    with FaultyMount(tmp_path / "faulty", seed=1) as mount:
        yield mount


def cut(mount: FaultyMount, keep_some: bool = False) -> None:
    mount.cut_power(keep_some)
    mount.restore_power()


def test_it_is_a_file_system(mount: FaultyMount) -> None:
    folder = mount.path / "folder"
    folder.mkdir(mode=0o700)
    file = folder / "file"
    file.write_bytes(bytes(range(256)) * 2_000)
    assert file.read_bytes() == bytes(range(256)) * 2_000
    os.link(file, folder / "second")
    file.rename(mount.path / "moved")
    os.truncate(mount.path / "moved", 3)
    assert (folder / "second").read_bytes() == bytes([0, 1, 2])
    assert (folder / "second").stat().st_nlink == 2
    with pytest.raises(OSError, match="not empty"):
        folder.rmdir()
    for number in range(300):
        (folder / f"{number:0100}").touch()
    assert len(list(folder.iterdir())) == 301
    with (folder / "second").open() as first, (folder / "second").open() as second:
        fcntl.flock(first, fcntl.LOCK_EX)
        with pytest.raises(BlockingIOError):
            fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_power_cut_keeps_what_was_synced(mount: FaultyMount) -> None:
    disk = RealDisk()
    disk.make_directory(mount.path / "kept")
    (mount.path / "lost").mkdir()
    fd = disk.create(mount.path / "kept" / "file")
    disk.write(fd, 0, b"synced")
    disk.sync(fd)
    disk.write(fd, 6, b"never")
    disk.replace(mount.path / "kept" / "small", b"old")
    (mount.path / "kept" / "part").write_bytes(b"new")
    (mount.path / "kept" / "part").rename(mount.path / "kept" / "small")
    cut(mount)
    with pytest.raises(OSError, match=os.strerror(errno.ESTALE)):
        disk.write(fd, 0, b"from the time before")
    disk.close(fd)
    assert sorted(path.name for path in mount.path.iterdir()) == ["kept"]
    assert disk.list(mount.path / "kept") == ["file", "small"]
    assert (mount.path / "kept" / "file").read_bytes() == b"synced"
    assert (mount.path / "kept" / "small").read_bytes() == b"old"


def test_what_was_not_synced_may_be_kept_in_any_part(mount: FaultyMount) -> None:
    disk = RealDisk()
    found = set()
    for round_ in range(40):
        path = mount.path / f"file{round_}"
        fd = disk.create(path)
        disk.write(fd, 0, b"a" * 1_024)
        disk.write(fd, 1_024, b"b" * 1_024)
        disk.close(fd)
        cut(mount, keep_some=True)
        found.add(path.read_bytes())
    assert b"" in found
    assert b"a" * 1_024 + b"b" * 1_024 in found
    assert b"a" * 512 in found
    assert bytes(1_024) + b"b" * 1_024 in found


def test_a_failed_sync_loses_what_a_second_one_claims(mount: FaultyMount) -> None:
    disk = RealDisk()
    fd = disk.create(mount.path / "file")
    disk.write(fd, 0, b"written")
    mount.break_with(sync_errno=errno.EIO)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        disk.sync(fd)
    mount.heal()
    disk.sync(fd)
    disk.close(fd)
    assert (mount.path / "file").read_bytes() == b"written"
    cut(mount)
    assert (mount.path / "file").read_bytes() == b""
    assert mount.fired == 1


def test_writes_fail_or_take_a_part(mount: FaultyMount) -> None:
    disk = RealDisk()
    fd = disk.create(mount.path / "file")
    mount.break_with(write_errno=errno.ENOSPC)
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        disk.write(fd, 0, b"x" * 100)
    mount.break_with(short_writes=True)
    assert 0 < os.pwrite(fd, b"y" * 10_000, 0) < 10_000
    disk.write(fd, 0, b"z" * 10_000)
    assert disk.read(mount.path / "file", 0, 20_000) == b"z" * 10_000
    disk.close(fd)
