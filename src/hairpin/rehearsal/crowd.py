"""The synthetic crowd: it joins, waits for questions, answers like people do, and claims its prize.

The crowd learns what phones learn, from `GET /now`, and no more. A killed gate or a restarted node
is only a bad network to it.
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

from hairpin.rehearsal import asking, prizes, script
from hairpin.rehearsal.connections import Connections
from hairpin.rehearsal.phones import Phones
from hairpin.rehearsal.record import Record
from hairpin.rehearsal.script import Facts, Habits, Round
from hairpin.rehearsal.traffic import Traffic
from hairpin.world import World

TICK_S = 0.01
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


class Settings(msgspec.Struct, frozen=True):
    url: str
    fans: int
    connections: int
    seed: int
    habits: Habits
    exit_after_over: bool
    right: tuple[int, ...] = ()
    """Bit mask of the right choices of each question, if the crowd is told; see `taste`."""


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
        self._to = asking.address(settings.url)
        self._rng = np.random.default_rng(settings.seed)
        self._dice = random.Random(settings.seed)
        self._inquirer = asking.Inquirer(self._to, world.clock, self._dice)
        self._rounds: dict[int, Round] = {}
        self._early: dict[int, Round] = {}
        self._shift_ms = 0.0
        """The node's time of day minus our monotonic clock."""
        self._state = "waiting"
        self._question: int | None = None
        self._written: set[int] = set()
        self._join_at_ms = np.empty(0)
        self._wave: list[int] = []
        self._woken = 0

    async def run(self) -> None:
        """Until cancelled, or until the show is over if so set. Raises `EngineDown` if the node
        never answered, `YourMistake` if what answers is no Hairpin."""
        started_ms = self._world.clock.monotonic_ms()
        show = await self._inquirer.document("/show.json", FIRST_ANSWER_S)
        self._begin(show)
        tasks = [asyncio.create_task(self._tick()), asyncio.create_task(self._follow())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._connections.stop()
            totals = self._record.totals
            totals.seconds = (self._world.clock.monotonic_ms() - started_ms) / 1000
            self._write()

    def _begin(self, show: dict[str, Any]) -> None:
        fans, questions = self._settings.fans, int(show["questions"])
        self._of = questions
        late = self._settings.habits.joins_late
        self._phones = Phones(self._rng, fans, show["countries"], questions, late)
        self._record = Record(str(show["show"]), fans, questions)
        self._traffic = Traffic(self._phones, self._record, self._world.clock, self._dice)
        self._connections = Connections(
            self._to.host,
            self._to.port,
            self._settings.connections,
            self._dice,
            self._traffic,
        )
        self._connections.start()
        gc.collect()
        gc.freeze()  # arrays of a whole crowd need not be walked again and again

    # --- time ---------------------------------------------------------------------------------

    async def _tick(self) -> None:
        """Release what is due, a hundred times a second."""
        clock = self._world.clock
        checked_ms = reported_ms = 0.0
        while True:
            await asyncio.sleep(TICK_S)
            now = clock.monotonic_ms()
            self._release_joins(now)
            self._traffic.release([*self._early.values(), *self._rounds.values()], now)
            self._connections.wake()
            if now - checked_ms > 1_000.0:
                checked_ms = now
                self._connections.drop_stuck(now)
            if now - reported_ms > 500.0:
                reported_ms = now
                self._report(self.progress())

    def _release_joins(self, now: float) -> None:
        due = int(self._join_at_ms.searchsorted(now, side="right"))
        for fan in self._wave[self._woken : due]:
            if not self._phones.joining[fan] and self._phones.ticket[fan] is None:
                self._traffic.join(fan)
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
            connections=self._connections.open,
        )

    # --- the show -----------------------------------------------------------------------------

    async def _follow(self) -> None:
        """Look at `/now` when phones would, until the show is over."""
        first = True
        while True:
            now = await self._inquirer.document("/now")
            self._shift_ms = float(now["now"]) - self._world.clock.monotonic_ms()
            if first:
                self._plan_joins(now)
                first = False
            self._notice(now)
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
        self._join_at_ms = np.sort(self._rng.uniform(local, end, len(wave)))
        self._wave = wave.tolist()

    def _notice(self, now: dict[str, Any]) -> None:
        self._state = str(now["state"])
        question = now["question"]
        if question is not None:
            index = self._question = int(question["index"])
            if self._state == "open" and index not in self._rounds:
                self._open(now, question)
            elif self._state != "open" and index not in self._written:
                self._written.add(index)
                self._write()
        if now["next_at"] is not None:
            self._plan_early(now)

    def _open(self, now: dict[str, Any], question: dict[str, Any]) -> None:
        index, opened = int(question["index"]), float(question["opened_at"])
        closes = math.inf if question["closes_at"] is None else float(question["closes_at"])
        facts = Facts(
            question=index,
            choices=len(question["choices"]),
            multiple=bool(question["multiple"]),
            duration_ms=closes - opened,
            spread_ms=float(now["spread_ms"]),
            ask_again_ms=float(now["now"]) - opened + float(now["poll_after_ms"]),
            right=self._settings.right[index] if index < len(self._settings.right) else 0,
        )
        early = self._early.get(index)
        busy = np.zeros(len(self._phones), dtype=np.bool_)
        if early is not None:
            busy[early.fan] = True
            self._set_times(early, early.opened_ms, self._local_ms(closes))
        round_ = script.plan(self._rng, self._phones, facts, self._settings.habits, busy)
        self._set_times(round_, self._local_ms(opened), self._local_ms(closes))
        self._rounds[index] = round_

    def _plan_early(self, now: dict[str, Any]) -> None:
        """Some phones will send an answer shortly before the next opening."""
        index = 0 if self._question is None else self._question + 1
        if index in self._early or index in self._rounds or index >= self._of:
            return
        round_ = script.plan_early(self._rng, self._phones, index, self._settings.habits)
        opens = self._local_ms(now["next_at"])
        self._set_times(round_, opens, opens + 10_000.0)
        self._early[index] = round_

    @staticmethod
    def _set_times(round_: Round, opened_ms: float, closes_ms: float) -> None:
        round_.opened_ms = opened_ms
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
        return server_ms - self._shift_ms

    # --- the end ------------------------------------------------------------------------------

    async def _last_replies(self) -> None:
        deadline_ms = self._world.clock.monotonic_ms() + LAST_REPLIES_S * 1000
        while self._world.clock.monotonic_ms() < deadline_ms:
            if not (self._connections.in_flight or self._traffic.retrying or self._traffic.waiting):
                return
            await asyncio.sleep(0.05)

    def _write(self) -> None:
        self._record.totals.connections_lost = self._connections.lost
        self._record.totals.cpu_s = round(time.process_time(), 3)
        self._record.write(self._world.disk, self._out, self._phones)
