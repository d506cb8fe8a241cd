"""The stage process: director, tally keeper, claims desk and private listener put together."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

import structlog
import uvicorn

from hairpin import messages as m
from hairpin.bus.local import LocalBus
from hairpin.bus.unix import UnixHub
from hairpin.claims.desk import ClaimsDesk
from hairpin.errors import DataDamaged, EngineDown
from hairpin.frame import Kind
from hairpin.journal import Journal, Writer, encode_control
from hairpin.node.data import DataDirectory, Keys
from hairpin.node.family import Life
from hairpin.stage.director import Director
from hairpin.stage.past import DIRECTOR, Past, directors, read_past
from hairpin.stage.private import private_app
from hairpin.stage.view import StageView
from hairpin.tally.keeper import Keeper
from hairpin.web import load_assets
from hairpin.world import World

log = structlog.get_logger()

TICK_S = 0.02
SNAPSHOT_S = 0.2
GATE_SILENT_MS = 10_000
"""A gate that reported nothing for this long is not shown as alive."""


class PrivateServer(uvicorn.Server):
    """Signals belong to the family, not to the server."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Stage:
    """Everything that one process of a node does beside taking answers."""

    def __init__(
        self,
        world: World,
        data: DataDirectory,
        keys: Keys,
        arm: m.Armed,
        media: tuple[tuple[str, m.Document], ...],
        public_address: str,
    ) -> None:
        """`arm` is journalled if it is not the journal's last one."""
        self._clock = world.clock
        self._damaged: dict[int, str] = {}
        """Strands that cannot be read, and why: their results stay provisional."""
        journal = data.journal()
        past = read_past(journal, directors(journal))
        known = journal.incarnations()
        writer = _begin(journal, world)
        self.bus = LocalBus()
        self.keeper = Keeper(journal, world.clock)
        self.bus.subscribe(m.TOPIC_SYNCED, m.Synced, self._synced)
        if past.armed is None or past.armed.at_ms != arm.at_ms:
            writer.commit(Kind.CONTROL, encode_control(arm), 1)
            past.take(arm)
        desk = ClaimsDesk(world, data.winners_path, keys.ticket_key().claim)
        self.view = StageView(arm.show, world.clock, public_address)
        addresses = {path: document.path for path, document in media}
        self.director = Director(
            world.clock, journal, writer, self.bus, past, desk, self.view, addresses
        )
        self._gates: dict[int, m.GateReport] = {}
        self._catch_up(journal, past, known, writer)
        snapshot = self.keeper.tick()
        assert snapshot is not None, "the first tick after arming has news"
        _settle_desk(desk, past, snapshot)
        self.bus.serve(m.TOPIC_LEASE, m.LeaseRequest, self.director.lease)
        self.bus.serve(m.TOPIC_CLAIM, m.ClaimRequest, self.director.claim)
        self.bus.serve(m.TOPIC_ORDER_NOW, m.Synced, self._order_now)
        self.bus.serve(m.TOPIC_CLOCKS, m.ClocksRequest, self._clocks)
        self.bus.subscribe(m.TOPIC_TALLY, m.TallySnapshot, self.director.tallied)
        self.bus.subscribe(m.TOPIC_GATE, m.GateReport, self._report)
        self.director.tallied(snapshot)

    def health(self) -> str | None:
        if self.director.error:
            return self.director.error
        for why in self._damaged.values():
            return why
        return None if self._alive() else "no gate reports"

    async def run(self, stop: asyncio.Event) -> None:
        """Tick until `stop`."""
        self.director.publish()
        await self.director.refresh_clocks()
        snapshot_at = 0.0
        while not stop.is_set():
            self.director.tick()
            now_s = self._clock.monotonic_ms() / 1000
            if now_s >= snapshot_at:
                snapshot_at = now_s + SNAPSHOT_S
                self.view.set_gates(self._alive())
                snapshot = self.keeper.tick()
                if snapshot is not None:
                    self.bus.publish(m.TOPIC_TALLY, snapshot)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), TICK_S)
        self.director.close()

    # --- beginning --------------------------------------------------------------------------------

    def _catch_up(self, journal: Journal, past: Past, known: list[int], writer: Writer) -> None:
        """Read what earlier processes left: directors first, then everyone; fence the dead."""
        owners = [n for n in directors(journal) if n in known]
        for incarnation in [*owners, *(n for n in known if n not in owners)]:
            fenced = past.fenced.get(incarnation)
            if fenced is None:
                self.director.fence(incarnation)
            else:
                self.keeper.synced(m.Synced(incarnation, fenced.frames))
        self.keeper.synced(writer.synced)

    # --- requests and news ------------------------------------------------------------------------

    def _synced(self, news: m.Synced) -> None:
        """Damage found while the show is on stops the counting of one strand, not the show."""
        if news.incarnation in self._damaged:
            return
        try:
            self.keeper.synced(news)
        except DataDamaged as damage:
            self._damaged[news.incarnation] = damage.message
            log.critical("a strand is damaged", why=damage.message, remedy=damage.remedy)

    async def _order_now(self, gate: m.Synced) -> m.OrderState:
        """A gate connects: it also says how far it is, which news may have failed to."""
        self._synced(gate)
        return await self.director.order_now(gate)

    async def _clocks(self, request: m.ClocksRequest) -> m.ClocksReply:
        return self.keeper.clocks(request.fans)

    def _report(self, report: m.GateReport) -> None:
        self._gates[report.incarnation] = report

    def _alive(self) -> Mapping[int, m.GateReport]:
        since_ms = self._clock.now_ms() - GATE_SILENT_MS
        self._gates = {n: r for n, r in self._gates.items() if r.at_ms >= since_ms}
        return self._gates


def _settle_desk(desk: ClaimsDesk, past: Past, snapshot: m.TallySnapshot) -> None:
    """The desk's file may be a step behind the journal after a crash, or deleted."""
    if past.announced is None:
        return
    everyone = (*past.announced.fans, *past.announced.reserves)
    ranks = {fan: place for place, fan in enumerate(everyone, start=1)}
    desk.announce(past.announced, ranks | {x.fan: x.rank for x in snapshot.leaders})
    for struck in past.struck.values():
        desk.strike(struck.fan, struck.at_ms)


def _begin(journal: Journal, world: World) -> Writer:
    writer = journal.writer()
    born = m.Born(world.clock.now_ms(), DIRECTOR)
    writer.commit(Kind.CONTROL, encode_control(born), 1)
    return writer


async def run_stage(
    life: Life,
    world: World,
    data: DataDirectory,
    keys: Keys,
    arm: m.Armed,
    bus_path: Path,
    listener: socket.socket,
    public_address: str,
    media: tuple[tuple[str, m.Document], ...],
) -> None:
    """Lives until `life.stop`. Raises EngineDown if the journal cannot begin."""
    stage = Stage(world, data, keys, arm, media, public_address)
    hub = UnixHub(stage.bus)
    await hub.start(bus_path)
    app = private_app(
        stage.view,
        stage.director.command,
        keys.token,
        load_assets("stage"),
        [document for _, document in media],
        public_address,
        stage.health,
    )
    server = PrivateServer(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=3,
        )
    )
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    life.ready()
    try:
        await stage.run(life.stop)
    except EngineDown as error:
        log.error("the stage stops", why=error.message)
        raise
    finally:
        stage.view.close()
        server.should_exit = True
        await serving
        await hub.stop()
