"""Group commit: durable first, acknowledged after that."""

from __future__ import annotations

import pytest
from gate_stand import EPOCH, KEY, QUESTIONS, ListWriter, SetClock, settle

from hairpin.answer import RECORD
from hairpin.errors import EngineDown
from hairpin.frame import BODY_BYTES_MAX, Kind
from hairpin.gate.admit import Admission, answer_text
from hairpin.gate.commit import Committer
from hairpin.journal import StrandLost
from hairpin.ticket import issue

TEXT = answer_text(issue(1, 0, 0, KEY), 0, 1, 5)
WAITING = answer_text(issue(1, 0, 0, KEY), 2, 1, 5)


class Verdicts:
    def __init__(self) -> None:
        self.statuses: list[int] = []

    def verdict(self, status: int) -> None:
        self.statuses.append(status)


class Desk:
    """A committer and how often it said that a frame is durable."""

    def __init__(self, queue_max: int = 1 << 20) -> None:
        self.writer = ListWriter()
        admission = Admission(KEY)
        admission.set_questions(QUESTIONS, EPOCH)
        self.durable = 0
        self.answers = Committer(SetClock(), self.writer, admission, queue_max, self._committed)
        self.answers.epoch_ms = EPOCH
        self.asker = Verdicts()

    def _committed(self) -> None:
        self.durable += 1

    async def put(self, *texts: bytes) -> list[int]:
        self.asker.statuses.clear()
        for text in texts:
            self.answers.put(text, self.asker)
        assert not self.asker.statuses, "a verdict before the commit"
        await settle()
        return self.asker.statuses


async def test_one_frame_for_what_came_meanwhile() -> None:
    desk = Desk()
    assert await desk.put(TEXT, WAITING, TEXT) == [204, 409, 204]
    assert [(kind, count) for kind, _, count in desk.writer.frames] == [(Kind.ANSWERS, 2)]
    assert desk.durable == desk.answers.commits == 1
    assert desk.answers.statuses == {204: 2, 409: 1, 503: 0}


async def test_refused_answers_cost_no_frame() -> None:
    desk = Desk()
    assert await desk.put(WAITING) == [409]
    assert not desk.writer.frames
    assert desk.durable == 0


async def test_a_batch_larger_than_a_frame_takes_several() -> None:
    desk = Desk()
    most = BODY_BYTES_MAX // RECORD.itemsize
    assert await desk.put(*[TEXT] * (most + 1)) == [204] * (most + 1)
    assert [count for _, _, count in desk.writer.frames] == [most, 1]


async def test_when_the_second_frame_fails_none_of_the_batch_is_acknowledged() -> None:
    desk = Desk()
    most = BODY_BYTES_MAX // RECORD.itemsize

    def full_after_one() -> None:
        desk.writer.broken = EngineDown("full")

    desk.answers._committed = full_after_one
    assert set(await desk.put(*[TEXT] * (most + 1))) == {503}


async def test_a_journal_that_fails_is_told_and_forgotten_when_it_works_again() -> None:
    desk = Desk()
    desk.writer.broken = EngineDown("the disk is full", "make room")
    assert await desk.put(TEXT, WAITING) == [503, 409]
    assert desk.answers.error == "the disk is full"
    assert desk.durable == 0
    assert not desk.answers.control(b"{}")
    desk.writer.broken = None
    assert await desk.put(TEXT) == [204]
    assert desk.answers.error is None


async def test_a_full_queue_is_not_left_full() -> None:
    desk = Desk(queue_max=2)
    assert await desk.put(TEXT, TEXT, TEXT) == [204, 204, 503]
    assert await desk.put(TEXT, TEXT) == [204, 204]
    assert desk.answers.statuses[503] == 1


async def test_nothing_is_taken_after_the_end() -> None:
    desk = Desk()
    desk.answers.put(TEXT, desk.asker)
    desk.answers.end()
    assert desk.asker.statuses == [204]
    assert desk.writer.sealed
    assert await desk.put(TEXT) == [503]
    assert not desk.answers.control(b"{}")


async def test_an_end_that_cannot_be_sealed_is_an_engine_that_is_down(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk = Desk()

    def refuse() -> None:
        raise EngineDown("full")

    monkeypatch.setattr(desk.writer, "seal", refuse)
    with pytest.raises(EngineDown):
        desk.answers.end()
    assert await desk.put(TEXT) == [503]


async def test_a_strand_that_is_lost_is_the_end_of_its_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def lost(kind: Kind, body: bytes, count: int) -> None:
        raise StrandLost("the file system was away")

    desk = Desk()
    monkeypatch.setattr(desk.writer, "commit", lost)
    assert await desk.put(TEXT) == [503]
    assert desk.answers.lost is not None
