"""The bus over a socket: hubs that come back, fellows that do not read, bytes that are no news."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from hairpin.bus import MESSAGE_BYTES_MAX
from hairpin.bus.local import LocalBus
from hairpin.bus.unix import UnixBus, UnixHub
from hairpin.errors import DataDamaged, EngineDown
from hairpin.messages import Document, LeaseReply, LeaseRequest, Synced
from hairpin.world import RealDice

LONG_MS = 60_000


class Swift(RealDice):
    """No pauses before connecting again."""

    def uniform(self, low: float, high: float) -> float:
        return min(low, 0.001)


class Wire:
    """A hub that can go and come back, and fellows."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.bus = LocalBus()
        self.hub = UnixHub(self.bus)
        self.connections = 0
        self._links: list[asyncio.Task[None]] = []

    async def restart_hub(self) -> None:
        """A new process: nothing of the old hub is known to it."""
        await self.hub.stop()
        self.bus = LocalBus()
        self.hub = UnixHub(self.bus)
        await self.hub.start(self.path)

    def begin(self) -> UnixBus:
        """A fellow that connects when it can."""
        bus = UnixBus(self.path, Swift())
        self._links.append(asyncio.create_task(bus.run(self._connected)))
        return bus

    async def fellow(self) -> UnixBus:
        before = self.connections
        bus = self.begin()
        await until(lambda: self.connections > before)
        return bus

    def _connected(self) -> None:
        self.connections += 1

    async def end(self) -> None:
        for link in self._links:
            link.cancel()
        await asyncio.gather(*self._links, return_exceptions=True)
        await self.hub.stop()


@pytest_asyncio.fixture
async def wire(tmp_path: Path) -> AsyncIterator[Wire]:
    wire = Wire(tmp_path / "bus")
    await wire.hub.start(wire.path)
    yield wire
    await wire.end()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.001)


async def echo(request: LeaseRequest) -> LeaseReply:
    return LeaseReply(request.incarnation, request.count)


async def settled(wire: Wire, bus: UnixBus) -> None:
    wire.bus.serve("settled", LeaseRequest, echo)
    await bus.request("settled", LeaseRequest(0, 0), LeaseReply, LONG_MS)


def framed(what: str, topic: str, data: bytes = b"", number: int = 0) -> bytes:
    body = msgspec.msgpack.encode((what, topic, number, data))
    return len(body).to_bytes(4, "little") + body


# --- coming and going -----------------------------------------------------------------------------


async def test_a_fellow_finds_a_hub_that_starts_later(tmp_path: Path) -> None:
    wire = Wire(tmp_path / "bus")
    fellow = wire.begin()
    heard: list[Synced] = []
    fellow.subscribe("synced", Synced, heard.append)
    with pytest.raises(EngineDown, match="not connected"):
        await fellow.request("lease", LeaseRequest(1, 1), LeaseReply, LONG_MS)
    fellow.publish("synced", Synced(1, 0))  # news may be lost
    await wire.hub.start(wire.path)
    await until(lambda: wire.connections == 1)
    await settled(wire, fellow)
    wire.bus.publish("synced", Synced(1, 1))
    await until(lambda: bool(heard))
    assert heard == [Synced(1, 1)]
    await wire.end()


async def test_after_a_restart_of_the_hub_everything_is_heard_once(wire: Wire) -> None:
    fellow = await wire.fellow()
    heard: list[Synced] = []
    fellow.subscribe("synced", Synced, heard.append)
    await settled(wire, fellow)
    for round_ in range(1, 4):
        await wire.restart_hub()
        await until(lambda: wire.connections == round_ + 1)  # noqa: B023 - awaited here
        await settled(wire, fellow)
        heard.clear()
        wire.bus.publish("synced", Synced(round_, 1))
        await settled(wire, fellow)
        assert heard == [Synced(round_, 1)]


async def test_a_request_in_flight_fails_when_the_hub_goes(wire: Wire) -> None:
    asked = asyncio.Event()

    async def never(_: LeaseRequest) -> LeaseReply:
        asked.set()
        await asyncio.sleep(LONG_MS)
        raise AssertionError

    wire.bus.serve("lease", LeaseRequest, never)
    fellow = await wire.fellow()
    request = asyncio.create_task(fellow.request("lease", LeaseRequest(1, 1), LeaseReply, LONG_MS))
    await asked.wait()
    await wire.restart_hub()
    with pytest.raises(EngineDown, match="broke"):
        await request


async def test_a_fellow_that_left_is_told_nothing_more(wire: Wire) -> None:
    _, writer = await asyncio.open_unix_connection(wire.path)
    writer.write(framed("subscribe", "synced"))
    await until(lambda: bool(wire.bus._handlers["synced"]))
    writer.close()
    await writer.wait_closed()
    await until(lambda: not wire.bus._handlers["synced"])
    wire.bus.publish("synced", Synced(1, 1))


