"""A mirror that is no member is filled, and becomes one only when it has everything."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from breaking_disk import BreakingDisk, How, PowerCut
from cared_journal import MEMBER, STALE, Cared, bring_up, files, run, settle, write

from hairpin.errors import DataDamaged, EngineDown, YourMistake
from hairpin.journal.labels import read_label, write_label
from hairpin.journal.names import lock_name, segment_name
from hairpin.journal.opening import attach
from hairpin.journal.resilver import NOTES, Resilver
from hairpin.journal.snapshots import Snapshots


@pytest.fixture(params=[2, 3])
def cared(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Cared]:
    cared = Cared(tmp_path, request.param)
    yield cared
    cared.end()


def test_a_stale_mirror_gets_what_it_lacks_and_is_a_member(cared: Cared) -> None:
    cared.night()
    cared.lose(1)
    assert cared.states()["b"] == STALE
    steps = run(cared.resilver(1))
    assert steps[-1].finished
    assert set(cared.states().values()) == {MEMBER}
    assert cared.states(1) == cared.states(0)
    assert cared.files(1) == cared.files(0)
    assert not (cared.places[1] / NOTES).exists()


def test_only_what_differs_is_written(cared: Cared) -> None:
    cared.night()
    cared.lose(1)
    last = run(cared.resilver(1))[-1]
    lacked = sum(len(cared.files(0)[segment_name(n, 0)]) for n in (3, 4))  # 3 was without a frame
    assert (last.written_bytes, last.done_bytes > lacked) == (lacked, True)


def test_a_mirror_whose_sync_failed_is_written_anew(cared: Cared) -> None:
    cared.night()
    writer = cared.born()
    cared.disk.fail(cared.places[1], "sync")
    write(writer, b"its sync fails")
    while not writer.degraded:  # two of three acknowledge before they know
        write(writer, b"and again")
    cared.disk.mend(cared.places[1])
    cared.die(writer)
    before = {path: path.stat().st_ino for path in cared.places[1].glob("*.hpj")}
    last = run(cared.resilver(1))[-1]
    assert last.written_bytes == last.done_bytes
    assert cared.files(1) == cared.files(0)
    kept = [path.name for path, inode in before.items() if path.stat().st_ino == inode]
    assert not [name for name in kept if cared.files(1).get(name)]


def test_steps_are_bounded(cared: Cared) -> None:
    cared.night()
    cared.lose(1)
    done = [step.done_bytes for step in run(cared.resilver(1))]
    assert max(after - before for before, after in pairwise(done)) < 1000
    assert done == sorted(done)


def test_a_living_strand_is_left_to_its_writer(cared: Cared) -> None:
    writer = cared.born()
    write(writer, b"one")
    cared.disk.fail(cared.places[1], "write")
    while cared.states()["b"] == MEMBER:
        write(writer, b"two")
    resilver = cared.resilver(1)
    before = cared.files(1)
    assert run(resilver)[-1].waiting == (writer.incarnation,)
    assert cared.files(1) == before
    cared.disk.mend(cared.places[1])
    bring_up(writer)
    assert run(resilver)[-1].finished
    write(writer, b"three")
    settle(writer)
    assert cared.files(1) == cared.files(0)
    assert set(cared.states().values()) == {MEMBER}


def test_a_writer_that_loses_the_mirror_again_keeps_it_from_being_a_member(
    cared: Cared, monkeypatch: pytest.MonkeyPatch
) -> None:
    cared.lose(1)
    writer = cared.born()
    write(writer, b"on all mirrors")
    resilver = cared.resilver(1)
    agree = resilver._mirrors.agree

    def late(*arguments: object) -> bool:
        monkeypatch.undo()
        cared.disk.fail(cared.places[1], "write")
        write(writer, b"not on b")
        cared.disk.mend(cared.places[1])
        return agree(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(resilver._mirrors, "agree", late)
    assert run(resilver)[-1].waiting == (writer.incarnation,)
    assert cared.states()["b"] == STALE


def test_a_strand_that_is_born_meanwhile_takes_the_mirror_along(cared: Cared) -> None:
    cared.night()
    cared.lose(1)
    resilver = cared.resilver(1)
    resilver.step()
    writer = cared.born()
    write(writer, b"born meanwhile")
    assert run(resilver)[-1].finished
    write(writer, b"and after")
    settle(writer)
    assert cared.files(1) == cared.files(0)


def test_a_crash_resumes_and_does_nothing_twice(cared: Cared) -> None:
    cared.night()
    cared.lose(1)
    shutil.rmtree(cared.places[1])
    cared.places[1].mkdir()
    label = read_label(cared.disk, cared.places[0])
    write_label(cared.disk, cared.places[1], label.of(cared.mirror(1).id))
    first = cared.resilver(1)
    while (
        not json.loads(_read(cared.places[1] / NOTES)).get("strands", {}).get("1", {}).get("done")
    ):
        first.step()
    first.close()
    second = run(cared.resilver(1))[-1]
    strand = sum(len(data) for name, data in cared.files(0).items() if name.startswith("00000001"))
    everything = sum(map(len, cared.files(0).values()))
    assert second.written_bytes == everything - strand
    assert cared.files(1) == cared.files(0)


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else "{}"


def test_one_process_at_a_time(cared: Cared) -> None:
    cared.night()
    cared.lose(1)
    first, second = cared.resilver(1), cared.resilver(1)
    first.step()
    assert second.step().elsewhere
    run(first)
    assert second.step().finished


def test_a_disk_put_back_old_is_known_as_stale_and_filled(cared: Cared) -> None:
    cared.dead([b"before"])
    kept = cared.copy(1)
    cared.disk.fail(cared.places[1])
    cared.night()
    cared.disk.mend(cared.places[1])
    cared.put_back(1, kept)
    again = cared.reopen()
    assert [m.directory for m in again.mirrors.others()] == [cared.places[1]]
    assert run(cared.resilver(1))[-1].finished
    assert cared.files(1) == cared.files(0)


def test_a_disk_of_another_journal_is_refused_by_name(cared: Cared, tmp_path: Path) -> None:
    cared.night()
    mirror = cared.lose(1)
    other = Cared(tmp_path / "other", 2)
    other.night()
    cared.put_back(1, other.places[0])
    with pytest.raises(YourMistake, match=str(cared.places[1])):
        cared.reopen()
    resilver = Resilver(cared.world, cared.journal.mirrors.view(), mirror)
    with pytest.raises(OSError, match=r"it holds mirror .* of journal"):
        resilver.step()


def test_what_another_history_left_is_set_aside(cared: Cared) -> None:
    cared.night()
    cared.lose(1)
    junk = cared.places[1] / segment_name(9, 0)
    junk.write_bytes(cared.files(0)[segment_name(1, 0)])
    (cared.places[1] / segment_name(8, 0)).touch()
    assert run(cared.resilver(1))[-1].finished
    assert cared.files(1) == cared.files(0)
    assert junk.with_name(junk.name + ".aside").exists()
    assert cared.reopen().incarnations() == cared.journal.incarnations()


def test_what_a_stale_mirror_has_beyond_the_members_does_not_count(cared: Cared) -> None:
    """A strand that was fenced without it ends where the fence says, whatever it brings back."""
    writer = cared.born()
    write(writer, b"one", b"two")
    incarnation = cared.die(writer)
    longer = cared.copy(1)
    for which in range(len(cared.places)):
        path = cared.places[which] / segment_name(incarnation, 0)
        path.write_bytes(path.read_bytes()[:60])
    cared.lose(1)
    end = cared.journal.fence(incarnation)
    assert end is not None
    assert end.frames == 1
    shutil.copy(longer / segment_name(incarnation, 0), cared.places[1])
    assert cared.bodies()[incarnation] == [b"one"]
    assert run(cared.resilver(1))[-1].finished
    assert cared.files(1) == cared.files(0)
    assert cared.bodies()[incarnation] == [b"one"]


def test_damage_in_the_source_is_healed_from_another_or_named(cared: Cared) -> None:
    cared.night()
    cared.lose(1)
    path = cared.places[0] / segment_name(1, 0)
    whole = path.read_bytes()
    path.write_bytes(whole[:70] + b"\xff" + whole[71:])
    if len(cared.places) == 2:
        with pytest.raises(DataDamaged, match=str(path)):
            run(cared.resilver(1))
        assert cared.states()["b"] == STALE
        return
    assert run(cared.resilver(1))[-1].finished
    assert path.read_bytes() == whole
    assert cared.files(1) == cared.files(0)


def test_snapshots_come_along_and_deleted_ones_go(cared: Cared) -> None:
    cared.night()
    taker = Snapshots(cared.world, cared.journal.mirrors)
    taker.take(cared.journal, "old")
    cared.lose(1)
    taker.take(cared.journal, "new")
    taker.remove("old")
    run(cared.resilver(1))
    assert [path.name for path in (cared.places[1] / "snapshots").iterdir()] == ["new.json"]


def test_a_mirror_that_was_taken_out_is_told_so(cared: Cared) -> None:
    cared.night()
    mirror = cared.lose(1)
    resilver = cared.resilver(1)
    assert cared.journal.mirrors.refresh() in (True, False)
    assert cared.journal.mirrors.agree(lambda label: label.without(mirror.id))
    with pytest.raises(EngineDown, match="no mirror of this journal"):
        run(resilver)


def test_a_new_mirror_takes_the_place_of_an_old_one(cared: Cared, tmp_path: Path) -> None:
    cared.night()
    writer = cared.born()
    write(writer, b"one")
    old = cared.mirror(1)
    new = attach(cared.world, cared.journal.mirrors, tmp_path / "new", replaces=old.id)
    assert writer.degraded == [str(new.directory)]
    resilver = Resilver(cared.world, cared.reopen().mirrors, new, 300)
    assert run(resilver)[-1].waiting == (writer.incarnation,)
    bring_up(writer)
    assert run(resilver)[-1].finished
    write(writer, b"two")
    settle(writer)
    assert files(new.directory) == cared.files(0)
    assert "b" not in cared.states()
    assert cared.states()["new"] == MEMBER
    writer.tend()
    assert writer.degraded == []
    write(writer, b"three")
    assert b"three" not in (old.directory / segment_name(writer.incarnation, 0)).read_bytes()


@pytest.mark.parametrize("how", list(How))
@pytest.mark.parametrize("distrusted", [False, True])
def test_a_crash_at_any_operation_then_another_go(
    tmp_path: Path, how: How, distrusted: bool
) -> None:
    """Whatever broke: it is no member without everything, and the next resilver finishes."""
    at, broke = 0, True
    while broke:
        cared = Cared(tmp_path / str(at) / "place", 2)
        cared.dead([b"a" * 200, b"b" * 300], [b"c"])
        cared.dead()
        cared.disk.fail(cared.places[1], "sync" if distrusted else "write")
        writer = cared.born()
        write(writer, b"while it was away")
        cared.disk.mend(cared.places[1])
        cared.die(writer)
        disk = BreakingDisk(at, how, cared.place)
        try:
            run(cared.resilver(1, disk))
        except (OSError, PowerCut, EngineDown):
            pass
        broke = disk.broke
        if how is How.POWER and broke:
            shutil.rmtree(cared.place)
            disk.after.rename(cared.place)
        _expect_honest(cared)
        assert run(cared.resilver(1))[-1].finished
        assert cared.files(1) == cared.files(0)
        cared.end()
        shutil.rmtree(tmp_path / str(at))
        at += 1


def _expect_honest(cared: Cared) -> None:
    """If the newest label calls it a member, it has everything."""
    journal = cared.reopen()
    if len(journal.mirrors.members()) == 2:
        assert cared.files(1) == cared.files(0)


def test_the_lock_of_a_dead_strand_is_not_held_for_long(cared: Cared) -> None:
    cared.night()
    cared.lose(1)
    resilver = cared.resilver(1)
    while not run_done(resilver):
        assert cared.reopen().fence(1) is not None


def run_done(resilver: Resilver) -> bool:
    return resilver.step().finished


def test_a_writer_that_is_just_born_is_not_taken_for_dead(cared: Cared) -> None:
    """Its first file is there, its lock is not: fencing makes it look for another number."""
    cared.lose(1)
    for place in cared.places:
        (place / segment_name(7, 0)).touch()
        assert not (place / lock_name(7)).exists()
    assert run(cared.resilver(1))[-1].finished
    assert cared.files(0)[segment_name(7, 0)]
