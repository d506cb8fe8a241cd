"""What the port `Disk` promises, and what POSIX adds: the simulated disk does what a real one does.

Random sequences of operations are run on both, errors included; then the single clauses by name.
"""

from __future__ import annotations

import errno
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from disk_stand import DiskProcess
from hypothesis import given, settings
from hypothesis import strategies as st

from hairpin.world import Disk, RealDisk
from sim.disk import Disks

Pair = tuple[Disk, Disk]
"""Two views of one disk; locks of one exclude the other."""


def real() -> Pair:
    return RealDisk(), RealDisk()


def simulated(directory: Path) -> Pair:
    disks = Disks(random.Random(1))
    disks.mount(directory)
    return disks.port(DiskProcess(1)), disks.port(DiskProcess(2))


@pytest.fixture(params=["real", "simulated"])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Pair:
    return real() if request.param == "real" else simulated(tmp_path)


@pytest.fixture
def disk(pair: Pair) -> Disk:
    return pair[0]


# --- any sequence of operations ------------------------------------------------------------------

PATHS = ("a", "b", "c", "d", "d/a", "d/b", "d/e", "d/e/a", "a/x", "none/a")
"""Names of files and directories, as it comes; some lie in files, or in no directory."""
BYTES = st.binary(max_size=40) | st.sampled_from([bytes(5000), b"x" * 4097])
paths = st.sampled_from(PATHS)
offsets = st.sampled_from([0, 0, 1, 7, 511, 512, 4096, 9000, -1])
handles = st.integers(0, 5)
OPERATION = st.one_of(
    st.tuples(st.just("create"), paths),
    st.tuples(st.just("create"), paths),
    st.tuples(st.just("open"), paths),
    st.tuples(st.just("write"), handles, offsets, BYTES),
    st.tuples(st.just("write"), handles, offsets, BYTES),
    st.tuples(st.just("sync"), handles),
    st.tuples(st.just("truncate"), handles, offsets),
    st.tuples(st.just("read"), paths, offsets, st.integers(0, 6000)),
    st.tuples(st.just("size"), paths),
    st.tuples(st.just("list"), paths),
    st.tuples(st.just("make_directory"), paths),
    st.tuples(st.just("replace"), paths, BYTES),
    st.tuples(st.just("rename"), paths, paths),
    st.tuples(st.just("remove"), paths),
    st.tuples(st.just("lock"), handles, st.booleans()),
    st.tuples(st.just("unlock"), handles),
    st.tuples(st.just("close"), handles),
)
STEPS = st.lists(st.tuples(st.booleans(), OPERATION), min_size=10, max_size=40)
BEFORE: list[tuple[bool, tuple[Any, ...]]] = [
    (False, ("make_directory", "d/e")),
    (False, ("create", "a")),
    (True, ("open", "a")),
    (True, ("create", "d/a")),
    (False, ("open", "d/a")),
    (True, ("replace", "d/e/a", b"text")),
]
"""So that most steps find something; the bool says which view does it."""


class Run:
    """Operations on one pair of views. Files are called by how many were opened before them."""

    def __init__(self, pair: Pair, directory: Path) -> None:
        self._pair = pair
        self._directory = directory
        self.opened: list[tuple[int, int]] = []
        """View and number."""
        self.closed: set[int] = set()

    def do(self, view: int, operation: tuple[Any, ...]) -> object:
        """What it returns, or its errno."""
        try:
            return self._do(view, *operation)
        except OSError as error:
            assert error.errno is not None
            return errno.errorcode[error.errno], type(error)

    def _do(self, view: int, name: str, *arguments: Any) -> object:
        if name in ("create", "open"):
            fd = getattr(self._pair[view], name)(self._directory / arguments[0])
            self.opened.append((view, fd))
            return "opened"
        if name in ("write", "sync", "truncate", "lock", "unlock", "close"):
            return self._with_open_file(name, *arguments)
        disk = self._pair[view]
        here = [self._directory / part if isinstance(part, str) else part for part in arguments]
        return getattr(disk, name)(*here)

    def _with_open_file(self, name: str, handle: int, *arguments: Any) -> object:
        if handle >= len(self.opened):
            return None
        view, fd = self.opened[handle]
        disk = self._pair[view]
        if name == "lock":
            return disk.lock(fd, shared=arguments[0])
        if name == "close":
            self.closed.add(handle)
        return getattr(disk, name)(fd, *arguments)

    def end(self) -> None:
        for handle, (view, fd) in enumerate(self.opened):
            if handle not in self.closed:
                self._pair[view].close(fd)


def has_another(run: Run, operation: tuple[Any, ...]) -> bool:
    """Was the file closed, and its number given to another since? That is a test of its own."""
    handle = operation[1]
    if not isinstance(handle, int) or handle not in run.closed:
        return False
    _, fd = run.opened[handle]
    alive = (n for n in range(len(run.opened)) if n not in run.closed)
    return any(run.opened[n][1] == fd for n in alive)


