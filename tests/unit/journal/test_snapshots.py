"""Snapshots: one moment, immutable, on every mirror, of nothing but what is durable."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from disk_night import DiskNight
from faulty_disk import Fault, FaultyDisk
from journals import Source, changed, named, quick_world, seen, small_source, stream_of, take_in
from small_show import FR, answer

from hairpin import messages as m
from hairpin.errors import DataDamaged, EngineDown, YourMistake
from hairpin.frame import Frame
from hairpin.journal import Follower
from hairpin.journal.disk import DiskJournal
from hairpin.journal.snapshot import decode_snapshot, encode_snapshot, name_by_time
from hairpin.journal.snapshots import Snapshots
from hairpin.tally.recount import Recounter
from hairpin.world import real_world


def test_a_snapshot_holds_what_was_there_and_stays_while_the_journal_grows(tmp_path: Path) -> None:
    source, one, two = small_source(tmp_path / "journal")
    first, second = ({n: r.frames for n, r in s.incarnations.items()} for s in (one, two))
    assert first == {1: 2, 2: 1, 3: 0}
    assert second == {1: 3, 2: 1, 3: 1, 4: 2, 5: 0}
    assert source.snapshots.read("one") == one
    assert source.snapshots.all() == ([one, two], [])
    assert source.snapshots.latest() == two


def test_taking_one_writes_one_small_file_and_nothing_else(tmp_path: Path) -> None:
    source, _, _ = small_source(tmp_path / "journal")
    before = {path: path.read_bytes() for path in source.directory.rglob("*") if path.is_file()}
    source.take("three")
    after = {path: path.read_bytes() for path in source.directory.rglob("*") if path.is_file()}
    path = source.directory / "snapshots" / "three.json"
    assert len(after.pop(path)) < 2_000
    assert after == before


def test_its_head_is_the_one_that_a_recount_ends_with(tmp_path: Path) -> None:
    night = DiskNight(tmp_path / "journal")
    night.ask(0, [answer(1, country=FR)], [answer(2)])
    snapshot = Snapshots(night.world, night.journal.mirrors).take(night.journal)
    assert snapshot.head == Recounter(night.journal).run().head
    assert snapshot.name == name_by_time(snapshot.at_ms) == "2026-11-18T110800Z"


def test_two_within_a_second_get_two_names(tmp_path: Path) -> None:
    night = DiskNight(tmp_path / "journal")
    snapshots = Snapshots(night.world, night.journal.mirrors)
    names = [snapshots.take(night.journal).name for _ in range(3)]
    assert names == [names[0], f"{names[0]}-2", f"{names[0]}-3"]


@pytest.mark.parametrize("name", ["", ".", "../up", "a/b", "-x", "ünter", "a b", "x" * 81])
def test_names_are_plain(tmp_path: Path, name: str) -> None:
    source = Source(tmp_path / "journal")
    with pytest.raises(YourMistake, match="cannot have this name") as refused:
        source.take(name)
    assert "allowed: 1 to 80 of" in str(refused.value.findings[0])


def test_a_name_is_given_once(tmp_path: Path) -> None:
    source, one, _ = small_source(tmp_path / "journal")
    with pytest.raises(YourMistake, match="there is a snapshot one already"):
        source.take("one")
    source.snapshots.remove("one")
    assert source.take("one") != one


def test_deleting_one_leaves_the_frames(tmp_path: Path) -> None:
    source, _, _ = small_source(tmp_path / "journal")
    before = seen(source.directory)
    source.snapshots.remove("one")
    assert named(source.directory) == ["two"]
    assert seen(source.directory) == before
    with pytest.raises(YourMistake, match="there is no snapshot one") as refused:
        source.snapshots.remove("one")
    assert refused.value.remedy == "There are: two."


# --- what is durable ------------------------------------------------------------------------------


class Watching(FaultyDisk):
    """Notes which files were synced."""

    def __init__(self) -> None:
        super().__init__()
        self.synced: list[str] = []
        self._names: dict[int, str] = {}

    def open(self, path: Path) -> int:
        fd = super().open(path)
        self._names[fd] = path.name
        return fd

    def sync(self, fd: int) -> None:
        super().sync(fd)
        self.synced.append(self._names[fd])


def test_what_can_be_read_is_synced_before_the_snapshot_tells_of_it(tmp_path: Path) -> None:
    source, _, _ = small_source(tmp_path / "journal")
    disk = Watching()
    world = real_world(disk=disk)
    journal = DiskJournal.open(world, source.directory)
    Snapshots(world, journal.mirrors).take(journal, "three")
    assert disk.synced == [
        "00000001-0000.hpj",
        "00000001-0001.hpj",
        "00000002-0000.hpj",
        "00000003-0000.hpj",
        "00000004-0000.hpj",
        "00000005-0000.hpj",
    ]


def test_a_disk_that_cannot_sync_gives_no_snapshot(tmp_path: Path) -> None:
    source, _, _ = small_source(tmp_path / "journal")
    world = real_world(disk=FaultyDisk(Fault("sync")))
    journal = DiskJournal.open(world, source.directory)
    with pytest.raises(EngineDown, match="cannot make the journal durable"):
        Snapshots(world, journal.mirrors).take(journal, "three")
    assert named(source.directory) == ["one", "two"]


class Meanwhile:
    """A journal in which something happens each time that one strand was read to its end, or,
    `after` 0, that the strands were listed."""

    def __init__(self, journal: DiskJournal, after: int, deeds: Iterator[object]) -> None:
        self._journal = journal
        self._after = after
        self._deeds = deeds

    @property
    def id(self) -> int:
        return self._journal.id

    def incarnations(self) -> list[int]:
        found = self._journal.incarnations()
        if self._after == 0:
            next(self._deeds, None)
        return found

    def follow(self, incarnation: int) -> Follower:
        inner = self._journal.follow(incarnation)
        return Interrupted(inner, self._deeds) if incarnation == self._after else inner


class Interrupted:
    def __init__(self, inner: Follower, deeds: Iterator[object]) -> None:
        self._inner = inner
        self._deeds = deeds

    @property
    def frames(self) -> int:
        return self._inner.frames

    @property
    def chain(self) -> bytes:
        return self._inner.chain

    def read(self, upto_frames: int | None = None) -> Iterator[Frame]:
        yield from self._inner.read(upto_frames)
        next(self._deeds, None)


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize("after", [1, 2, 3])
def test_one_moment_although_a_question_goes_by_meanwhile(
    tmp_path: Path, after: int, at_once: bool
) -> None:
    """Of strand 1 (director), 2 and 3 (gates): no answer without its opening, no head that rests
    on frames which are not in the snapshot."""
    night = DiskNight(tmp_path / "journal")
    night.ask(0, [answer(1)], [answer(2)])

    def deeds() -> Iterator[None]:
        night.open(1)
        night.answers(0, [answer(1, question=1)])
        if not at_once:
            yield
        night.answers(1, [answer(2, question=1)])
        night.close(1)
        if not at_once:
            yield
        night.mark(1)
        night.publish()
        night.reveal(1)
        night.crash(0)
        yield

    snapshots = Snapshots(night.world, night.journal.mirrors)
    during = snapshots.take(Meanwhile(night.journal, after, deeds()), "during")
    take_in(tmp_path / "copy", stream_of(night.journal, during))
    Recounter(DiskJournal.open(quick_world(), tmp_path / "copy")).run()


def test_a_gate_that_a_director_tells_of_is_there(tmp_path: Path) -> None:
    """It is born after the strands were listed, and leased numbers before the director is read."""
    night = DiskNight(tmp_path / "journal")
    night.ask(0, [answer(1)], [answer(2)])

    def deeds() -> Iterator[None]:
        gate = night.add_gate()
        night.control(m.Leased(night.clock.at_ms, gate.incarnation, 1_000, 100))
        yield

    snapshots = Snapshots(night.world, night.journal.mirrors)
    during = snapshots.take(Meanwhile(night.journal, 0, deeds()), "during")
    take_in(tmp_path / "copy", stream_of(night.journal, during))
    Recounter(DiskJournal.open(quick_world(), tmp_path / "copy")).run()


# --- what is found in the file --------------------------------------------------------------------


def test_any_changed_byte_of_the_file_is_found(tmp_path: Path) -> None:
    _, one, _ = small_source(tmp_path / "journal")
    data = encode_snapshot(one)
    for at in range(len(data)):
        for change in (lambda byte: byte ^ 1, lambda byte: byte ^ 0x20, lambda byte: 0):
            with pytest.raises((DataDamaged, YourMistake), match="the file"):
                decode_snapshot(changed(data, at, change), "the file", "remedy")
    for shorter in range(len(data)):
        with pytest.raises(DataDamaged, match="the file"):
            decode_snapshot(data[:shorter], "the file", "remedy")


def test_a_newer_format_is_refused_by_name(tmp_path: Path) -> None:
    source, _, _ = small_source(tmp_path / "journal")
    path = source.directory / "snapshots" / "one.json"
    path.write_text('{"format": 2, "name": "one", "news": []}')
    with pytest.raises(YourMistake, match="format 2; this program reads format 1"):
        source.snapshots.read("one")


def test_a_damaged_one_is_named_beside_the_good_ones(tmp_path: Path) -> None:
    source, _, two = small_source(tmp_path / "journal")
    path = source.directory / "snapshots" / "one.json"
    path.write_bytes(changed(path.read_bytes(), 40, lambda byte: byte ^ 1))
    found, damages = source.snapshots.all()
    assert found == [two]
    assert str(path) in damages[0].message
    with pytest.raises(DataDamaged, match=r"one\.json"):
        source.snapshots.latest()


def test_another_journals_snapshot_is_none_of_this(tmp_path: Path) -> None:
    source, _, _ = small_source(tmp_path / "journal")
    other, _, _ = small_source(tmp_path / "other")
    name = Path("snapshots") / "one.json"
    (source.directory / name).write_bytes((other.directory / name).read_bytes())
    with pytest.raises(DataDamaged, match=f"it is snapshot one of journal {other.journal.id:016x}"):
        source.snapshots.read("one")
    (source.directory / "snapshots" / "renamed.json").write_bytes(
        (source.directory / "snapshots" / "two.json").read_bytes()
    )
    with pytest.raises(DataDamaged, match="it is snapshot two of"):
        source.snapshots.read("renamed")


# --- on two mirrors -------------------------------------------------------------------------------


@pytest.fixture
def mirrored(tmp_path: Path) -> Source:
    source = Source(tmp_path / "a", tmp_path / "b")
    source.born()
    source.write(1, b"a0", b"a1")
    return source


def test_every_mirror_holds_the_same_file(mirrored: Source, tmp_path: Path) -> None:
    mirrored.take("one")
    files = [(tmp_path / mirror / "snapshots" / "one.json").read_bytes() for mirror in "ab"]
    assert files[0] == files[1]
    mirrored.snapshots.remove("one")
    assert not list(tmp_path.glob("*/snapshots/*"))


@pytest.mark.parametrize("damage", ["flipped", "missing", "cut"])
@pytest.mark.parametrize("mirror", ["a", "b"])
def test_a_bad_copy_is_healed_from_the_good_one(
    mirrored: Source, tmp_path: Path, mirror: str, damage: str
) -> None:
    one = mirrored.take("one")
    path = tmp_path / mirror / "snapshots" / "one.json"
    good = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(good[:50] if damage == "cut" else good.replace(b'"one"', b'"two"'))
    assert mirrored.snapshots.read("one") == one
    assert path.read_bytes() == good


class Unsyncable(Watching):
    """No file in these directories can be synced."""

    def __init__(self, *directories: Path) -> None:
        super().__init__()
        self._directories = directories
        self._places: dict[int, Path] = {}

    def open(self, path: Path) -> int:
        fd = super().open(path)
        self._places[fd] = path.parent
        return fd

    def sync(self, fd: int) -> None:
        if self._places[fd] in self._directories:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        super().sync(fd)


def all_alike(*mirrors: Path) -> None:
    """An acknowledgement needs a majority only: wait for the others."""
    name = "00000001-0000.hpj"
    until = time.monotonic() + 60
    while len({(mirror / name).read_bytes() for mirror in mirrors}) > 1:
        assert time.monotonic() < until, "the mirrors stay apart"
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("mirrors", "failing", "suffices"),
    [("a", "a", False), ("ab", "b", False), ("abc", "b", True), ("abc", "bc", False)],
)
def test_as_many_mirrors_must_sync_as_an_acknowledgement_needs(
    tmp_path: Path, mirrors: str, failing: str, suffices: bool
) -> None:
    """Section 7 of the design: of one or two all, of more a majority."""
    source = Source(*(tmp_path / name for name in mirrors))
    source.born()
    source.write(1, b"a0")
    all_alike(*(tmp_path / name for name in mirrors))
    world = real_world(disk=Unsyncable(*(tmp_path / name for name in failing)))
    journal = DiskJournal.open(world, tmp_path / "a")
    snapshots = Snapshots(world, journal.mirrors)
    if suffices:
        assert snapshots.take(journal, "one").frames == 1
    else:
        with pytest.raises(EngineDown, match="cannot make the journal durable"):
            snapshots.take(journal, "one")
        assert snapshots.all() == ([], [])


@pytest.mark.parametrize(("mirrors", "suffices"), [("ab", False), ("abc", True)])
def test_a_mirror_that_lacks_the_last_frame_does_not_count(
    tmp_path: Path, mirrors: str, suffices: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hairpin.journal.snapshots.WAIT_MS", 20)
    source = Source(*(tmp_path / name for name in mirrors))
    source.born()
    source.write(1, b"a0", b"a1")
    all_alike(*(tmp_path / name for name in mirrors))
    path = tmp_path / "b" / "00000001-0000.hpj"
    path.write_bytes(path.read_bytes()[:-58])
    if suffices:
        assert source.take("one").frames == 2
    else:
        with pytest.raises(EngineDown, match=r"/b: it lacks frames of incarnation 1"):
            source.take("one")


def test_a_mirror_that_is_a_moment_behind_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Source(tmp_path / "a", tmp_path / "b")
    source.born()
    source.write(1, b"a0", b"a1")
    path = tmp_path / "b" / "00000001-0000.hpj"
    whole = path.read_bytes()
    path.write_bytes(whole[:-58])
    syncs = iter(range(10))

    def writer_comes(fd: int) -> None:
        if next(syncs) == 5:
            path.write_bytes(whole)

    monkeypatch.setattr(source.world.disk, "sync", writer_comes)
    assert source.take("one").frames == 2
    assert next(syncs) == 7
