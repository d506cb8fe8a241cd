"""One contract for both engines: every request that was taken has exactly one outcome."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

from hairpin import libc
from hairpin.rehearsal import loop
from hairpin.rehearsal.forms import FIRST_JUNK, GET, POST, Forms, forms
from hairpin.rehearsal.sockets import Sockets
from hairpin.rehearsal.streams import Streams
from hairpin.rehearsal.wire import (
    LINE_BYTES,
    LOST,
    REPLY_TIMEOUT_MS,
    ROOM,
    Batch,
    Flag,
    Outcomes,
    Wire,
)

StartGate = Callable[..., Awaitable[Any]]
CONNECTIONS = 7
PATIENCE_S = 20.0

compiled = pytest.mark.skipif(not libc.AVAILABLE, reason="no compiled system calls here")
ENGINES = [pytest.param(Sockets, marks=compiled), Streams]


@dataclass
class Server:
    """Answers each request with what `reply` makes of its head; None hangs up."""

    reply: Callable[[bytes], bytes | None]
    heads: list[bytes] = field(default_factory=list)
    connections: int = 0
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.heads.append(head)
                reply = self.reply(head)
                if reply is None:
                    break
                for start in range(0, len(reply), 900):  # replies come in pieces, too
                    writer.write(reply[start : start + 900])
                    await asyncio.sleep(0)
        except (EOFError, OSError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()


Start = Callable[..., Awaitable[tuple[Server, Wire]]]


@pytest.fixture(params=ENGINES)
async def start(request: pytest.FixtureRequest) -> AsyncIterator[Start]:
    servers: list[asyncio.Server] = []
    wires: list[Wire] = []

    async def begin(
        reply: Callable[[bytes], bytes | None], number: int = CONNECTIONS
    ) -> tuple[Server, Wire]:
        server = Server(reply)
        listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
        servers.append(listening)
        server.port = listening.sockets[0].getsockname()[1]
        texts: Forms = forms(f"http://127.0.0.1:{server.port}")
        wire: Wire = request.param("127.0.0.1", server.port, number, texts, 3)
        wires.append(wire)
        return server, wire

    yield begin
    for wire in wires:
        await wire.stop()
    for listening in servers:
        listening.close()


def batch(lines: list[bytes], form: int = POST, flags: int = 0, first: int = 0) -> Batch:
    line = np.zeros((len(lines), LINE_BYTES), np.uint8)
    for row, text in enumerate(lines):
        line[row, : len(text)] = np.frombuffer(text, np.uint8)
    number = len(lines)
    return Batch(
        np.arange(first, first + number),
        line,
        np.array([len(text) for text in lines], np.uint8),
        np.full(number, form, np.uint8),
        np.full(number, flags, np.uint8),
    )


async def settle(wire: Wire, number: int) -> dict[int, tuple[int, bytes]]:
    """Status and body by code, once there are `number` outcomes; each code at most once."""
    found: dict[int, tuple[int, bytes]] = {}
    deadline = time.monotonic() + PATIENCE_S
    while len(found) < number and time.monotonic() < deadline:
        take(await wire.turn(5.0), found)
        await asyncio.sleep(0.001)
    assert len(found) == number
    assert wire.in_flight == 0
    return found


async def opened(wire: Wire, number: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while wire.open < number and time.monotonic() < deadline:
        assert not len((await wire.turn(2.0)).code)
        await asyncio.sleep(0.001)
    assert wire.open == number


def take(outcomes: Outcomes, found: dict[int, tuple[int, bytes]]) -> None:
    for row, code in enumerate(outcomes.code.tolist()):
        assert code not in found
        body = outcomes.body[row, : outcomes.length[row]].tobytes()
        found[code] = (int(outcomes.status[row]), body)
        assert outcomes.latency_ms[row] >= 0.0


def status_of_path(head: bytes) -> bytes:
    """`/a/204` is answered with 204."""
    status = int(head.split(b" ")[1].rpartition(b"/")[2])
    return b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status


async def test_more_requests_than_connections_all_come_back(start: Start) -> None:
    server, wire = await start(status_of_path)
    wire.submit(batch([b"POST /a/%d" % (200 + n % 300) for n in range(400)]))
    found = await settle(wire, 400)
    assert all(found[code] == (200 + code % 300, b"") for code in range(400))
    await opened(wire, CONNECTIONS)
    assert server.connections == CONNECTIONS
    assert wire.lost == 0
    assert wire.room == ROOM
    agents = {line for head in server.heads for line in head.split(b"\r\n") if b"Mozilla" in line}
    assert len(agents) == 3
    assert server.heads[0].startswith(b"POST /a/")


async def test_a_body_that_is_wanted_is_kept_and_a_long_one_is_skipped(start: Start) -> None:
    def reply(head: bytes) -> bytes:
        body = b"x" * 9_000 if b"long" in head else b'{"ticket": "A"}'
        return b"HTTP/1.1 201 X\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)

    _, wire = await start(reply)
    wire.submit(batch([b"POST /t/0FR"] * 20, flags=Flag.KEEP))
    wire.submit(batch([b"GET /long"] * 20, form=GET, flags=Flag.KEEP, first=100))
    found = await settle(wire, 40)
    assert all(found[code] == (201, b'{"ticket": "A"}') for code in range(20))
    assert all(found[code] == (201, b"") for code in range(100, 120))


async def test_who_hangs_up_gets_no_reply_but_the_request_arrives(start: Start) -> None:
    server, wire = await start(status_of_path)
    wire.submit(batch([b"POST /a/204"] * 30, flags=Flag.HANG_UP))
    wire.submit(batch([b"POST /a/204"] * 30, first=30))
    found = await settle(wire, 60)
    assert all(found[code][0] == LOST for code in range(30))
    assert all(found[code][0] == 204 for code in range(30, 60))
    assert wire.lost == 0, "we broke them ourselves"
    assert len(server.heads) == 60


async def test_a_fresh_request_has_a_connection_of_its_own(start: Start) -> None:
    server, wire = await start(status_of_path)
    wire.submit(batch([b"POST /a/204"] * 25, flags=Flag.FRESH))
    found = await settle(wire, 25)
    assert {status for status, _ in found.values()} == {204}
    assert server.connections >= 25
    assert wire.lost == 0


async def test_a_server_that_hangs_up_loses_requests_and_gets_new_connections(
    start: Start,
) -> None:
    count = iter(range(10_000))
    _, wire = await start(lambda head: None if next(count) % 5 == 4 else status_of_path(head))
    wire.submit(batch([b"POST /a/204"] * 200))
    found = await settle(wire, 200)
    statuses = [status for status, _ in found.values()]
    assert set(statuses) == {204, LOST}
    assert wire.lost == statuses.count(LOST) == 40


async def test_a_connection_that_ends_with_its_reply_is_replaced(start: Start) -> None:
    def reply(head: bytes) -> bytes:
        return status_of_path(head).replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")

    server, wire = await start(reply)
    wire.submit(batch([b"POST /a/410"] * 40))
    found = await settle(wire, 40)
    assert {status for status, _ in found.values()} == {410}
    assert wire.lost == 0
    assert server.connections >= 40


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        (b"SSH-2.0-nobody speaks HTTP here\r\n", 0),
        (b"HTTP/1.1 204 X\r\n\r\nHTTP/1.1 204 X\r\n\r\n", LOST),
        (b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 200),
    ],
)
async def test_what_cannot_be_trusted_ends_its_connection(
    start: Start, reply: bytes, status: int
) -> None:
    server, wire = await start(lambda _: reply, 1)
    wire.submit(batch([b"POST /a/204"] * 2))
    found = await settle(wire, 2)
    assert [found[code][0] for code in range(2)] == [status, status]
    assert server.connections >= 2


async def test_junk_is_sent_whole_however_long_it_is(start: Start) -> None:
    _, wire = await start(lambda _: b"HTTP/1.1 400 X\r\nContent-Length: 0\r\n\r\n", 2)
    wire.submit(batch([b""] * 7, form=FIRST_JUNK + 6, flags=Flag.ONCE))
    found = await settle(wire, 7)
    assert {status for status, _ in found.values()} == {400}


async def test_no_server_no_reply_and_no_end_of_trying(start: Start) -> None:
    _, wire = await start(lambda _: b"")
    wire.submit(batch([b"POST /a/204"] * CONNECTIONS))
    found: dict[int, tuple[int, bytes]] = {}
    await opened(wire, CONNECTIONS)
    for _ in range(20):
        take(await wire.turn(2.0), found)
    assert not found, "nobody has answered"
    late = time.monotonic() * 1000 + 2 * REPLY_TIMEOUT_MS
    take(wire.drop_stuck(late), found)
    found |= await settle(wire, CONNECTIONS - len(found))
    assert {status for status, _ in found.values()} == {LOST}


async def test_stopping_leaves_nothing_in_flight(start: Start) -> None:
    _, wire = await start(lambda _: b"")
    wire.submit(batch([b"POST /a/204"] * 3))
    found: dict[int, tuple[int, bytes]] = {}
    for _ in range(40):
        take(await wire.turn(2.0), found)
        await asyncio.sleep(0.002)
    take(await wire.stop(), found)
    assert sorted(found) == [0, 1, 2]
    assert {status for status, _ in found.values()} == {LOST}
    assert wire.open == 0


@compiled
async def test_where_nobody_listens_requests_are_lost_and_tries_go_on(
    start_gate: StartGate,
) -> None:
    gate = await start_gate()
    port = urlsplit(gate.url).port
    assert port is not None
    nowhere = Sockets("127.0.0.1", 1, 2, forms("http://127.0.0.1:1"), 3)
    for _ in range(5):
        await nowhere.turn(2.0)
    assert nowhere.open == 0
    assert nowhere.lost == 0
    await nowhere.stop()


@compiled
def test_a_warmed_loop_is_not_compiled_again_for_a_crowd() -> None:
    """Else the first crowd of an installation would stand still in its first turn."""
    compiled_before = len(loop.turn.signatures)  # type: ignore[attr-defined]
    asyncio.run(_one_turn())
    assert len(loop.turn.signatures) == compiled_before == 1  # type: ignore[attr-defined]


async def _one_turn() -> None:
    wire = Sockets("127.0.0.1", 1, 1, forms("http://127.0.0.1:1"), 3)
    await wire.turn(0.0)
    await wire.stop()
