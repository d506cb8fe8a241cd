"""Reading everything back, beside the exact count of the same journal."""

from __future__ import annotations

from pathlib import Path

import pytest
from disk_night import DiskNight
from memcached_server import Memcached
from small_show import FR, GB, answer, make_question, make_show

from hairpin.errors import EngineDown, YourMistake
from hairpin.tally.memcached import Server
from hairpin.tally.memcached_keeper import MemcachedKeeper
from hairpin.tally.memcached_results import Comparison, Exact, Sums, cells_csv, compare
from hairpin.tally.recount import Recounter


def write_night(directory: Path, cell_min: int = 1) -> DiskNight:
    """A question and a poll; one fan repeats, another one changes their mind."""
    questions = [make_question(1), make_question(2, right=0)]
    night = DiskNight(directory, make_show(questions, cell_min=cell_min))
    first = [answer(fan, country=FR, band=0) for fan in range(4)]
    night.ask(
        0, [*first, first[0]], [answer(0, 0b010, 1_500, band=0), answer(9, 0b100, country=GB)]
    )
    night.ask(1, [answer(1, 0b010, question=1, band=0)], [])
    return night


def count(night: DiskNight, memcached: Memcached) -> None:
    keeper = MemcachedKeeper(night.journal, night.world, Server(memcached.address))
    for writer in (night.director, *night.gates):
        keeper.synced(writer.synced)
    while keeper.courier.round():
        pass
    keeper.close()


def exact_of(night: DiskNight) -> Exact:
    recounter = Recounter(night.journal)
    found = recounter.run()
    return Exact(night.journal.id, recounter.book, found)


def compared(memcached: Memcached, exact: Exact | None) -> Comparison:
    server = Server(memcached.address, 10.0)
    try:
        return compare(server, exact, lambda done, all_: None)
    finally:
        server.close()


def test_both_counts_of_each_question_and_their_difference(
    tmp_path: Path, memcached: Memcached
) -> None:
    night = write_night(tmp_path / "journal")
    count(night, memcached)
    found = compared(memcached, exact_of(night))
    first, poll = found.questions
    assert (first.memcached, first.exact) == (Sums(7, 5, 2), Sums(5, 4, 1))
    assert (first.repeats, first.difference) == (2, 2)
    assert (poll.memcached, poll.exact, poll.difference) == (Sums(1, 0, 1), Sums(1, 0, 0), 0)
    assert (found.show, found.lost_ms) == ("small", None)
    assert found.journal == f"{night.journal.id:016x}"


def test_cells_side_by_side_and_a_polls_outcome_is_an_answer(
    tmp_path: Path, memcached: Memcached
) -> None:
    night = write_night(tmp_path / "journal")
    count(night, memcached)
    lines = cells_csv(compared(memcached, exact_of(night))).splitlines()
    assert lines == [
        "question,outcome,age_band,country,memcached,exact",
        "q1,right,0,FR,5,4",
        "q1,wrong,0,FR,1,0",
        "q1,wrong,1,GB,1,1",
        "q2,answer,0,FR,1,1",
    ]


def test_small_cells_are_suppressed_on_both_sides(tmp_path: Path, memcached: Memcached) -> None:
    night = write_night(tmp_path / "journal", cell_min=5)
    count(night, memcached)
    cells = {
        (c.question, c.outcome, c.country): (c.memcached, c.exact)
        for c in compared(memcached, exact_of(night)).cells
    }
    assert cells["q1", "right", "FR"] == (5, None)
    assert cells["q1", "wrong", "GB"] == (None, None)


def test_without_a_journal_there_are_the_counters_alone(
    tmp_path: Path, memcached: Memcached
) -> None:
    count(write_night(tmp_path / "journal"), memcached)
    found = compared(memcached, None)
    assert [(q.id, q.memcached.answers, q.exact) for q in found.questions] == [
        ("q1", 7, None),
        ("q2", 1, None),
    ]
    assert {cell.exact for cell in found.cells} == {None}


def test_an_empty_one_and_another_shows_are_refused(tmp_path: Path, memcached: Memcached) -> None:
    night = write_night(tmp_path / "journal")
    with pytest.raises(YourMistake, match="holds no counters of a show"):
        compared(memcached, exact_of(night))
    count(write_night(tmp_path / "other"), memcached)
    with pytest.raises(YourMistake, match="holds the counters of the show 'small'"):
        compared(memcached, exact_of(night))
    memcached.kill()
    with pytest.raises(EngineDown):
        compared(memcached, None)
