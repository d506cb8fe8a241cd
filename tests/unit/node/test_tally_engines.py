"""The node chooses who counts, and the stage goes its way with either."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog.testing
from disk_night import FixedClock
from faulty_disk import FaultyDisk
from living_node import wait_until
from memcached_server import Memcached
from small_show import answer, armed, make_question, make_show, opened_ms, records_of

from hairpin import messages as m
from hairpin.errors import EngineDown, YourMistake
from hairpin.frame import Kind
from hairpin.journal import encode_control
from hairpin.node.data import DataDirectory
from hairpin.node.stage import Stage
from hairpin.node.tally import check_tally, opened_tally
from hairpin.order import REVEAL_WAIT_MS, IllegalStep, State, Step
from hairpin.tally.keeper import Keeper
from hairpin.tally.memcached import Server
from hairpin.tally.memcached_card import card_of, write_card
from hairpin.tally.memcached_keeper import STATUS
from hairpin.world import real_world

SHOW = make_show([make_question(1)])


@pytest.fixture
def data(tmp_path: Path) -> DataDirectory:
    world = real_world(FixedClock(), FaultyDisk())
    data = DataDirectory(tmp_path / "show", world)
    data.prepare()
    data.journal(create=True)
    return data


# --- choosing -------------------------------------------------------------------------------------


def test_the_exact_tally_is_the_default(data: DataDirectory) -> None:
    check_tally(None, data.journal(), SHOW)
    with opened_tally(None, data.journal(), data._world) as keeper:
        assert isinstance(keeper, Keeper)


def test_a_memcached_that_is_there_and_empty_is_taken(
    data: DataDirectory, memcached: Memcached
) -> None:
    with structlog.testing.capture_logs() as logs:
        check_tally(memcached.address, data.journal(), SHOW)
    assert logs == [], "64 MiB are enough for one question"


def test_too_little_memory_is_told_with_what_is_needed(
    data: DataDirectory, memcached: Memcached
) -> None:
    with structlog.testing.capture_logs() as logs:
        check_tally(memcached.address, data.journal(), make_show(7))
    assert [(log["has_mib"], log["remedy"]) for log in logs] == [(64, "memcached -m 341")]


def test_one_that_counts_another_show_is_refused(data: DataDirectory, memcached: Memcached) -> None:
    server = Server(memcached.address)
    write_card(server, card_of(data.journal().id ^ 1, SHOW, 0, None))
    with pytest.raises(YourMistake, match="Give every show a memcached of its own"):
        check_tally(memcached.address, data.journal(), SHOW)
    write_card(server, card_of(data.journal().id, SHOW, 0, None))
    server.close()
    check_tally(memcached.address, data.journal(), SHOW)


def test_one_that_is_not_there_is_down(data: DataDirectory, memcached: Memcached) -> None:
    memcached.kill()
    with pytest.raises(EngineDown, match="does not serve"):
        check_tally(memcached.address, data.journal(), SHOW)


# --- a stage that counts with it ------------------------------------------------------------------


@pytest.fixture
def stage(data: DataDirectory, memcached: Memcached) -> Iterator[Stage]:
    """Time stands still unless told; the courier's thread runs."""
    world = data._world
    with opened_tally(memcached.address, data.journal(), world) as keeper:
        yield Stage(world, data, data.keys(), armed(SHOW), (), "http://x", keeper=keeper)


def tally(stage: Stage) -> m.QuestionTally:
    """What `run` does once, and what the director makes of it."""
    snapshot = stage.keeper.tick()
    if snapshot is not None:
        stage.bus.publish(m.TOPIC_TALLY, snapshot)
    stage.director.tick()
    assert stage.director._snapshot is not None
    return stage.director._snapshot.questions[0]


def test_an_evening_with_memcached(data: DataDirectory, stage: Stage) -> None:
    clock = stage._clock
    assert isinstance(clock, FixedClock)
    gate = data.journal().writer()

    def write(kind: Kind, body: bytes, count: int) -> None:
        gate.commit(kind, body, count)
        stage.bus.publish(m.TOPIC_SYNCED, gate.synced)

    write(Kind.CONTROL, encode_control(m.Born(0, "gate")), 1)
    clock.at_ms = opened_ms(0)
    tally(stage)
    assert stage.director.order.moments[0].state is State.OPEN
    for answers in ([answer(1), answer(2, 0b010)], [answer(1)]):
        write(Kind.ANSWERS, records_of(answers).tobytes(), len(answers))
    wait_until(lambda: tally(stage).answers == 3, "two fans and a repeat")
    wall = stage.view.wall_tally()
    assert wall is not None
    assert wall.question is not None
    assert (wall.question.answers, wall.question.status) == (3, STATUS)
    assert wall.question.by_choice is None

    clock.at_ms += 20_000
    tally(stage)
    assert stage.director.order.moments[0].state is State.CLOSED
    clock.at_ms += SHOW.reveal_after_ms
    tally(stage)
    assert stage.director.order.moments[0].state is State.CLOSED, "the gate may have more"
    write(Kind.CONTROL, encode_control(m.Marked(clock.at_ms, (0,))), 1)
    tally(stage)
    tally(stage)
    assert stage.director.order.moments[0].state is State.REVEALED, "nothing better will come"
    assert clock.at_ms < opened_ms(0) + 20_000 + SHOW.reveal_after_ms + REVEAL_WAIT_MS

    assert stage.director._past.published == {}, "nothing approximate is sealed"
    assert stage.director._past.announced is None
    with pytest.raises(IllegalStep, match="start it without --tally"):
        stage.director.announce()
    result = stage.view.body["result"]
    assert isinstance(result, dict)
    assert result["status"] == "provisional"
    assert result["by_choice"] == [None, None, None]
    assert result["head"] is None


def test_steps_do_not_wait_for_a_memcached_that_hangs(
    data: DataDirectory, stage: Stage, memcached: Memcached
) -> None:
    wait_until(lambda: tally(stage).status == STATUS, "the first reading")
    memcached.hang()
    clock = stage._clock
    assert isinstance(clock, FixedClock)
    clock.at_ms = opened_ms(0)
    tally(stage)
    assert stage.director.order.moments[0].state is State.OPEN
    wait_until(lambda: tally(stage).status.endswith("stale"), "the time-out")
    stage.director.step(0, Step.CLOSE)
    memcached.go_on()
    wait_until(lambda: tally(stage).status == STATUS, "memcached to be back")
