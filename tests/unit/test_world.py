"""The real world: a clock that never jumps, dice, and a disk that keeps its word."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from hairpin.world import RealClock, RealDice, RealDisk, real_world

HOLDER = """
import sys
from pathlib import Path
from hairpin.world import RealDisk
disk = RealDisk()
print(disk.lock(disk.open(Path(sys.argv[1]))), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def disk() -> RealDisk:
    return RealDisk()


def test_the_clock_does_not_follow_the_time_of_day(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = RealClock()
    before = clock.now_ms()
    monkeypatch.setattr("time.time_ns", lambda: 0)
    assert clock.now_ms() >= before
    assert clock.monotonic_ms() <= clock.monotonic_ms()


def test_secrets_differ_and_chances_stay_in_bounds() -> None:
    dice = RealDice()
    assert len({dice.secret(16) for _ in range(50)}) == 50
    assert all(2.0 <= dice.uniform(2.0, 3.0) <= 3.0 for _ in range(50))


def test_what_is_written_is_read_back(disk: RealDisk, tmp_path: Path) -> None:
    path = tmp_path / "strand"
    fd = disk.create(path)
    disk.write(fd, 0, b"one")
    disk.write(fd, 3, b"two")
    disk.sync(fd)
    disk.truncate(fd, 4)
    disk.write(fd, 4, b"!")
    disk.close(fd)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert disk.read(path, 0, 100) == b"onet!"
    assert disk.read(path, 3, 1) == b"t"
    assert disk.read(path, 99, 1) == b""
    assert disk.size(path) == 5


def test_a_write_goes_on_after_a_short_write(
    disk: RealDisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "strand"
    fd = disk.create(path)
    write = os.pwrite
    with monkeypatch.context() as patched:
        patched.setattr("os.pwrite", lambda to, data, at: write(to, bytes(data[:2]), at))
        disk.write(fd, 0, b"abcdefg")
    disk.close(fd)
    assert path.read_bytes() == b"abcdefg"


def test_a_name_is_created_once(disk: RealDisk, tmp_path: Path) -> None:
    disk.close(disk.create(tmp_path / "strand"))
    with pytest.raises(FileExistsError):
        disk.create(tmp_path / "strand")


def test_a_name_once_created_is_never_given_back_but_a_part_of_a_file_is(
    disk: RealDisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(fd: int) -> None:
        raise OSError(5, "Input/output error")

    open_before = len(os.listdir("/dev/fd"))
    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", failing)
        with pytest.raises(OSError, match="Input/output"):
            disk.create(tmp_path / "strand")
        with pytest.raises(OSError, match="Input/output"):
            disk.replace(tmp_path / "keys", b"new")
    assert disk.list(tmp_path) == ["strand"], "another writer may have counted on from it"
    assert len(os.listdir("/dev/fd")) == open_before


def test_a_replaced_file_has_all_of_the_new_content(disk: RealDisk, tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    disk.replace(path, b"a long first content")
    disk.replace(path, b"second", 0o640)
    assert path.read_bytes() == b"second"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert disk.list(tmp_path) == ["keys.json"]


def test_a_replacement_that_fails_leaves_the_old_content_and_no_part(
    disk: RealDisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "keys.json"
    disk.replace(path, b"old")

    def full(fd: int, data: bytes, at: int) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("os.pwrite", full)
        with pytest.raises(OSError, match="No space"):
            disk.replace(path, b"new")
    assert path.read_bytes() == b"old"
    assert disk.list(tmp_path) == ["keys.json"]


def test_a_replacement_that_cannot_take_the_name_leaves_no_part(
    disk: RealDisk, tmp_path: Path
) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="directory"):
        disk.replace(tmp_path / "taken", b"new")
    assert disk.list(tmp_path) == ["taken"]


def test_a_lock_has_one_holder_and_ends_with_its_file(disk: RealDisk, tmp_path: Path) -> None:
    path = tmp_path / "strand"
    holder = disk.create(path)
    assert disk.lock(holder)
    assert disk.lock(holder), "the holder may ask again"
    other = disk.open(path)
    assert not disk.lock(other)
    disk.close(holder)
    assert disk.lock(other)
    disk.close(other)


def test_a_lock_ends_with_its_process(disk: RealDisk, tmp_path: Path) -> None:
    path = tmp_path / "strand"
    disk.close(disk.create(path))
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"True\n"
    fd = disk.open(path)
    held = not disk.lock(fd)
    holder.kill()
    holder.communicate()
    assert held
    assert disk.lock(fd)
    disk.close(fd)


def test_a_directory_that_does_not_exist_is_empty(disk: RealDisk, tmp_path: Path) -> None:
    assert disk.list(tmp_path / "none") == []


def test_the_real_world_has_all_three() -> None:
    world = real_world()
    assert world.clock.now_ms() > 1_700_000_000_000
    assert len(world.dice.secret(8)) == 8
    assert isinstance(world.disk, RealDisk)
