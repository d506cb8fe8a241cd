"""Event streams over real sockets: hundreds of browsers, some slow, some rude, some wrong."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import msgspec
import pytest
import uvloop

from hairpin.messages import Cell
from hairpin.order import Step
from hairpin.stage.commands import AnyCommand
from hairpin.stage.documents import cues, now_body
from hairpin.stage.events import Audience
from hairpin.stage.listener import PrivateServer
from hairpin.stage.private import private_app
from hairpin.stage.view import StageView
from hairpin.world import real_world

TOKEN = "tEst-token_123"
BEARER = f"Authorization: Bearer {TOKEN}\r\n"
MANY = 300
PATIENCE_S = 60
COUNTRIES = [a + b for a in "ABCDEFGHIJ" for b in "ABCDEFGHIJKLMNOPQRST"]


class Evening:
    """A listening stage; `publish` tells a new count."""

    def __init__(self, make: Any, streams_max: int) -> None:
        self._make = make
        self.at_ms = make.start_ms
        self.view = StageView(make.show(), real_world().clock, streams_max=streams_max)
        order = make.order(self.view.show, (0, Step.OPEN), (0, Step.CLOSE), (0, Step.REVEAL))
        body = now_body(self.view.show, order, {}, None, [], make.media, 1)
        self.view.set_order(body, cues(self.view.show, order, make.media))
        self.publish()
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port: int = self._socket.getsockname()[1]
        self._writers: list[asyncio.StreamWriter] = []

    def publish(self) -> int:
        """Some 7 KB for each wall; returns when it was counted, which tells events apart."""
        self.at_ms += 1
        everywhere = dict.fromkeys(COUNTRIES, Cell(1_000, 600))
        tally = self._make.tally(0, by_country=everywhere)
        self.view.set_tally(self._make.snapshot(tally, at_ms=self.at_ms))
        return self.at_ms

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[PrivateServer]:
        server = PrivateServer(
            private_app(self.view, _no_command, TOKEN, {}, [], "http://x/", lambda: None)
        )
        task = asyncio.create_task(server.serve(sockets=[self._socket]))
        try:
            yield server
        finally:
            self.view.streams.close()
            server.should_exit = True
            await task
            for writer in self._writers:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()

    async def browser(
        self, path: str = "/events/wall", headers: str = BEARER, version: str = "1.1"
    ) -> Browser:
        browser = await self.connect()
        await browser.ask(path, headers, version)
        return browser

    async def connect(self, connection: socket.socket | None = None) -> Browser:
        """A browser that has asked nothing yet; on `connection` if there is one."""
        where = {"sock": connection} if connection else {"host": "127.0.0.1", "port": self.port}
        reader, writer = await asyncio.open_connection(**where)  # type: ignore[arg-type]
        self._writers.append(writer)
        return Browser(reader, writer)

    async def settle(self) -> None:
        """Until every event is with the kernel, or waits for a browser."""
        while self.view.streams._round is not None:
            await asyncio.sleep(0)

    async def listening(self, count: int) -> None:
        while self.view.streams.count(Audience.WALL) != count:
            await asyncio.sleep(0.001)


async def _no_command(_: AnyCommand) -> None:
    raise AssertionError


class Browser:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer
        self.status = 0
        self.headers: dict[str, str] = {}

    async def ask(self, path: str, headers: str = "", version: str = "1.1") -> None:
        request = f"GET {path} HTTP/{version}\r\nHost: 127.0.0.1\r\n{headers}\r\n"
        self.writer.write(request.encode())
        await self.read_head()

    async def read_head(self) -> None:
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.split("\r\n")[:-2]
        self.status = int(first.split(" ")[1])
        self.headers = {}
        for line in lines:
            name, _, value = line.partition(": ")
            assert name.lower() not in self.headers
            self.headers[name.lower()] = value

    async def event(self) -> tuple[str, Any]:
        """The next one; fails on anything that is no event."""
        first, second, _ = (await self._reader.readuntil(b"\n\n")).decode().split("\n", 2)
        assert first.startswith("event: ")
        return first[7:], msgspec.json.decode(second.removeprefix("data: "))

    async def kinds(self, count: int) -> list[str]:
        return [(await self.event())[0] for _ in range(count)]

    async def tally_at(self, at_ms: int) -> list[int]:
        """The times of all counts that come until this one."""
        times: list[int] = []
        while not times or times[-1] < at_ms:
            kind, data = await self.event()
            if kind == "tally":
                times.append(data["at"])
        return times

    async def rest(self) -> bytes:
        return await self._reader.read()


Scenario = Callable[[Evening, PrivateServer], Coroutine[Any, Any, None]]
Play = Callable[..., None]


@pytest.fixture(params=["uvloop", "asyncio"])
def play(request: pytest.FixtureRequest, make: Any) -> Play:
    """Play a scenario on the loop that a node uses, and on Python's own."""

    async def main(scenario: Scenario, streams_max: int) -> None:
        evening = Evening(make, streams_max)
        async with asyncio.timeout(PATIENCE_S), evening.serving() as server:
            await scenario(evening, server)

    def run(scenario: Scenario, streams_max: int = 1_000) -> None:
        factory = uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(main(scenario, streams_max))

    return run


