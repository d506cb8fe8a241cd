"""The rules of docs/internals/journal.md, by their numbers. Each test cites the rule it proves."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from mirror_disk import MirrorDisk

from hairpin.errors import DataDamaged, EngineDown, YourMistake
from hairpin.frame import Kind
from hairpin.journal import StrandLost, Writer
from hairpin.journal.disk import DiskJournal
from hairpin.journal.label import LABEL, State, decode_label
from hairpin.journal.names import segment_name
from hairpin.journal.reader import StrandReader
from hairpin.world import real_world

STALL_MS = 1_000.0


class Stand:
    """A journal in `n` mirrors, and what one does to it."""

    def __init__(self, place: Path, n: int) -> None:
        self.disk = MirrorDisk()
        self.world = real_world(disk=self.disk)
        self.places = [place / name for name in "abcd"[:n]]
        self.journal = DiskJournal.create(self.world, *self.places, stall_ms=STALL_MS)
        self._open: list[Writer] = []

    def reopen(self, *places: Path, degraded: bool = False, impatient: bool = False) -> DiskJournal:
        return DiskJournal.open(
            self.world,
            *(places or self.places),
            degraded=degraded,
            stall_ms=STALL_MS,
            impatient=impatient,
        )

    def writer(self, journal: DiskJournal | None = None) -> Writer:
        writer = (journal or self.journal).writer()
        self._open.append(writer)
        return writer

    def die(self, writer: Writer) -> int:
        """As by kill -9: its locks are free, nothing is sealed."""
        for place in self.places:
            self.disk.mend(place)
        for copy in writer._copies:  # type: ignore[attr-defined]
            copy.close()
        self._open.remove(writer)
        return writer.incarnation

    def content(self, place: Path, incarnation: int = 1, segment: int = 0) -> bytes:
        return (place / segment_name(incarnation, segment)).read_bytes()

    def bodies(self, incarnation: int = 1, journal: DiskJournal | None = None) -> list[bytes]:
        return [f.body for f in (journal or self.journal).follow(incarnation).read()]

    def states(self, place: Path) -> dict[str, str]:
        """State by directory name, as the label in `place` says."""
        label = decode_label((place / LABEL).read_bytes(), place / LABEL)
        return {Path(entry.directory).name: str(entry.state) for entry in label.mirrors}

    def flip(self, place: Path, at: int, incarnation: int = 1) -> None:
        path = place / segment_name(incarnation, 0)
        data = bytearray(path.read_bytes())
        data[at] ^= 0x40
        path.write_bytes(data)

    def end(self) -> None:
        for place in self.places:
            self.disk.mend(place)
        for writer in self._open:
            writer._end_lanes()  # type: ignore[attr-defined]


@pytest.fixture
def stand(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Stand]:
    stand = Stand(tmp_path, getattr(request, "param", 2))
    yield stand
    stand.end()


one = pytest.mark.parametrize("stand", [1], indirect=True)
three = pytest.mark.parametrize("stand", [3], indirect=True)
any_number = pytest.mark.parametrize("stand", [1, 2, 3], indirect=True)


def write(writer: Writer, *bodies: bytes) -> None:
    for body in bodies:
        writer.commit(Kind.ANSWERS, body, 1)


# --- J1: append-only, the same bytes in every mirror ---------------------------------------------


@any_number
def test_j1_every_mirror_holds_the_same_bytes(stand: Stand) -> None:
    writer = stand.writer()
    write(writer, b"one", b"two")
    writer.roll()
    write(writer, b"three")
    writer.seal()
    for segment in (0, 1):
        assert len({stand.content(place, 1, segment) for place in stand.places}) == 1
    assert stand.bodies() == [b"one", b"two", b"three", b""]


# --- J2: one mirror, only the last, torn frame may be dropped ------------------------------------


@one
def test_j2_alone_a_torn_last_frame_is_dropped_and_anything_else_is_damage(stand: Stand) -> None:
    writer = stand.writer()
    write(writer, b"one", b"two", b"three")
    stand.die(writer)
    path = stand.places[0] / segment_name(1, 0)
    path.write_bytes(path.read_bytes()[:-1])
    end = stand.journal.fence(1)
    assert end is not None
    assert (end.frames, end.dropped_bytes > 0) == (2, True)
    stand.flip(stand.places[0], 57)
    with pytest.raises(DataDamaged, match="byte 0"):
        stand.bodies()


# --- J3, J4: two mirrors -------------------------------------------------------------------------


def test_j3_of_two_mirrors_both_acknowledge(stand: Stand) -> None:
    writer = stand.writer()
    stand.disk.log.clear()
    write(writer, b"one")
    synced = {path.parent for what, path in stand.disk.log if what == "sync"}
    assert synced == set(stand.places)


@pytest.mark.parametrize("which", [0, 1])
def test_j4_a_mirror_that_hangs_is_ejected_and_the_node_is_degraded(
    stand: Stand, which: int
) -> None:
    writer = stand.writer()
    write(writer, b"before")
    slow, good = stand.places[which], stand.places[1 - which]
    stand.disk.hang(slow)
    write(writer, b"during")
    assert writer.degraded == [str(slow)]
    assert stand.states(good)[slow.name] == State.STALE
    write(writer, b"after")
    assert stand.bodies() == [b"before", b"during", b"after"]


def test_j4_it_catches_up_when_it_wakes(stand: Stand) -> None:
    writer = stand.writer()
    write(writer, b"before")
    stand.disk.hang(stand.places[1])
    write(writer, b"during")
    stand.disk.mend(stand.places[1])
    wait_on(writer, 2)
    write(writer, b"after")
    assert stand.content(stand.places[0]) == stand.content(stand.places[1])


# --- J5: a majority of three ---------------------------------------------------------------------


@three
def test_j5_of_three_mirrors_a_majority_acknowledges(stand: Stand) -> None:
    writer = stand.writer()
    stand.disk.hang(stand.places[2])
    write(writer, b"one")
    assert writer.degraded == []
    assert stand.content(stand.places[2]) == b""


@three
def test_j5_two_that_fail_are_both_ejected(stand: Stand) -> None:
    writer = stand.writer()
    stand.disk.fail(stand.places[0], "write")
    stand.disk.fail(stand.places[1], "sync")
    write(writer, b"one")
    assert stand.states(stand.places[2]) == {"a": "stale", "b": "stale", "c": "member"}
    assert stand.bodies() == [b"one"]


# --- J6: membership is durable before the acknowledgement ----------------------------------------


def test_j6_the_label_says_who_is_left_before_the_frame_is_acknowledged(stand: Stand) -> None:
    writer = stand.writer()
    stand.disk.fail(stand.places[1], "sync")
    stand.disk.fail(stand.places[0], "replace")
    with pytest.raises(EngineDown):
        write(writer, b"one")
    stand.disk.mend(stand.places[0])
    write(writer, b"two")
    assert stand.states(stand.places[0])["b"] == State.STALE


def test_j6_a_stale_mirror_is_known_as_one(stand: Stand) -> None:
    writer = stand.writer()
    write(writer, b"one")
    stand.disk.fail(stand.places[1])
    write(writer, b"two")
    stand.die(writer)
    again = stand.reopen()
    assert [mirror.directory for mirror in again.mirrors.members()] == [stand.places[0]]
    assert stand.bodies(journal=again) == [b"one", b"two"]


def test_j6_two_processes_never_go_on_without_each_others_mirror(stand: Stand) -> None:
    first, second = stand.writer(), stand.writer(stand.reopen())
    stand.disk.fail(stand.places[0], "write")
    write(first, b"without a")
    stand.disk.mend(stand.places[0])
    stand.disk.fail(stand.places[1], "write")
    with pytest.raises(EngineDown):
        write(second, b"without b")
    assert stand.states(stand.places[1]) == {"a": "stale", "b": "member"}


# --- J7: opening needs all members ---------------------------------------------------------------


@pytest.mark.parametrize("which", [0, 1])
def test_j7_opening_without_a_member_is_refused_unless_forced(stand: Stand, which: int) -> None:
    writer = stand.writer()
    write(writer, b"one")
    stand.die(writer)
    gone, here = stand.places[which], stand.places[1 - which]
    gone.rename(gone.with_name("away"))
    with pytest.raises(YourMistake, match=str(gone)) as told:
        stand.reopen()
    assert "--degraded" in told.value.remedy
    forced = stand.reopen(degraded=True)
    assert stand.bodies(journal=forced) == [b"one"]
    assert stand.states(here)[gone.name] == State.MEMBER
    stand.writer(forced)
    assert stand.states(here)[gone.name] == State.STALE


def test_j7_a_stale_mirror_alone_is_not_the_journal(stand: Stand) -> None:
    writer = stand.writer()
    write(writer, b"one")
    stand.disk.fail(stand.places[1])
    write(writer, b"two")
    stand.die(writer)
    stand.places[0].rename(stand.places[0].with_name("away"))
    with pytest.raises(YourMistake, match="missing"):
        stand.reopen(stand.places[1])


def test_j7_a_copied_directory_is_not_the_mirror_that_it_was_copied_from(
    stand: Stand, tmp_path: Path
) -> None:
    write(stand.writer(), b"one")
    copied = tmp_path / "copied"
    shutil.copytree(stand.places[0], copied)
    with pytest.raises(YourMistake, match="is a copy of") as told:
        stand.reopen(copied)
    assert "send" in told.value.remedy


def test_j7_a_mirror_that_was_moved_is_found_where_it_is_named(
    stand: Stand, tmp_path: Path
) -> None:
    stand.die(stand.writer())
    moved = tmp_path / "moved"
    stand.places[0].rename(moved)
    again = stand.reopen(moved)
    assert [m.directory for m in again.mirrors.members()] == [moved, stand.places[1]]


# --- J8: a hung disk freezes nobody --------------------------------------------------------------


@pytest.mark.parametrize("which", [0, 1])
def test_j8_birth_and_end_of_a_strand_wait_for_no_hung_disk(stand: Stand, which: int) -> None:
    stand.disk.hang(stand.places[which])
    writer = stand.writer()
    write(writer, b"one")
    writer.seal()
    assert stand.bodies() == [b"one", b""]


def test_j8_while_all_hang_answers_are_refused_and_go_on_after(stand: Stand) -> None:
    writer = stand.writer()
    for place in stand.places:
        stand.disk.hang(place)
    for _ in range(3):
        with pytest.raises(EngineDown):
            write(writer, b"refused")
    for place in stand.places:
        stand.disk.mend(place)
    wait_taken(writer, b"taken")
    assert stand.bodies()[-1] == b"taken"


# --- J9: a failed sync ---------------------------------------------------------------------------


@one
def test_j9_alone_a_frame_whose_sync_failed_is_written_elsewhere(stand: Stand) -> None:
    writer = stand.writer()
    write(writer, b"one")
    failed = stand.disk.sync
    calls: list[int] = []

    def sync(fd: int) -> None:
        calls.append(fd)
        if len(calls) == 1:
            raise OSError(5, "Input/output error")
        failed(fd)

    stand.disk.sync = sync  # type: ignore[method-assign]
    write(writer, b"two")
    assert stand.bodies() == [b"one", b"two"]
    assert b"two" in stand.content(stand.places[0], 1, 1)


def test_j9_what_a_mirror_held_when_its_sync_failed_is_written_anew(stand: Stand) -> None:
    writer = stand.writer()
    write(writer, b"one")
    stand.disk.fail(stand.places[1], "sync")
    write(writer, b"two")
    stand.disk.mend(stand.places[1])
    stand.disk.log.clear()
    wait_on(writer, 2)
    renamed = [path for what, path in stand.disk.log if what == "rename"]
    assert [path.parent for path in renamed] == [stand.places[1]]
    assert stand.content(stand.places[0]) == stand.content(stand.places[1])


@pytest.mark.parametrize("which", [0, 1])
def test_j6_an_old_copy_that_is_put_back_is_stale(stand: Stand, which: int) -> None:
    def term(body: bytes) -> DiskJournal:
        journal = stand.reopen()
        journal.begin_term()
        writer = stand.writer(journal)
        write(writer, body)
        stand.die(writer)
        return journal

    term(b"one")
    back, other = stand.places[which], stand.places[1 - which]
    shutil.copytree(back, back.with_name("old"))
    term(b"two")
    shutil.rmtree(back)
    back.with_name("old").rename(back)
    journal = stand.reopen()
    journal.begin_term()
    assert [mirror.directory for mirror in journal.mirrors.members()] == [other]
    assert stand.states(other)[back.name] == State.STALE


@pytest.mark.parametrize("which", [0, 1])
def test_j8_who_reads_while_a_mirror_hangs_waits_once_and_goes_on(stand: Stand, which: int) -> None:
    writer = stand.writer()
    write(writer, b"one", b"two")
    journal = stand.reopen(impatient=True)
    reader = journal.follow(1)
    assert next(reader.read(1)).body == b"one"
    for what in ("read", "list", "size"):
        stand.disk.hang(stand.places[which], what)
    assert [frame.body for frame in reader.read(2)] == [b"two"]
    write(writer, b"three")
    assert [frame.body for frame in reader.read(3)] == [b"three"]
    assert journal.incarnations() == [1]


@pytest.mark.parametrize("which", [0, 1])
def test_j8_a_strand_that_one_mirror_never_heard_of_ends_where_the_other_says(
    stand: Stand, which: int
) -> None:
    """Its writer died while it was being born."""
    stand.die(stand.writer())
    for path in stand.places[which].glob("00000001*"):
        path.unlink()
    end = stand.journal.fence(1)
    assert end is not None
    assert end.sealed
    assert stand.content(stand.places[0]) == stand.content(stand.places[1])


@one
def test_j6_a_writer_whose_disk_was_away_does_not_write_behind_a_fence(stand: Stand) -> None:
    writer = stand.writer()
    write(writer, b"one")
    stand.disk.fail(stand.places[0], "write", "truncate")
    with pytest.raises(EngineDown):
        write(writer, b"refused")
    (copy,) = writer._copies  # type: ignore[attr-defined]
    stand.disk.unlock(copy._lock_fd)  # as when the file system comes back as another one
    stand.disk.mend(stand.places[0])
    assert stand.journal.fence(1) is not None
    with pytest.raises(StrandLost):
        write(writer, b"behind the fence")
    assert stand.bodies() == [b"one"]


@three
def test_j6_a_mirror_that_missed_an_ejection_hears_of_it_with_the_next_one(stand: Stand) -> None:
    writer = stand.writer()
    write(writer, b"one")
    a, b, c = stand.places
    stand.die(writer)
    # C was ejected, and the writer died before it could tell B.
    entries = {e.directory: e for e in stand.journal.mirrors.label.mirrors}
    gone = msgspec.structs.replace(entries[str(c)], state=State.STALE)
    stand.journal.mirrors.change(stand.journal.mirrors.members()[0], lambda la: la.changed(gone))
    writer = stand.writer(stand.reopen())
    stand.disk.fail(a, "write")
    write(writer, b"two")
    assert stand.states(b) == {"a": "stale", "b": "member", "c": "stale"}


# --- J10: reading heals --------------------------------------------------------------------------


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("at", [2, 40, 60, 130, 170])
def test_j10_a_flipped_byte_is_healed_from_the_other_mirror(
    stand: Stand, which: int, at: int
) -> None:
    writer = stand.writer()
    write(writer, b"1" * 20, b"2" * 20, b"3" * 20)
    whole = stand.content(stand.places[0])
    stand.die(writer)
    stand.flip(stand.places[which], at)
    reader = stand.journal.follow(1)
    if which:
        reader.source = stand.journal.mirrors.members()[1]  # type: ignore[attr-defined]
    assert [frame.body[:1] for frame in reader.read()] == [b"1", b"2", b"3"]
    assert stand.content(stand.places[which]) == whole
    health = stand.journal.mirrors.health._news
    assert [(h.read_errors, h.healed) for h in health.values()] == [(1, 1)]


def test_j10_good_is_never_overwritten_with_bad(stand: Stand) -> None:
    writer = stand.writer()
    write(writer, b"1" * 20, b"2" * 20, b"3" * 20)
    whole = stand.content(stand.places[0])
    stand.die(writer)
    stand.flip(stand.places[0], 60)
    stand.flip(stand.places[1], 140)
    for mirror in stand.journal.mirrors.members():
        reader = StrandReader(stand.journal.mirrors, 1)
        reader.source = mirror
        assert [frame.body[:1] for frame in reader.read()] == [b"1", b"2", b"3"]
    assert [stand.content(place) for place in stand.places] == [whole, whole]


def test_j10_when_all_copies_are_bad_the_range_is_named_and_the_rest_is_readable(
    stand: Stand,
) -> None:
    writer = stand.writer()
    write(writer, b"1" * 20, b"2" * 20, b"3" * 20, b"4" * 20)
    stand.die(writer)
    before = [stand.content(place) for place in stand.places]
    for place in stand.places:
        stand.flip(place, 76 + 60)
    reader = stand.journal.follow(1)
    with pytest.raises(DataDamaged, match=r"at byte 76, after 1 frames.*no better in 1 other"):
        list(reader.read())
    assert reader.skip() == 2  # type: ignore[attr-defined]
    assert [frame.body[:1] for frame in reader.read()] == [b"3", b"4"]
    assert before != [stand.content(place) for place in stand.places]


# -----------------------------------------------------------------------------------------------


def wait_on(writer: Writer, copies: int) -> None:
    """Until so many mirrors take part. A mirror that failed is tried again after seconds."""
    for _ in range(1000):
        for copy in writer._copies:  # type: ignore[attr-defined]
            copy.retry_at_ms = 0.0
        writer.tend()
        if len(writer._on()) == copies:  # type: ignore[attr-defined]
            return
        time.sleep(0.005)
    raise AssertionError("the mirror does not come back")


def wait_taken(writer: Writer, body: bytes) -> None:
    for _ in range(1000):
        try:
            write(writer, body)
        except EngineDown:
            time.sleep(0.005)
            continue
        return
    raise AssertionError("the journal does not write again")
