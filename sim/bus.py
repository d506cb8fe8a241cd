"""News between simulated processes: the twins of `hairpin.bus.unix`, on a worse network.

One process has a `LocalBus` and a `SimHub` at some path; each other process has a `SimLink` to that
path. Whatever the real engine permits itself to lose is lost here by dice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from hairpin.bus import M, R, encode
from hairpin.bus.local import LocalBus
from hairpin.errors import EngineDown
from sim.process import Process
from sim.wire import Message, Wire

if TYPE_CHECKING:
    from pathlib import Path

    from sim.universe import Universe


@dataclass
class BusFaults:
    """What a night sets, and changes while it goes on. All probabilities are of [0, 1]."""

    delay_ms: tuple[float, float] = (0.1, 5.0)
    late: float = 0.0
    """Probability that a message is late by a `late_ms` more, and so may be overtaken."""
    late_ms: tuple[float, float] = (20.0, 1_500.0)
    drop: float = 0.0
    duplicate: float = 0.0
    break_link: float = 0.0
    """Probability, for each message, that its link breaks; it is connected again."""


class SimBus:
    """All hubs of a universe, by path."""

    def __init__(self, universe: Universe) -> None:
        self.universe = universe
        self.faults = BusFaults()
        self.cut: set[str] = set()
        """Names of processes whose messages are all dropped, both ways, while they stand here."""
        self.hubs: dict[str, SimHub] = {}

    def hub(self, process: Process, bus: LocalBus) -> SimHub:
        return SimHub(self, process, bus)

    def link(self, process: Process, path: Path | str) -> SimLink:
        return SimLink(self, process, str(path))

    def chance(self, probability: float) -> bool:
        return probability > 0 and self.universe.dice.random() < probability


class SimHub:
    """As `UnixHub`: lets other processes take part in a process's `LocalBus`."""

    def __init__(self, net: SimBus, process: Process, bus: LocalBus) -> None:
        self._net = net
        self.process = process
        self.bus = bus
        self._path: str | None = None
        self._fellows: list[Wire] = []
        process.at_death(self._vanish)

    async def start(self, path: Path | str) -> None:
        self.process.check()
        self._path = str(path)
        self._net.hubs[self._path] = self

    async def stop(self) -> None:
        """Cut all fellows off, at once."""
        self.process.check()
        self._vanish()

    def welcome(self, link: SimLink) -> Wire:
        wire = Wire(self._net, self, link)
        self._fellows.append(wire)
        return wire

    def forget(self, wire: Wire) -> None:
        if wire in self._fellows:
            self._fellows.remove(wire)

    def _vanish(self) -> None:
        if self._path is not None and self._net.hubs.get(self._path) is self:
            del self._net.hubs[self._path]
        for wire in tuple(self._fellows):
            wire.close_hub()


class SimLink:
    """As `UnixBus`: a fellow's end. `run` keeps the connection."""

    def __init__(self, net: SimBus, process: Process, path: str) -> None:
        self._net = net
        self._loop = net.universe.loop
        self.process = process
        self._path = path
        self._wire: Wire | None = None
        self._lost: asyncio.Future[None] | None = None
        self._handlers: dict[str, list[Callable[[bytes], None]]] = {}
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self._number = 0
        process.at_death(self._vanish)

    async def run(self, connected: Callable[[], None]) -> None:
        """Connect, and connect again; `connected` is called after each new connection.

        Ends only by cancellation, or by the error of a handler.
        """
        while True:
            self.process.check()
            hub = self._net.hubs.get(self._path)
            if hub is not None:
                await self._stay(hub, connected)
            await asyncio.sleep(self.process.world.dice.uniform(0.02, 0.2))

    async def _stay(self, hub: SimHub, connected: Callable[[], None]) -> None:
        self._wire = wire = hub.welcome(self)
        self._lost = self._loop.create_future()
        try:
            for topic in self._handlers:
                wire.subscribe(topic)
            connected()
            await self._lost
        finally:
            wire.close_link()
            self._wire = None
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(EngineDown("the bus connection broke"))
            self._waiting.clear()

    def publish(self, topic: str, message: msgspec.Struct) -> None:
        self.process.check()
        data = encode(message)
        if self._wire is not None:
            self._wire.to_hub(Message("publish", topic, 0, data))

    def subscribe(self, topic: str, kind: type[M], handler: Callable[[M], None]) -> None:
        decoder = msgspec.msgpack.Decoder(kind)
        known = topic in self._handlers
        self._handlers.setdefault(topic, []).append(lambda data: handler(decoder.decode(data)))
        if self._wire is not None and not known:
            self._wire.subscribe(topic)

    async def request(
        self, topic: str, message: msgspec.Struct, reply: type[R], timeout_ms: int
    ) -> R:
        self.process.check()
        if self._wire is None:
            raise EngineDown("the bus is not connected")
        self._number += 1
        number = self._number
        future: asyncio.Future[bytes] = self._loop.create_future()
        self._waiting[number] = future
        self._wire.to_hub(Message("request", topic, number, encode(message)))
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                data = await future
        except TimeoutError:
            raise EngineDown(f"no reply on {topic!r} within {timeout_ms} ms") from None
        finally:
            self._waiting.pop(number, None)
        return msgspec.msgpack.decode(data, type=reply)

    # --- from the wire, run by this process -------------------------------------------------------

    def take(self, message: Message) -> None:
        if message.what == "publish":
            try:
                for handler in tuple(self._handlers.get(message.topic, ())):
                    handler(message.data)
            except Exception as error:
                self._end(error)
            return
        future = self._waiting.pop(message.number, None)
        if future is None or future.done():
            return
        if message.what == "reply":
            future.set_result(message.data)
        else:
            future.set_exception(EngineDown(message.data.decode()))

    def lost(self, wire: Wire) -> None:
        """The connection is over, if it was not given up before."""
        if wire is self._wire:
            self._end(None)

    def _end(self, error: Exception | None) -> None:
        """`_stay` ends; with an error, so does `run`."""
        if self._lost is None or self._lost.done():
            return
        if error is None:
            self._lost.set_result(None)
        else:
            self._lost.set_exception(error)

    def _vanish(self) -> None:
        if self._wire is not None:
            self._wire.close_link()
