"""One gate process: its strand of the journal, its place on the bus, its listener."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import socket
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

import msgspec
import structlog

from hairpin import libc
from hairpin.bus import Bus
from hairpin.config import Settings
from hairpin.errors import EngineDown
from hairpin.frame import Kind
from hairpin.gate.admit import Admission
from hairpin.gate.burst import Burst
from hairpin.gate.commit import Committer
from hairpin.gate.connection import Connection
from hairpin.gate.doors import Doors
from hairpin.gate.leases import Leases
from hairpin.gate.limits import Addresses, JoinLimit
from hairpin.gate.pages import pages
from hairpin.gate.siblings import Siblings
from hairpin.journal import Journal, encode_control
from hairpin.messages import (
    TOPIC_GATE,
    TOPIC_ORDER,
    TOPIC_ORDER_NOW,
    TOPIC_SYNCED,
    Born,
    Document,
    GateReport,
    Marked,
    OrderState,
    Synced,
)
from hairpin.ticket import TicketKey
from hairpin.web import Asset
from hairpin.world import Server, World

log = structlog.get_logger()

TELL_SYNCED_S = 0.02
"""News of durable frames is gathered for this long."""
REPORT_S = 0.5
"""So long after a report comes the next one, if anything happened."""
QUIET_S = 20.0
"""In silence a gate only says that it lives."""
TEND_S = 2.0
DRAIN_S = 5.0
FILES_MAX = 1 << 20
"""Descriptors that the hot loop can hold, whatever the system permits."""

_REASONS = {
    HTTPStatus.UNAUTHORIZED: "bad ticket",
    HTTPStatus.NOT_FOUND: "no such question or choice",
    HTTPStatus.CONFLICT: "not open",
    HTTPStatus.GONE: "closed",
    HTTPStatus.SERVICE_UNAVAILABLE: "unavailable",
}


class Gate:
    """Takes answers until `stop` is called. Raises EngineDown if its strand cannot begin."""

    def __init__(
        self,
        world: World,
        journal: Journal,
        bus: Bus,
        key: TicketKey,
        settings: Settings,
        assets: Mapping[str, Asset],
        media: Iterable[Document],
        runtime: Path | None = None,
    ) -> None:
        """`runtime`: a directory that all gates of the machine share while they live; without it
        they pass no connections to each other."""
        self._world = world
        self._bus = bus
        self._writer = journal.writer()
        self.incarnation = self._writer.incarnation
        born = Born(world.clock.now_ms(), "gate")
        self._writer.commit(Kind.CONTROL, encode_control(born), 1)
        self._admission = Admission(key)
        self.answers = Committer(
            world.clock, self._writer, self._admission, settings.queue_max, self._committed
        )
        share = max(settings.gates, 1)
        self._doors = Doors(
            world.clock,
            key,
            self.answers,
            Leases(bus, self.incarnation),
            Addresses(settings),
            JoinLimit(max(settings.join_burst / share, 1), settings.join_per_s / share),
            settings.connections_max,
        )
        self._doors.pages = pages(self._doors, bus, assets, media)
        self._marked: set[int] = set()
        self._telling: asyncio.TimerHandle | None = None
        self._known = asyncio.Event()
        self._settings = settings
        self._runtime = runtime
        self._burst: Burst | None = None
        self._siblings: Siblings | None = None
        self._server: Server | None = None
        self._told: GateReport | None = None
        """The last report."""
        self._told_ms = self._tended_ms = world.clock.monotonic_ms()

    async def run(
        self, listener: socket.socket, ready: Callable[[], None], stop: asyncio.Event
    ) -> None:
        """Serve from `listener` until `stop`; then drain and seal."""
        self._bus.subscribe(TOPIC_ORDER, OrderState, self._order)
        if not await self._knows_order(stop):
            self._end()
            return
        self._doors.leases.refill()
        opened = await self._open(listener)
        tasks: list[asyncio.Future[Any]] = [
            *opened,
            asyncio.create_task(self._keep_house()),
        ]
        self._report()  # the node is healthy when somebody has said so
        ready()
        tasks.append(asyncio.create_task(stop.wait()))
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        await self._drain()
        for task in tasks:
            task.cancel()
        for task in done:
            task.result()  # a task that failed ends the process, which is then started again

    async def _open(self, listener: socket.socket) -> list[asyncio.Future[None]]:
        """Take connections: by the hot loop, or where it cannot run by the event loop's server.

        Returns what fails if serving does.
        """
        if not (libc.AVAILABLE and self._world.net.sockets):
            self._server = await self._world.net.serve(lambda: Connection(self._doors), listener)
            return []
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        burst = Burst(self._doors, listener, min(files, FILES_MAX), self._settings.queue_max)
        self._burst = burst
        if self._runtime is not None:
            siblings = Siblings(self._runtime, self.incarnation, burst, self._world.clock)
            self._bus.subscribe(TOPIC_GATE, GateReport, self._heard)
            self._siblings = siblings
        return [burst.start()]

    async def _knows_order(self, stop: asyncio.Event) -> bool:
        """Wait for the running order; False if the end comes first, as when the stage is dead."""
        waits = [asyncio.create_task(event.wait()) for event in (self._known, stop)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        return not stop.is_set()

    async def ask_order(self) -> None:
        """After each new connection to the bus: the order may have changed meanwhile.

        Later, whoever missed it is told again, as each report says what order the gate knows.
        """
        while True:
            try:
                request = Synced(self.incarnation, self._writer.synced.frames)
                order = await self._bus.request(TOPIC_ORDER_NOW, request, OrderState, 2_000)
            except EngineDown as error:
                log.warning("the running order is not known", why=error.message)
                await asyncio.sleep(0.2)
            else:
                self._order(order)
                return

    # --- the running order ------------------------------------------------------------------------

    def _order(self, order: OrderState) -> None:
        known = self._doors.order
        if known is not None and order.version <= known.version:
            return
        opened = _opened(order)
        if known is not None and opened - _opened(known):
            self.answers.roll()
        self.answers.epoch_ms = order.epoch_ms
        self._admission.set_questions(order.questions, order.epoch_ms)
        self._doors.set_order(order)
        self._mark()
        self._known.set()
        self._doors.stirred.set()  # whoever is told something new says that it lives

    def _mark(self) -> None:
        """Close markers for questions that closed: no answer of ours to them comes after.

        While the journal fails an empty one asks whether it writes again: whoever was told that
        this gate is not healthy sends no answers that could find it out.
        """
        order = self._doors.order
        if order is None:
            return
        closed = {i for i, question in enumerate(order.questions) if question.closed}
        fresh = sorted(closed - self._marked)
        if not fresh and self.answers.error is None:
            return
        self.answers.flush()
        for question in fresh:
            self._admission.shut(question)
        marker = Marked(self._world.clock.now_ms(), tuple(fresh))
        if self.answers.control(encode_control(marker)):
            self._marked.update(fresh)

    # --- news -------------------------------------------------------------------------------------

    def _committed(self) -> None:
        if self._telling is None:
            loop = asyncio.get_running_loop()
            self._telling = loop.call_later(TELL_SYNCED_S, self._tell_synced)

    def _tell_synced(self) -> None:
        self._telling = None
        self._bus.publish(TOPIC_SYNCED, self._writer.synced)

    async def _keep_house(self) -> None:
        """Report and tidy up: at once when something happens, and now and then in silence."""
        stirred = self._doors.stirred
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._pause_s()):
                    await stirred.wait()
            if stirred.is_set():
                early_ms = self._told_ms + REPORT_S * 1000 - self._world.clock.monotonic_ms()
                if early_ms > 0:
                    await asyncio.sleep(early_ms / 1000)
            self._report()
            if self.answers.lost is not None:
                raise self.answers.lost
            if self._siblings is not None:  # by then they have said what they carry
                asyncio.get_running_loop().call_later(REPORT_S, self._siblings.share)
            if self._world.clock.monotonic_ms() >= self._tended_ms + TEND_S * 1000:
                self._tend()

    def _pause_s(self) -> float:
        """How long to wait for something to happen."""
        if self.answers.error is not None:
            return REPORT_S
        connected = self._doors.connections or (self._burst is not None and self._burst.connections)
        return TEND_S if connected or self._writer.degraded else QUIET_S

    def _heard(self, report: GateReport) -> None:
        """A sibling reports: it, too, needs to know how much everyone else carries."""
        if self._siblings is not None:
            self._siblings.report(report)
        if self._world.clock.monotonic_ms() >= self._told_ms + REPORT_S * 1000:
            self._doors.stirred.set()

    def _report(self) -> None:
        self._mark()
        known = self._told
        if known is None or self._doors.stirred.is_set() or known.commits != self.answers.commits:
            known = self._whole_report()
        self._doors.stirred.clear()
        usage = resource.getrusage(resource.RUSAGE_SELF)
        order = self._doors.order
        self._told = msgspec.structs.replace(
            known,
            at_ms=self._world.clock.now_ms(),
            cpu_s=usage.ru_utime + usage.ru_stime,
            journal_error=self.answers.error,
            degraded=tuple(self._writer.degraded),
            order=0 if order is None else order.version,
            frames=self._writer.synced.frames,
        )
        self._told_ms = self._world.clock.monotonic_ms()
        self._bus.publish(TOPIC_GATE, self._told)

    def _whole_report(self) -> GateReport:
        """What this gate did since its birth. Time and error are as good as `_report` says."""
        doors, answers = self._doors, self.answers
        refused = Counter(doors.refused)
        for status, reason in _REASONS.items():
            if answers.statuses[status]:
                refused[reason] += answers.statuses[status]
        return GateReport(
            incarnation=self.incarnation,
            at_ms=0,
            pid=os.getpid(),
            cpu_s=0.0,
            connections=len(doors.connections) + (self._burst.connections if self._burst else 0),
            acknowledged=answers.statuses[HTTPStatus.NO_CONTENT],
            refused=dict(refused),
            tickets=doors.tickets,
            requests=dict(doors.requests),
            commits=answers.commits,
            commit_ms_p50=answers.commit_ms.quantile_ms(0.5),
            commit_ms_p99=answers.commit_ms.quantile_ms(0.99),
            latency_ms_p50=answers.latency_ms.quantile_ms(0.5),
            latency_ms_p99=answers.latency_ms.quantile_ms(0.99),
            journal_error=None,
        )

    def _tend(self) -> None:
        now_ms = self._tended_ms = self._world.clock.monotonic_ms()
        self._writer.tend()
        self._doors.leases.refill()
        if self._burst is not None:
            self._burst.tend()
        for connection in tuple(self._doors.connections):
            connection.tend(now_ms)

    async def _drain(self) -> None:
        """Answer what was read, close the rest, end the strand."""
        if self._siblings is not None:
            self._siblings.close()
        if self._burst is not None:
            self._burst.stop()
        if self._server is not None:
            self._server.close()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + DRAIN_S
        while self._owes() and loop.time() < deadline:
            self.answers.flush()
            for connection in tuple(self._doors.connections):
                connection.drain()
            await asyncio.sleep(0.01)
        self._report()
        self._end()
        self._bus.publish(TOPIC_SYNCED, self._writer.synced)
        await asyncio.sleep(0.05)  # for the news to leave

    def _owes(self) -> bool:
        handing = self._burst is not None and self._burst.handing
        return bool(handing or self._doors.connections)

    def _end(self) -> None:
        try:
            self.answers.end()
        except EngineDown as error:
            log.error("the strand could not be sealed", why=error.message)


def _opened(order: OrderState) -> set[int]:
    return {i for i, question in enumerate(order.questions) if question.opened_ms is not None}
