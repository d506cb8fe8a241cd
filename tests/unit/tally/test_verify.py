"""Which head stands for what, and that only what it covers is counted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from any_night import AnyNight
from disk_night import DiskNight
from small_show import answer

from hairpin import messages as m
from hairpin.errors import DataDamaged, YourMistake
from hairpin.tally.book import Book
from hairpin.tally.export import as_json, recount_json
from hairpin.tally.recount import Recount, Recounter
from hairpin.tally.verify import DoesNotHold, Result, parse_head, verify

TOLD = ("version", "answers", "right", "at_ms")


@pytest.fixture
def night(tmp_path: Path) -> DiskNight:
    """Two questions; the first one is corrected at the end."""
    played = DiskNight(tmp_path / "journal")
    played.ask(0, [answer(1), answer(2, 0b010)], [answer(3)])
    played.ask(1, [answer(1, question=1)], [])
    played.control(m.Corrected(played.clock.at_ms, 0, 0b010, "two was meant"))
    played.publish()
    played.seal()
    return played


def heads(night: DiskNight) -> list[str]:
    return [record.head for record in night.keeper.book.published]


def test_the_head_of_a_result_covers_what_was_there_when_it_was_told(night: DiskNight) -> None:
    first, second, corrected = (verify(night.journal, head) for head in heads(night))
    told = night.keeper.book.published
    assert first.results == (Result("q1", 1, 3, 2, told[0].at_ms),)
    assert second.results == (Result("q2", 1, 1, 1, told[1].at_ms),)
    assert corrected.results == (Result("q1", 2, 3, 1, told[2].at_ms),)
    assert [q.status for q in first.recount.questions] == ["final", "counting"]
    assert (first.recount.counted, second.recount.counted) == (3, 4)
    assert first.recount.questions[0].right == second.recount.questions[0].right == 2
    assert corrected.recount.questions[0].reason == "two was meant"
    assert [one.recount.head for one in (first, second, corrected)] == heads(night)


def test_frames_after_a_head_are_told(night: DiskNight) -> None:
    whole = Recounter(night.journal).run()
    for record in night.keeper.book.published:
        found = verify(night.journal, record.head)
        assert not found.whole
        assert found.recount.frames == sum(record.positions.values())
        assert found.frames_after == whole.frames - found.recount.frames
        assert found.recount.heads_verified == 3


def test_the_head_of_the_whole_journal(night: DiskNight) -> None:
    whole = Recounter(night.journal).run()
    found = verify(night.journal, whole.head)
    assert found.whole
    assert (found.results, found.frames_after, found.recount) == ((), 0, whole)


@pytest.mark.parametrize("make", [as_json, recount_json])
def test_every_head_that_was_told_is_named_and_holds(
    night: DiskNight, make: Callable[[Book, Recount], str]
) -> None:
    recounter = Recounter(night.journal)
    found = recounter.run()
    document = json.loads(make(recounter.book, found))
    named = [(q["id"], told) for q in document["questions"] for told in q["published"]]
    assert [(name, told["version"], told["reason"]) for name, told in named] == [
        ("q1", 1, ""),
        ("q1", 2, "two was meant"),
        ("q2", 1, ""),
    ]
    for name, told in named:
        (result,) = verify(night.journal, told.pop("head")).results
        assert result == Result(name, *(told[key] for key in TOLD))
    assert verify(night.journal, document["head"]).whole


def test_results_that_were_told_at_once_share_a_head(tmp_path: Path) -> None:
    night = DiskNight(tmp_path / "journal")
    for question in (0, 1):
        night.open(question)
        night.answers(0, [answer(1, question=question)])
        night.close(question)
    night.mark(0)
    night.mark(1)
    night.publish()
    (head,) = set(heads(night))
    assert [result.question for result in verify(night.journal, head).results] == ["q1", "q2"]


def test_another_head_does_not_hold(night: DiskNight) -> None:
    with pytest.raises(DoesNotHold, match=r"the journal holds, but 0{32} is the head of nothing"):
        verify(night.journal, "0" * 32)
    assert DoesNotHold.exit_code not in (0, 1, YourMistake.exit_code, DataDamaged.exit_code)


def test_damage_after_the_head_is_damage(night: DiskNight) -> None:
    first = heads(night)[0]
    path = night.directory / "00000002-0000.hpj"
    data = bytearray(path.read_bytes())
    data[-150] ^= 1
    path.write_bytes(data)
    with pytest.raises(DataDamaged, match="of incarnation 2"):
        verify(night.journal, first)


def test_a_refold_is_told_when_it_is_done(tmp_path: Path) -> None:
    """A correction, a late answer and a restart: the head covers an answer not yet counted."""
    played = AnyNight(tmp_path / "journal")
    for step in (
        ("advance",),
        ("answers", 0, 0, [(1, 100, 100, 0)]),
        ("advance",),
        ("publish",),
        ("correct", 0, 0b010),
        ("answers", 1, 0, [(2, 100, 100, 1)]),
        ("restart",),
        ("publish",),
        ("work",),
        ("publish",),
    ):
        played.play(step)
    told = played.night.keeper.book.published
    assert [(record.version, record.answers) for record in told] == [(1, 1), (2, 2)]
    for record in told:
        assert verify(played.night.journal, record.head).results[0].version == record.version


def test_a_head_is_read_as_people_write_it() -> None:
    head = "0123456789abcdef0123456789ABCDEF"
    assert parse_head(f" {head}\n") == head.lower()
    assert parse_head("0123 4567 89ab cdef 0123 4567 89AB CDEF") == head.lower()
    for text in ("", head[:-1], head + "0", "g" * 32):
        with pytest.raises(YourMistake, match="32 hexadecimal digits"):
            parse_head(text)
