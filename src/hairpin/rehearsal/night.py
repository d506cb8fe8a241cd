"""One night in small: a node and a crowd as processes of their own, and a producer who approves."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus
from pathlib import Path

import msgspec

from hairpin.errors import EngineDown
from hairpin.rehearsal import asking, children
from hairpin.rehearsal.asking import Address
from hairpin.rehearsal.children import Child
from hairpin.rehearsal.crowd import Progress
from hairpin.rehearsal.witness import Console, Wall
from hairpin.world import Clock

NODE_START_S = 60.0
"""The first start of an installation may have to compile kernels."""
LEAD_S = 1
JOINS_PER_S = 40_000
"""A cautious guess of what two cores take."""
SETTLE_S = 30.0
"""After the last question, how long the live count may take to become final and stand still."""
STILL_S = 1.0


class NightSettings(msgspec.Struct, frozen=True):
    show: Path
    data: Path
    port: int
    speed: float
    fans: int
    seed: int
    connections: int
    lan: bool


class NodeFacts(msgspec.Struct):
    """What a node writes into `node.json` when it serves."""

    pid: int
    public: str
    private: str
    token: str
    show: str


class Night:
    """Everything that runs. Made by `begin`, which also ends it."""

    def __init__(
        self, settings: NightSettings, node: Child, facts: NodeFacts, clock: Clock
    ) -> None:
        self.settings = settings
        self.node = node
        self.facts = facts
        private = asking.address(facts.private)
        self.wall = Wall(private, facts.token, clock)
        self.console = Console(private, facts.token)
        self.producer = Producer(private, facts.token, self.console)
        self.progress: Progress | None = None
        self.crowd: Child | None = None

    @property
    def crowd_directory(self) -> Path:
        return self.settings.data / "crowd"

    @property
    def nearby(self) -> str:
        """The public address as this machine's own crowd uses it, also when phones use another:
        the node's settings let only this one join without limit."""
        return f"http://127.0.0.1:{self.settings.port}"

    async def rehearse(self, changed: Callable[[], None]) -> None:
        """Bring the crowd and stay until it has gone home and the count stands still.

        Calls `changed` after each sign of progress. Raises `ChildEnded` if the node or the crowd
        falls over.
        """
        watchers = [
            asyncio.create_task(self.wall.watch()),
            asyncio.create_task(self.console.watch()),
            asyncio.create_task(self.producer.work()),
        ]
        node = asyncio.create_task(self.node.must_live())
        guests = asyncio.create_task(self._guests(changed))
        try:
            await asyncio.wait([node, guests, *watchers], return_when=asyncio.FIRST_COMPLETED)
            for task in (node, guests, *watchers):
                if task.done():
                    task.result()
        finally:
            for task in (node, guests, *watchers):
                task.cancel()
            await asyncio.gather(node, guests, *watchers, return_exceptions=True)

    async def _guests(self, changed: Callable[[], None]) -> None:
        settings, directory = self.settings, self.crowd_directory
        directory.mkdir(exist_ok=True)
        crowd = await children.start(
            "crowd",
            [
                "crowd",
                self.nearby,
                f"--fans={settings.fans}",
                f"--connections={settings.connections}",
                f"--seed={settings.seed}",
                f"--out={directory}",
                f"--knows={settings.show}",
                "--exit-after-over",
                "--progress-json",
            ],
            directory / "crowd.log",
            piped=True,
        )
        try:
            async for line in crowd.lines():
                self.progress = msgspec.json.decode(line, type=Progress)
                changed()
            if await crowd.ended() != 0:
                await crowd.must_live()
        finally:
            await crowd.stop()
        await self._settled()

    async def _settled(self) -> None:
        """Wait until the live count is final, stands still, and every claim is approved."""
        still_s = 0.0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_S):
                while still_s < STILL_S or not self.console.final or self.producer.busy:
                    before = self.console.tally and self.console.tally.journalled
                    await asyncio.sleep(0.1)
                    after = self.console.tally and self.console.tally.journalled
                    still_s = still_s + 0.1 if before == after else 0.0


class Producer:
    """Presses the two buttons that no clock presses: announce, and approve each claim."""

    def __init__(self, private: Address, token: str, console: Console) -> None:
        self._private = private
        self._token = token
        self._console = console
        self._asked: set[int] = set()
        self.approved = 0

    @property
    def busy(self) -> bool:
        """Does a claim wait for approval?"""
        order = self._console.order
        return order is not None and any(claim.status == "claimed" for claim in order.claims)

    async def work(self) -> None:
        """Until cancelled."""
        while True:
            await self._console.changed.wait()
            self._console.changed.clear()
            order = self._console.order
            if order is None or order.state != "over":
                continue
            if order.contenders is None:
                await self._order({"do": "announce"})
                await asyncio.sleep(0.2)
                self._console.changed.set()
            for claim in order.claims:
                if claim.status == "claimed" and claim.fan not in self._asked:
                    await self._approve(claim.fan)

    async def _approve(self, fan: int) -> None:
        status = await self._order({"do": "approve", "fan": fan})
        if status is None:
            return
        self._asked.add(fan)
        self.approved += status == HTTPStatus.OK

    async def _order(self, step: dict[str, object]) -> int | None:
        """The reply's status; None where the node is away: it is asked again later."""
        try:
            reply = await asking.call(self._private, "POST", "/api/order", step, self._token)
        except EngineDown:
            return None
        return reply.status


@contextlib.asynccontextmanager
async def begin(settings: NightSettings, clock: Clock) -> AsyncIterator[Night]:
    """Start a node; on leaving, it and all that it started have ended.

    Raises `ChildEnded` with the node's own message if it cannot serve.
    """
    arguments = [
        "run",
        str(settings.show),
        f"--data={settings.data}",
        f"--port={settings.port}",
        f"--speed={settings.speed:g}",
        f"--start=+{_lead_s(settings.fans)}",
        *(["--lan"] if settings.lan else []),
    ]
    node = await children.start("node", arguments, settings.data / "node.log")
    try:
        facts = await _facts(node, settings.data / "node.json")
        yield Night(settings, node, facts, clock)
    finally:
        await node.stop()


def _lead_s(fans: int) -> int:
    """From the moment when the node serves to the start of the show: a crowd needs time to join."""
    return LEAD_S + fans // JOINS_PER_S


async def _facts(node: Child, path: Path) -> NodeFacts:
    ended = asyncio.ensure_future(node.must_live())
    try:
        async with asyncio.timeout(NODE_START_S):
            while not ended.done():
                facts = read_facts(path)
                if facts is not None and facts.pid == node.pid:
                    return facts
                await asyncio.sleep(0.05)
        ended.result()
    except TimeoutError:
        pass
    finally:
        ended.cancel()
    raise EngineDown(f"the node did not serve within {NODE_START_S:g} s", f"See {node.log}.")


def read_facts(path: Path) -> NodeFacts | None:
    """None while there is no such file."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=NodeFacts)
    except FileNotFoundError:
        return None
