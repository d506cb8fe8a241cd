"""Cases that simulated lives of the journal found (`sim/journal_life.py`), each by itself.

They cite the rules of docs/internals/journal.md that they broke.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from cared_journal import Cared, bring_up, settle, write

from hairpin.errors import EngineDown, HairpinError, YourMistake
from hairpin.journal.copy import Copy
from hairpin.journal.label import Entry, Label, State, in_force
from hairpin.journal.level import level_file
from hairpin.journal.names import lock_name, segment_name


@pytest.fixture
def cared(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Cared]:
    cared = Cared(tmp_path, getattr(request, "param", 2))
    yield cared
    cared.end()


one = pytest.mark.parametrize("cared", [1], indirect=True)
three = pytest.mark.parametrize("cared", [3], indirect=True)


def path_of(cared: Cared, which: int, incarnation: int = 1, segment: int = 0) -> Path:
    return cared.places[which] / segment_name(incarnation, segment)


# --- reading: silence is no end ---------------------------------------------


def test_j10_a_strand_does_not_end_where_no_mirror_can_be_read(cared: Cared) -> None:
    cared.dead([b"one"], [b"two"])
    for which in (0, 1):
        path = path_of(cared, which, segment=1)
        path.unlink()
        path.mkdir()  # which cannot be read as a file
    with pytest.raises(EngineDown, match="the end cannot be seen"):
        cared.bodies()


def test_j10_strands_are_not_gone_because_no_mirror_lists_them(cared: Cared) -> None:
    cared.dead([b"one"])
    journal = cared.reopen()
    cared.disk.fail(cared.place, "list")
    with pytest.raises(EngineDown, match="cannot read"):
        journal.incarnations()


def test_j10_a_frame_that_was_refused_is_not_taken_from_a_stale_mirror(cared: Cared) -> None:
    """It was written in one mirror only, which was ejected then; the member's own is bad."""
    writer = cared.born()
    write(writer, b"known")
    settle(writer)
    known = path_of(cared, 0).read_bytes()
    write(writer, b"given up")
    cared.die(writer)
    path_of(cared, 0).write_bytes(known + bytes(64))
    stale = msgspec.structs.replace(
        cared.journal.mirrors.label.mirrors[1], state=State.STALE, why="for this test"
    )
    cared.journal.mirrors.agree(lambda label: label.changed(stale))
    follower = cared.reopen().follow(1)
    with pytest.raises(HairpinError):
        list(follower.read(2))
    assert follower.frames == 1
    assert path_of(cared, 0).read_bytes() == known + bytes(64)


# --- writing ---------------------------------------------


def test_j1_no_frame_is_written_behind_one_that_is_missing(cared: Cared) -> None:
    """It waited already when the one before it failed."""
    writer = cared.born()
    write(writer, b"one")
    copy: Copy = writer._copies[0]  # type: ignore[attr-defined]
    known = copy.level
    assert known is not None
    further = (known[0], known[1] + 100)
    with pytest.raises(OSError, match="a frame before it failed"):
        copy.write(*further, b"behind a hole", further)
    assert len(path_of(cared, 0).read_bytes()) == known[1]


def test_j3_nothing_is_acknowledged_by_a_mirror_that_is_no_member(cared: Cared) -> None:
    """Members have left one after the other; what is left is being filled."""
    writer = cared.born()
    cared.disk.fail(cared.places[1], "write")
    write(writer, b"on a alone")
    cared.disk.mend(cared.places[1])
    bring_up(writer)
    assert cared.states()["b"] == State.STALE
    writer._copies[0].on = False  # type: ignore[attr-defined]
    with pytest.raises(EngineDown, match="no member"):
        write(writer, b"on b alone")
    writer._copies[0].on = True  # type: ignore[attr-defined]


@one
def test_j9_who_has_lost_its_lock_begins_no_segment(cared: Cared) -> None:
    """The file system was away, and another process has ended the strand meanwhile."""
    writer = cared.born()
    write(writer, b"one")
    (cared.places[0] / lock_name(1)).unlink()
    assert cared.journal.fence(1) is not None
    writer.roll()
    with pytest.raises(EngineDown, match="away meanwhile"):
        write(writer, b"behind the end")
    assert cared.bodies() == {1: [b"one"]}


