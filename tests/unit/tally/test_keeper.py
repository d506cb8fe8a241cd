"""The keeper: as far as the journal is durable and no further, and a snapshot when it has news."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from disk_night import DiskNight
from small_show import EPOCH_MS, GB, answer, make_question, make_show, opened_ms

from hairpin.errors import DataDamaged
from hairpin.messages import AnswerClocks, ContenderClocks, Corrected, Synced, Voided
from hairpin.tally.keeper import Keeper


@pytest.fixture
def night(tmp_path: Path) -> DiskNight:
    return DiskNight(tmp_path / "journal")


def test_what_is_not_told_to_be_durable_is_not_counted(night: DiskNight) -> None:
    night.open()
    night.tells = False
    night.answers(0, [answer(1)])
    durable = night.gates[0].synced
    night.answers(0, [answer(2)])
    night.keeper.synced(durable)
    snapshot = night.snapshot()
    assert snapshot is not None
    assert snapshot.questions[0].answers == 1
    assert snapshot.positions[str(durable.incarnation)] == durable.frames


def test_news_that_comes_twice_late_or_not_at_all_changes_nothing(night: DiskNight) -> None:
    night.open()
    night.tells = False
    gate = night.gates[0]
    news = []
    for fan in range(6):
        night.answers(0, [answer(fan)])
        news.append(gate.synced)
    for told in (news[2], news[2], news[0], news[5], news[1], news[5]):
        night.keeper.synced(told)
    snapshot = night.snapshot()
    assert snapshot is not None
    assert (snapshot.questions[0].answers, snapshot.questions[0].repeats) == (6, 0)


def test_a_snapshot_is_made_only_when_something_changed(night: DiskNight) -> None:
    night.open()
    night.answers(0, [answer(1)])
    assert night.snapshot() is not None
    night.clock.at_ms += 5_000
    quiet = [night.snapshot() for _ in range(4)]
    assert quiet == [None] * 4
    night.answers(0, [answer(2)])
    assert night.snapshot() is not None


def test_before_the_show_is_known_there_is_nothing_to_show(night: DiskNight) -> None:
    keeper = Keeper(night.journal, night.clock)
    assert keeper.tick() is None
    keeper.synced(Synced(night.director.incarnation, 1))
    assert keeper.tick() is None
    keeper.synced(Synced(night.director.incarnation, 2))
    assert keeper.tick() is not None


def test_the_oldest_answer_of_a_snapshot_is_told_once(night: DiskNight) -> None:
    night.open()
    night.answers(0, [answer(1, received_ms=900), answer(2, received_ms=400)])
    night.answers(1, [answer(3, received_ms=700)])
    first, second = night.snapshot(), night.snapshot()
    assert first is not None
    assert first.oldest_ms == opened_ms(0) + 400
    night.answers(1, [answer(4, received_ms=1_500)])
    second = night.snapshot()
    assert second is not None
    assert second.oldest_ms == opened_ms(0) + 1_500


def test_the_rate_is_that_of_the_last_second_and_falls_back_to_zero(night: DiskNight) -> None:
    night.open()
    start = night.clock.at_ms
    rates = []
    for step in range(20):
        night.clock.at_ms = start + 100 * step
        if step < 11:
            night.answers(0, [answer(step * 50 + fan) for fan in range(50)])
        snapshot = night.snapshot()
        rates.append(snapshot.answers_per_s if snapshot else rates[-1])
    assert rates[10] == pytest.approx(500.0)
    assert rates[15] == pytest.approx(250.0)
    night.clock.at_ms = start + 4_000
    last = night.snapshot()
    assert last is not None
    assert last.answers_per_s == 0
    assert night.snapshot() is None


def test_a_provisional_result_names_who_is_missing_as_it_changes(night: DiskNight) -> None:
    night.open()
    night.close()
    one, two = (gate.incarnation for gate in night.gates)
    snapshot = night.snapshot()
    assert snapshot is not None
    assert (snapshot.questions[0].status, snapshot.questions[0].missing) == (
        "provisional",
        (one, two),
    )
    night.mark(0, 1)
    snapshot = night.snapshot()
    assert snapshot is not None
    assert snapshot.questions[0].missing == (one,)
    night.crash(0)
    snapshot = night.snapshot()
    assert snapshot is not None
    assert (snapshot.questions[0].status, snapshot.questions[0].version) == ("final", 1)


def test_a_gate_born_after_the_close_is_waited_for_too(night: DiskNight) -> None:
    night.open()
    night.close()
    night.mark()
    gate = night.journal.writer()
    snapshot = night.snapshot()
    assert snapshot is not None
    assert snapshot.questions[0].missing == (gate.incarnation,)
    gate.seal()
    night.keeper.synced(gate.synced)
    snapshot = night.snapshot()
    assert snapshot is not None
    assert snapshot.questions[0].status == "final"


def test_a_later_process_counts_the_same_from_the_same_journal(night: DiskNight) -> None:
    night.ask(0, [answer(1), answer(2, 0b010)], [answer(3), answer(1, took_ms=400)])
    night.control(Corrected(0, 0, 0b010, "a slip"))
    night.publish()
    night.ask(1, [answer(3, question=1)], [answer(2, question=1)])
    night.answers(1, [answer(9)])
    live = night.publish()
    again = Keeper(night.journal, night.clock)
    for writer in (night.director, *reversed(night.gates)):
        again.synced(writer.synced)
    later = again.tick()
    assert live is not None
    assert later is not None
    assert later.questions == live.questions
    assert [q.version for q in live.questions] == [3, 1]
    assert (later.leaders, later.more, later.ranks) == (live.leaders, live.more, live.ranks)


def test_both_clocks_of_a_contender_are_those_that_count(tmp_path: Path) -> None:
    questions = [make_question(n) for n in (1, 2, 3)]
    night = DiskNight(tmp_path / "three", make_show(questions))
    night.ask(
        0,
        [answer(1, took_ms=100, received_ms=5_000), answer(2), answer(1, took_ms=3_000)],
        [answer(1, 0b010, 4_000)],
    )
    night.ask(1, [answer(1, 0b010, question=1)], [answer(2, question=1)])
    night.ask(2, [answer(1, question=2)], [])
    night.control(Voided(0, 2, "no"))
    assert asyncio.run(night.keeper.clocks((1, 2, 99))).contenders == (
        ContenderClocks(1, (AnswerClocks(0, 3_000, 3_000),)),
        ContenderClocks(2, (AnswerClocks(0, 1_000, 1_000), AnswerClocks(1, 1_000, 1_000))),
    )


def test_clocks_follow_the_right_answer_in_force(night: DiskNight) -> None:
    night.ask(0, [answer(1, 0b010, 900)], [])
    assert asyncio.run(night.keeper.clocks((1,))).contenders == (ContenderClocks(1, ()),)
    night.control(Corrected(0, 0, 0b010, "a slip"))
    assert asyncio.run(night.keeper.clocks((1,))).contenders == (
        ContenderClocks(1, (AnswerClocks(0, 900, 900),)),
    )


def test_a_strand_that_cannot_be_read_holds_up_its_own_result_only(night: DiskNight) -> None:
    """Damage of one gate's strand must not stop the others from being counted."""
    night.open()
    night.tells = False
    night.answers(0, [answer(1)])
    night.answers(1, [answer(2)])
    path = night.directory / f"{night.gates[0].incarnation:08x}-0000.hpj"
    whole = bytearray(path.read_bytes())
    whole[-1] ^= 1
    path.write_bytes(bytes(whole))
    for _ in range(2):
        with pytest.raises(DataDamaged, match=path.name):
            night.keeper.synced(night.gates[0].synced)
    night.keeper.synced(night.gates[1].synced)
    night.tells = True
    night.close()
    night.mark(0, 1)
    snapshot = night.snapshot()
    assert snapshot is not None
    assert snapshot.questions[0].answers == 1
    assert snapshot.questions[0].missing == (night.gates[0].incarnation,)


def test_times_count_from_the_epoch_of_the_show(night: DiskNight) -> None:
    night.open()
    night.answers(0, [(1, opened_ms(0) - EPOCH_MS + 777, 777, 0, 1, 0, GB)])
    assert night.keeper.book.lines[0].count is not None
    assert int(night.keeper.book.lines[0].count.words[1]) >> 37 == 777
