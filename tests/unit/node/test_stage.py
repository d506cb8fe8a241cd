"""The stage put together, ended in the middle, and put together again on the same data."""

from __future__ import annotations

from pathlib import Path

import pytest
from disk_night import FixedClock
from faulty_disk import Fault, FaultyDisk
from inline_worker import InlineWorker
from small_show import (
    EPOCH_MS,
    Answer,
    answer,
    armed,
    make_question,
    make_show,
    opened_ms,
    records_of,
)

from hairpin import messages as m
from hairpin.errors import EngineDown
from hairpin.frame import Kind
from hairpin.journal import Writer, decode_control, encode_control
from hairpin.node.data import DataDirectory
from hairpin.node.stage import Stage
from hairpin.order import State, Step
from hairpin.show import Mode
from hairpin.tally.keeper import Keeper
from hairpin.world import real_world

BY_HAND = [make_question(n, opens_after_ms=None, duration_ms=None) for n in (1, 2)]
SHOW = make_show(BY_HAND, mode=Mode.HAND, audience_high=200, tickets_per_fan=1.5)


class Stand:
    """One data directory, on which stages come and go; time stands still unless told."""

    def __init__(self, path: Path) -> None:
        self.clock = FixedClock()
        self.disk = FaultyDisk()
        self.world = real_world(self.clock, self.disk)
        self.data = DataDirectory(path, self.world)
        self.data.prepare()
        self.journal = self.data.journal(create=True)
        self.keys = self.data.keys()
        self.stage = self.begin()

    def begin(self) -> Stage:
        keeper = Keeper(self.journal, self.clock, InlineWorker())
        self.stage = Stage(
            self.world, self.data, self.keys, armed(SHOW), (), "http://x", keeper=keeper
        )
        return self.stage

    def restart(self) -> Stage:
        """As after kill -9 of the stage."""
        self.kill(self.stage.director._writer)
        return self.begin()

    def kill(self, writer: Writer) -> None:
        for copy in writer._copies:  # type: ignore[attr-defined]
            copy.close()

    def gate(self) -> Writer:
        gate = self.journal.writer()
        self.commit(gate, m.Born(self.clock.at_ms, "gate"))
        return gate

    def commit(self, gate: Writer, record: m.AnyControl) -> None:
        gate.commit(Kind.CONTROL, encode_control(record), 1)
        self.stage.bus.publish(m.TOPIC_SYNCED, gate.synced)

    def answers(self, gate: Writer, *answers: Answer) -> None:
        gate.commit(Kind.ANSWERS, records_of(answers).tobytes(), len(answers))
        self.stage.bus.publish(m.TOPIC_SYNCED, gate.synced)

    def step(self, question: int, step: Step) -> None:
        if step is Step.OPEN:
            self.clock.at_ms = opened_ms(question)
        self.stage.director.step(question, step)

    def tick(self) -> m.TallySnapshot | None:
        """What `run` does once."""
        self.stage.director.tick()
        snapshot = self.stage.keeper.tick()
        if snapshot is not None:
            self.stage.bus.publish(m.TOPIC_TALLY, snapshot)
        return snapshot

    def tally(self, question: int = 0) -> m.QuestionTally:
        snapshot = self.tick() or self.stage.director._snapshot
        assert snapshot is not None
        return snapshot.questions[question]

    def records(self, kind: type[m.AnyControl]) -> list[m.AnyControl]:
        """All control records of one kind, from all strands."""
        return [
            record
            for incarnation in self.journal.incarnations()
            for frame in self.journal.follow(incarnation).read()
            if frame.kind is Kind.CONTROL and isinstance(record := decode_control(frame.body), kind)
        ]


@pytest.fixture
def stand(tmp_path: Path) -> Stand:
    return Stand(tmp_path / "show")


def test_an_open_question_stays_open_with_its_clock_and_its_answers(stand: Stand) -> None:
    gate = stand.gate()
    stand.step(0, Step.OPEN)
    opened = stand.stage.director.order.moments[0]
    stand.answers(gate, answer(1), answer(2, 0b010))
    stand.clock.at_ms += 7_000
    again = stand.restart()
    assert again.director.order.moments[0] == opened
    assert again.director.order.moments[0].state is State.OPEN
    stand.answers(gate, answer(3))
    assert stand.tally().answers == 3
    assert [record.question for record in stand.records(m.Opened)] == [0]  # type: ignore[union-attr]


def test_what_a_gate_wrote_while_no_stage_was_there_is_counted(stand: Stand) -> None:
    gate = stand.gate()
    stand.step(0, Step.OPEN)
    stand.kill(stand.stage.director._writer)
    gate.commit(Kind.ANSWERS, records_of([answer(1)]).tobytes(), 1)
    stand.begin()
    assert stand.tally().answers == 0, "not told to be durable yet"
    stand.stage.bus.publish(m.TOPIC_SYNCED, gate.synced)
    assert stand.tally().answers == 1


def test_the_show_is_armed_once(stand: Stand) -> None:
    stand.restart()
    stand.restart()
    assert len(stand.records(m.Armed)) == 1