@settings(max_examples=150, deadline=None)
@given(steps=STEPS)
def test_any_operations_have_the_same_results(steps: list[tuple[bool, tuple[Any, ...]]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        runs = Run(real(), directory), Run(simulated(directory), directory)
        for view, operation in BEFORE + steps:
            if any(has_another(run, operation) for run in runs):
                continue
            if operation[0] == "size" and (directory / operation[1]).is_dir():
                continue  # nobody says how large a directory is
            expected, found = (run.do(int(view), operation) for run in runs)
            assert found == expected, operation
        for path in PATHS:
            for look in ("list", path), ("read", path, 0, 20_000):
                expected, found = (run.do(0, look) for run in runs)
                assert found == expected, look
        for run in runs:
            run.end()


# --- clauses -------------------------------------------------------------------------------------


def write_file(disk: Disk, path: Path, data: bytes) -> None:
    fd = disk.create(path)
    disk.write(fd, 0, data)
    disk.close(fd)


def test_a_gap_that_was_never_written_reads_as_zeros(disk: Disk, tmp_path: Path) -> None:
    fd = disk.create(tmp_path / "file")
    disk.write(fd, 3, b"abc")
    disk.truncate(fd, 8)
    disk.close(fd)
    assert disk.read(tmp_path / "file", 0, 100) == b"\0\0\0abc\0\0"


def test_what_was_cut_off_does_not_come_back(disk: Disk, tmp_path: Path) -> None:
    fd = disk.create(tmp_path / "file")
    disk.write(fd, 0, b"secret")
    disk.truncate(fd, 1)
    disk.truncate(fd, 6)
    disk.close(fd)
    assert disk.read(tmp_path / "file", 0, 100) == b"s\0\0\0\0\0"


def test_an_open_file_outlives_its_name(disk: Disk, tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_file(disk, path, b"old")
    fd = disk.open(path)
    disk.replace(path, b"new")
    disk.write(fd, 0, b"gone")
    disk.sync(fd)
    assert disk.read(path, 0, 100) == b"new"
    disk.remove(path)
    disk.write(fd, 0, b"gone")
    disk.close(fd)
    assert disk.list(tmp_path) == []


def test_an_open_file_keeps_its_content_when_it_is_renamed(disk: Disk, tmp_path: Path) -> None:
    fd = disk.create(tmp_path / "one")
    write_file(disk, tmp_path / "two", b"two")
    disk.rename(tmp_path / "one", tmp_path / "two")
    disk.write(fd, 0, b"one")
    disk.close(fd)
    assert disk.list(tmp_path) == ["two"]
    assert disk.read(tmp_path / "two", 0, 100) == b"one"


def test_a_directory_moves_with_all_that_is_in_it(disk: Disk, tmp_path: Path) -> None:
    disk.make_directory(tmp_path / "old" / "inner")
    write_file(disk, tmp_path / "old" / "inner" / "file", b"data")
    assert disk.list(tmp_path / "old" / "inner") == ["file"]
    disk.rename(tmp_path / "old", tmp_path / "new")
    assert disk.list(tmp_path / "old" / "inner") == []
    assert disk.read(tmp_path / "new" / "inner" / "file", 0, 100) == b"data"
    with pytest.raises(OSError) as caught:
        disk.rename(tmp_path / "new", tmp_path / "new" / "inner" / "deeper")
    assert caught.value.errno == errno.EINVAL


def test_the_number_of_a_closed_file_is_given_to_the_next(disk: Disk, tmp_path: Path) -> None:
    """So that who goes on with it meets another file, as it may happen on the night."""
    first = disk.create(tmp_path / "first")
    second = disk.create(tmp_path / "second")
    disk.close(first)
    third = disk.create(tmp_path / "third")
    disk.write(first, 0, b"meant for the first")
    assert (third, disk.size(tmp_path / "third")) == (first, 19)
    disk.close(second)
    disk.close(third)


def test_locks_of_two_views_exclude_each_other_unless_both_are_shared(
    pair: Pair, tmp_path: Path
) -> None:
    one, two = pair
    first = one.create(tmp_path / "lock")
    second = two.open(tmp_path / "lock")
    assert one.lock(first)
    assert not two.lock(second)
    assert not two.lock(second, shared=True)
    assert one.lock(first, shared=True), "the holder may change its kind"
    assert two.lock(second, shared=True)
    assert not one.lock(first), "not while another holds it"
    assert two.lock(second), "who asked for another kind in vain has lost its own"
    two.unlock(second)
    assert one.lock(first, wait=True)
    one.close(first)
    assert two.lock(second)
    two.close(second)


def test_a_lock_belongs_to_the_opening_and_not_to_the_process(disk: Disk, tmp_path: Path) -> None:
    first = disk.create(tmp_path / "lock")
    second = disk.open(tmp_path / "lock")
    assert disk.lock(first)
    assert not disk.lock(second)
    disk.rename(tmp_path / "lock", tmp_path / "other")
    assert not disk.lock(second), "a lock is the file's, whatever its name"
    third = disk.create(tmp_path / "lock")
    assert disk.lock(third), "another file of that name has another lock"
    for fd in (first, second, third):
        disk.close(fd)


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Disk]:
    disks = Disks(random.Random(1))
    disks.mount(tmp_path, capacity_bytes=10_000)
    yield disks.port(DiskProcess(1))


def test_a_full_disk_takes_what_fits_and_says_so(full: Disk, tmp_path: Path) -> None:
    """As tmpfs and ext4 do; tests/fault has a real one."""
    fd = full.create(tmp_path / "file")
    with pytest.raises(OSError) as caught:
        full.write(fd, 0, bytes(12_000))
    assert caught.value.errno == errno.ENOSPC
    assert full.size(tmp_path / "file") == 10_000
    full.write(fd, 0, bytes(10_000))
    full.truncate(fd, 9_000)
    full.write(fd, 9_000, bytes(1_000))
    full.close(fd)
