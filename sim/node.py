"""A whole node in the simulated world: what each of its processes does with its life.

Everything here is the product: the same gate, stage, journal and arming as in `hairpin.node`, put
together on simulated disks, connections and news.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hairpin import messages as m
from hairpin.config import Settings
from hairpin.errors import EngineDown
from hairpin.gate.server import Gate
from hairpin.node.arming import Grounds, Purpose
from hairpin.node.data import Keys
from hairpin.node.gate import gate_journal, take_part
from hairpin.node.run import Wish, arm
from hairpin.node.stage import Stage
from hairpin.order import IllegalStep
from hairpin.stage.documents import Body, Cue
from hairpin.tally.keeper import Keeper
from hairpin.web import Asset
from sim.court import Court
from sim.net import SimListener
from sim.plan import Plan
from sim.process import Process
from sim.supervisor import Family, Life, Main
from sim.witness import LateWorker, WatchedData

if TYPE_CHECKING:
    from sim.universe import Universe

DATA = Path("/data/night")
BUS = "/run/night/bus"
ASSETS: Mapping[str, Asset] = {}
ADDRESS = "http://night.example"


def mirror_paths(count: int) -> list[Path]:
    """The first one lies with the data, the others on disks of their own."""
    return [DATA / "journal", *(Path(f"/mirror{n}/journal") for n in range(2, count + 1))]


class Node:
    """The node of a night, through all its lives."""

    def __init__(self, universe: Universe, plan: Plan, listener: SimListener, court: Court) -> None:
        self._universe = universe
        self._plan = plan
        self._listener = listener
        self._court = court
        self.mirrors = mirror_paths(plan.mirrors)
        self.settings = Settings(
            gates=plan.gates,
            queue_max=plan.queue_max,
            connections_max=600,
            mirrors=tuple(str(path) for path in self.mirrors[1:]),
        )
        self.family: Family | None = None
        self.stage: Stage | None = None
        """Of the process that lives, or lived last."""
        self.stage_process: Process | None = None
        self._degraded = False
        self.gates: dict[int, tuple[Process, Gate]] = {}
        self.watchers: list[Any] = []
        """Told (cues, contenders) when the wall shows another running order."""
        self.gate_watchers: list[Callable[[Process, Gate], None]] = []
        """Told of every gate that begins."""

    # --- life -------------------------------------------------------------------------------------

    def start(self, degraded: bool = False) -> Family:
        """`degraded`: go on although a mirror is missing."""
        how = ", without the missing mirror" if degraded else ""
        self._universe.note("operator", f"starts the node{how}")
        self._degraded = degraded
        self.family = Family(self._universe, self._prepare, self._court.crashed)
        self.family.start()
        return self.family

    @property
    def lives(self) -> bool:
        return self.family is not None and self.family.lives

    @property
    def shows(self) -> bool:
        """Is there a stage that people can see?"""
        return self.stage_process is not None and not self.stage_process.dead

    def data(self, process: Process) -> WatchedData:
        return WatchedData(process, DATA, self.settings, self._court)

    def excuse(self, mirror: Path) -> None:
        """The disk under this mirror lies."""
        self._court.durability.excuse(mirror)

    async def _prepare(self, process: Process) -> dict[str, Main]:
        """What a parent does before it forks."""
        world, data = process.world, self.data(process)
        world.disk.make_directory(DATA)
        wish = Wish(
            self._plan.show,
            DATA / "show.toml",
            DATA,
            grounds=Grounds(Purpose.REHEARSAL),
            degraded=self._degraded,
        )
        armed = arm(wish, data, world, self.settings)
        keys = data.keys()
        mains: dict[str, Main] = {
            "stage": lambda own, life: self._run_stage(own, life, keys, armed),
        }
        for number in range(self._plan.gates):
            mains[f"gate-{number + 1}"] = lambda own, life: self._run_gate(own, life, keys)
        return mains

    # --- its processes ----------------------------------------------------------------------------

    async def _run_gate(self, process: Process, life: Life, keys: Keys) -> None:
        link = self._universe.bus.link(process, BUS)
        journal, world = gate_journal(self.data(process)), process.world
        gate = Gate(world, journal, link, keys.ticket_key(), self.settings, ASSETS, ())
        self.gates[gate.incarnation] = (process, gate)
        for watcher in self.gate_watchers:
            watcher(process, gate)
        await take_part(life, link, gate, self._listener.socket)

    async def _run_stage(self, process: Process, life: Life, keys: Keys, armed: m.Armed) -> None:
        data, world = self.data(process), process.world
        journal = data.journal(degraded=self._degraded, impatient=True)
        keeper = Keeper(journal, world.clock, LateWorker(process))
        stage = Stage(world, data, keys, armed, (), ADDRESS, keeper=keeper, journal=journal)
        self.stage, self.stage_process = stage, process
        self._watch(stage)
        hub = self._universe.bus.hub(process, stage.bus)
        await hub.start(BUS)
        life.ready()
        try:
            await stage.run(life.stop)
        finally:
            stage.view.streams.close()
            keeper.close()
            await hub.stop()

    def _watch(self, stage: Stage) -> None:
        """People look at what the view shows."""
        view = stage.view
        set_tally, set_order = view.set_tally, view.set_order

        def tally(snapshot: m.TallySnapshot) -> None:
            set_tally(snapshot)
            self._court.shown(snapshot)

        def order(body: Body, upcoming: tuple[Cue, ...], armed: bool = True) -> None:
            set_order(body, upcoming, armed)
            self._court.order(upcoming)
            for watcher in self.watchers:
                self._outside(watcher, upcoming, _contenders(body))

        view.set_tally, view.set_order = tally, order  # type: ignore[method-assign]
        if stage.director._snapshot is not None:  # shown before anybody could watch
            self._court.shown(stage.director._snapshot)

    def _outside(self, call: Any, *args: Any) -> None:
        self._universe.loop.call_soon(call, *args, context=self._universe.outside)

    def tear(self, process: Process, operation: str, least_bytes: int) -> None:
        """It will die in this operation of the disk, when it writes so many bytes of answers."""
        self._court.tears[process.number] = (operation, least_bytes)

    # --- what the producer does -------------------------------------------------------------------

    async def command(self, command: Any) -> str:
        """Press a button of the console; returns what came of it, "" if it was done."""
        stage, process = self.stage, self.stage_process
        if stage is None or process is None or process.dead:
            return "the console does not answer"
        loop = self._universe.loop
        answered: asyncio.Future[str] = loop.create_future()
        self._court.pressed(command)

        async def press() -> None:
            told = ""
            try:
                await stage.director.command(command)
            except (IllegalStep, EngineDown) as error:
                told = str(error)
            if not answered.done():
                answered.set_result(told)

        loop.create_task(press(), context=process.context)
        with suppress(TimeoutError):
            async with asyncio.timeout(15):
                return await answered
        return "the console does not answer"


def _contenders(body: Body) -> list[int]:
    told: Any = body["contenders"]
    return [] if told is None else list(told["fans"])