def test_a_strand_that_cannot_begin_leaves_no_file_open(cared: Cared) -> None:
    cared.journal.writer().seal()
    before = len(os.listdir("/proc/self/fd"))
    for place in cared.places:
        cared.disk.fail(place, "create")
    with pytest.raises(EngineDown):
        cared.journal.writer()
    assert len(os.listdir("/proc/self/fd")) <= before


@three
def test_j4_a_mirror_that_knows_no_locks_can_be_ejected(cared: Cared) -> None:
    """Its file system is gone, and every operation on what was open there fails."""
    writer = cared.born()
    write(writer, b"one")
    settle(writer)
    gone: Copy = writer._copies[2]  # type: ignore[attr-defined]
    os.close(gone._ejected_fd)
    cared.disk.fail(cared.places[1], "write")
    cared.disk.fail(cared.places[2], "write")
    write(writer, b"on a alone")
    assert cared.states()["c"] == State.STALE
    gone._ejected_fd = -1


def test_j8_a_birth_that_comes_too_late_takes_no_lock(cared: Cared) -> None:
    """The lock says that every frame is written there; this mirror was ejected meanwhile."""
    late = Copy(cared.disk, cared.mirror(1), 1)
    late.leaves()
    late.create()
    fd = cared.disk.open(cared.places[1] / lock_name(1))
    assert cared.disk.lock(fd)
    cared.disk.close(fd)
    late.close()


@three
def test_j7_two_processes_that_were_ejecting_when_the_power_went_are_no_two_histories(
    cared: Cared,
) -> None:
    """Neither had told all who stay, so that neither went on."""
    label = cared.journal.mirrors.label
    a, b, c = label.mirrors

    def without(entry: Entry) -> Label:
        return label.changed(msgspec.structs.replace(entry, state=State.STALE))

    found = {cared.places[0]: without(b), cared.places[2]: without(a)}
    assert in_force(found).members == (c.id,)
    alone = label.changed(*(msgspec.structs.replace(entry, state=State.STALE) for entry in (b, c)))
    with pytest.raises(YourMistake, match="went on alone"):
        in_force({cared.places[0]: alone, cared.places[2]: without(a)})


# --- ending a strand ---------------------------------------------


def test_j8_a_strand_is_not_ended_while_a_lock_cannot_be_asked(cared: Cared) -> None:
    """Its writer may live, and have no other mirror."""
    incarnation = cared.dead([b"one"])
    cared.disk.fail(cared.places[0], "open", "create")
    with pytest.raises(EngineDown, match="cannot ask in"):
        cared.journal.fence(incarnation)
    cared.disk.mend(cared.places[0])
    end = cared.journal.fence(incarnation)
    assert end is not None
    assert end.frames == 1


def test_j1_what_failed_writes_left_at_the_end_of_a_segment_is_cut_off(cared: Cared) -> None:
    cared.dead([b"one"], [b"two"])
    with path_of(cared, 0).open("ab") as file:
        file.write(b"refused")
    path_of(cared, 0, segment=2).touch()
    assert cared.files(0) != cared.files(1)
    assert cared.journal.fence(1) is not None
    assert cared.files(0) == cared.files(1)
    assert not cared.files(0)[path_of(cared, 0).name].endswith(b"refused")


def test_j9_the_last_frame_of_a_dead_writer_is_written_anew(cared: Cared) -> None:
    """Its sync may have failed just before: what is shown is not on the disk, though a sync of it
    succeeds."""
    cared.dead([b"one", b"two"])
    cared.disk.log.clear()
    assert cared.journal.fence(1) is not None
    written = {path.parent for what, path in cared.disk.log if what == "write"}
    assert written == set(cared.places)


# --- levelling ---------------------------------------------


@pytest.mark.parametrize("rewrite", [False, True])
def test_j10_a_damaged_file_is_no_model_for_another_one(cared: Cared, rewrite: bool) -> None:
    cared.dead([b"one" * 20, b"two" * 20])
    good, bad = path_of(cared, 0), path_of(cared, 1)
    whole = good.read_bytes()
    bad.write_bytes(whole[:-1] + b"?")
    with pytest.raises(OSError, match="damaged at byte"):
        level_file(cared.disk, bad, good, len(whole), rewrite=rewrite)
    assert good.read_bytes() == whole
