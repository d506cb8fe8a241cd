"""The wall and the console against a small server of events that hangs up now and then."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from hairpin.errors import EngineDown
from hairpin.rehearsal import asking, witness
from hairpin.rehearsal.asking import Address
from hairpin.rehearsal.night import Producer
from hairpin.rehearsal.witness import Console, Wall


class FixedClock:
    def __init__(self, now_ms: int) -> None:
        self._now_ms = now_ms

    def now_ms(self) -> int:
        return self._now_ms

    def monotonic_ms(self) -> float:
        return float(self._now_ms)


class EventServer:
    """Sends `streams[n]` to the n-th connection, then hangs up; remembers orders."""

    def __init__(self, streams: list[bytes]) -> None:
        self.streams = streams
        self.connections = 0
        self.orders: list[dict[str, object]] = []
        self.status = 200
        self.heads: list[bytes] = []
        self.to = Address("127.0.0.1", 0)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        if head.startswith(b"POST"):
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            self.orders.append(json.loads(await reader.readexactly(length)))
            writer.write(b"HTTP/1.1 %d X\r\nContent-Length: 2\r\n\r\n{}" % self.status)
        else:
            writer.write(b"HTTP/1.1 %d X\r\nContent-Type: text/event-stream\r\n\r\n" % self.status)
            if self.connections < len(self.streams):
                writer.write(self.streams[self.connections])
            self.connections += 1
        await writer.drain()
        writer.close()


@pytest.fixture
async def event_server() -> AsyncIterator[EventServer]:
    server = EventServer([])
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.to = Address("127.0.0.1", listening.sockets[0].getsockname()[1])
    yield server
    listening.close()


def event(name: str, data: object) -> bytes:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()


async def watch_until(screen: witness.Screen, server: EventServer, connections: int) -> None:
    watching = asyncio.create_task(screen.watch())
    async with asyncio.timeout(10):
        while server.connections < connections:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


TALLY = {
    "at": 1_000,
    "oldest_at": 900,
    "answers_per_s": 2.0,
    "journalled": 3,
    "counted": 2,
    "repeats": 1,
    "fans": 2,
    "head": "aa",
    "question": None,
    "questions": [
        {
            "index": 0, "id": "q1", "status": "final", "version": 1, "reason": "", "missing": [],
            "journalled": 3, "repeats": 1, "answers": 2, "by_choice": [2, 0],
            "by_age_band": [{"answers": 2, "right": 2}],
            "by_country": {"FR": {"answers": 2, "right": 2}},
            "right": 2, "wrong": 0, "best_country": {"country": "FR", "right": 2, "answers": 2},
        }
    ],
    "leaders": [
        {"rank": 1, "fan": 7, "right": 1, "total_ms": 9, "country": "FR", "age_band": 1, "tied": 1,
         "name": None}
    ],
    "more": 0,
}  # fmt: skip


async def test_lag_is_measured_on_each_new_picture_but_not_on_a_repeated_one(
    event_server: EventServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(witness, "RECONNECT_S", 0.0)
    old, new, nothing = (
        {"at": 1, "oldest_at": 1},
        {"at": 9, "oldest_at": 960},
        {"at": 9, "oldest_at": None},
    )
    picture = event("tally", old) + b": awake\n\n" + event("tally", new) + event("tally", nothing)
    event_server.streams = [event("order", {}) + picture, event("tally", old)]
    wall = Wall(event_server.to, "secret", FixedClock(1_000))
    assert wall.lag_ms_p99 is None
    await watch_until(wall, event_server, 2)
    assert wall.lags_ms == [40]
    assert wall.lag_ms_p99 == 40.0
    assert b"Authorization: Bearer secret\r\n" in event_server.heads[0]


async def test_the_console_turns_its_tally_into_counts(event_server: EventServer) -> None:
    event_server.streams = [event("tally", TALLY)]
    console = Console(event_server.to, "secret")
    assert not console.final
    with pytest.raises(EngineDown, match="never showed a tally"):
        console.counts()
    await watch_until(console, event_server, 1)
    counts = console.counts()
    assert console.final
    assert (counts.journalled, counts.counted, counts.repeats) == (3, 2, 1)
    assert counts.questions[0].question == 0
    assert counts.questions[0].by_country["FR"].right == 2
    assert counts.leaders[0].fan == 7


async def test_a_wrong_token_is_named(event_server: EventServer) -> None:
    event_server.status = 401
    with pytest.raises(EngineDown, match="/events/wall answered 401"):
        async for _ in asking.events(event_server.to, "/events/wall", "wrong"):
            raise AssertionError("an event without a right token")


async def test_the_producer_announces_and_approves_each_claim_once(
    event_server: EventServer,
) -> None:
    order = {
        "state": "over",
        "question": None,
        "next_at": None,
        "contenders": {"fans": [7, 8]},
        "claims": [
            {"fan": 7, "rank": 1, "status": "claimed", "name": "Synthetic fan 7"},
            {"fan": 8, "rank": 2, "status": "open", "name": None},
        ],
    }
    silent = {**order, "contenders": None, "claims": []}
    console = Console(event_server.to, "secret")
    producer = Producer(event_server.to, "secret", console)
    working = asyncio.create_task(producer.work())
    for step in ({**silent, "state": "open"}, silent, order, order):
        console.take("order", json.dumps(step).encode())
        async with asyncio.timeout(10):
            while console.changed.is_set():
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.3)
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    assert {"do": "announce"} in event_server.orders
    assert [o for o in event_server.orders if o["do"] == "approve"] == [{"do": "approve", "fan": 7}]
    assert producer.approved == 1
