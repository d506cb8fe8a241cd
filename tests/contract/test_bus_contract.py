"""What every engine of the bus promises. Each test runs over each engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from hairpin.bus import MESSAGE_BYTES_MAX, Bus
from hairpin.bus.local import LocalBus
from hairpin.bus.unix import UnixBus, UnixHub
from hairpin.errors import EngineDown
from hairpin.messages import ClaimReply, Document, LeaseReply, LeaseRequest, Synced
from hairpin.world import RealDice

LONG_MS = 60_000
"""A time-out that no test waits for: what must come at once comes long before."""


class LocalEngine:
    """One process: everybody holds the same bus."""

    def __init__(self, _: Path) -> None:
        self.hub = LocalBus()

    async def start(self) -> None:
        pass

    async def fellow(self) -> Bus:
        return self.hub

    async def stop(self) -> None:
        pass


class UnixEngine:
    """A hub and fellows over a socket, here in one event loop."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "bus"
        self.hub = LocalBus()
        self._server = UnixHub(self.hub)
        self._links: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        await self._server.start(self._path)

    async def fellow(self) -> Bus:
        connected = asyncio.Event()
        bus = UnixBus(self._path, RealDice())
        self._links.append(asyncio.create_task(bus.run(connected.set)))
        await connected.wait()
        return bus

    async def stop(self) -> None:
        for link in self._links:
            link.cancel()
        await asyncio.gather(*self._links, return_exceptions=True)
        await self._server.stop()


Engine = LocalEngine | UnixEngine
ENGINES: dict[str, Callable[[Path], Engine]] = {"local": LocalEngine, "unix": UnixEngine}


@pytest_asyncio.fixture(params=list(ENGINES))
async def engine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Engine]:
    engine = ENGINES[request.param](tmp_path)
    await engine.start()
    yield engine
    await engine.stop()


async def echo(request: LeaseRequest) -> LeaseReply:
    return LeaseReply(request.incarnation, request.count)


async def settled(engine: Engine, *fellows: Bus) -> None:
    """Everything sent before this was taken: a request travels behind it on each connection."""
    engine.hub.serve("settled", LeaseRequest, echo)
    for fellow in fellows:
        await fellow.request("settled", LeaseRequest(0, 0), LeaseReply, LONG_MS)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.001)


async def test_news_reaches_every_subscriber_in_order(engine: Engine) -> None:
    one, two = await engine.fellow(), await engine.fellow()
    heard: dict[str, list[Synced]] = {"hub": [], "one": [], "two": []}
    engine.hub.subscribe("synced", Synced, heard["hub"].append)
    one.subscribe("synced", Synced, heard["one"].append)
    two.subscribe("synced", Synced, heard["two"].append)
    await settled(engine, one, two)
    news = [Synced(7, frames) for frames in range(50)]
    for message in news[:25]:
        engine.hub.publish("synced", message)
    await until(lambda: len(heard["one"]) == len(heard["two"]) == 25)
    for message in news[25:]:
        one.publish("synced", message)
    await until(lambda: all(len(list_) == 50 for list_ in heard.values()))
    assert all(list_ == news for list_ in heard.values())


async def test_only_its_topic_reaches_a_subscriber(engine: Engine) -> None:
    fellow = await engine.fellow()
    heard: list[Synced] = []
    fellow.subscribe("synced", Synced, heard.append)
    await settled(engine, fellow)
    engine.hub.publish("syncedx", Synced(1, 1))
    engine.hub.publish("sync", Synced(1, 2))
    engine.hub.publish("synced", Synced(1, 3))
    await until(lambda: bool(heard))
    assert heard == [Synced(1, 3)]


async def test_two_handlers_of_one_topic_hear_everything_once(engine: Engine) -> None:
    fellow = await engine.fellow()
    one: list[Synced] = []
    two: list[Synced] = []
    fellow.subscribe("synced", Synced, one.append)
    fellow.subscribe("synced", Synced, two.append)
    await settled(engine, fellow)
    engine.hub.publish("synced", Synced(1, 1))
    engine.hub.publish("synced", Synced(1, 2))
    await until(lambda: len(two) >= 2)
    await settled(engine, fellow)
    assert one == two == [Synced(1, 1), Synced(1, 2)]


async def test_news_that_nobody_wants_is_gone(engine: Engine) -> None:
    fellow = await engine.fellow()
    engine.hub.publish("synced", Synced(1, 1))
    fellow.publish("synced", Synced(1, 2))
    heard: list[Synced] = []
    await settled(engine, fellow)
    fellow.subscribe("synced", Synced, heard.append)
    await settled(engine, fellow)
    assert heard == []


