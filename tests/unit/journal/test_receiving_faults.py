"""Whatever breaks, and whenever: the target is what it was, and a repeated attempt works."""

from __future__ import annotations

import errno
import shutil
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import pytest
from breaking_disk import BreakingDisk, How, PowerCut
from journals import Source, named, quick_world, seen, small_source, take_in, tree

from hairpin.errors import EngineDown, HairpinError
from hairpin.frame import Kind
from hairpin.journal.disk import DiskJournal
from hairpin.journal.receiving import receive
from hairpin.journal.snapshot import Snapshot
from hairpin.world import real_world

OPERATIONS_MAX = 200


class Case:
    """A target before, the stream that it is to receive, and how it is afterwards."""

    def __init__(self, place: Path, incremental: bool) -> None:
        source, one, two = small_source(place / "source")
        self.source: Source = source
        self.target = place / "data"
        self.target.mkdir()
        self.journal = self.target / "journal"
        self.before: dict[int, list[bytes]] = {}
        self.stream = source.stream(two, one if incremental else None)
        if incremental:
            take_in(self.journal, source.stream(one))
            self.before = {1: [b"a0", b"a1"], 2: [b"b0"], 3: []}
        self.after = {1: [b"a0", b"a1", b"a2"], 2: [b"b0"], 3: [b"c0"], 4: [b"d0", b"d1"], 5: []}
        self.names_before = ["one"] if incremental else []
        self.names_after = ["one", "two"] if incremental else ["two"]
        assert seen(self.journal) == self.before
        self.two: Snapshot = two
        self._kept = place / "kept"
        shutil.copytree(self.target, self._kept)
        self._kept_target = self.target

    def again(self) -> None:
        """As at the beginning."""
        for path in (self.target, self.target.with_name("data-after")):
            if path.exists():
                shutil.rmtree(path)
        shutil.copytree(self._kept, self.target)

    def is_as_before(self, target: Path) -> bool:
        journal = target / "journal"
        return (seen(journal), named(journal)) == (self.before, self.names_before)

    def is_received(self, target: Path) -> bool:
        journal = target / "journal"
        return (seen(journal), named(journal)) == (self.after, self.names_after)


@pytest.fixture(params=[False, True], ids=["full", "incremental"])
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    return Case(tmp_path, request.param)


@pytest.mark.parametrize("how", [How.BEFORE, How.AFTER, How.DEAD])
def test_a_disk_that_fails_at_any_operation_changes_nothing(case: Case, how: How) -> None:
    for at in range(OPERATIONS_MAX):
        case.again()
        untouched = tree(case.target)
        disk = BreakingDisk(at, how, case.target)
        try:
            receive(real_world(disk=disk), case.journal, BytesIO(case.stream).read)
        except EngineDown as error:
            assert error.remedy
            if case.is_received(case.target):
                # The very change that commits was made, and only then failed: it is said.
                assert "was received" in error.message
                assert how is How.AFTER
                continue
        else:
            assert case.is_received(case.target)
            if not disk.broke:
                break
            continue  # what failed was tidying up
        assert case.is_as_before(case.target), at
        if how is not How.DEAD:
            assert tree(case.target) == untouched, at
        take_in(case.journal, case.stream)
        assert case.is_received(case.target), at
    else:
        raise AssertionError("it never came to its end")
    assert at > 10


def test_a_power_cut_at_any_operation_leaves_the_old_or_the_new(case: Case) -> None:
    for at in range(OPERATIONS_MAX):
        case.again()
        disk = BreakingDisk(at, How.POWER, case.target)
        with suppress(PowerCut):
            receive(real_world(disk=disk), case.journal, BytesIO(case.stream).read)
        if not disk.broke:
            break
        shutil.rmtree(case.target)
        disk.after.rename(case.target)
        if case.is_received(case.target):
            continue
        assert case.is_as_before(case.target), at
        take_in(case.journal, case.stream)
        assert case.is_received(case.target), at
    else:
        raise AssertionError("it never came to its end")
    assert at > 10


def test_a_full_disk_is_named_and_leaves_no_bytes_behind(case: Case) -> None:
    untouched = tree(case.target)
    disk = BreakingDisk(5, How.BEFORE, case.target, errno.ENOSPC)
    with pytest.raises(EngineDown, match="No space left on device") as refused:
        receive(real_world(disk=disk), case.journal, BytesIO(case.stream).read)
    assert "Nothing was changed" in refused.value.remedy
    assert tree(case.target) == untouched


def test_a_stream_that_ends_anywhere_changes_nothing(case: Case) -> None:
    untouched = tree(case.target)
    for size_bytes in [*range(0, len(case.stream), 37), len(case.stream) - 1]:
        with pytest.raises(HairpinError, match="interrupted"):
            take_in(case.journal, case.stream[:size_bytes])
        assert tree(case.target) == untouched
    take_in(case.journal, case.stream)
    assert case.is_received(case.target)


def test_a_pipe_that_breaks_changes_nothing(case: Case) -> None:
    untouched = tree(case.target)
    pipe = BytesIO(case.stream)

    def read(size_bytes: int) -> bytes:
        if pipe.tell() > len(case.stream) - 100:
            raise EngineDown("cannot read the stream: Input/output error")
        return pipe.read(size_bytes)

    with pytest.raises(EngineDown, match="cannot read"):
        receive(quick_world(), case.journal, read)
    assert tree(case.target) == untouched


def test_what_an_interrupted_attempt_left_does_not_mix_with_another_stream(tmp_path: Path) -> None:
    """The power goes when the segments of `two` have their names; then `three` is sent instead."""
    case = Case(tmp_path, incremental=True)
    source = case.source
    source.write(2, b"b1")
    three = source.take("three")
    one = source.snapshots.read("one")
    for at in range(OPERATIONS_MAX):
        case.again()
        disk = BreakingDisk(at, How.POWER, case.target)
        with suppress(PowerCut):
            receive(real_world(disk=disk), case.journal, BytesIO(case.stream).read)
        if not disk.broke:
            break
        shutil.rmtree(case.target)
        disk.after.rename(case.target)
        if case.is_received(case.target):
            continue
        take_in(case.journal, source.stream(three, one))
        assert seen(case.journal) == {**case.after, 2: [b"b0", b"b1"]}
        assert named(case.journal) == ["one", "three"]


def test_a_copy_that_is_taken_over_after_an_interrupted_attempt_has_nothing_of_it(
    tmp_path: Path,
) -> None:
    """The power goes at any time; then, instead of another attempt, somebody writes to the copy."""
    case = Case(tmp_path, incremental=True)
    for at in range(OPERATIONS_MAX):
        case.again()
        disk = BreakingDisk(at, How.POWER, case.target)
        with suppress(PowerCut):
            receive(real_world(disk=disk), case.journal, BytesIO(case.stream).read)
        if not disk.broke:
            break
        shutil.rmtree(case.target)
        disk.after.rename(case.target)
        if case.is_received(case.target):
            continue
        DiskJournal.open(quick_world(), case.journal).writer().commit(Kind.ANSWERS, b"mine", 1)
        own = max(seen(case.journal))
        assert seen(case.journal) == {**case.before, own: [b"mine"]}
        assert named(case.journal) == ["one"]
        assert not list(case.journal.glob("*.received"))