# --- the reply ------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_stream_is_a_reply_that_ends_with_its_connection(play: Play, version: str) -> None:
    async def scenario(evening: Evening, server: PrivateServer) -> None:
        browser = await evening.browser(version=version)
        assert browser.status == 200
        assert browser.headers["content-type"].startswith("text/event-stream")
        assert browser.headers["cache-control"] == "no-store"
        assert browser.headers["x-accel-buffering"] == "no"
        assert browser.headers["connection"] == "close"
        assert browser.headers["content-security-policy"].startswith("default-src 'self';")
        assert "date" in browser.headers
        assert not {"content-length", "transfer-encoding"} & set(browser.headers)
        assert await browser.kinds(3) == ["show", "order", "tally"]
        assert not server.server_state.connections, "it is no longer uvicorn's"
        evening.view.streams.close()
        assert await browser.rest() == b""

    play(scenario)


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/events/console", BEARER),
        (f"/events/wall?token={TOKEN}", ""),
        ("/events/wall", "Cookie: hairpin-{port}=" + TOKEN + "\r\n"),
        ("/events/wall", BEARER + "Connection: close\r\n"),
        ("/events/%77all", BEARER),
    ],
)
def test_who_has_the_token_listens(play: Play, path: str, headers: str) -> None:
    async def scenario(evening: Evening, _: PrivateServer) -> None:
        browser = await evening.browser(path, headers.format(port=evening.port))
        assert await browser.kinds(3) == ["show", "order", "tally"]

    play(scenario)


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/events/wall", "", 401),
        ("/events/wall", "Authorization: Bearer wrong\r\n", 401),
        ("/events/wall?token=wrong", "", 401),
        ("/events/wall", f"Cookie: hairpin-1={TOKEN}\r\n", 401),
        ("/events/nothing", BEARER, 404),
        ("/events/", BEARER, 404),
    ],
)
def test_others_do_not_and_the_connection_goes_on(
    play: Play, path: str, headers: str, status: int
) -> None:
    async def scenario(evening: Evening, _: PrivateServer) -> None:
        browser = await evening.browser(path, headers)
        assert browser.status == status
        assert evening.view.streams.count(Audience.WALL) == 0
        await browser._reader.readexactly(int(browser.headers["content-length"]))
        await browser.ask("/events/wall", BEARER)
        assert await browser.kinds(3) == ["show", "order", "tally"]

    play(scenario)


def test_only_a_get_becomes_a_stream(play: Play) -> None:
    async def scenario(evening: Evening, _: PrivateServer) -> None:
        browser = await evening.browser("/healthz")
        for method, status in (("HEAD", 200), ("POST", 405)):
            request = f"{method} /events/wall HTTP/1.1\r\nHost: a\r\n{BEARER}\r\n"
            browser.writer.write(request.encode())
            if method == "HEAD":
                await browser._reader.readexactly(len(b'{"status":"ok"}'))
            await browser.read_head()
            assert browser.status == status
        assert evening.view.streams.count(Audience.WALL) == 0

    play(scenario)


