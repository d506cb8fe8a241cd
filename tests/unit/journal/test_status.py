"""How the journal is, as its labels, files and notes say."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from cared_journal import Cared, run, write
from mirror_disk import WRITING

from hairpin.journal.filesystem import Room, room
from hairpin.journal.opening import attach
from hairpin.journal.scrub import Scrub
from hairpin.journal.snapshots import Snapshots
from hairpin.journal.status import Condition, JournalStatus, status


@pytest.fixture
def cared(tmp_path: Path) -> Iterator[Cared]:
    cared = Cared(tmp_path, 2)
    cared.night()
    yield cared
    cared.end()


def told(cared: Cared) -> JournalStatus:
    return status(cared.world, cared.reopen(degraded=True))


def conditions(found: JournalStatus) -> dict[str, Condition]:
    return {Path(mirror.directory).name: mirror.condition for mirror in found.mirrors}


def test_all_is_well(cared: Cared) -> None:
    writer = cared.born()
    write(writer, b"one")
    found = told(cared)
    assert (found.state, found.problems) == ("ONLINE", [])
    assert (found.strands, found.living) == (4, (4,))
    assert found.bytes == sum(map(len, cared.files(0).values()))
    for mirror in found.mirrors:
        assert (mirror.condition, mirror.lacks_bytes, mirror.why) == (Condition.ONLINE, 0, "")
        assert mirror.room is not None
        assert 0 < mirror.room.free_bytes <= mirror.room.all_bytes


def test_a_stale_mirror_and_what_it_lacks(cared: Cared) -> None:
    cared.disk.fail(cared.places[1])
    writer = cared.born()
    write(writer, b"one", b"two")
    cared.disk.mend(cared.places[1])
    cared.die(writer)
    cared.journal.mirrors.flush_health()
    found = told(cared)
    assert found.state == "DEGRADED"
    assert conditions(found) == {"a": Condition.ONLINE, "b": Condition.STALE}
    (lost,) = [mirror for mirror in found.mirrors if mirror.condition is Condition.STALE]
    assert (lost.lacks_frames, lost.lacks_bytes) == (2, 2 * (56 + 3))
    assert (lost.health.ejected, lost.health.write_errors) == (1, 1)
    assert str(cared.places[1]) in found.problems[0]


def test_a_missing_mirror(cared: Cared) -> None:
    shutil.rmtree(cared.places[1])
    found = told(cared)
    assert conditions(found) == {"a": Condition.ONLINE, "b": Condition.UNAVAILABLE}
    assert "no journal is there" in found.problems[0]


def test_a_mirror_that_hangs_is_told_and_waited_for_no_longer(
    cared: Cared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hairpin.journal.status.ANSWER_MS", 50.0)
    journal = cared.reopen()
    cared.disk.hang(cared.places[1], "read", *WRITING)
    found = status(cared.world, journal)
    assert conditions(found) == {"a": Condition.ONLINE, "b": Condition.UNAVAILABLE}
    assert "no answer within" in found.problems[0]


def test_a_new_mirror_is_filling_and_says_whose_place_it_takes(
    cared: Cared, tmp_path: Path
) -> None:
    attach(cared.world, cared.journal.mirrors, tmp_path / "new", replaces=cared.mirror(1).id)
    found = told(cared)
    assert conditions(found)["new"] is Condition.FILLING
    new = found.mirrors[-1]
    assert new.replaces == str(cared.places[1])
    assert (new.lacks_bytes, new.lacks_frames) == (found.bytes, 8)


def test_the_last_scrub_and_snapshots(cared: Cared) -> None:
    Snapshots(cared.world, cared.journal.mirrors).take(cared.journal, "monday")
    work = Scrub(cared.world, cared.reopen().mirrors)
    while not work.step().finished:
        pass
    found = told(cared)
    assert found.snapshots == ("monday",)
    scrubs = [mirror.health.scrubbed for mirror in found.mirrors]
    assert all(scrub is not None and scrub.bytes == found.bytes for scrub in scrubs)


def test_a_damaged_snapshot_degrades(cared: Cared) -> None:
    Snapshots(cared.world, cared.journal.mirrors).take(cared.journal, "monday")
    for place in cared.places:
        (place / "snapshots" / "monday.json").write_text("{")
    found = told(cared)
    assert (found.state, len(found.damaged_snapshots)) == ("DEGRADED", 1)


def test_after_the_resilver_all_is_well(cared: Cared) -> None:
    cared.lose(1)
    run(cared.resilver(1))
    assert told(cared).state == "ONLINE"


@pytest.mark.parametrize(
    ("line", "kind", "heals"),
    [
        ("tank/journal {} zfs rw 0 0", "zfs", True),
        ("/dev/sdb1 {} btrfs rw 0 0", "btrfs", True),
        ("/dev/sdb1 {} ext4 rw 0 0", "ext4", False),
    ],
)
def test_the_file_system_below(tmp_path: Path, line: str, kind: str, heals: bool) -> None:
    place = tmp_path / "a disk"
    (place / "journal").mkdir(parents=True)
    mounts = tmp_path / "mounts"
    escaped = str(place).replace(" ", "\\040")
    mounts.write_text(f"/dev/sda1 / xfs rw 0 0\n{line.format(escaped)}\nbad line\n")
    found = room(place / "journal", mounts)
    assert (found.kind, found.mounted_at, found.note is not None) == (kind, str(place), heals)
    assert room(tmp_path, mounts).kind == "xfs"


def test_where_the_system_does_not_tell(tmp_path: Path) -> None:
    found = room(tmp_path, tmp_path / "none")
    assert isinstance(found, Room)
    assert (found.kind, found.note) == (None, None)
