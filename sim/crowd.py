"""The crowd: who joins when, who takes part in which question, and what all of them heard.

People watch the wall; when it shows a question some of them take their phones, most at once.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, cast

from hairpin.order import State
from hairpin.stage.documents import Cue
from sim.checkers import Violation
from sim.net import SimListener
from sim.phones import Asked, Line, Manner, Phone, Reply
from sim.plan import Plan
from sim.transport import SimTransport

if TYPE_CHECKING:
    from sim.court import Court
    from sim.universe import Universe

JOIN_S = 90.0
LATE_SHARE = 0.1
"""Of those who join later."""
BUSY_S = 4.0
"""Most of those who answer do it within this time of the opening."""


class Crowd:
    def __init__(self, universe: Universe, plan: Plan, listener: SimListener, court: Court) -> None:
        self._universe = universe
        self._plan = plan
        self._listener = listener
        self._court = court
        self.loop = universe.loop
        self.dice = universe.dice
        self.over = False
        """The night is over: nobody tries again."""
        self.phones = [Phone(self, number) for number in range(plan.fans)]
        self._by_fan: dict[int, Phone] = {}
        self._open: set[int] = set()
        self._announced: set[int] = set()
        self._expected: set[int] = set()
        self.busy = 0
        """Phones in hands."""

    def come(self) -> None:
        """Everybody joins, most of them before the first question."""
        for phone in self.phones:
            late = self.dice.random() < LATE_SHARE
            self._later(self.dice.uniform(0, JOIN_S * (20 if late else 1)), phone.join)

    # --- what the wall shows ----------------------------------------------------------------------

    def look(self, cues: Sequence[Cue], contenders: Sequence[int]) -> None:
        """The running order changed, or a node that was started again shows it."""
        for cue in cues:
            if cue.state is State.OPEN and cue.index not in self._open:
                self._open.add(cue.index)
                self._pick_up(cue)
        waiting = next((cue for cue in cues if cue.state is State.WAITING), None)
        if waiting is not None and waiting.due_at and waiting.index not in self._expected:
            self._expected.add(waiting.index)
            self._expect(waiting, waiting.due_at)
        for fan in contenders:
            if fan not in self._announced and fan in self._by_fan:
                self._announced.add(fan)
                self._later(self.dice.uniform(1, 60), self._by_fan[fan].claim_prize)

    def _pick_up(self, cue: Cue) -> None:
        asked = Asked(cue.index, len(cue.choices), cue.multiple)
        open_s = 12.0
        if cue.closes_at is not None and cue.opened_at is not None:
            open_s = (cue.closes_at - cue.opened_at) / 1000
        for phone in self.phones:
            if self.dice.random() >= self._plan.appetite:
                continue
            if phone.manner is Manner.LATE:
                delay_s = open_s + self.dice.uniform(0, 5)
            elif self.dice.random() < 0.8:
                delay_s = self.dice.uniform(0, BUSY_S)
            else:
                delay_s = self.dice.uniform(0, open_s)
            self._later(delay_s, phone.answer, asked)

    def _expect(self, cue: Cue, due_ms: int) -> None:
        """Some answer a question that they cannot have seen; one choice is always legal."""
        asked = Asked(cue.index, 1, False)
        for phone in self.phones:
            if phone.manner is Manner.EARLY and self.dice.random() < self._plan.appetite:
                wait_s = (due_ms - self._universe.now_ms) / 1000 - self.dice.uniform(0.2, 6)
                self._later(max(wait_s, 0.0), phone.answer, asked)

    async def beat(self) -> None:
        """Wait for the others, where the network makes phones do so."""
        if self._plan.beat_ms:
            past_ms = self.loop.now_s * 1000 % self._plan.beat_ms
            await asyncio.sleep((self._plan.beat_ms - past_ms) / 1000)

    # --- what phones do and hear ------------------------------------------------------------------

    async def connect(
        self, factory: type[Line], peer: tuple[str, int]
    ) -> tuple[SimTransport, Line]:
        transport, line = await self._universe.net.connect(self._listener, factory, peer)
        return transport, cast(Line, line)

    def joined(self, phone: Phone, ticket: str) -> int:
        fan = self._court.issued(ticket)
        self._by_fan[fan] = phone
        return fan

    def sends(self, fan: int, question: int, choice: int) -> None:
        self._court.ledger.send(fan, question, choice)

    def hears(self, fan: int, question: int, status: int) -> None:
        self._court.judge(self._court.ledger.hear, fan, question, status)

    def gives_up(self, fan: int, question: int) -> None:
        self._court.ledger.give_up(fan, question)

    def forged(self, status: int) -> None:
        self._court.judge(self._court.ledger.forged, status)

    def seen(self, reply: Reply | None) -> None:
        """`/now` as a phone got it."""
        if reply is not None and reply.status == 200:
            self._court.seen_now(json.loads(reply.body))

    # ----------------------------------------------------------------------------------------------

    def _later(
        self, delay_s: float, act: Callable[..., Coroutine[Any, Any, None]], *args: object
    ) -> None:
        outside = self._universe.outside
        self.loop.call_later(delay_s, self._begin, act, args, context=outside)

    def _begin(self, act: Callable[..., Coroutine[Any, Any, None]], args: Any) -> None:
        self.loop.create_task(self._act(act(*args)), context=self._universe.outside)

    async def _act(self, acting: Coroutine[Any, Any, None]) -> None:
        self.busy += 1
        try:
            await acting
        except Exception as error:
            self._court.blame(Violation("a phone keeps its rules", f"it failed: {error!r}"))
        finally:
            self.busy -= 1