def test_answers_count_from_the_epoch_of_the_last_arming(stand: Stand) -> None:
    """It stands in the youngest strand, of which news come while older ones are being read."""
    stand.kill(stand.stage.director._writer)
    later = armed(SHOW, EPOCH_MS + 50_000)
    keeper = Keeper(stand.journal, stand.clock, InlineWorker())
    Stage(stand.world, stand.data, stand.keys, later, (), "http://x", keeper=keeper)
    assert keeper.book.armed == later


def test_earlier_stages_and_dead_gates_are_fenced_and_living_ones_are_not(stand: Stand) -> None:
    dead, alive = stand.gate(), stand.gate()
    first = stand.stage.director._writer.incarnation
    stand.kill(dead)
    stand.restart()
    fenced = {record.incarnation for record in stand.records(m.Fenced)}  # type: ignore[union-attr]
    assert fenced == {first, dead.incarnation}
    stand.answers(alive, answer(1))


def test_a_dead_gate_is_fenced_so_that_the_result_becomes_final(stand: Stand) -> None:
    dead, alive = stand.gate(), stand.gate()
    stand.step(0, Step.OPEN)
    stand.answers(dead, answer(1))
    stand.step(0, Step.CLOSE)
    stand.commit(alive, m.Marked(stand.clock.at_ms, (0,)))
    assert stand.tally().missing == (dead.incarnation,)
    stand.kill(dead)
    stand.tick()
    assert (stand.tally().status, stand.tally().answers) == ("final", 1)


def test_a_result_goes_on_from_the_version_that_was_published(stand: Stand) -> None:
    gate = stand.gate()
    stand.step(0, Step.OPEN)
    stand.answers(gate, answer(1), answer(2, 0b010))
    stand.step(0, Step.CLOSE)
    stand.commit(gate, m.Marked(stand.clock.at_ms, (0,)))
    stand.tick()
    stand.step(0, Step.REVEAL)
    stand.stage.director.step(0, Step.CORRECT, 0b010, "a slip")
    stand.tick()
    for _ in range(2):
        stand.restart()
        stand.stage.bus.publish(m.TOPIC_SYNCED, gate.synced)  # as it does when it connects
        stand.tick()
    assert stand.tally().version == 2
    stand.stage.director.step(0, Step.CORRECT, 0b001, "no slip")
    assert stand.tally().version == 3
    published = [
        (record.version, record.reason, record.right)  # type: ignore[union-attr]
        for record in stand.records(m.Published)
    ]
    assert published == [(1, "", 1), (2, "a slip", 1), (3, "no slip", 1)]


async def test_fan_numbers_are_never_given_twice_whoever_restarts(stand: Stand) -> None:
    given: list[range] = []
    while True:
        reply = await stand.stage.director.lease(m.LeaseRequest(9, 50))
        if not reply.count:
            break
        given.append(range(reply.first, reply.first + reply.count))
        stand.restart()
    numbers = [number for block in given for number in block]
    assert numbers == list(range(SHOW.tickets_max))
    leased = [(record.first, record.count) for record in stand.records(m.Leased)]  # type: ignore[union-attr]
    assert leased == [(block.start, len(block)) for block in given]


async def test_numbers_that_could_not_be_journalled_are_not_given(stand: Stand) -> None:
    first = await stand.stage.director.lease(m.LeaseRequest(9, 10))
    stand.disk.faults.append(Fault("write"))
    with pytest.raises(EngineDown):
        await stand.stage.director.lease(m.LeaseRequest(9, 10))
    second = await stand.stage.director.lease(m.LeaseRequest(9, 10))
    assert (first.first, second.first) == (0, 10)
    stand.restart()
    third = await stand.stage.director.lease(m.LeaseRequest(9, 10))
    assert third.first == 20


def test_a_step_that_could_not_be_journalled_did_not_happen(stand: Stand) -> None:
    stand.disk.faults.append(Fault("write", keep=20))
    with pytest.raises(EngineDown):
        stand.step(0, Step.OPEN)
    assert stand.stage.director.order.moments[0].state is State.WAITING
    stand.step(0, Step.OPEN)
    assert stand.restart().director.order.moments[0].state is State.OPEN
    assert len(stand.records(m.Opened)) == 1


def test_a_damaged_strand_is_named_and_the_others_count(stand: Stand) -> None:
    bad, good = stand.gate(), stand.gate()
    stand.step(0, Step.OPEN)
    stand.answers(bad, answer(1))
    stand.answers(bad, answer(2))
    stand.answers(good, answer(3))
    path = stand.data.journal_path / f"{bad.incarnation:08x}-0000.hpj"
    data = bytearray(path.read_bytes())
    data[-80] ^= 1
    path.write_bytes(bytes(data))
    stand.kill(bad)
    stand.restart()
    stand.stage.bus.publish(m.TOPIC_SYNCED, good.synced)
    stand.step(0, Step.CLOSE)
    stand.commit(good, m.Marked(stand.clock.at_ms, (0,)))
    told = stand.tally()
    assert (told.status, told.missing, told.answers) == ("provisional", (bad.incarnation,), 1)
