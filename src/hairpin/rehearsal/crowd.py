"""The synthetic crowd: it joins, waits for questions, answers like people do, and claims its prize.

The crowd learns what phones learn, from `GET /now`; where it is told more, that only lets it plan
a question before it opens. A killed gate or a restarted node is only a bad network to it.
"""

from __future__ import annotations

import asyncio
import gc
import math
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from hairpin.rehearsal import asking, prizes, script, sockets
from hairpin.rehearsal.arrival import HUMAN, Curve
from hairpin.rehearsal.asking import Address
from hairpin.rehearsal.forms import Forms, forms
from hairpin.rehearsal.measure import Row, Timeline
from hairpin.rehearsal.phones import Phones
from hairpin.rehearsal.record import Record
from hairpin.rehearsal.script import Facts, Habits, Round
from hairpin.rehearsal.streams import Streams
from hairpin.rehearsal.traffic import Traffic
from hairpin.rehearsal.wire import REPLY_TIMEOUT_MS, Wire
from hairpin.show import Question
from hairpin.world import World

TURN_MS = 3.0
"""How long the wire works before the crowd looks what has become due."""
QUIET_S = 0.005
FIRST_ANSWER_S = 15.0
"""How long a node that is still starting may take to answer its first request."""
RETRY_PAST_CLOSE_MS = 1_500.0
"""A retry that lands this much too late still brings the honest 410."""
GIVE_UP_PAST_CLOSE_MS = 5_000.0
BEFORE_OPENING_MS = 500.0
"""The wave of joins ends this long before the first opening."""
JOIN_WAVE_MS = 3_000.0
"""Length of the wave where no opening is scheduled."""
POLL_MS = 50.0
"""How often the crowd looks whether a question that is due has opened."""
LAST_REPLIES_S = 12.0
"""Longer than the timeout of a request, so that every request has an outcome."""
SLOTS = 3
"""Rounds of one question: the early, the many, and those who look."""


class Told(msgspec.Struct, frozen=True):
    """What a crowd is told of a question beforehand, so that it can plan in the pause."""

    choices: int
    multiple: bool
    right: int
    """Bit mask; 0 where nobody shall know it."""
    duration_ms: float
    """As the node will serve it."""
    stretch: float = 1.0


def told_of(question: Question) -> Told:
    """What a show file tells a crowd of one question."""
    return Told(
        choices=len(question.choices),
        multiple=question.multiple,
        right=question.right,
        duration_ms=math.inf if question.duration_ms is None else float(question.duration_ms),
    )


class Settings(msgspec.Struct, frozen=True):
    url: str
    fans: int
    connections: int
    seed: int
    habits: Habits
    exit_after_over: bool
    told: tuple[Told, ...] = ()
    curve: Curve = HUMAN
    ca: Path | None = None


class Progress(msgspec.Struct):
    """One line of what the crowd is doing."""

    state: str
    question: int | None
    of: int
    fans: int
    joined: int
    sent: int
    acknowledged: int
    refused: int
    unanswered: int
    waiting: int
    """Due, but no connection was free yet."""
    connections: int
    cpu_s: float = 0.0