def test_a_request_in_crumbs_and_chatter_after_it(play: Play) -> None:
    async def scenario(evening: Evening, _: PrivateServer) -> None:
        browser = await evening.connect()
        for byte in f"GET /events/wall HTTP/1.1\r\nHost: a\r\n{BEARER}\r\n".encode():
            browser.writer.write(bytes([byte]))
            await asyncio.sleep(0)
        await browser.read_head()
        assert await browser.kinds(3) == ["show", "order", "tally"]
        browser.writer.write(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n\x00\xff" * 100)
        assert await browser.tally_at(evening.publish()) == [evening.at_ms]

    play(scenario)


@pytest.mark.parametrize("before", [0, 1])
@pytest.mark.parametrize("after", ["/healthz", "/events/wall"])
def test_requests_in_one_piece_with_it(
    play: Play, before: int, after: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(evening: Evening, _: PrivateServer) -> None:
        browser = await evening.connect()
        paths = ["/healthz"] * before + ["/events/wall"] + [after] * 3
        requests = [f"GET {path} HTTP/1.1\r\nHost: a\r\n{BEARER}\r\n" for path in paths]
        browser.writer.write("".join(requests).encode())
        for _ in range(before):
            await browser.read_head()
            await browser._reader.readexactly(int(browser.headers["content-length"]))
        await browser.read_head()
        assert await browser.kinds(3) == ["show", "order", "tally"]
        assert await browser.tally_at(evening.publish()) == [evening.at_ms]
        assert evening.view.streams.count(Audience.WALL) == 1

    play(scenario)
    assert not caplog.records


def test_rubbish_in_one_piece_with_it_ends_the_connection(
    play: Play, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(evening: Evening, _: PrivateServer) -> None:
        browser = await evening.connect()
        request = f"GET /events/wall HTTP/1.1\r\nHost: a\r\n{BEARER}\r\n\x00\xff\r\n\r\n"
        browser.writer.write(request.encode("latin-1"))
        await browser.read_head()
        assert browser.status == 400
        await browser.rest()
        assert evening.view.streams.count(Audience.WALL) == 0

    play(scenario)
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_one_too_many_is_told_to_come_back(play: Play) -> None:
    async def scenario(evening: Evening, _: PrivateServer) -> None:
        first = await evening.browser()
        await evening.browser("/events/console")
        late = await evening.browser()
        assert late.status == 503
        assert "retry-after" in late.headers
        await late._reader.readexactly(int(late.headers["content-length"]))
        first.writer.close()
        await evening.listening(0)
        await late.ask("/events/wall", BEARER)
        assert late.status == 200

    play(scenario, streams_max=2)


# --- many -----------------------------------------------------------------------------------------


def test_all_of_many_get_every_result_that_they_have_time_for(play: Play) -> None:
    async def scenario(evening: Evening, _: PrivateServer) -> None:
        browsers = [await evening.browser() for _ in range(MANY)]
        for browser in browsers:
            await browser.kinds(3)
        for _ in range(5):
            at_ms = evening.publish()
            times = await asyncio.gather(*(browser.tally_at(at_ms) for browser in browsers))
            assert times == [[at_ms]] * MANY

    play(scenario)


def test_who_breaks_off_disturbs_nobody_and_gets_the_latest_on_coming_back(play: Play) -> None:
    async def scenario(evening: Evening, _: PrivateServer) -> None:
        browsers = [await evening.browser() for _ in range(MANY)]
        reset = struct.pack("ii", 1, 0)
        for number, browser in enumerate(browsers[::2]):
            if number % 2:
                connection = browser.writer.get_extra_info("socket")
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
            browser.writer.close()
            if number % 10 == 0:
                evening.publish()
            await asyncio.sleep(0)
        await evening.listening(MANY // 2)
        at_ms = evening.publish()
        await asyncio.gather(*(browser.tally_at(at_ms) for browser in browsers[1::2]))
        again = await evening.browser()
        assert await again.tally_at(at_ms) == [at_ms]

    play(scenario)


def test_a_browser_that_does_not_read_costs_one_event_and_then_has_the_latest(play: Play) -> None:
    async def scenario(evening: Evening, _: PrivateServer) -> None:
        quick = await evening.browser()
        slow = [deaf(evening.port) for _ in range(20)]
        await evening.listening(len(slow) + 1)
        streams = evening.view.streams
        for _ in range(400):
            times = await quick.tally_at(evening.publish())
            await evening.settle()
        assert times == [evening.at_ms], "nobody waits for the slow ones"
        bundle = len(evening.view.news(Audience.WALL, evening.view.nothing_seen()))
        waiting = [one.transport.get_write_buffer_size() for one in streams._listening["wall"]]  # type: ignore[index]
        assert sum(size > 0 for size in waiting) == len(slow)
        assert max(waiting) <= bundle
        for connection in slow:
            browser = await evening.connect(connection)
            await browser.read_head()
            times = await browser.tally_at(evening.at_ms)
            assert times == sorted(set(times))
            assert len(times) < 200, "most were skipped"

    play(scenario)


def deaf(port: int) -> socket.socket:
    """A browser that asks and does not read."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    connection.connect(("127.0.0.1", port))
    connection.sendall(f"GET /events/wall HTTP/1.1\r\nHost: a\r\n{BEARER}\r\n".encode())
    connection.setblocking(False)
    return connection
