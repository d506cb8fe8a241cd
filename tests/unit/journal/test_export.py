"""The journal as one tar: the same bytes, all of them or none, also while it is written."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from disk_night import DiskNight
from faulty_disk import Fault, FaultyDisk
from small_show import EPOCH_MS, answer, opened_ms

from hairpin import messages as m
from hairpin.errors import DataDamaged, EngineDown, YourMistake
from hairpin.frame import Kind
from hairpin.journal import Follower, Journal
from hairpin.journal.disk import DiskJournal
from hairpin.journal.export import header, survey, write, write_file
from hairpin.journal.exported import ExportedJournal
from hairpin.tally.recount import Recounter
from hairpin.world import RealDisk, real_world


@pytest.fixture
def night(tmp_path: Path) -> DiskNight:
    """A question, answered; one gate has several segments; beside the journal lie secrets."""
    played = DiskNight(tmp_path / "show" / "journal")
    played.open()
    played.answers(0, [answer(1), answer(2)])
    played.gates[0].roll()
    played.answers(0, [answer(3)])
    played.answers(1, [answer(4)])
    (tmp_path / "show" / "keys.json").write_text("secret")
    (tmp_path / "show" / "winners.json").write_text("somebody")
    return played


def export(night: DiskNight, path: Path) -> Path:
    write_file(RealDisk(), path, night.journal, survey(night.journal))
    return path


def segments(night: DiskNight, incarnation: int) -> bytes:
    paths = sorted(night.directory.glob(f"{incarnation:08x}-*.hpj"))
    return b"".join(path.read_bytes() for path in paths)


def test_any_tool_opens_it_and_finds_the_frames_as_they_were(
    night: DiskNight, tmp_path: Path
) -> None:
    with tarfile.open(export(night, tmp_path / "night.tar"), "r:") as archive:
        members = archive.getmembers()
        names = [member.name for member in members]
        assert names == [
            "journal/journal.json",
            *(f"journal/0000000{n}-0000.hpj" for n in (1, 2, 3)),
        ]
        for member in members:
            assert (member.mtime, member.uid, member.gid, member.uname) == (0, 0, 0, "")
            assert member.mode == 0o600
        label, *strands = (archive.extractfile(member) for member in members)
        assert label is not None
        identity = {"format": 1, "id": f"{night.journal.id:016x}"}
        assert msgspec.json.decode(label.read()) == identity
        for incarnation, strand in enumerate(strands, 1):
            assert strand is not None
            assert strand.read() == segments(night, incarnation)


def test_the_same_frames_give_the_same_bytes(night: DiskNight, tmp_path: Path) -> None:
    one, two = export(night, tmp_path / "one.tar"), export(night, tmp_path / "two.tar")
    assert one.read_bytes() == two.read_bytes()
    unpacked = DiskJournal.open(real_world(), unpack(one, tmp_path / "there"))
    again: list[bytes] = []
    write(unpacked, survey(unpacked), again.append)
    assert b"".join(again) == one.read_bytes()


def unpack(path: Path, where: Path) -> Path:
    with tarfile.open(path) as archive:
        archive.extractall(where)
    return where / "journal"


def test_unpacked_or_not_it_counts_the_same(night: DiskNight, tmp_path: Path) -> None:
    path = export(night, tmp_path / "night.tar")
    unpacked = DiskJournal.open(real_world(), unpack(path, tmp_path / "there"))
    exported = ExportedJournal(RealDisk(), path)
    found = [Recounter(one).run() for one in (night.journal, unpacked, exported)]
    assert found[0] == found[1] == found[2]
    assert found[0].counted == 4
    assert survey(night.journal).head == found[0].head


def test_a_torn_end_is_left_out(night: DiskNight, tmp_path: Path) -> None:
    before = export(night, tmp_path / "before.tar").read_bytes()
    with (night.directory / "00000003-0000.hpj").open("ab") as file:
        file.write(b"HPN1 and what a crash left of it")
    assert export(night, tmp_path / "after.tar").read_bytes() == before


def test_damage_names_the_range_and_leaves_no_file(night: DiskNight, tmp_path: Path) -> None:
    path = night.directory / "00000002-0000.hpj"
    data = bytearray(path.read_bytes())
    data[60] ^= 1
    path.write_bytes(data)
    with pytest.raises(DataDamaged, match=r"00000002-0000\.hpj at byte 0"):
        export(night, tmp_path / "night.tar")
    assert list(tmp_path.glob("*night*")) == []


@pytest.mark.parametrize("operation", ["create", "write", "sync"])
def test_a_disk_that_fails_leaves_no_file(night: DiskNight, tmp_path: Path, operation: str) -> None:
    disk = FaultyDisk(Fault(operation))
    with pytest.raises(EngineDown, match=r"cannot write .*night\.tar"):
        write_file(disk, tmp_path / "night.tar", night.journal, survey(night.journal))
    assert [path.name for path in tmp_path.iterdir()] == ["show"]


def test_a_file_that_is_there_is_replaced_at_the_end_only(night: DiskNight, tmp_path: Path) -> None:
    path = tmp_path / "night.tar"
    path.write_bytes(b"an older one")
    (tmp_path / ".night.tar.part").write_bytes(b"of an attempt that was killed")
    seen: list[bytes] = []
    found = survey(night.journal)
    write_file(
        RealDisk(), path, night.journal, found, lambda done, all_: seen.append(path.read_bytes())
    )
    assert set(seen) == {b"an older one"}
    assert ExportedJournal(RealDisk(), path).incarnations() == [1, 2, 3]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["night.tar", "show"]


def test_progress_ends_with_all_bytes(night: DiskNight) -> None:
    told: list[tuple[int, int]] = []
    read: list[int] = []
    found = survey(night.journal, read.append)
    write(night.journal, found, lambda _: None, lambda done, all_: told.append((done, all_)))
    assert told[-1] == (found.size_bytes, found.size_bytes)
    assert sum(read) == found.size_bytes
    assert len(told) == found.frames


def test_of_two_mirrors_one_copy_whole_although_neither_is(tmp_path: Path) -> None:
    """Each is damaged in another place: reading heals."""
    mirrors = (tmp_path / "a", tmp_path / "b")
    journal = DiskJournal.create(real_world(disk=FaultyDisk()), *mirrors)
    writer = journal.writer()
    for _ in range(3):
        writer.commit(Kind.ANSWERS, bytes(160), 10)
    writer.seal()
    whole: list[bytes] = []
    write(journal, survey(journal), whole.append)
    for mirror, at in zip(mirrors, (100, 400), strict=True):
        path = mirror / "00000001-0000.hpj"
        data = bytearray(path.read_bytes())
        data[at] ^= 1
        path.write_bytes(data)
    journal = DiskJournal.open(real_world(), *mirrors)
    write_file(RealDisk(), tmp_path / "night.tar", journal, survey(journal))
    assert (tmp_path / "night.tar").read_bytes() == b"".join(whole)


# --- while it is written --------------------------------------------------------------------------


class Busy:
    """A journal in which something happens just before a strand is read."""

    def __init__(self, journal: Journal, at: int, happens: Callable[[], None]) -> None:
        self._journal = journal
        self._at = at
        self._happens: Callable[[], None] | None = happens
        self.id = journal.id

    def incarnations(self) -> list[int]:
        return self._journal.incarnations()

    def follow(self, incarnation: int) -> Follower:
        if incarnation == self._at and self._happens is not None:
            happens, self._happens = self._happens, None
            happens()
        return self._journal.follow(incarnation)


def recounted(journal: Busy, path: Path) -> int:
    found = survey(journal)
    write_file(RealDisk(), path, journal, found)
    return Recounter(ExportedJournal(RealDisk(), path)).run().counted


def test_a_question_that_opens_meanwhile(night: DiskNight, tmp_path: Path) -> None:
    """Its answers must not be there without it."""

    def happens() -> None:
        night.control(m.Opened(opened_ms(1), 1))
        night.answers(1, [answer(9, question=1)])

    assert recounted(Busy(night.journal, 3, happens), tmp_path / "night.tar") == 5


def test_a_gate_that_is_born_meanwhile(night: DiskNight, tmp_path: Path) -> None:
    def happens() -> None:
        gate = night.add_gate()
        night.control(m.Leased(EPOCH_MS, gate.incarnation, 0, 10))

    assert recounted(Busy(night.journal, 1, happens), tmp_path / "night.tar") == 4
    assert ExportedJournal(RealDisk(), tmp_path / "night.tar").incarnations() == [1, 2, 3, 4]


def test_a_director_that_is_born_meanwhile(night: DiskNight, tmp_path: Path) -> None:
    """What it tells of others is read before them."""

    def happens() -> None:
        night.director = night.journal.writer()
        night.control(m.Born(EPOCH_MS, "director"))
        night.close()
        night.mark()
        night.publish()

    assert recounted(Busy(night.journal, 2, happens), tmp_path / "night.tar") == 4


def test_a_strand_without_a_frame_is_an_empty_file(night: DiskNight, tmp_path: Path) -> None:
    night.journal.writer()
    path = export(night, tmp_path / "night.tar")
    exported = ExportedJournal(RealDisk(), path)
    assert exported.incarnations() == [1, 2, 3, 4]
    assert list(exported.follow(4).read()) == []


def test_frames_that_change_between_the_readings_are_damage(
    night: DiskNight, tmp_path: Path
) -> None:
    found = survey(night.journal)
    extent = found.strands[2]
    other = msgspec.structs.replace(extent, chain=bytes(16))
    found = msgspec.structs.replace(found, strands=found.strands | {2: other})
    with pytest.raises(DataDamaged, match="incarnation 2 changed while it was exported"):
        write_file(RealDisk(), tmp_path / "night.tar", night.journal, found)
    assert not (tmp_path / "night.tar").exists()


# --- reading one ----------------------------------------------------------------------------------


def test_frames_larger_than_what_is_read_at_once(night: DiskNight, tmp_path: Path) -> None:
    sizes = [3 << 20, 16, 1 << 20, (1 << 20) - 56, 4 << 20, 0]
    for size in sizes:
        night.gates[1].commit(Kind.ANSWERS, bytes(size), size // 16)
    exported = ExportedJournal(RealDisk(), export(night, tmp_path / "night.tar"))
    follower = exported.follow(3)
    assert [len(frame.body) for frame in follower.read()][-len(sizes) :] == sizes
    assert (follower.frames, follower.chain) == (
        survey(night.journal).strands[3].frames,
        survey(night.journal).strands[3].chain,
    )


def test_reading_goes_on_where_it_stopped(night: DiskNight, tmp_path: Path) -> None:
    follower = ExportedJournal(RealDisk(), export(night, tmp_path / "night.tar")).follow(2)
    assert [frame.sequence for frame in follower.read(2)] == [0, 1]
    assert [frame.sequence for frame in follower.read()] == [2]


def test_an_export_that_shrinks_while_it_is_read_is_damaged(
    night: DiskNight, tmp_path: Path
) -> None:
    path = export(night, tmp_path / "night.tar")
    follower = ExportedJournal(RealDisk(), path).follow(3)
    path.write_bytes(path.read_bytes()[:-1600])
    with pytest.raises(DataDamaged, match="the file became shorter"):
        list(follower.read())


def test_a_size_beyond_the_archive_is_damage(night: DiskNight, tmp_path: Path) -> None:
    path = export(night, tmp_path / "night.tar")
    whole = path.read_bytes()
    name = "journal/00000001-0000.hpj"
    at = whole.index(name.encode())
    path.write_bytes(whole[:at] + header(name, 1 << 80) + whole[at + 512 :])
    with pytest.raises(DataDamaged, match="the archive ends too early"):
        ExportedJournal(RealDisk(), path)


def test_what_is_no_export_is_a_mistake(night: DiskNight, tmp_path: Path) -> None:
    path = tmp_path / "other.tar"
    with tarfile.open(path, "w") as archive:
        archive.add(night.directory / "journal.json", "journal.json")
    for other in (path, night.directory / "journal.json"):
        with pytest.raises(YourMistake, match="is not what `hairpin journal export` writes"):
            ExportedJournal(RealDisk(), other)
    with pytest.raises(EngineDown, match="cannot read"):
        ExportedJournal(RealDisk(), tmp_path / "nowhere.tar")


def test_an_export_of_a_later_format_is_refused_by_name(night: DiskNight, tmp_path: Path) -> None:
    path = export(night, tmp_path / "night.tar")
    path.write_bytes(path.read_bytes().replace(b'"format":1', b'"format":3'))
    with pytest.raises(YourMistake, match="format 3; this program reads format 1"):
        ExportedJournal(RealDisk(), path)
