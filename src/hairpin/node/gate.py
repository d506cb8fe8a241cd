"""A gate process: journal strand, bus and listener put together."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from pathlib import Path

from hairpin.bus.unix import UnixBus
from hairpin.config import Settings
from hairpin.gate.server import Gate
from hairpin.messages import Document
from hairpin.node.data import DataDirectory, Keys
from hairpin.node.family import Life
from hairpin.web import Asset
from hairpin.world import World


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
        world, data.journal(), bus, keys.ticket_key(), settings, assets, media, bus_path.parent
    )
    asking: set[asyncio.Task[None]] = set()

    def connected() -> None:
        task = asyncio.get_running_loop().create_task(gate.ask_order())
        asking.add(task)
        task.add_done_callback(asking.discard)

    link = asyncio.create_task(bus.run(connected))
    serving = asyncio.create_task(gate.run(listener, life.ready, life.stop))
    done, _ = await asyncio.wait({link, serving}, return_when=asyncio.FIRST_COMPLETED)
    for task in (link, *asking):
        task.cancel()
    for task in done:
        task.result()
