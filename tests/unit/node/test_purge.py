"""Retention: what goes, what stays, and a purge that a crash interrupted."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from disk_night import DiskNight
from small_show import EPOCH_MS, answer, make_show, opened_ms

from hairpin.errors import DataDamaged, YourMistake
from hairpin.node.data import DataDirectory
from hairpin.node.purge import DAY_MS, PurgePlan, purge_plan
from hairpin.show import Retention
from hairpin.world import World, real_world

END_MS = opened_ms(1) + 20_000
"""The last question closes and is revealed then."""


@pytest.fixture
def night(tmp_path: Path) -> DiskNight:
    """A show that is over: names are kept 1 day, records 30, keys 60."""
    night = DiskNight(tmp_path / "show" / "journal", make_show(2, retention=Retention(1, 30, 60)))
    night.ask(0, [answer(fan) for fan in range(5)], [])
    night.ask(1, [answer(fan, 0b010, question=1) for fan in range(4)], [])
    night.seal()
    data = DataDirectory(night.directory.parent, night.world)
    data.keys()
    data.winners_path.write_text("[]")
    return night


def plan_at(night: DiskNight, days: float, all_now: bool = False) -> PurgePlan:
    night.clock.at_ms = END_MS + round(days * DAY_MS)
    return purge_plan(night.directory.parent, night.world, all_now)


def kept(night: DiskNight) -> set[str]:
    return {path.name for path in night.directory.parent.iterdir()} - {"lock"}


def release(plan: PurgePlan) -> None:
    """As the end of the process does."""
    plan._world.disk.close(plan._data._lock_fd)


@pytest.mark.parametrize(
    ("days", "due", "stays"),
    [
        (0.9, set(), {"journal", "keys.json", "winners.json"}),
        (1, {"names"}, {"journal", "keys.json"}),
        (29.9, {"names"}, {"journal", "keys.json"}),
        (30, {"names", "records"}, {"keys.json", "results.json", "show-end.json"}),
        (60, {"names", "records", "keys"}, {"results.json", "show-end.json"}),
    ],
)
def test_each_kind_goes_when_its_days_are_over(
    night: DiskNight, days: float, due: set[str], stays: set[str]
) -> None:
    plan = plan_at(night, days)
    assert {row.what for row in plan.rows() if row.due} == due
    plan.carry_out()
    assert kept(night) == stays


def test_now_means_all_of_it(night: DiskNight) -> None:
    plan = plan_at(night, 0, all_now=True)
    plan.carry_out()
    assert kept(night) == {"results.json", "show-end.json"}


def test_the_heads_that_were_told_outlive_the_records(night: DiskNight) -> None:
    heads = [record.head for record in night.keeper.book.published]
    plan_at(night, 0, all_now=True).carry_out()
    document = json.loads((night.directory.parent / "results.json").read_bytes())
    kept = [told["head"] for question in document["questions"] for told in question["published"]]
    assert (len(heads), kept) == (2, heads)


def test_the_plan_says_until_when_each_is_kept_and_changes_nothing(night: DiskNight) -> None:
    before = kept(night)
    rows = plan_at(night, 0).rows()
    assert [(row.what, Path(row.where).name, row.until) for row in rows] == [
        ("names", "winners.json", "2026-11-19"),
        ("records", "journal", "2026-12-18"),
        ("keys", "keys.json", "2027-01-17"),
    ]
    assert kept(night) == before


def test_the_counts_outlive_the_records(night: DiskNight) -> None:
    plan_at(night, 30).carry_out()
    results = json.loads((night.directory.parent / "results.json").read_text())
    assert [q["answers"] for q in results["questions"]] == [5, 4]
    assert results["show"] == "small"
    assert results["head"]


def test_a_second_purge_finds_nothing_more_to_do_and_later_ones_go_on(night: DiskNight) -> None:
    plan = plan_at(night, 30)
    plan.carry_out()
    release(plan)
    before = (night.directory.parent / "results.json").read_bytes()
    again = plan_at(night, 31)
    again.carry_out()
    release(again)
    assert (night.directory.parent / "results.json").read_bytes() == before
    plan_at(night, 60).carry_out()
    assert kept(night) == {"results.json", "show-end.json"}


@pytest.mark.parametrize("deleted", [0, 1, 2, 3])
def test_a_purge_that_a_crash_interrupted_is_finished_by_the_next(
    night: DiskNight, monkeypatch: pytest.MonkeyPatch, deleted: int
) -> None:
    """However many of the journal's files went before the crash."""

    def crashing(path: Path) -> None:
        for file in sorted(Path(path).iterdir())[:deleted]:
            file.unlink()
        raise KeyboardInterrupt

    plan = plan_at(night, 60)
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "rmtree", crashing)
        with pytest.raises(KeyboardInterrupt):
            plan.carry_out()
    release(plan)
    plan_at(night, 60).carry_out()
    assert kept(night) == {"results.json", "show-end.json"}
    results = json.loads((night.directory.parent / "results.json").read_text())
    assert [q["answers"] for q in results["questions"]] == [5, 4]


def test_a_damaged_journal_stays_but_names_and_keys_go(night: DiskNight) -> None:
    path = next(night.directory.glob("00000002-*.hpj"))
    data = bytearray(path.read_bytes())
    data[200] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(DataDamaged):
        plan_at(night, 60).carry_out()
    assert kept(night) == {"journal"}


def test_what_was_kept_of_the_end_may_be_damaged_too(night: DiskNight) -> None:
    (night.directory.parent / "show-end.json").write_text("{")
    with pytest.raises(DataDamaged, match=r"show-end\.json cannot be read"):
        plan_at(night, 60)


def test_nothing_is_purged_under_a_running_node(night: DiskNight) -> None:
    runs = DataDirectory(night.directory.parent, real_world())
    runs.prepare()
    with pytest.raises(YourMistake, match="another node runs on"):
        plan_at(night, 60)


def test_without_a_show_there_is_nothing_to_purge(tmp_path: Path) -> None:
    world: World = real_world()
    with pytest.raises(YourMistake, match="there is no journal in"):
        purge_plan(tmp_path / "none", world, True)
    assert not (tmp_path / "none").exists()
    empty = DataDirectory(tmp_path / "empty", world)
    empty.prepare()
    empty.journal(create=True)
    with pytest.raises(YourMistake, match="no show was ever armed"):
        purge_plan(tmp_path / "empty", world, True)


def test_a_show_that_never_opened_a_question_ended_when_it_was_armed(tmp_path: Path) -> None:
    night = DiskNight(tmp_path / "journal")
    night.clock.at_ms = EPOCH_MS + DAY_MS
    rows = purge_plan(tmp_path, night.world, False).rows()
    assert [row.due for row in rows] == [True, False, False]


def test_what_an_interrupted_receive_left_goes_with_the_records(night: DiskNight) -> None:
    left = night.directory.with_name("journal.receiving")
    shutil.copytree(night.directory, left)
    plan_at(night, 30).carry_out()
    assert not left.exists()