class Crowd:
    """One rehearsal from the first join to the last claim."""

    def __init__(
        self,
        settings: Settings,
        out: Path,
        world: World,
        report: Callable[[Progress], None],
    ) -> None:
        self._settings = settings
        self._out = out
        self._world = world
        self._report = report
        self._to = asking.address(settings.url, settings.ca)
        self._rng = np.random.default_rng(settings.seed)
        self._inquirer = asking.Inquirer(self._to, world.clock, random.Random(settings.seed))
        self._ready: dict[int, asyncio.Task[Round]] = {}
        """Questions that were planned, or are being planned, before they open."""
        self._opened: set[int] = set()
        self._early: dict[int, Round] = {}
        self._state = "waiting"
        self._question: int | None = None
        self._written: set[int] = set()
        self._wave_ms = np.empty(0)
        self._wave = np.zeros(0, np.int64)
        self._woken = 0

    async def run(self) -> None:
        """Until cancelled, or until the show is over if so set. Raises `EngineDown` if the node
        never answered, `YourMistake` if what answers is no Hairpin."""
        started_ms = self._world.clock.monotonic_ms()
        show = await self._inquirer.document("/show.json", FIRST_ANSWER_S)
        self._begin(show)
        tasks = [asyncio.create_task(self._work()), asyncio.create_task(self._follow())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            unfinished: list[asyncio.Task[Any]] = [*tasks, *self._ready.values()]
            for task in unfinished:
                task.cancel()
            await asyncio.gather(*unfinished, return_exceptions=True)
            self._traffic.settle(await self._wire.stop(), self._world.clock.monotonic_ms())
            totals = self._record.totals
            totals.seconds = (self._world.clock.monotonic_ms() - started_ms) / 1000
            self._write()

    def _begin(self, show: dict[str, Any]) -> None:
        settings, questions = self._settings, int(show["questions"])
        self._of = questions
        self._phones = Phones(
            self._rng, settings.fans, show["countries"], questions, settings.habits.joins_late
        )
        self._record = Record(str(show["show"]), settings.fans, questions)
        texts = forms(self._to.origin)
        self._traffic = Traffic(
            self._phones, self._record, settings.habits, texts.junk, settings.seed
        )
        self._wire = _wire(self._to, settings, texts)
        gc.collect()
        gc.freeze()  # arrays of a whole crowd need not be walked again and again

    # --- time ---------------------------------------------------------------------------------

    async def _work(self) -> None:
        """Send what is due, take what came back, until cancelled."""
        clock, wire, traffic = self._world.clock, self._wire, self._traffic
        checked_ms, reported_ms = clock.monotonic_ms(), -math.inf
        while True:
            now = clock.monotonic_ms()
            if now - reported_ms > 500.0:
                reported_ms = now
                self._report(self.progress())
            self._release_joins(now)
            traffic.release(now)
            if traffic.waiting and wire.room:
                wire.submit(traffic.batch(wire.room, now))
            traffic.settle(await wire.turn(TURN_MS), clock.monotonic_ms())
            await asyncio.sleep(0 if wire.in_flight else QUIET_S)
            if now - checked_ms > 1_000.0:
                checked_ms = now
                traffic.settle(wire.drop_stuck(now), now)
                traffic.forget(now, 2 * REPLY_TIMEOUT_MS)

    def _release_joins(self, now: float) -> None:
        due = int(self._wave_ms.searchsorted(now, side="right"))
        if due > self._woken:
            self._traffic.join(self._wave[self._woken : due])
            self._woken = due

    def progress(self) -> Progress:
        totals = self._record.totals
        return Progress(
            state=self._state,
            question=self._question,
            of=self._of,
            fans=self._settings.fans,
            joined=self._phones.joined,
            sent=totals.sent,
            acknowledged=totals.acknowledged,
            refused=sum(totals.refused.values()),
            unanswered=totals.unanswered,
            waiting=self._traffic.waiting,
            connections=self._wire.open,
            cpu_s=time.process_time(),
        )

    # --- the show -----------------------------------------------------------------------------

    async def _follow(self) -> None:
        """Look at `/now` when phones would, until the show is over."""
        first = True
        while True:
            now = await self._inquirer.document("/now")
            self._traffic.shift_ms = float(now["now"]) - self._world.clock.monotonic_ms()
            if first:
                self._record.timeline = Timeline(int(now["now"]))
                await self._plan_ahead(now)
                self._plan_joins(now)
                first = False
            await self._notice(now)
            if now["state"] == "over" and self._settings.exit_after_over:
                break
            await asyncio.sleep(self._pause_ms(now) / 1000)
        self._record.totals.claims = await prizes.claim(self._inquirer, self._phones)
        await self._last_replies()

    def _plan_joins(self, now: dict[str, Any]) -> None:
        """Everyone who is early joins between now and the first opening, evenly."""
        local = self._world.clock.monotonic_ms()
        end = local + JOIN_WAVE_MS
        if now["next_at"] is not None and now["question"] is None:
            end = max(local, self._local_ms(now["next_at"]) - BEFORE_OPENING_MS)
        wave = np.flatnonzero(self._phones.first_question < 0)
        self._rng.shuffle(wave)
        self._wave_ms = np.sort(self._rng.uniform(local, end, len(wave)))
        self._wave = wave
        self._record.timeline.plan(Row.JOINS_OFFERED, self._wave_ms + self._traffic.shift_ms)

    async def _notice(self, now: dict[str, Any]) -> None:
        self._state = str(now["state"])
        question = now["question"]
        if question is not None:
            index = self._question = int(question["index"])
            if self._state == "open" and index not in self._opened:
                await self._open(now, question)
            elif self._state != "open" and index not in self._written:
                self._written.add(index)
                self._write()
        if self._state != "open" and now["next_at"] is not None:
            await self._plan_ahead(now)

    async def _open(self, now: dict[str, Any], question: dict[str, Any]) -> None:
        index, opened = int(question["index"]), float(question["opened_at"])
        closes = math.inf if question["closes_at"] is None else float(question["closes_at"])
        self._opened.add(index)
        facts = self._facts(index, now, len(question["choices"]), bool(question["multiple"]))
        facts = msgspec.structs.replace(facts, duration_ms=closes - opened)
        early = self._early.get(index)
        if early is not None:
            self._set_times(early, early.opened_ms, self._local_ms(closes))
        many = await self._planned(facts)
        self._add(1 + SLOTS * index + 1, many, opened, closes)
        again_ms = float(now["now"]) - opened + float(now["poll_after_ms"])
        looks = await asyncio.to_thread(self._plan_looks, facts, again_ms)
        self._add(1 + SLOTS * index + 2, looks, opened, closes)
        last_ms = float(looks.at_ms.max(initial=0.0))
        looks.give_up_ms = self._local_ms(opened + last_ms + GIVE_UP_PAST_CLOSE_MS)
        timeline = self._record.timeline
        timeline.plan(Row.OFFERED, opened + many.at_ms[script.honest(many.kind)])
        timeline.plan(Row.NOW_OFFERED, opened + looks.at_ms)

    async def _planned(self, facts: Facts) -> Round:
        """The round as it was planned in the pause, unless the crowd was told something else than
        what now stands there."""
        ready = self._ready.pop(facts.question, None)
        if ready is not None:
            told = self._settings.told[facts.question]
            found = (facts.choices, facts.multiple)
            if found == (told.choices, told.multiple):
                return await ready
            await asyncio.wait([ready])
        return await asyncio.to_thread(self._plan, facts)

    def _add(self, slot: int, round_: Round, opened: float, closes: float) -> None:
        """Both times on the node's clock."""
        self._set_times(round_, self._local_ms(opened), self._local_ms(closes))
        self._traffic.add(slot, round_)

    async def _plan_ahead(self, now: dict[str, Any]) -> None:
        """In the pause: some phones will answer shortly before the next opening; and the crowd
        that was told what comes plans all of it now."""
        index = 0 if self._question is None else self._question + 1
        if index in self._early or index in self._opened or index >= self._of:
            return
        if now["next_at"] is None or (now["state"] == "open"):
            return
        early = script.plan_early(self._rng, self._phones, index, self._settings.habits)
        opens = self._local_ms(now["next_at"])
        self._set_times(early, opens, opens + 10_000.0)
        self._early[index] = early
        self._traffic.add(1 + SLOTS * index, early)
        if index < len(self._settings.told):
            told = self._settings.told[index]
            facts = self._facts(index, now, told.choices, told.multiple)
            self._ready[index] = asyncio.create_task(asyncio.to_thread(self._plan, facts))
            if index == 0:
                await asyncio.wait([self._ready[index]])  # before the wave of joins

    def _facts(self, index: int, now: dict[str, Any], choices: int, multiple: bool) -> Facts:
        settings = self._settings
        told = settings.told[index] if index < len(settings.told) else None
        return Facts(
            question=index,
            choices=choices,
            multiple=multiple,
            duration_ms=told.duration_ms if told else math.inf,
            spread_ms=float(now["spread_ms"]),
            right=told.right if told else 0,
            stretch=told.stretch if told else 1.0,
            curve=settings.curve,
        )

    def _plan(self, facts: Facts) -> Round:
        """May run beside the traffic: it only reads what no reply changes, with dice of its own."""
        busy = np.zeros(len(self._phones), dtype=np.bool_)
        early = self._early.get(facts.question)
        if early is not None:
            busy[early.fan] = True
        rng = np.random.default_rng((self._settings.seed, 2, facts.question))
        return script.plan(rng, self._phones, facts, self._settings.habits, busy)

    def _plan_looks(self, facts: Facts, again_ms: float) -> Round:
        rng = np.random.default_rng((self._settings.seed, 3, facts.question))
        asks = self._settings.habits.asks
        return script.plan_looks(rng, len(self._phones), facts, asks, again_ms)

    @staticmethod
    def _set_times(round_: Round, opened_ms: float, closes_ms: float) -> None:
        round_.opened_ms = opened_ms
        round_.closes_ms = closes_ms
        round_.retry_until_ms = closes_ms + RETRY_PAST_CLOSE_MS
        round_.give_up_ms = closes_ms + GIVE_UP_PAST_CLOSE_MS

    def _pause_ms(self, now: dict[str, Any]) -> float:
        """Until the document changes, as far as it says."""
        pause = float(now["poll_after_ms"])
        if now["state"] != "open" and now["next_at"] is not None:
            opening = self._local_ms(now["next_at"]) - self._world.clock.monotonic_ms()
            pause = min(pause, opening + 10.0)
        return max(pause, POLL_MS)

    def _local_ms(self, server_ms: float) -> float:
        return server_ms - self._traffic.shift_ms

    # --- the end ------------------------------------------------------------------------------

    async def _last_replies(self) -> None:
        deadline_ms = self._world.clock.monotonic_ms() + LAST_REPLIES_S * 1000
        while self._world.clock.monotonic_ms() < deadline_ms:
            if not (self._wire.in_flight or self._traffic.retrying or self._traffic.waiting):
                return
            await asyncio.sleep(0.05)

    def _write(self) -> None:
        self._record.totals.connections_lost = self._wire.lost
        self._record.totals.cpu_s = round(time.process_time(), 3)
        self._record.write(self._world.disk, self._out, self._phones)


def _wire(to: Address, settings: Settings, texts: Forms) -> Wire:
    """Compiled where that is possible."""
    number, seed = settings.connections, settings.seed
    if to.tls is None and sockets.available():
        return sockets.Sockets(to.host, to.port, number, texts, seed)
    return Streams(to.host, to.port, number, texts, seed, to.tls)
