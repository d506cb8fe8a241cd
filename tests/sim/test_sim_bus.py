"""The simulated bus keeps the promises of the real one, and breaks all that it does not make."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any

import msgspec
import pytest

from hairpin.bus import MESSAGE_BYTES_MAX
from hairpin.bus.local import LocalBus
from hairpin.errors import EngineDown
from sim.bus import BusFaults, SimLink
from sim.process import Process
from sim.universe import Universe

PATH = "/run/hub"


class Count(msgspec.Struct):
    number: int


class Text(msgspec.Struct):
    text: str


class Stand:
    """A hub, whose process is `hub`, and links in processes of their own."""

    def __init__(self, seed: int = 1, **faults: Any) -> None:
        self.universe = Universe(seed)
        self.universe.bus.faults = BusFaults(**faults)
        self.connections: list[str] = []
        self.failures: dict[str, BaseException] = {}
        self.start_hub()

    def start_hub(self) -> None:
        self.bus = LocalBus()
        self.hub = self.universe.process("stage")

        async def main(process: Process) -> None:
            self.twin = self.universe.bus.hub(process, self.bus)
            await self.twin.start(PATH)
            await asyncio.Event().wait()

        self.hub.start(main)

    def link(self, name: str) -> SimLink:
        """In a process that lives as long as the link runs."""
        process = self.universe.process(name)
        link = self.universe.bus.link(process, PATH)

        async def main(_: Process) -> None:
            await link.run(lambda: self.connections.append(name))

        process.start(main)
        return link

    def serve(self, answer: Callable[[Count], Awaitable[Count]]) -> None:
        self.bus.serve("ask", Count, answer)

    async def ask(self, link: SimLink, number: int) -> int:
        """Raises EngineDown."""
        return (await link.request("ask", Count(number), Count, 1_000)).number

    def run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self.universe.run(coroutine)
        self.universe.close()


@pytest.fixture
def stand() -> Iterator[Stand]:
    stand = Stand()
    yield stand
    stand.universe.close()


async def _doubled(asked: Count) -> Count:
    await asyncio.sleep(0.01)
    return Count(asked.number * 2)


async def _never(_: Count) -> Count:
    await asyncio.Event().wait()
    raise AssertionError("not reached")


def test_news_reach_everybody_in_order_and_their_sender_too(stand: Stand) -> None:
    heard: dict[str, list[int]] = {name: [] for name in ("stage", "one", "two")}

    def hear(name: str) -> Callable[[Count], None]:
        return lambda count: heard[name].append(count.number)

    async def talk() -> None:
        one, two = stand.link("one"), stand.link("two")
        stand.bus.subscribe("news", Count, hear("stage"))
        one.subscribe("news", Count, hear("one"))
        await asyncio.sleep(1)
        two.subscribe("news", Count, hear("two"))
        await asyncio.sleep(1)
        for number in range(50):
            one.publish("news", Count(number))
        await asyncio.sleep(1)
        assert heard == {name: list(range(50)) for name in heard}

    stand.run(talk())


def test_requests_are_answered(stand: Stand) -> None:
    async def talk() -> None:
        link = stand.link("gate")
        stand.serve(_doubled)
        await asyncio.sleep(1)
        assert await asyncio.gather(*(stand.ask(link, n) for n in range(20))) == [
            2 * n for n in range(20)
        ]

    stand.run(talk())


def test_what_goes_wrong_with_a_request_is_told(stand: Stand) -> None:
    async def refuse(_: Count) -> Count:
        raise EngineDown("the desk is closed")

    async def fail(_: Count) -> Count:
        raise ValueError("of a server")

    async def talk() -> None:
        link = stand.link("gate")
        with pytest.raises(EngineDown, match="not connected"):
            await stand.ask(link, 1)
        await asyncio.sleep(1)
        with pytest.raises(EngineDown, match="nobody serves 'ask'"):
            await stand.ask(link, 1)
        for answer, why in ((refuse, "the desk is closed"), (fail, "the server of 'ask' failed")):
            stand.serve(answer)
            with pytest.raises(EngineDown, match=why):
                await stand.ask(link, 1)
        stand.serve(_never)
        before_s = stand.universe.loop.now_s
        with pytest.raises(EngineDown, match="no reply on 'ask' within 1000 ms"):
            await stand.ask(link, 1)
        assert stand.universe.loop.now_s == pytest.approx(before_s + 1)
        with pytest.raises(ValueError, match="at most"):
            link.publish("news", Text("x" * MESSAGE_BYTES_MAX))

    stand.run(talk())


def test_when_the_hub_dies_its_links_wait_for_the_next(stand: Stand) -> None:
    heard: list[int] = []

    async def talk() -> None:
        link = stand.link("gate")
        link.subscribe("news", Count, lambda count: heard.append(count.number))
        stand.serve(_never)
        await asyncio.sleep(1)
        asking = asyncio.ensure_future(stand.ask(link, 1))
        await asyncio.sleep(0.1)
        stand.hub.kill()
        with pytest.raises(EngineDown, match="connection broke"):
            await asking
        link.publish("news", Count(1))  # to nobody, which is no mistake
        await asyncio.sleep(5)
        assert stand.connections == ["gate"]
        stand.start_hub()
        await asyncio.sleep(1)
        assert stand.connections == ["gate", "gate"]
        stand.bus.publish("news", Count(2))
        await asyncio.sleep(1)
        assert heard == [2]

    stand.run(talk())


def test_a_hub_that_stops_cuts_all_off_but_loses_no_news_that_left(stand: Stand) -> None:
    heard: list[int] = []

    async def talk() -> None:
        link = stand.link("gate")
        link.subscribe("news", Count, lambda count: heard.append(count.number))
        await asyncio.sleep(1)
        stand.bus.publish("news", Count(1))
        await stand.twin.stop()
        stand.bus.publish("news", Count(2))
        await asyncio.sleep(1)
        assert heard == [1]
        with pytest.raises(EngineDown, match="not connected"):
            await stand.ask(link, 1)

    stand.run(talk())


def test_a_dead_fellow_is_forgotten_after_its_last_news(stand: Stand) -> None:
    heard: list[int] = []

    async def talk() -> None:
        stand.bus.subscribe("news", Count, lambda count: heard.append(count.number))
        link = stand.link("gate")
        link.subscribe("news", Count, lambda _: None)
        await asyncio.sleep(1)
        assert len(stand.bus._handlers["news"]) == 2
        link.publish("news", Count(1))
        link.process.kill()
        await asyncio.sleep(1)
        assert heard == [1]
        assert len(stand.bus._handlers["news"]) == 1

    stand.run(talk())


def test_a_handler_that_fails_ends_the_link_and_so_its_process(stand: Stand) -> None:
    async def talk() -> None:
        link = stand.link("gate")

        def fail(_: Count) -> None:
            raise ValueError("of a handler")

        link.subscribe("news", Count, fail)
        await asyncio.sleep(1)
        stand.bus.publish("news", Count(1))
        await link.process.ended.wait()
        assert repr(link.process.failure) == "ValueError('of a handler')"

    stand.run(talk())


def test_a_handler_of_the_hub_that_fails_costs_the_sender_its_link(stand: Stand) -> None:
    def fail(_: Count) -> None:
        raise ValueError("of a handler")

    async def talk() -> None:
        link = stand.link("gate")
        stand.bus.subscribe("news", Count, fail)
        await asyncio.sleep(1)
        link.publish("news", Count(1))
        await asyncio.sleep(1)
        assert stand.connections == ["gate", "gate"]
        assert not stand.hub.dead

    stand.run(talk())
    assert stand.universe.complaints == ["stage: ValueError('of a handler')"]


# --- faults ---------------------------------------------------------------------------------------


def _heard(**faults: Any) -> list[int]:
    """Of the numbers to 200, told one after the other."""
    heard: list[int] = []
    stand = Stand(**faults)

    async def talk() -> None:
        link = stand.link("gate")
        stand.bus.subscribe("news", Count, lambda count: heard.append(count.number))
        await asyncio.sleep(1)
        for number in range(200):
            link.publish("news", Count(number))
            await asyncio.sleep(0.01)
        await asyncio.sleep(10)

    stand.run(talk())
    return heard


def test_dropped() -> None:
    heard = _heard(drop=0.2)
    assert heard == sorted(set(heard))
    assert 120 < len(heard) < 190


def test_duplicated() -> None:
    heard = _heard(duplicate=0.2)
    assert sorted(set(heard)) == list(range(200))
    assert 210 < len(heard) < 280


def test_late_news_are_overtaken() -> None:
    heard = _heard(late=0.2)
    assert heard != list(range(200))
    assert sorted(heard) == list(range(200))


def test_links_break_and_are_made_again() -> None:
    heard = _heard(break_link=0.05)
    assert heard == sorted(set(heard))
    assert heard[-1] > 150
    assert len(heard) < 200


def test_news_of_a_process_that_is_cut_off_are_lost_until_it_is_mended(stand: Stand) -> None:
    async def talk() -> None:
        link = stand.link("gate")
        stand.serve(_doubled)
        await asyncio.sleep(1)
        stand.universe.bus.cut.add("gate")
        with pytest.raises(EngineDown, match="no reply"):
            await stand.ask(link, 1)
        stand.universe.bus.cut.clear()
        assert await stand.ask(link, 1) == 2

    stand.run(talk())


def test_a_request_may_be_served_although_its_asker_hears_nothing() -> None:
    served: list[int] = []
    replied: list[int] = []
    stand = Stand(drop=0.3)

    async def serve(asked: Count) -> Count:
        served.append(asked.number)
        return asked

    async def talk() -> None:
        link = stand.link("gate")
        stand.serve(serve)
        await asyncio.sleep(1)
        for number in range(50):
            try:
                replied.append(await stand.ask(link, number))
            except EngineDown:
                continue

    stand.run(talk())
    assert set(replied) < set(served) < set(range(50))
