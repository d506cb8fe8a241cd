"""`hairpin journal replace`: a disk is gone, hangs or is well; a crash anywhere, and once more."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from breaking_disk import BreakingDisk, How, PowerCut
from cared_journal import Cared, bring_up, files, write
from mirror_disk import WRITING

from hairpin.cli.journal_mirrors import attach_command, detach_command, replace_command
from hairpin.errors import EngineDown, HairpinError, YourMistake
from hairpin.journal.disk import DiskJournal
from hairpin.world import World, real_world


@pytest.fixture
def cared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cared:
    cared = Cared(tmp_path / "place", 2)
    cared.night()
    use(cared.world, monkeypatch)
    return cared


def use(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hairpin.cli.journal_mirrors.real_world", lambda: world)


def members(cared: Cared, place: Path) -> list[str]:
    journal = DiskJournal.open(cared.world, place)
    assert not journal.mirrors.others()
    return sorted(mirror.directory.name for mirror in journal.mirrors.members())


@pytest.mark.parametrize("is_there", [True, False])
def test_a_disk_is_replaced_whether_it_is_there_or_not(cared: Cared, is_there: bool) -> None:
    if not is_there:
        shutil.rmtree(cared.places[1])
    new = cared.place / "new"
    replace_command(cared.places[0], str(cared.places[1]), new)
    assert files(new) == cared.files(0)
    assert members(cared, cared.places[0]) == ["a", "new"]


def test_a_disk_that_hangs_is_replaced(cared: Cared, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hairpin.journal.opening.ANSWER_MS", 50.0)
    cared.disk.hang(cared.places[1], "read", *WRITING)
    new = cared.place / "new"
    replace_command(cared.places[0], str(cared.places[1]), new)
    assert members(cared, cared.places[0]) == ["a", "new"]
    cared.end()


def test_another_disk_may_be_mounted_where_the_old_one_was(cared: Cared) -> None:
    shutil.rmtree(cared.places[1])
    cared.places[1].mkdir()
    replace_command(cared.places[0], str(cared.places[1]), cared.places[1])
    assert cared.files(1) == cared.files(0)
    assert members(cared, cared.places[0]) == ["a", "b"]


def test_the_first_mirror_is_replaced_like_any_other(cared: Cared) -> None:
    shutil.rmtree(cared.places[0])
    replace_command(cared.places[1], str(cared.places[0]), cared.places[0])
    assert cared.files(0) == cared.files(1)
    assert members(cared, cared.places[0]) == ["a", "b"]


def test_the_only_mirror_may_move(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cared = Cared(tmp_path, 1)
    cared.night()
    use(cared.world, monkeypatch)
    replace_command(cared.places[0], cared.mirror(0).id, tmp_path / "new")
    assert files(tmp_path / "new") == cared.files(0)
    assert members(cared, tmp_path / "new") == ["new"]


def test_another_missing_mirror_is_not_given_up_on_the_way(cared: Cared) -> None:
    attach_command(cared.places[0], cared.place / "c")
    shutil.rmtree(cared.places[1])
    (cared.place / "c").rename(cared.place / "away")
    with pytest.raises(YourMistake, match="/c"):
        replace_command(cared.places[0], str(cared.places[1]), cared.place / "new")
    with pytest.raises(YourMistake, match="/c"):
        attach_command(cared.places[0], cared.place / "new")
    with pytest.raises(YourMistake, match="/c"):
        detach_command(cared.places[0], str(cared.places[1]))
    (cared.place / "away").rename(cared.place / "c")
    detach_command(cared.places[0], str(cared.places[1]))
    assert members(cared, cared.places[0]) == ["a", "c"]


def test_a_mirror_cannot_take_the_place_of_another(cared: Cared) -> None:
    with pytest.raises(YourMistake, match="is a mirror already"):
        replace_command(cared.places[0], str(cared.places[1]), cared.places[0])


def test_a_mirror_that_was_replaced_is_not_taken_back_unseen(cared: Cared) -> None:
    replace_command(cared.places[0], str(cared.places[1]), cared.place / "new")
    with pytest.raises(YourMistake, match="was a mirror of this journal"):
        attach_command(cared.places[0], cared.places[1])


def test_who_writes_hears_that_its_mirror_was_taken_out(cared: Cared) -> None:
    writer = cared.born()
    write(writer, b"one")
    detach_command(cared.places[0], str(cared.places[1]))
    bring_up(writer)
    write(writer, b"two")
    name = f"{writer.incarnation:08x}-0000.hpj"
    assert b"two" in cared.files(0)[name]
    assert b"two" not in cared.files(1)[name]
    cared.end()


@pytest.mark.parametrize("how", list(How))
def test_a_crash_at_any_operation_then_the_same_command(
    tmp_path: Path, how: How, monkeypatch: pytest.MonkeyPatch
) -> None:
    at, broke = 0, True
    while broke:
        cared = Cared(tmp_path / str(at) / "place", 2)
        cared.dead([b"a" * 200], [b"b"])
        new = cared.place / "new"
        if at % 2:
            shutil.rmtree(cared.places[1])
        disk = BreakingDisk(at, how, cared.place)
        use(real_world(disk=disk), monkeypatch)
        try:
            replace_command(cared.places[0], str(cared.places[1]), new)
        except (PowerCut, HairpinError) as error:
            assert isinstance(error, PowerCut | EngineDown)
        broke = disk.broke
        if how is How.POWER and broke:
            shutil.rmtree(cared.place)
            disk.after.rename(cared.place)
        use(cared.world, monkeypatch)
        replace_command(cared.places[0], str(cared.places[1]), new)
        assert files(new) == cared.files(0)
        assert members(cared, cared.places[0]) == ["a", "new"]
        shutil.rmtree(tmp_path / str(at))
        at += 1