async def test_a_subscriber_gets_a_copy(engine: Engine) -> None:
    fellow = await engine.fellow()
    heard: list[Document] = []
    fellow.subscribe("document", Document, heard.append)
    await settled(engine, fellow)
    sent = Document("/now", b"\x00\xff" * 99, '"etag"', 1)
    engine.hub.publish("document", sent)
    await until(lambda: bool(heard))
    assert heard == [sent]
    assert heard[0] is not sent


async def test_a_request_gets_its_reply(engine: Engine) -> None:
    engine.hub.serve("lease", LeaseRequest, echo)
    fellow = await engine.fellow()
    reply = await fellow.request("lease", LeaseRequest(3, 256), LeaseReply, LONG_MS)
    assert reply == LeaseReply(3, 256)


async def test_each_of_many_requests_gets_its_own_reply_in_whatever_order(engine: Engine) -> None:
    async def later(request: LeaseRequest) -> LeaseReply:
        for _ in range(20 - request.count):
            await asyncio.sleep(0)
        return LeaseReply(request.incarnation, request.count)

    engine.hub.serve("lease", LeaseRequest, later)
    fellows = [await engine.fellow() for _ in range(3)]
    requests = [(fellow, LeaseRequest(n, c)) for n, fellow in enumerate(fellows) for c in range(20)]
    replies = await asyncio.gather(
        *(fellow.request("lease", r, LeaseReply, LONG_MS) for fellow, r in requests)
    )
    assert [(r.first, r.count) for r in replies] == [(r.incarnation, r.count) for _, r in requests]


async def test_a_topic_that_nobody_serves_fails_at_once(engine: Engine) -> None:
    fellow = await engine.fellow()
    async with asyncio.timeout(LONG_MS / 2000):
        with pytest.raises(EngineDown, match="nobody serves 'lease'"):
            await fellow.request("lease", LeaseRequest(1, 1), LeaseReply, LONG_MS)


async def test_no_reply_in_time_is_an_engine_that_is_down(engine: Engine) -> None:
    async def never(_: LeaseRequest) -> LeaseReply:
        await asyncio.sleep(LONG_MS)
        raise AssertionError

    engine.hub.serve("lease", LeaseRequest, never)
    fellow = await engine.fellow()
    with pytest.raises(EngineDown, match="no reply on 'lease' within 20 ms"):
        await fellow.request("lease", LeaseRequest(1, 1), LeaseReply, 20)
    engine.hub.serve("lease", LeaseRequest, echo)
    assert await fellow.request("lease", LeaseRequest(1, 2), LeaseReply, LONG_MS) == LeaseReply(
        1, 2
    )


async def test_why_the_server_could_not_is_told(engine: Engine) -> None:
    async def down(_: LeaseRequest) -> LeaseReply:
        raise EngineDown("the journal cannot write", "Make room.")

    engine.hub.serve("lease", LeaseRequest, down)
    fellow = await engine.fellow()
    with pytest.raises(EngineDown, match="the journal cannot write"):
        await fellow.request("lease", LeaseRequest(1, 1), LeaseReply, LONG_MS)


async def test_a_message_that_is_too_large_is_refused_where_it_is_sent(engine: Engine) -> None:
    fellow = await engine.fellow()
    engine.hub.serve("lease", LeaseRequest, echo)
    heard: list[Document] = []
    fellow.subscribe("document", Document, heard.append)
    await settled(engine, fellow)
    large = Document("/", bytes(MESSAGE_BYTES_MAX), "", 1)
    for sender in (engine.hub, fellow):
        with pytest.raises(ValueError, match=f"at most {MESSAGE_BYTES_MAX}"):
            sender.publish("document", large)
        with pytest.raises(ValueError, match=f"at most {MESSAGE_BYTES_MAX}"):
            await sender.request("lease", large, LeaseReply, LONG_MS)
    fits = Document("/", bytes(MESSAGE_BYTES_MAX - 100), "", 1)
    engine.hub.publish("document", fits)
    await until(lambda: bool(heard))
    assert heard == [fits]


async def test_the_largest_message_passes_both_ways(engine: Engine) -> None:
    async def same(document: Document) -> Document:
        return document

    engine.hub.serve("same", Document, same)
    fellow = await engine.fellow()
    fits = Document("/", bytes(MESSAGE_BYTES_MAX - 100), "", 1)
    assert await fellow.request("same", fits, Document, LONG_MS) == fits


async def test_a_subscription_made_later_holds_too(engine: Engine) -> None:
    fellow = await engine.fellow()
    first: list[Synced] = []
    fellow.subscribe("synced", Synced, first.append)
    await settled(engine, fellow)
    second: list[ClaimReply] = []
    fellow.subscribe("claims", ClaimReply, second.append)
    await settled(engine, fellow)
    engine.hub.publish("claims", ClaimReply(202, "taken"))
    await until(lambda: bool(second))
    assert (first, second) == ([], [ClaimReply(202, "taken")])
