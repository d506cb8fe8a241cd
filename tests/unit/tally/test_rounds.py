"""Reading in rounds: each question is folded before another strand goes on to the next one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from disk_night import DiskNight
from inline_worker import InlineWorker
from small_show import answer, make_question, make_show

from hairpin import messages as m
from hairpin.errors import DataDamaged
from hairpin.frame import Frame
from hairpin.tally.book import Book
from hairpin.tally.keeper import Keeper
from hairpin.tally.recount import Recounter
from hairpin.tally.rounds import read_in_rounds

QUESTIONS = 4


@pytest.fixture
def night(tmp_path: Path) -> DiskNight:
    """A whole night at two gates, the second of which dies in the third question."""
    show = make_show([make_question(n + 1) for n in range(QUESTIONS)])
    night = DiskNight(tmp_path / "journal", show)
    for question in range(QUESTIONS):
        if question == 2:
            night.open(question)
            night.answers(1, [answer(5, question=question)])
            night.crash(1)
            night.answers(0, [answer(1, question=question)])
            night.close(question)
            night.mark(question)
            night.publish()
        else:
            given = [[answer(gate, question=question)] for gate in range(len(night.gates))]
            night.ask(question, *given)
    night.answers(0, [answer(9, question=0)])
    night.publish()
    return night


def holding(book: Book) -> int:
    """How many questions hold words."""
    return sum(line.count is not None and len(line.count.words) > 0 for line in book.lines)


def test_few_questions_hold_words_at_a_time(night: DiskNight) -> None:
    recounter = Recounter(night.journal)
    book, most = recounter.book, 0

    def watched(incarnation: int) -> Iterator[Frame]:
        nonlocal most
        for frame in night.journal.follow(incarnation).read():
            yield frame
            most = max(most, holding(book) - asked_only(book))

    director, *gates = night.journal.incarnations()
    for frame in night.journal.follow(director).read():
        book.apply(frame)
    everyone = night.journal.incarnations()
    assert read_in_rounds(book, {n: watched(n) for n in gates}, everyone) == {}
    assert holding(book) == 0
    assert most == 1


def asked_only(book: Book) -> int:
    """Questions that were opened, and not answered in what was read."""
    return sum(line.count is not None and not line.count.journalled for line in book.lines)


def test_whichever_way_it_is_read_it_comes_to_the_same(night: DiskNight) -> None:
    night.control(m.Struck(0, 99, "so that there is news"))
    live = night.publish()
    found = Recounter(night.journal).run()
    keeper = Keeper(night.journal, night.clock, InlineWorker())
    keeper.synced(night.director.synced)
    others = {writer.incarnation: writer.synced for writer in night.gates}
    others |= {end.incarnation: m.Synced(end.incarnation, end.frames) for end in keeper.book.fenced}
    assert keeper.catch_up(others.values()) == {}
    again = keeper.tick()
    assert live is not None
    assert again is not None
    assert live.questions == found.questions == again.questions
    assert live.leaders == found.leaders == again.leaders
    assert found.questions[0].reason == "late answers"
    assert found.questions[0].version == 2


def test_a_damaged_strand_is_named_and_the_others_are_read(night: DiskNight) -> None:
    path = night.directory / "00000003-0000.hpj"
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    keeper = Keeper(night.journal, night.clock, InlineWorker())
    keeper.synced(night.director.synced)
    news = [*(writer.synced for writer in night.gates), m.Synced(3, 6)]
    assert list(keeper.catch_up(news)) == [3]
    assert all(line.count and line.count.journalled for line in keeper.book.lines)
    with pytest.raises(DataDamaged):
        Recounter(night.journal).run()
