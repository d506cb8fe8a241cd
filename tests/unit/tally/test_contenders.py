"""A closer look at a few fans."""

from __future__ import annotations

from pathlib import Path

import pytest
from disk_night import DiskNight
from small_show import answer, make_question, make_show

from hairpin.errors import DataDamaged
from hairpin.tally.contenders import AnswersOfFans, clocks


@pytest.fixture
def night(tmp_path: Path) -> DiskNight:
    return DiskNight(tmp_path / "journal", make_show([make_question(1), make_question(2)]))


def test_all_answers_of_these_fans_and_of_nobody_else(night: DiskNight) -> None:
    night.open()
    night.answers(0, [answer(1), answer(2), answer(1, 0b010)])
    night.answers(1, [answer(3), answer(1, 0b100)])
    kept = AnswersOfFans(night.journal)
    found = kept.read((1, 9), night.keeper.book.positions())
    assert found["fan"].tolist() == [1, 1, 1]
    assert found["choice"].tolist() == [0b001, 0b010, 0b100]
    assert len(kept.read((), night.keeper.book.positions())) == 0
    assert len(kept.read((1,), {})) == 0


def test_asked_again_it_reads_on_from_there_and_anew_for_others(night: DiskNight) -> None:
    night.open()
    night.answers(0, [answer(1), answer(2)])
    kept = AnswersOfFans(night.journal)
    upto = night.keeper.book.positions()
    assert len(kept.read((1,), upto)) == 1
    night.answers(0, [answer(1, 0b010)])
    assert len(kept.read((1,), upto)) == 1
    path = next(night.directory.glob("00000002-*"))
    data = path.read_bytes()
    path.write_bytes(bytes(190) + data[190:])  # what was read is not looked at again
    later = night.keeper.book.positions()
    assert kept.read((1,), later)["choice"].tolist() == [0b001, 0b010]
    with pytest.raises(DataDamaged):
        kept.read((2,), later)
    path.write_bytes(data)
    assert kept.read((1,), later)["choice"].tolist() == [0b001, 0b010]


def test_clocks_are_those_of_the_right_answers_that_count(night: DiskNight) -> None:
    """Numbers of fans may be far apart; that costs no memory."""
    far = 4_000_000_000
    night.open()
    night.answers(0, [answer(7, took_ms=900), answer(5, 0b010), answer(7, took_ms=1_900)])
    night.close()
    night.open(1)
    night.answers(1, [answer(5, took_ms=700, question=1), answer(7, 0b100, question=1)])
    records = AnswersOfFans(night.journal).read((7, 5), night.keeper.book.positions())
    records["fan"][records["fan"] == 7] = far
    told = {one.fan: one.clocks for one in clocks(night.keeper.book.lines, records)}
    assert {fan: [(c.index, c.received_ms) for c in seen] for fan, seen in told.items()} == {
        5: [(1, 700)],
        far: [(0, 900)],
    }
