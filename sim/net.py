"""Connections of the simulated world: bytes in order, in pieces, late, or not at all.

A listening socket may be shared by several processes; each connection goes to one of them. What a
real kernel does to the connections of a process that dies happens here, too: the other end hears of
it as a reset.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from hairpin.world import Server
from sim.process import CURRENT, Process
from sim.transport import Address, SimTransport

if TYPE_CHECKING:
    from sim.universe import Universe

CONNECT_TIMEOUT_MS = 75_000.0
"""For whoever connects to a black hole and has no time-out of its own."""
Factory = Callable[[], asyncio.BaseProtocol]


@dataclass
class NetFaults:
    """What a night sets, and changes while it goes on. All probabilities are of [0, 1]."""

    delay_ms: tuple[float, float] = (2.0, 40.0)
    """Of what is sent, one way."""
    late: float = 0.0
    """Probability that something sent is late by a `late_ms` more."""
    late_ms: tuple[float, float] = (200.0, 3_000.0)
    split: float = 0.0
    """Probability that one write arrives in several pieces."""
    refuse: float = 0.0
    """Probability that a connection is refused although somebody listens."""
    reset: float = 0.0
    """Probability, for each write, that the connection breaks there; a part may arrive."""
    lose_reply: float = 0.0
    """Probability, for each write of a server, that all of it is lost and the connection breaks."""
    black_hole: float = 0.0
    """Probability, for each write, that its connection swallows it and all that follows."""


class SimNet:
    """All connections of a universe."""

    def __init__(self, universe: Universe) -> None:
        self.universe = universe
        self.loop = universe.loop
        self.dice = universe.dice
        self.faults = NetFaults()
        self.cut: set[str] = set()
        """Names of processes that no bytes reach or leave while they stand here."""
        self.connections = 0
        """How many were made."""

    def listener(self, host: str = "127.0.0.1", port: int = 8080) -> SimListener:
        """As a socket that listens: hand it to `World.net.serve` of each process, as `.socket`."""
        return SimListener((host, port))

    def port(self, process: Process) -> ProcessNet:
        return ProcessNet(self, process)

    async def connect(
        self, listener: SimListener, factory: Factory, peer: Address = ("10.0.0.1", 50_000)
    ) -> tuple[SimTransport, asyncio.BaseProtocol]:
        """As `loop.create_connection`, from whoever calls. `peer` is what the server sees.

        Raises ConnectionRefusedError, or TimeoutError after CONNECT_TIMEOUT_MS.
        """
        await asyncio.sleep((self.delay_ms() + self.delay_ms()) / 1000)
        # Only now is it known who lives. Who is cut off may be chosen, as by a real kernel.
        living = [acceptor for acceptor in listener.acceptors if not acceptor.process.dead]
        if not living or self.chance(self.faults.refuse):
            raise ConnectionRefusedError(111, f"connection refused: {listener.address}")
        acceptor = self.dice.choice(living)
        if acceptor.process.name in self.cut:
            await asyncio.sleep(CONNECT_TIMEOUT_MS / 1000)
            raise TimeoutError(110, f"connection timed out: {listener.address}")
        self.connections += 1
        return self._join(listener, acceptor, factory, peer)

    async def open_stream(
        self, listener: SimListener, peer: Address = ("10.0.0.1", 50_000)
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """As `asyncio.open_connection`."""
        reader = asyncio.StreamReader(loop=self.loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=self.loop)
        transport, _ = await self.connect(listener, lambda: protocol, peer)
        return reader, asyncio.StreamWriter(transport, protocol, reader, self.loop)

    def delay_ms(self) -> float:
        faults = self.faults
        delay_ms = self.dice.uniform(*faults.delay_ms)
        if self.chance(faults.late):
            delay_ms += self.dice.uniform(*faults.late_ms)
        return delay_ms

    def chance(self, probability: float) -> bool:
        return probability > 0 and self.dice.random() < probability

    def _join(
        self, listener: SimListener, acceptor: SimServer, factory: Factory, peer: Address
    ) -> tuple[SimTransport, asyncio.BaseProtocol]:
        process = acceptor.process
        caller = CURRENT.get()
        outside = self.universe.outside
        client = SimTransport(self, caller, outside, listener.address, peer, serves=False)
        server = SimTransport(self, process, outside, peer, listener.address, serves=True)
        client.other, server.other = server, client
        protocol = factory()
        client.begin(protocol)
        self.loop.call_soon(acceptor.accept, server, context=process.context)
        return client, protocol


class SimListener:
    """A listening socket, shared by whoever serves it."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.acceptors: list[SimServer] = []

    @property
    def socket(self) -> socket.socket:
        """Itself, for where the product's types ask for a socket; ports know it again."""
        return cast(socket.socket, self)

    def getsockname(self) -> Address:
        return self.address


class SimServer:
    """One process at a listening socket."""

    def __init__(
        self, process: Process, listener: SimListener, factory: Callable[[], asyncio.Protocol]
    ) -> None:
        self.process = process
        self._listener = listener
        self._factory = factory
        self._closed = False
        listener.acceptors.append(self)
        process.at_death(self.close)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._listener.acceptors.remove(self)

    def accept(self, transport: SimTransport) -> None:
        """Run by the process."""
        if self._closed:
            transport.vanish()
        else:
            transport.begin(self._factory())


class ProcessNet:
    """`hairpin.world.Net` in the hands of one process."""

    sockets = False

    def __init__(self, net: SimNet, process: Process) -> None:
        self._net = net
        self._process = process

    async def serve(
        self, factory: Callable[[], asyncio.Protocol], listener: socket.socket
    ) -> Server:
        self._process.check()
        return SimServer(self._process, cast(SimListener, listener), factory)
