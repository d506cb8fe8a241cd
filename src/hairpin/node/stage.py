"""The stage process: director, tally keeper, claims desk and private listener put together."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Mapping
from pathlib import Path

import structlog

from hairpin import messages as m
from hairpin.bus.local import LocalBus
from hairpin.bus.unix import UnixHub
from hairpin.claims.desk import ClaimsDesk
from hairpin.errors import DataDamaged, EngineDown
from hairpin.frame import Kind
from hairpin.journal import Journal, Writer, encode_control
from hairpin.journal.caretaker import Caretaker
from hairpin.journal.disk import DiskJournal
from hairpin.node.data import DataDirectory, Keys
from hairpin.node.family import Life
from hairpin.node.tally import TallyEngine, opened_tally
from hairpin.stage.director import Director
from hairpin.stage.listener import PrivateServer
from hairpin.stage.past import DIRECTOR, Past, directors, read_past
from hairpin.stage.private import private_app
from hairpin.stage.streams import STREAMS_MAX
from hairpin.stage.view import StageView
from hairpin.tally.keeper import Keeper
from hairpin.tally.memcached import Address
from hairpin.web import load_assets
from hairpin.world import World

log = structlog.get_logger()

TICK_S, LATE_S = 0.02, 0.5
"""So long rests what could not be done when it was due: longer each time, up to this."""
QUIET_S = 30.0
"""The longest one: whatever may have been missed is noticed then."""
TEND_S = 2.0
"""How often the journal's mirrors are looked after, if anything wakes the stage."""
SNAPSHOT_S = 0.2
"""The shortest time from one snapshot to the next."""
REPLAYED = 0
"""No strand has this number: it stands for the journal, read again."""
GATE_SILENT_MS = 45_000
"""A gate that reported nothing for this long is not shown as alive."""
GATE_ANSWER_MS = 10_000
"""Nor is one that has not reported so long after it was told a new running order."""


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
        streams_max: int = STREAMS_MAX,
        keeper: TallyEngine | None = None,
        journal: DiskJournal | None = None,
    ) -> None:
        """`arm` is journalled if it is not the journal's last one. Without `keeper` the count is
        exact."""
        self._clock = world.clock
        self._damaged: dict[int, str] = {}
        """Strands that cannot be read, and why: their results stay provisional."""
        self._together: dict[int, m.Synced] = {}
        """Strands of the past that are read at once, when all of them are fenced."""
        journal = journal or data.journal()
        past = read_past(journal, directors(journal))
        known = journal.incarnations()
        writer = _begin(journal, world)
        self.bus = LocalBus()
        self.keeper: TallyEngine = keeper or Keeper(journal, world.clock)
        self.bus.subscribe(m.TOPIC_SYNCED, m.Synced, self._synced)
        if past.armed is None or past.armed.at_ms != arm.at_ms:
            writer.commit(Kind.CONTROL, encode_control(arm), 1)
            past.take(arm)
        desk = ClaimsDesk(world, data.winners_path, keys.ticket_key().claim)
        self.view = StageView(arm.show, world.clock, public_address, streams_max)
        self.view.permission = arm.permission
        addresses = {path: document.path for path, document in media}
        self.director = Director(
            world.clock, journal, writer, self.bus, past, desk, self.view, addresses
        )
        self._caretaker = Caretaker(world, journal.mirrors)
        self._tended_ms = 0.0
        self._gates: dict[int, m.GateReport] = {}
        self._ordered_ms = 0
        """When gates were told something new last."""
        self._ordered_version = 0
        self._reported = False
        """Did a gate say more than that it lives, since gates were shown?"""
        self._news = asyncio.Event()
        """Something happened that must not wait until the next step is due."""
        self._catch_up(journal, past, known, writer)
        snapshot = self.keeper.tick()
        assert snapshot is not None, "the first tick after arming has news"
        _settle_desk(desk, past, snapshot)
        self.bus.serve(m.TOPIC_LEASE, m.LeaseRequest, self._lease)
        self.bus.serve(m.TOPIC_CLAIM, m.ClaimRequest, self.director.claim)
        self.bus.serve(m.TOPIC_ORDER_NOW, m.Synced, self._order_now)
        self.bus.serve(m.TOPIC_CLOCKS, m.ClocksRequest, self._clocks)
        self.bus.subscribe(m.TOPIC_TALLY, m.TallySnapshot, self.director.tallied)
        self.bus.subscribe(m.TOPIC_GATE, m.GateReport, self._report)
        self.bus.subscribe_raw(m.TOPIC_ORDER, self._ordered)
        self.director.tallied(snapshot)

    def health(self) -> str | None:
        if self.director.error:
            return self.director.error
        for why in self._damaged.values():
            return why
        return None if self._alive() else "no gate reports"

    async def run(self, stop: asyncio.Event) -> None:
        """Take steps when they are due and tell counts when there are new ones, until `stop`."""
        self.director.publish()
        clocks = asyncio.create_task(self.director.refresh_clocks())
        stopping = asyncio.create_task(self._wake_at(stop))
        snapshot_at_s, late_s = 0.0, TICK_S
        while not stop.is_set():
            self._news.clear()
            now_s = self._clock.monotonic_ms() / 1000
            if now_s >= snapshot_at_s:
                snapshot_at_s = now_s + SNAPSHOT_S
                self._show_gates()
                if self.keeper.busy:
                    self._tell_counts()
            self.director.tick()
            self._tend()
            if self.director.lost is not None:
                raise self.director.lost
            rest_s = self._rest_s()
            if self.keeper.busy or self._reported:
                rest_s = min(rest_s, snapshot_at_s - now_s)
            late_s = TICK_S if rest_s > 0 else min(2 * late_s, LATE_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(rest_s if rest_s > 0 else late_s):
                    await self._news.wait()
        clocks.cancel()
        stopping.cancel()
        self._caretaker.close()
        self.director.close()

    def _tend(self) -> None:
        """What mirrors lack is brought to them while the show goes on."""
        now_ms = self._clock.monotonic_ms()
        if now_ms >= self._tended_ms + TEND_S * 1000:
            self._tended_ms = now_ms
            self.director.tend()
        self._caretaker.tend()

    def _show_gates(self) -> None:
        self._reported = False
        self.view.set_gates(self._alive())

    async def _wake_at(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._news.set()

    def _rest_s(self) -> float:
        """Until the next step is due, or a gate has been silent for too long."""
        now_ms = self._clock.now_ms()
        dues = [self._silent_at_ms(report) for report in self._gates.values()]
        step_ms = self.director.next_due_ms()
        if step_ms is not None:
            dues.append(step_ms)
        rests_s = [(due_ms - now_ms) / 1000 for due_ms in dues]
        care_s = self._caretaker.rest_s
        if care_s is not None:
            rests_s.append(max(care_s, TICK_S))
        return min([*rests_s, QUIET_S])

    def _tell_counts(self) -> None:
        """Damage in what must be counted anew keeps a result provisional; the show goes on."""
        try:
            snapshot = self.keeper.tick()
        except DataDamaged as damage:
            self._damaged[REPLAYED] = damage.message
            log.critical("a result cannot be counted anew", why=damage.message)
            return
        if snapshot is not None:
            self.bus.publish(m.TOPIC_TALLY, snapshot)

    # --- beginning --------------------------------------------------------------------------------

    def _catch_up(self, journal: Journal, past: Past, known: list[int], writer: Writer) -> None:
        """Read what earlier processes left: directors first, then everyone; fence the dead."""
        owners = [n for n in directors(journal) if n in known]
        others = [n for n in known if n not in owners]
        # Our own strand is read when those of earlier directors have been: what it says holds.
        self._together = {n: m.Synced(n, 0) for n in (*others, writer.incarnation)}
        for incarnation in [*owners, *others]:
            fenced = past.fenced.get(incarnation)
            if fenced is None:
                self.director.fence(incarnation)
            else:
                self._synced(m.Synced(incarnation, fenced.frames))
        del self._together[writer.incarnation]
        self.keeper.synced(writer.synced)
        together, self._together = self._together, {}
        for incarnation, damage in self.keeper.catch_up(together.values()).items():
            self._note_damage(incarnation, damage)

    # --- requests and news ------------------------------------------------------------------------

    def _synced(self, news: m.Synced) -> None:
        """Damage found while the show is on stops the counting of one strand, not the show."""
        if news.incarnation in self._together:
            self._together[news.incarnation] = news
        if news.incarnation in self._damaged or news.incarnation in self._together:
            return
        idle = not self.keeper.busy
        try:
            self.keeper.synced(news)
        except DataDamaged as damage:
            self._note_damage(news.incarnation, damage)
        if idle and self.keeper.busy:
            self._news.set()

    def _note_damage(self, incarnation: int, damage: DataDamaged) -> None:
        self._damaged[incarnation] = damage.message
        log.critical("a strand is damaged", why=damage.message, remedy=damage.remedy)

    async def _order_now(self, gate: m.Synced) -> m.OrderState:
        """A gate connects: it also says how far it is, which news may have failed to."""
        self._synced(gate)
        return await self.director.order_now(gate)

    async def _clocks(self, request: m.ClocksRequest) -> m.ClocksReply:
        try:
            return await self.keeper.clocks(request.fans)
        except DataDamaged as damage:
            raise EngineDown(damage.message, damage.remedy) from damage

    async def _lease(self, request: m.LeaseRequest) -> m.LeaseReply:
        try:
            return await self.director.lease(request)
        finally:
            self._news.set()  # it may have found that the journal fails, or writes again

    def _report(self, report: m.GateReport) -> None:
        known = self._gates.get(report.incarnation)
        self._gates[report.incarnation] = report
        if known is None or _did(known) != _did(report):
            self._reported = True
            self._news.set()
        if report.frames:  # of which the news may have been lost
            self._synced(m.Synced(report.incarnation, report.frames))
        self.director.tell_again(report.order)

    def _ordered(self, _: bytes) -> None:
        if self.director.version != self._ordered_version:
            self._ordered_version = self.director.version
            self._ordered_ms = self._clock.now_ms()
        self._news.set()

    def _silent_at_ms(self, report: m.GateReport) -> int:
        """When a gate that says nothing more is not shown as alive any longer."""
        at_ms = report.at_ms + GATE_SILENT_MS
        if report.at_ms < self._ordered_ms:
            at_ms = min(at_ms, self._ordered_ms + GATE_ANSWER_MS)
        return at_ms + 1

    def _alive(self) -> Mapping[int, m.GateReport]:
        now_ms = self._clock.now_ms()
        self._gates = {n: r for n, r in self._gates.items() if now_ms < self._silent_at_ms(r)}
        return self._gates


def _did(report: m.GateReport) -> tuple[object, ...]:
    """What a report says beside that the gate lives."""
    did = (report.acknowledged, report.commits, report.requests, report.refused)
    return *did, report.connections, report.journal_error, report.degraded


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
    streams_max: int,
    tally: Address | None,
    degraded: bool,
) -> None:
    """Lives until `life.stop`. Raises EngineDown if the journal cannot begin."""
    journal = data.journal(degraded=degraded, impatient=True)
    with opened_tally(tally, journal, world) as keeper:
        stage = Stage(world, data, keys, arm, media, public_address, streams_max, keeper, journal)
        await _serve(life, stage, keys, bus_path, listener, public_address, media)


async def _serve(
    life: Life,
    stage: Stage,
    keys: Keys,
    bus_path: Path,
    listener: socket.socket,
    public_address: str,
    media: tuple[tuple[str, m.Document], ...],
) -> None:
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
    server = PrivateServer(app)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    life.ready()
    try:
        await stage.run(life.stop)
    except EngineDown as error:
        log.error("the stage stops", why=error.message)
        raise
    finally:
        stage.view.streams.close()
        server.should_exit = True
        await serving
        await hub.stop()
