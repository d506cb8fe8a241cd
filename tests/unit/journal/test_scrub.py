"""A scrub reads all of every mirror, heals what it can, and names what it cannot."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from cared_journal import Cared, settle, write

from hairpin import frame as framing
from hairpin.errors import EngineDown
from hairpin.frame import Kind
from hairpin.journal.health import read_health
from hairpin.journal.label import LABEL
from hairpin.journal.labels import SPARE
from hairpin.journal.names import segment_name
from hairpin.journal.scrub import Scrub, ScrubResult
from hairpin.journal.snapshots import Snapshots


@pytest.fixture(params=[1, 2, 3])
def any_number(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Cared]:
    cared = Cared(tmp_path, request.param)
    yield cared
    cared.end()


@pytest.fixture
def cared(tmp_path: Path) -> Iterator[Cared]:
    cared = Cared(tmp_path, 2)
    yield cared
    cared.end()


def scrub(cared: Cared) -> ScrubResult:
    work = Scrub(cared.world, cared.reopen().mirrors)
    for _ in range(10_000):
        progress = work.step()
        assert progress.done_bytes <= progress.all_bytes
        if progress.finished:
            assert progress.done_bytes == progress.all_bytes
            assert work.result is not None
            return work.result
    raise AssertionError("it does not come to an end")


def change(path: Path, at: int, data: bytes) -> None:
    content = bytearray(path.read_bytes())
    content[at : at + len(data)] = data
    path.write_bytes(content)


def test_a_healthy_journal_is_read_in_full_and_left_alone(any_number: Cared) -> None:
    any_number.night()
    any_number.disk.log.clear()
    found = scrub(any_number)
    stored = sum(
        len(data) for n in range(len(any_number.places)) for data in any_number.files(n).values()
    )
    assert (found.clean, found.bytes, found.frames) == (True, stored, 8)
    assert not found.healed
    assert not [path for what, path in any_number.disk.log if what == "write"]


@pytest.mark.parametrize("which", [0, 1])
def test_what_is_bad_in_one_mirror_is_healed_and_counted(cared: Cared, which: int) -> None:
    cared.night()
    before = cared.files(which)
    path = cared.places[which] / segment_name(1, 0)
    change(path, 70, b"\xff")
    change(path, 260, bytes(20))
    found = scrub(cared)
    assert cared.files(which) == before
    assert (found.clean, found.healed) == (True, {str(cared.places[which]): 2})
    assert scrub(cared).healed == {}
    noted = read_health(cared.world.disk, cared.places[0])[cared.mirror(which).id]
    assert (noted.read_errors, noted.healed) == (2, 2)
    assert noted.scrubbed is not None
    assert noted.scrubbed.healed == 0


@pytest.mark.parametrize("which", [0, 1])
def test_missing_and_short_files_of_dead_strands_come_back(cared: Cared, which: int) -> None:
    cared.night()
    before = cared.files(which)
    (cared.places[which] / segment_name(1, 1)).unlink()
    (cared.places[which] / segment_name(2, 0)).unlink()
    short = cared.places[which] / segment_name(1, 2)
    short.write_bytes(short.read_bytes()[:600])
    found = scrub(cared)
    assert cared.files(which) == before
    # The frame of segment 1, the strand of two frames, and two of three frames.
    assert found.healed == {str(cared.places[which]): 1 + 2 + 2}


def test_what_is_bad_in_all_mirrors_is_named_and_the_rest_is_read(any_number: Cared) -> None:
    any_number.night()
    name = segment_name(1, 0)
    for place in any_number.places:
        change(place / name, 70, b"\xff")
    before = [any_number.files(n) for n in range(len(any_number.places))]
    found = scrub(any_number)
    assert [any_number.files(n) for n in range(len(any_number.places))] == before
    (damage,) = found.damages
    assert (damage.incarnation, damage.file) == (1, name)
    assert (damage.offset, damage.bytes) == (0, 256)
    assert (damage.first_frame, damage.frames) == (0, 1)
    assert found.frames == 7
    assert "the checksum does not hold" in damage.place
    assert not found.healed


def test_the_last_frames_of_a_segment_may_be_lost(cared: Cared) -> None:
    cared.night()
    for place in cared.places:
        path = place / segment_name(1, 0)
        path.write_bytes(path.read_bytes()[:256])
    (damage,) = scrub(cared).damages
    assert (damage.offset, damage.bytes, damage.first_frame, damage.frames) == (256, 0, 1, 1)


def test_a_whole_segment_may_be_lost(cared: Cared) -> None:
    cared.night()
    for place in cared.places:
        (place / segment_name(1, 1)).unlink()
    (damage,) = scrub(cared).damages
    assert (damage.first_frame, damage.frames) == (2, 1)


def test_a_lost_start_of_a_segment_hides_nothing_behind_it(cared: Cared) -> None:
    cared.night()
    for place in cared.places:
        change(place / segment_name(1, 2), 0, bytes(56))
    found = scrub(cared)
    assert [(d.file, d.first_frame, d.frames) for d in found.damages] == [
        (segment_name(1, 2), 3, 1)
    ]
    assert found.frames == 7


def test_two_frames_that_changed_places_are_found(cared: Cared) -> None:
    cared.night()
    before = cared.files(1)
    path = cared.places[1] / segment_name(1, 2)
    data = path.read_bytes()
    path.write_bytes(data[556:1112] + data[:556] + data[1112:])
    assert scrub(cared).healed == {str(cared.places[1]): 2}
    assert cared.files(1) == before


def test_a_frame_of_another_past_is_told_by_the_chain(cared: Cared) -> None:
    """Checksum, identity and sequence of it hold."""
    cared.night()
    before = cared.files(0)
    journal = cared.journal.id
    stray, _ = framing.pack(Kind.ANSWERS, journal, 1, 1, bytes(16), b"z" * 300, 1)
    change(cared.places[0] / segment_name(1, 0), 256, stray)
    assert scrub(cared).healed == {str(cared.places[0]): 1}
    assert cared.files(0) == before


def test_good_is_never_overwritten_if_nobody_knows_which_is_good(cared: Cared) -> None:
    cared.night()
    journal = cared.journal.id
    for place in cared.places:
        change(place / segment_name(1, 2), 70, b"\xff")  # so that the chain is lost there
    stray, _ = framing.pack(Kind.ANSWERS, journal, 1, 4, bytes(16), b"z" * 500, 1)
    change(cared.places[1] / segment_name(1, 2), 556, stray)
    before = cared.files(0), cared.files(1)
    found = scrub(cared)
    assert (cared.files(0), cared.files(1)) == before
    assert [damage.first_frame for damage in found.damages] == [3, 4]
    assert "nobody can tell" in found.damages[1].why


def test_a_living_strand_is_read_as_far_as_all_mirrors_have_it(any_number: Cared) -> None:
    writer = any_number.born()
    write(writer, b"one", b"two", b"three")
    settle(writer)
    path = any_number.places[-1] / segment_name(writer.incarnation, 0)
    path.write_bytes(path.read_bytes()[:-10])  # as if its disk were still at it
    found = scrub(any_number)
    assert found.clean
    assert not found.healed
    assert found.frames == 2


def test_damage_in_a_living_strand_is_healed(cared: Cared) -> None:
    writer = cared.born()
    write(writer, b"one", b"two", b"three")
    change(cared.places[1] / segment_name(writer.incarnation, 0), 57, b"X")
    assert scrub(cared).healed == {str(cared.places[1]): 1}
    assert cared.files(0) == cared.files(1)


def test_a_torn_end_is_no_damage(any_number: Cared) -> None:
    incarnation = any_number.dead([b"one", b"two"])
    for place in any_number.places:
        path = place / segment_name(incarnation, 0)
        path.write_bytes(path.read_bytes()[:-1])
    found = scrub(any_number)
    assert (found.clean, found.frames, found.unfinished_bytes) == (True, 1, 58)


def test_what_a_failed_write_left_behind_is_no_damage(cared: Cared) -> None:
    """A segment may end with frames that the next one begins with again."""
    writer = cared.born()
    write(writer, b"one")
    chain = writer._chain  # type: ignore[attr-defined]
    given_up, _ = framing.pack(Kind.ANSWERS, cared.journal.id, 1, 1, chain, b"given up", 1)
    writer.roll()
    write(writer, b"two")
    cared.die(writer)
    with (cared.places[1] / segment_name(1, 0)).open("ab") as file:
        file.write(given_up)
    found = scrub(cared)
    assert (found.clean, found.healed, found.frames) == (True, {}, 2)


def test_a_large_frame_fits(cared: Cared) -> None:
    cared.dead([b"small", b"x" * (3 << 20), b"small"])
    path = cared.places[1] / segment_name(1, 0)
    change(path, 2 << 20, b"Y")
    found = scrub(cared)
    assert (found.clean, found.frames, found.healed) == (True, 3, {str(cared.places[1]): 1})
    assert cared.files(0) == cared.files(1)


def test_sectors_that_cannot_be_read_are_written_anew(
    cared: Cared, monkeypatch: pytest.MonkeyPatch
) -> None:
    cared.dead([b"x" * 3000] * 10)
    bad = cared.places[0] / segment_name(1, 0), cared.places[1] / segment_name(1, 0)
    sectors = {bad[0]: 4096, bad[1]: 16384}
    reading, before = cared.disk.read, cared.files(0)

    def read(path: Path, offset: int, size_bytes: int) -> bytes:
        sector = sectors.get(path)
        if sector is not None and offset < sector + 4096 and offset + size_bytes > sector:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return reading(path, offset, size_bytes)

    monkeypatch.setattr(cared.disk, "read", read)
    found = scrub(cared)
    assert not found.damages
    assert all(found.healed.values())
    assert cared.files(0) == cared.files(1) == before


def test_what_cannot_be_healed_is_told(cared: Cared) -> None:
    cared.night()
    change(cared.places[1] / segment_name(1, 0), 70, b"\xff")
    cared.disk.fail(cared.places[1], "write", "open")
    found = scrub(cared)
    (damage,) = found.damages
    assert not found.clean
    assert damage.file == str(cared.places[1] / segment_name(1, 0))
    assert damage.frames == 0
    assert "other mirrors are good" in damage.place


def test_a_damaged_label_is_written_anew(any_number: Cared) -> None:
    any_number.night()
    for name in (LABEL, SPARE):
        (any_number.places[-1] / name).write_bytes(b"{")
        found = scrub(any_number)
        assert found.healed == {str(any_number.places[-1]): 1}
        assert scrub(any_number).clean


def test_a_damaged_snapshot_is_healed_or_named(cared: Cared) -> None:
    cared.night()
    Snapshots(cared.world, cared.journal.mirrors).take(cared.journal, "kept")
    copies = [place / "snapshots" / "kept.json" for place in cared.places]
    good = copies[0].read_bytes()
    copies[1].write_bytes(good[:-10])
    assert scrub(cared).clean
    assert copies[1].read_bytes() == good
    for copy in copies:
        copy.write_bytes(good[:-10])
    (other,) = scrub(cared).others
    assert "kept.json" in other


def test_a_mirror_that_is_no_member_is_named_and_not_read(cared: Cared) -> None:
    cared.night()
    cared.lose(1)
    (other,) = scrub(cared).unread
    assert str(cared.places[1]) in other


def test_a_mirror_that_cannot_be_read_at_all_is_named(
    cared: Cared, monkeypatch: pytest.MonkeyPatch
) -> None:
    cared.night()
    mirrors = cared.reopen().mirrors
    listing = cared.disk.list

    def lists(directory: Path) -> list[str]:
        if directory in gone:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(directory))
        return listing(directory)

    gone = {cared.places[1]}
    monkeypatch.setattr(cared.disk, "list", lists)
    work = Scrub(cared.world, mirrors)
    while not work.step().finished:
        pass
    assert work.result is not None
    assert any(str(cared.places[1]) in other for other in work.result.unread)
    gone.add(cared.places[0])
    with pytest.raises(EngineDown, match=str(cared.places[0])):
        Scrub(cared.world, mirrors).step()