async def test_a_socket_that_a_killed_hub_left_behind_is_taken_over(wire: Wire) -> None:
    await wire.hub.stop()
    wire.path.unlink(missing_ok=True)  # an orderly end takes it away from Python 3.13 on
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(wire.path))
    assert wire.path.is_socket()
    wire.hub = UnixHub(wire.bus)
    await wire.hub.start(wire.path)
    await settled(wire, await wire.fellow())


# --- fellows that misbehave -----------------------------------------------------------------------


async def test_who_does_not_read_holds_nobody_up_and_is_not_waited_for(wire: Wire) -> None:
    reader, writer = await asyncio.open_unix_connection(wire.path, limit=1024)
    writer.write(framed("subscribe", "document"))
    fellow = await wire.fellow()
    heard = 0

    def hear(_: Document) -> None:
        nonlocal heard
        heard += 1

    fellow.subscribe("document", Document, hear)
    await settled(wire, fellow)
    await until(lambda: len(wire.bus._handlers["document"]) == 2)
    large = Document("/", bytes(MESSAGE_BYTES_MAX - 100), "", 1)
    for count in range(1, 13):
        wire.bus.publish("document", large)
        await until(lambda: heard == count)  # noqa: B023 - awaited here
    kept = [w.transport.get_write_buffer_size() for w in wire.hub._fellows.values()]
    assert max(kept) <= 5 * MESSAGE_BYTES_MAX + 1024
    writer.transport.abort()
    assert reader is not None


@pytest.mark.parametrize(
    "rubbish",
    [
        b"\xff\xff\xff\xff",
        (5).to_bytes(4, "little") + b"hello",
        (1).to_bytes(4, "little") + b"\xc0",
        framed("publish", "synced", b"\xc1\xc1"),
        framed("publish", "synced", msgspec.msgpack.encode(LeaseReply(1, 1))),
    ],
    ids=["oversize", "text", "nil", "no-message", "other-message"],
)
async def test_who_sends_rubbish_is_cut_off_and_nobody_else(wire: Wire, rubbish: bytes) -> None:
    heard: list[Synced] = []
    wire.bus.subscribe("synced", Synced, heard.append)
    fellow = await wire.fellow()
    reader, writer = await asyncio.open_unix_connection(wire.path)
    with capture_logs() as logs:
        writer.write(rubbish)
        assert await reader.read() == b""
    assert [log["event"] for log in logs] == ["a fellow on the bus is cut off"]
    writer.close()
    fellow.publish("synced", Synced(1, 1))
    await until(lambda: bool(heard))
    assert heard == [Synced(1, 1)]


async def test_a_hub_that_sends_rubbish_is_left_and_asked_again(tmp_path: Path) -> None:
    wire = Wire(tmp_path / "bus")
    greetings = [b"\xff\xff\xff\xff", (5).to_bytes(4, "little") + b"hello"]

    async def rubbish(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if greetings:
            writer.write(greetings.pop())
            await writer.drain()
        writer.close()

    server = await asyncio.start_unix_server(rubbish, wire.path)
    with capture_logs() as logs:
        fellow = wire.begin()
        await until(lambda: wire.connections >= 3)
    assert [log["event"] for log in logs] == ["the bus sent rubbish; connecting again"] * 2
    server.close()
    wire.connections = 0
    await wire.hub.start(wire.path)
    await until(lambda: wire.connections > 0)
    await settled(wire, fellow)
    await wire.end()


# --- servers that fail ----------------------------------------------------------------------------


async def damaged(_: LeaseRequest) -> LeaseReply:
    raise DataDamaged("the strand is damaged")


async def failing(_: LeaseRequest) -> LeaseReply:
    raise KeyError("a mistake in the program")


async def enormous(_: LeaseRequest) -> Document:
    return Document("/", bytes(MESSAGE_BYTES_MAX), "", 1)


@pytest.mark.parametrize(
    ("handler", "why", "logged"),
    [
        (damaged, "the strand is damaged", 0),
        (failing, "the server of 'lease' failed", 1),
        (enormous, "the server of 'lease' failed", 1),
    ],
)
async def test_a_server_that_fails_says_so_at_once(
    wire: Wire,
    handler: Callable[[LeaseRequest], Awaitable[LeaseReply]],
    why: str,
    logged: int,
) -> None:
    wire.bus.serve("lease", LeaseRequest, handler)
    fellow = await wire.fellow()
    with capture_logs() as logs:
        async with asyncio.timeout(LONG_MS / 2000):
            with pytest.raises(EngineDown, match=why):
                await fellow.request("lease", LeaseRequest(1, 1), LeaseReply, LONG_MS)
    assert [log["event"] for log in logs] == ["a request failed"] * logged


async def test_a_request_of_another_kind_fails_at_once(wire: Wire) -> None:
    wire.bus.serve("lease", LeaseRequest, echo)
    fellow = await wire.fellow()
    with capture_logs(), pytest.raises(EngineDown, match="failed"):
        await fellow.request("lease", Document("/", b"", "", 1), LeaseReply, LONG_MS)
