"""The producer of a night: presses the console's buttons, in a hand show all of them.

By the clock, there are a few whims by dice: hold and arm, open early, close early, void, correct.
Buttons that lead nowhere are pressed too. In the end claims are approved, and somebody is struck.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hairpin.order import State
from hairpin.show import Mode
from hairpin.stage import commands as c
from hairpin.stage.documents import Cue
from sim.node import Node
from sim.plan import FIRST_MS, PERIOD_MS, Plan

if TYPE_CHECKING:
    from sim.universe import Universe

LOOK_S = 1.5
"""How often a button is pressed again that did not work."""
TRIES_MAX = 400


class Producer:
    def __init__(self, universe: Universe, plan: Plan, node: Node) -> None:
        self._universe = universe
        self._plan = plan
        self._node = node
        self._dice = universe.dice
        self._cues: Sequence[Cue] = ()
        self._announced = False
        self.over = False
        """All that was to be decided is decided."""

    def look(self, cues: Sequence[Cue], contenders: Sequence[int]) -> None:
        self._cues = cues
        self._announced = self._announced or bool(contenders)

    async def run(self) -> None:
        """The whole night."""
        by_hand = self._plan.show.mode is Mode.HAND
        began_s = self._universe.loop.now_s
        for index in range(len(self._plan.show.questions)):
            at_s = began_s + (FIRST_MS + index * PERIOD_MS) / 1000
            await asyncio.sleep(at_s - self._universe.loop.now_s - 30)
            if self._dice.random() < self._plan.whim:
                await self._whim(index)
            await asyncio.sleep(max(at_s - self._universe.loop.now_s, 0))
            if by_hand:
                await self._ask(index)
        await self._see_to_the_end()
        await self._prizes()
        self.over = True

    # --- a question -------------------------------------------------------------------------------

    async def _ask(self, index: int) -> None:
        """By hand: open, close, reveal."""
        duration_ms = self._plan.show.questions[index].duration_ms
        await self._until(c.Open(index), index, State.OPEN)
        if duration_ms is None:
            await asyncio.sleep(self._dice.uniform(8, 20))
            await self._until(c.Close(index), index, State.CLOSED)
        else:
            await self._wait(index, State.CLOSED)
        await asyncio.sleep(self._dice.uniform(2, 6))
        await self._until(c.Reveal(index), index, State.REVEALED)

    async def _whim(self, index: int) -> None:
        dice = self._dice
        past = dice.randrange(index + 1)
        choices = len(self._plan.show.questions[past].choices)
        right = tuple(dice.sample(range(choices), dice.randint(1, choices - 1)))
        whims: list[Any] = [
            c.Open(index),
            c.Close(past),
            c.Reveal(past),
            c.Correct(past, right, "the answer was another"),
            c.Correct(past, right, "the answer was another"),
            c.Void(past, "an unfair question"),
            c.Hold(),
            c.Strike(dice.randrange(50), "a strike before its time"),
            c.Announce(),
            c.Approve(7),
        ]
        whim = dice.choice(whims)
        await self._press(whim)
        if isinstance(whim, c.Hold):
            await asyncio.sleep(dice.uniform(5, 900))
            for _ in range(TRIES_MAX):
                refused = await self._press(c.Arm())
                if not refused or "armed" in refused:
                    return
                await asyncio.sleep(LOOK_S)

    # --- the end ----------------------------------------------------------------------------------

    async def _see_to_the_end(self) -> None:
        """Whatever the night did to the running order, every question is revealed or void."""
        while not self._cues or any(not _done(cue) for cue in self._cues):
            await asyncio.sleep(LOOK_S)
            if self._plan.show.mode is Mode.HAND:
                for cue in self._cues:
                    if cue.state is State.OPEN and cue.closes_at is None:
                        await self._press(c.Close(cue.index))
                    elif cue.state is State.CLOSED:
                        await self._press(c.Reveal(cue.index))
                    elif cue.state is State.WAITING:
                        await self._ask(cue.index)

    async def _prizes(self) -> None:
        for _ in range(TRIES_MAX):
            if self._announced:
                break
            if self._plan.show.mode is Mode.HAND:
                await self._press(c.Announce())
            await asyncio.sleep(LOOK_S)
        await asyncio.sleep(90)
        stage = self._node.stage
        fans = [row.fan for row in stage.view._claims] if stage else []
        if fans and self._dice.random() < 0.5:
            await self._press(c.Strike(fans[0], "the rules of the show"))
        for fan in fans[:3]:
            await self._press(c.Approve(fan))

    # --- buttons ----------------------------------------------------------------------------------

    async def _press(self, command: Any) -> str:
        refused = await self._node.command(command)
        name = type(command).__struct_config__.tag
        about = f" question {command.question + 1}" if hasattr(command, "question") else ""
        about += f" fan {command.fan}" if hasattr(command, "fan") else ""
        what = f"presses {name}{about}"
        self._universe.note("producer", f"{what}: {refused}" if refused else what)
        return refused

    async def _until(self, command: Any, index: int, state: State) -> None:
        """Press until the wall shows this state, or a later one."""
        for _ in range(TRIES_MAX):
            if self._is(index, state):
                return
            await self._press(command)
            if self._is(index, state):
                return
            await asyncio.sleep(LOOK_S)

    async def _wait(self, index: int, state: State) -> None:
        for _ in range(TRIES_MAX):
            if self._is(index, state):
                return
            await asyncio.sleep(LOOK_S)

    def _is(self, index: int, state: State) -> bool:
        if not self._cues:
            return False
        order = (State.WAITING, State.OPEN, State.CLOSED, State.REVEALED, State.VOID)
        return order.index(self._cues[index].state) >= order.index(state)


def _done(cue: Cue) -> bool:
    return cue.state in (State.REVEALED, State.VOID)
