"""A gate process: journal strand, bus and listener put together."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from hairpin.bus.unix import UnixBus
from hairpin.config import Settings
from hairpin.errors import EngineDown, YourMistake
from hairpin.gate.server import Gate
from hairpin.journal.disk import DiskJournal
from hairpin.messages import Document
from hairpin.node.data import DataDirectory, Keys
from hairpin.node.family import Life
from hairpin.web import Asset
from hairpin.world import World


class Living(Protocol):
    """A process's life, as far as it needs to know it."""

    stop: asyncio.Event

    def ready(self) -> None: ...


class Link(Protocol):
    """A fellow's end of the bus; `run` keeps the connection until it is cancelled."""

    async def run(self, connected: Callable[[], None]) -> None: ...


async def run_gate(
    life: Life,
    world: World,
    data: DataDirectory,
    keys: Keys,
    settings: Settings,
    bus_path: Path,
    listener: socket.socket,
    assets: Mapping[str, Asset],
    media: tuple[Document, ...],
) -> None:
    """Lives until `life.stop`."""
    bus = UnixBus(bus_path, world.dice)
    gate = Gate(
        world,
        gate_journal(data),
        bus,
        keys.ticket_key(),
        settings,
        assets,
        media,
        bus_path.parent,
    )
    await take_part(life, bus, gate, listener)


def gate_journal(data: DataDirectory) -> DiskJournal:
    """Whether a mirror may be missing was decided when the node started. One that went since is
    ejected by a process that knows what it lacks; until then this one cannot begin.

    Raises EngineDown: try again later.
    """
    try:
        return data.journal(impatient=True)
    except YourMistake as missing:
        raise EngineDown(missing.message, missing.remedy) from missing


async def take_part(life: Living, link: Link, gate: Gate, listener: socket.socket) -> None:
    """Serve, connected to the bus over `link` as often as can be, until `life.stop`."""
    asking: set[asyncio.Task[None]] = set()

    def connected() -> None:
        task = asyncio.get_running_loop().create_task(gate.ask_order())
        asking.add(task)
        task.add_done_callback(asking.discard)

    linked = asyncio.create_task(link.run(connected))
    serving = asyncio.create_task(gate.run(listener, life.ready, life.stop))
    done, _ = await asyncio.wait({linked, serving}, return_when=asyncio.FIRST_COMPLETED)
    for task in (linked, *asking):
        task.cancel()
    for task in done:
        task.result()
