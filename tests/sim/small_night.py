"""A small night on the simulated world alone: `small_night.py SEED` prints its transcript.

A hub and three servers count what phones send, on a bus and a network that fail by dice; processes
are killed at any await and at any call, and started again.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from hairpin.bus.local import LocalBus
from hairpin.errors import EngineDown
from sim.bus import BusFaults
from sim.net import NetFaults, SimListener
from sim.process import Process
from sim.universe import Universe

FOLDER = Path("/data")
HUB = Path("/run/hub")


class Count(msgspec.Struct):
    number: int


class Echo(asyncio.Protocol):
    """Writes each byte through a lane before it sends it back."""

    def __init__(self, process: Process, fd: int) -> None:
        self._process = process
        self._fd = fd
        self._lanes = process.world.threads.lanes()
        self._lane = self._lanes.open(FOLDER)
        self._at = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        disk = self._process.world.disk

        def keep() -> None:
            disk.write(self._fd, self._at, data)
            disk.sync(self._fd)

        self._lanes.submit(self._lane, keep)
        job = self._lanes.next(500)
        self._process.universe.note(self._process.name, "kept", data=data, job=job)
        self._at += len(data)
        self._transport.write(data)


class SmallNight:
    def __init__(self, seed: int) -> None:
        self.universe = Universe(seed)
        self.listener: SimListener = self.universe.net.listener()
        self.universe.net.faults = NetFaults(late=0.05, split=0.2, reset=0.02, lose_reply=0.02)
        self.universe.bus.faults = BusFaults(late=0.1, drop=0.05, duplicate=0.1, break_link=0.01)

    def tell(self) -> str:
        self.universe.machine.disks.make(FOLDER)
        self.universe.machine.disks.slow(FOLDER, 3.0)
        self.universe.run(self._night())
        self.universe.close()
        return self.universe.transcript()

    async def _night(self) -> None:
        keepers = [asyncio.create_task(self._keep_alive("hub", self._hub))]
        for n in range(3):
            keepers.append(asyncio.create_task(self._keep_alive(f"server-{n}", self._server)))
        async with asyncio.TaskGroup() as phones:
            for number in range(10):
                phones.create_task(self._phone(number))
        for keeper in keepers:
            keeper.cancel()

    async def _keep_alive(self, name: str, main: Callable[[Process], Awaitable[None]]) -> None:
        dice = self.universe.dice
        while True:
            process = self.universe.process(name)
            process.start(main)
            (process.kill_at_await if dice.random() < 0.5 else process.kill_at_call)(
                dice.randint(1, 400)
            )
            await process.ended.wait()
            await asyncio.sleep(dice.uniform(0.1, 1.0))

    async def _hub(self, process: Process) -> None:
        bus = LocalBus()
        hub = self.universe.bus.hub(process, bus)
        heard = 0

        def hear(count: Count) -> None:
            nonlocal heard
            heard += count.number

        async def total(count: Count) -> Count:
            await asyncio.sleep(0.01)
            return Count(heard)

        bus.subscribe("count", Count, hear)
        bus.serve("total", Count, total)
        await hub.start(HUB)
        while True:
            await asyncio.sleep(0.5)
            self.universe.note("hub", "heard", number=heard)

    async def _server(self, process: Process) -> None:
        link = self.universe.bus.link(process, HUB)
        fd = process.world.disk.create(FOLDER / f"{process.number}")
        await process.world.net.serve(lambda: Echo(process, fd), self.listener.socket)
        running = asyncio.create_task(link.run(lambda: None))
        while not running.done():
            await asyncio.sleep(0.2)
            link.publish("count", Count(1))
            try:
                total = await link.request("total", Count(0), Count, 100)
            except EngineDown as error:
                self.universe.note(process.name, error.message)
            else:
                self.universe.note(process.name, "told", total=total.number)

    async def _phone(self, number: int) -> None:
        net, dice = self.universe.net, self.universe.dice
        for _ in range(20):
            try:
                async with asyncio.timeout(5):
                    reader, writer = await net.open_stream(self.listener, (f"10.0.0.{number}", 1))
                    writer.write(b"%d" % number * 20)
                    back = await reader.readexactly(20)
            except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
                self.universe.note(f"phone-{number}", repr(error))
            else:
                self.universe.note(f"phone-{number}", "served", back=back)
                writer.close()
            await asyncio.sleep(dice.uniform(0.1, 1.0))


if __name__ == "__main__":
    print(SmallNight(int(sys.argv[1])).tell(), end="")
