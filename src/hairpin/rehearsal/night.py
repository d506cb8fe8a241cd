"""One night in small: a crowd, a producer who approves, two screens that watch, and a node of its
own, unless one runs already."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from http import HTTPStatus
from pathlib import Path

import msgspec

from hairpin.errors import EngineDown
from hairpin.rehearsal import asking, children
from hairpin.rehearsal.asking import Address
from hairpin.rehearsal.children import Child
from hairpin.rehearsal.crowd import Progress, Settings, told_of
from hairpin.rehearsal.findings import Option
from hairpin.rehearsal.generators import Generators
from hairpin.rehearsal.script import Habits
from hairpin.rehearsal.witness import Console, Wall
from hairpin.showfile import read_show
from hairpin.world import Clock

NODE_START_S = 60.0
"""The first start of an installation may have to compile kernels."""
LEAD_S = 2
JOINS_PER_S = 20_000
"""A cautious guess of what two cores take, the crowd's own work included."""
SETTLE_S = 30.0
"""After the last question, how long the live count may take to become final and stand still."""
STILL_S = 1.0
WEIGH_S = 1.0


class NightSettings(msgspec.Struct, frozen=True):
    show: Path
    data: Path
    port: int
    speed: float
    fans: int
    seed: int
    connections: int
    lan: bool
    processes: int = 1
    """Generators that the crowd is divided over."""
    purpose: str = "demo"
    plan: Settings | None = None
    """The crowd in every detail; None: as a demo has it."""
    options: tuple[str, ...] = ()
    """More options of `hairpin run`."""


class NodeFacts(msgspec.Struct):
    """What a node writes into `node.json` when it serves."""

    pid: int
    public: str
    private: str
    token: str
    show: str
    stage: int = 0
    gates: tuple[int, ...] = ()
    configuration: dict[str, Option] = {}
    """What bears on capacity, as it is in force."""

    @property
    def pids(self) -> tuple[int, ...]:
        return (self.pid, self.stage, *self.gates)


class Night:
    """Everything that runs. Made by `begin`, which also ends it, or around a node that serves
    already: `node` is None then."""

    def __init__(
        self, settings: NightSettings, node: Child | None, facts: NodeFacts, clock: Clock
    ) -> None:
        self.settings = settings
        self.node = node
        self.facts = facts
        private = asking.address(facts.private)
        self.wall = Wall(private, facts.token, clock)
        self.console = Console(private, facts.token)
        self.producer = Producer(private, facts.token, self.console)
        self.memory_peak_bytes: int | None = None
        self.crowd_cores_peak = 0.0
        plan = settings.plan or _plan(settings, self.nearby)
        self.crowd = Generators(plan, settings.processes, self.crowd_directory)

    @property
    def progress(self) -> Progress | None:
        return self.crowd.progress

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
        work: list[Coroutine[None, None, None]] = [
            self._guests(changed),
            self.wall.watch(),
            self.console.watch(),
            self.producer.work(),
            self._weigh(),
            self.ended(),
        ]
        tasks = [asyncio.create_task(each) for each in work]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task.done():
                    task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def ended(self) -> None:
        """Wait for ever; raises `ChildEnded` when our own node ends."""
        if self.node is not None:
            await self.node.must_live()
        await asyncio.Event().wait()

    async def _guests(self, changed: Callable[[], None]) -> None:
        await self.crowd.run(changed)
        await self._settled()

    async def _weigh(self) -> None:
        """Once a second: the memory of the node where it can be seen, and the work of the crowd."""
        spent_s = 0.0
        while True:
            await asyncio.sleep(WEIGH_S)
            found = memory_bytes(self.facts.pids)
            if found is not None:
                self.memory_peak_bytes = max(self.memory_peak_bytes or 0, found)
            progress = self.progress
            if progress is not None:
                cores = (progress.cpu_s - spent_s) / WEIGH_S if spent_s else 0.0
                self.crowd_cores_peak = max(self.crowd_cores_peak, cores)
                spent_s = progress.cpu_s

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
        f"--purpose={settings.purpose}",
        *(["--lan"] if settings.lan else []),
        *settings.options,
    ]
    node = await children.start("node", arguments, settings.data / "node.log")
    try:
        facts = await _facts(node, settings.data / "node.json")
        yield Night(settings, node, facts, clock)
    finally:
        await node.stop()


def _plan(settings: NightSettings, url: str) -> Settings:
    """The crowd of a demo, which knows the show."""
    show = read_show(settings.show.read_text("utf-8-sig"), str(settings.show))
    told = tuple(map(told_of, show.questions))
    return Settings(url, settings.fans, settings.connections, settings.seed, Habits(), True, told)


def memory_bytes(pids: Sequence[int]) -> int | None:
    """What processes of this machine hold, pages that they share counted once; None: not known."""
    total = 0
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
        except OSError:
            return None
        total += sum(
            int(line.split()[1]) << 10 for line in text.splitlines() if line.startswith("Pss:")
        )
    return total if pids else None


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
