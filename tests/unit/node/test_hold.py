"""The producer holds the clock of a real stage, and arms it again."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from disk_night import FixedClock
from faulty_disk import Fault, FaultyDisk
from small_show import armed, make_show, opened_ms

from hairpin import messages as m
from hairpin.errors import EngineDown
from hairpin.frame import Kind
from hairpin.journal import decode_control
from hairpin.node.data import DataDirectory
from hairpin.node.stage import Stage
from hairpin.order import IllegalStep, State, poll_after_ms
from hairpin.show import Mode, Show
from hairpin.stage.commands import Arm, Hold, Open
from hairpin.stage.events import Audience
from hairpin.world import real_world

SHOW = make_show(3)


class Evening:
    """A stage on a data directory; its time is what the test says."""

    def __init__(self, path: Path, show: Show = SHOW) -> None:
        self.clock = FixedClock()
        self.disk = FaultyDisk()
        self.show = show
        self.data = DataDirectory(path, real_world(self.clock, self.disk))
        self.data.prepare()
        self.data.journal(create=True)
        self.keys = self.data.keys()
        self.stage = self.begin()

    def begin(self) -> Stage:
        world = real_world(self.clock, self.disk)
        self.stage = Stage(world, self.data, self.keys, armed(self.show), (), "http://x")
        self.stage.director.publish()
        return self.stage

    def restart(self) -> None:
        self.stage.director.close()
        self.begin()

    def tick_at(self, at_ms: int) -> None:
        self.clock.at_ms = at_ms
        self.stage.director.tick()

    async def now(self) -> tuple[m.OrderState, int | None]:
        """What gates hold, and `next_at` of `GET /now`."""
        state = await self.stage.director.order_now(m.Synced(0, 0))
        return state, msgspec.json.decode(state.now)["next_at"]

    def console(self) -> dict[str, object]:
        """The order event of a console that connects now."""
        view = self.stage.view
        news = view.news(Audience.CONSOLE, view.nothing_seen())
        event = news.partition(b"event: order\n")[2].partition(b"\n\n")[0]
        order: dict[str, object] = msgspec.json.decode(event.removeprefix(b"data: "))
        return order

    @property
    def states(self) -> list[State]:
        return [moment.state for moment in self.stage.director.order.moments]

    def records(self) -> list[str]:
        """The tags of what was journalled about clock and questions, in order."""
        journal = self.data.journal()
        found = [
            decode_control(frame.body)
            for incarnation in journal.incarnations()
            for frame in journal.follow(incarnation).read()
            if frame.kind is Kind.CONTROL
        ]
        wanted = (m.Held, m.Released, m.Opened, m.Closed)
        return [str(r.__struct_config__.tag) for r in found if isinstance(r, wanted)]


@pytest.fixture
def evening(tmp_path: Path) -> Evening:
    return Evening(tmp_path / "show")


async def test_a_held_clock_opens_nothing_and_armed_again_what_is_overdue(evening: Evening) -> None:
    await evening.stage.director.command(Hold())
    evening.tick_at(opened_ms(0) + 30_000)
    assert evening.states == [State.WAITING] * 3
    await evening.stage.director.command(Arm())
    evening.tick_at(evening.clock.at_ms)
    assert evening.states == [State.OPEN, State.WAITING, State.WAITING]
    assert evening.records() == ["held", "released", "opened"]


async def test_what_is_open_is_closed_and_revealed_while_the_clock_is_held(
    evening: Evening,
) -> None:
    evening.tick_at(opened_ms(0))
    await evening.stage.director.command(Hold())
    evening.tick_at(opened_ms(0) + 20_000)
    assert evening.states[0] is State.CLOSED
    evening.tick_at(opened_ms(2))
    assert evening.states == [State.REVEALED, State.WAITING, State.WAITING]
    await evening.stage.director.command(Open(1))
    assert evening.states[1] is State.OPEN, "by hand"


async def test_phones_and_console_are_told(evening: Evening) -> None:
    before, next_at = await evening.now()
    assert (next_at, before.poll.next_ms) == (opened_ms(0), opened_ms(0))
    assert evening.console()["armed"] is True
    await evening.stage.director.command(Hold())
    held, next_at = await evening.now()
    assert (next_at, held.poll.next_ms) == (None, None)
    assert held.version > before.version
    plan = held.poll
    assert poll_after_ms(0, None, plan.closes_ms, plan.next_ms, plan.reveal_ms) == 2_000
    told = evening.console()
    assert (told["armed"], told["next_at"], told["mode"]) == (False, None, "clock")
    await evening.stage.director.command(Arm())
    assert (await evening.now())[1] == opened_ms(0)
    assert evening.console()["armed"] is True


async def test_a_held_clock_stays_held_when_the_node_is_started_again(evening: Evening) -> None:
    await evening.stage.director.command(Hold())
    evening.restart()
    evening.tick_at(opened_ms(2))
    assert evening.states == [State.WAITING] * 3
    assert evening.console()["armed"] is False
    await evening.stage.director.command(Arm())
    evening.restart()
    evening.tick_at(opened_ms(2))
    assert evening.states[0] is State.OPEN


async def test_a_hold_that_could_not_be_journalled_did_not_happen(evening: Evening) -> None:
    evening.disk.faults.append(Fault("write", keep=20))
    with pytest.raises(EngineDown):
        await evening.stage.director.command(Hold())
    evening.tick_at(opened_ms(0))
    assert evening.states[0] is State.OPEN


async def test_by_hand_neither_step_is_journalled(tmp_path: Path) -> None:
    evening = Evening(tmp_path / "hand", make_show(2, mode=Mode.HAND))
    for command in (Hold(), Arm()):
        with pytest.raises(IllegalStep, match="goes by hand"):
            await evening.stage.director.command(command)
    assert evening.records() == []
