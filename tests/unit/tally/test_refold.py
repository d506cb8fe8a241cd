"""A refold reads in another thread while answers are counted; it is taken over all at once."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from disk_night import DiskNight
from inline_worker import PatientWorker
from small_show import answer, make_question, make_show

from hairpin import messages as m
from hairpin.errors import DataDamaged
from hairpin.tally.keeper import Keeper
from hairpin.tally.recount import Recounter
from hairpin.tally.replay import Ended, Replays, replay

SHOW = make_show([make_question(n) for n in (1, 2, 3)])


class Slow(DiskNight):
    """Replays take until the test says that they are done."""

    def __init__(self, directory: Path) -> None:
        self.worker = PatientWorker()
        super().__init__(directory, SHOW, worker=self.worker)

    def told(self, question: int = 0) -> m.QuestionTally:
        self.control(m.Struck(0, 99, "so that there is news"))
        snapshot = self.publish()
        assert snapshot is not None
        return snapshot.questions[question]

    def leaders(self) -> list[tuple[int, int]]:
        self.control(m.Struck(0, 99, "so that there is news"))
        snapshot = self.publish()
        assert snapshot is not None
        return [(one.fan, one.right) for one in snapshot.leaders]


@pytest.fixture
def night(tmp_path: Path) -> Slow:
    night = Slow(tmp_path / "journal")
    night.ask(0, [answer(1), answer(2, 0b010)], [answer(3, 0b010, 2_000)])
    return night


def same_as_a_recount(night: Slow) -> None:
    night.control(m.Struck(0, 98, "so that there is news"))
    live = night.publish()
    found = Recounter(night.journal).run()
    assert live is not None
    assert (live.questions, live.leaders) == (found.questions, found.leaders)


def test_a_corrected_result_is_provisional_until_it_is_refolded(night: Slow) -> None:
    night.control(m.Corrected(0, 0, 0b010, "a slip"))
    told = night.told()
    assert (told.status, told.version, told.missing) == ("provisional", 1, ())
    assert (told.right, told.wrong) == (2, 1), "counts need no journal"
    assert night.leaders() == [(1, 1)], "scores do"
    night.worker.work()
    told = night.told()
    assert (told.status, told.version, told.reason) == ("final", 2, "a slip")
    assert night.leaders() == [(2, 1), (3, 1)]
    same_as_a_recount(night)


def test_a_void_result_is_not_void_before_the_scores_are(night: Slow) -> None:
    night.control(m.Voided(0, 0, "no sound"))
    assert night.told().status == "provisional"
    night.worker.work()
    assert (night.told().status, night.leaders()) == ("void", [])


def test_the_next_question_is_counted_and_folded_meanwhile(night: Slow) -> None:
    night.control(m.Corrected(0, 0, 0b010, "a slip"))
    night.told()
    night.ask(1, [answer(2, question=1), answer(7, question=1)])
    assert (night.told(1).status, night.told(1).answers) == ("final", 2)
    assert night.told(0).status == "provisional"
    assert night.leaders() == [(1, 1), (2, 1), (7, 1)]
    night.worker.work()
    assert night.leaders() == [(2, 2), (7, 1), (3, 1)]
    same_as_a_recount(night)


def test_late_answers_that_arrive_meanwhile_are_in_it(night: Slow) -> None:
    night.answers(1, [answer(4, took_ms=500)])
    assert night.told().status == "provisional"
    night.answers(0, [answer(2, 0b001, 400), answer(5, took_ms=600)])
    night.worker.work()
    told = night.told()
    assert (told.status, told.version, told.reason) == ("final", 2, "late answers")
    assert (told.answers, told.journalled) == (5, 6)
    assert night.leaders() == [(2, 1), (4, 1), (5, 1), (1, 1)]
    same_as_a_recount(night)


def test_two_corrections_during_one_reading_are_one_new_version(night: Slow) -> None:
    night.control(m.Corrected(0, 0, 0b010, "no"))
    night.told()
    night.control(m.Corrected(0, 0, 0b100, "yes"))
    night.told()
    night.worker.work()
    told = night.told()
    assert (told.version, told.reason, told.right) == (2, "yes", 0)
    assert night.leaders() == []
    same_as_a_recount(night)


def test_stale_questions_wait_for_each_other(night: Slow) -> None:
    night.ask(1, [answer(1, question=1)])
    night.control(m.Corrected(0, 0, 0b010, "a"), m.Voided(0, 1, "b"))
    for expected in (("provisional", "provisional"), ("final", "provisional"), ("final", "void")):
        assert (night.told(0).status, night.told(1).status) == expected
        night.worker.work()
    same_as_a_recount(night)


def test_damage_is_told_once_and_the_result_stays_provisional(night: Slow) -> None:
    path = night.directory / "00000002-0000.hpj"
    data = bytearray(path.read_bytes())
    data[-20] ^= 1
    path.write_bytes(data)
    night.control(m.Corrected(0, 0, 0b010, "a slip"))
    night.told()
    night.worker.work()
    with pytest.raises(DataDamaged):
        night.keeper.tick()
    assert night.told().status == "provisional"
    night.ask(1, [answer(1, question=1)])
    assert night.told(1).status == "final"


def test_in_a_thread_it_comes_to_the_same(night: Slow) -> None:
    night.control(m.Corrected(0, 0, 0b010, "a slip"))
    keeper = Keeper(night.journal, night.clock)
    for writer in (night.director, *night.gates):
        keeper.synced(writer.synced)
    keeper.tick()
    night.control(m.Corrected(0, 0, 0b100, "another"))
    keeper.synced(night.director.synced)
    while keeper.book.stale():
        keeper.tick()
        time.sleep(0.001)
    assert keeper.book.lines[0].status == "final"
    assert not keeper.book.scores.correct.any()
    keeper.close()


def test_who_reads_again_stops_when_nobody_waits_any_more(night: Slow) -> None:
    replays = Replays(night.journal)
    positions = night.keeper.book.positions()
    assert len(list(replay(replays, positions))) == 2
    reading = replay(replays, positions)
    next(reading)
    job = replays.begin(lambda: list(replay(replays, positions)))
    assert len(job.result()) == 2
    replays.close()
    with pytest.raises(Ended):
        next(reading)
