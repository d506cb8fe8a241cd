"""Event streams: one form of the bytes, slices, and no queue for whoever does not read."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from hairpin.errors import EngineDown
from hairpin.stage.events import Audience
from hairpin.stage.streams import AWAKE, SLICE, Seen, Streams

WALL, CONSOLE = Audience.WALL, Audience.CONSOLE


class News:
    """Two kinds of events that are their version's number; counts what it is asked for."""

    def __init__(self) -> None:
        self.latest: dict[Audience, Seen] = {WALL: (1, 0), CONSOLE: (1, 0)}
        self.made = 0

    def versions(self, audience: Audience) -> Seen:
        return self.latest[audience]

    def nothing_seen(self) -> Seen:
        return (0, 0)

    def news(self, audience: Audience, seen: Seen) -> bytes:
        self.made += 1
        fresh = zip("ab", self.latest[audience], seen, strict=True)
        return b"".join(b"%b%d;" % (k.encode(), now) for k, now, then in fresh if now > then)

    def change(self, audience: Audience, kind: int = 1) -> None:
        versions = list(self.latest[audience])
        versions[kind] += 1
        self.latest[audience] = tuple(versions)


class Wire(asyncio.Transport):
    """A browser's connection: takes everything until it is told that nobody reads."""

    def __init__(self) -> None:
        super().__init__()
        self.protocol: asyncio.Protocol
        self.sent: list[bytes] = []
        self.reads = True
        self.waiting = 0
        self.ended = ""

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = cast(asyncio.Protocol, protocol)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        assert high == 0

    def write(self, data: Any) -> None:
        assert not self.ended
        assert not self.waiting, "a queue grows"
        self.sent.append(data)
        if not self.reads:
            self.waiting = len(data)
            self.protocol.pause_writing()

    def drain(self) -> None:
        self.reads, self.waiting = True, 0
        self.protocol.resume_writing()

    def is_closing(self) -> bool:
        return bool(self.ended)

    def close(self) -> None:
        self.ended = self.ended or "closed"

    def abort(self) -> None:
        self.ended = self.ended or "aborted"


class Room:
    def __init__(self, **options: Any) -> None:
        self.source = News()
        self.streams = Streams(self.source, **options)

    def enter(self, audience: Audience = WALL) -> Wire:
        wire = Wire()
        self.streams.enter(audience, wire, b"head;")
        return wire

    def change(self, *audiences: Audience) -> None:
        for audience in audiences:
            self.source.change(audience)
        self.streams.changed(*audiences)

    async def settle(self) -> None:
        """Until no round is under way."""
        while self.streams._round is not None:
            await asyncio.sleep(0)


@pytest.fixture
def room() -> Room:
    return Room()


async def test_who_comes_gets_the_latest_at_once_and_what_changes(room: Room) -> None:
    room.change(WALL)
    wire = room.enter()
    assert wire.sent == [b"head;a1;b1;"]
    room.change(WALL)
    await room.settle()
    assert wire.sent[1:] == [b"b2;"]


async def test_the_same_bytes_go_to_everyone(room: Room) -> None:
    wires = [room.enter() for _ in range(SLICE // 2)]
    room.source.made = 0
    room.change(WALL)
    await room.settle()
    assert room.source.made == 1
    assert all(wire.sent[1] is wires[0].sent[1] for wire in wires)


async def test_each_audience_hears_of_its_own(room: Room) -> None:
    wall, console = room.enter(WALL), room.enter(CONSOLE)
    room.change(CONSOLE)
    await room.settle()
    assert (wall.sent[1:], console.sent[1:]) == ([], [b"b1;"])


async def test_changes_of_one_moment_are_told_together(room: Room) -> None:
    wire = room.enter()
    for _ in range(5):
        room.change(WALL)
    room.source.change(WALL, 0)
    room.streams.changed(WALL)
    await room.settle()
    assert wire.sent[1:] == [b"a2;b5;"]


async def test_others_have_their_turn_between_slices_and_what_changes_meanwhile_is_told(
    room: Room,
) -> None:
    wires = [room.enter() for _ in range(3 * SLICE)]
    room.change(WALL)
    reached = []
    while room.streams._round is not None:
        await asyncio.sleep(0)
        reached.append(sum(len(wire.sent) > 1 for wire in wires))
        if len(reached) == 1:
            room.change(WALL)
    assert reached[:3] == [SLICE, 2 * SLICE, 3 * SLICE]
    told = sorted(tuple(wire.sent[1:]) for wire in wires)
    assert told == [(b"b1;", b"b2;")] * SLICE + [(b"b2;",)] * 2 * SLICE


async def test_who_does_not_read_is_skipped_and_then_gets_the_latest(room: Room) -> None:
    slow, quick = room.enter(), room.enter()
    slow.reads = False
    for _ in range(100):
        room.change(WALL)
        await room.settle()
    assert (len(slow.sent), len(quick.sent)) == (2, 101)
    slow.drain()
    assert slow.sent[1:] == [b"b1;", b"b100;"]
    slow.drain()
    assert len(slow.sent) == 3, "nothing is told twice"


async def test_who_leaves_is_forgotten_even_in_the_middle_of_a_round(room: Room) -> None:
    wires = [room.enter() for _ in range(2 * SLICE)]
    room.change(WALL)
    await asyncio.sleep(0)
    for wire in wires:
        wire.close()
    await room.settle()
    assert sum(len(wire.sent) > 1 for wire in wires) == SLICE
    for wire in wires:
        wire.protocol.connection_lost(None)
    assert room.streams.count(WALL) == 0


async def test_streams_are_bounded() -> None:
    room = Room(streams_max=3)
    wires = [room.enter(audience) for audience in (WALL, WALL, CONSOLE)]
    assert (room.streams.count(WALL), room.streams.count(CONSOLE)) == (2, 1)
    with pytest.raises(EngineDown, match="3 browsers listen already"):
        room.enter()
    wires[0].protocol.connection_lost(None)
    room.enter()


async def test_a_quiet_stream_keeps_proxies_awake() -> None:
    room = Room(heartbeat_s=0.01)
    quiet, slow = room.enter(), room.enter()
    slow.reads = False
    async with asyncio.timeout(5):
        while len(quiet.sent) < 4:
            await asyncio.sleep(0.001)
    assert quiet.sent[1:] == [AWAKE] * (len(quiet.sent) - 1)
    assert slow.sent[1:] == [AWAKE], "the one that it did not take"
    room.streams.close()


async def test_who_takes_nothing_for_long_is_cut_off() -> None:
    room = Room(heartbeat_s=0.01, stall_s=0.03)
    stalled, quick = room.enter(), room.enter()
    stalled.reads = False
    async with asyncio.timeout(5):
        while not stalled.ended:
            await asyncio.sleep(0.001)
    assert (stalled.ended, quick.ended) == ("aborted", "")
    room.streams.close()


async def test_the_end(room: Room) -> None:
    slow, quick = room.enter(), room.enter()
    slow.reads = False
    room.change(WALL)
    await room.settle()
    room.change(WALL)
    room.streams.close()
    await room.settle()
    assert (slow.ended, quick.ended) == ("aborted", "closed")
    with pytest.raises(EngineDown, match="stopping"):
        room.enter()
