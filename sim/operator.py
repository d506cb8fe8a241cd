"""The operator of a night: starts the node again when it has ended, and reads what it says."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hairpin.errors import EngineDown, HairpinError, YourMistake
from sim.court import Court
from sim.node import Node
from sim.trouble import Trouble

if TYPE_CHECKING:
    from sim.universe import Universe

LOOK_S = 5.0


class Operator:
    def __init__(self, universe: Universe, node: Node, trouble: Trouble, court: Court) -> None:
        self._universe = universe
        self._node = node
        self._trouble = trouble
        self._court = court
        self._tries = 0
        self.gave_up = asyncio.Event()
        """The product refuses to go on, and has reason to."""
        self.loud = ""

    async def run(self) -> None:
        dice = self._universe.dice
        while not self.gave_up.is_set():
            await asyncio.sleep(LOOK_S)
            family = self._node.family
            if family is None or family.lives:
                self._tries = 0
                continue
            self._read(family.failure)
            await asyncio.sleep(dice.uniform(5, 40))
            if not self.gave_up.is_set():
                missing = isinstance(family.failure, YourMistake)
                self._node.start(degraded=missing and dice.random() < 0.5)

    def _read(self, error: HairpinError | None) -> None:
        """Waiting helps where an engine is down or a mirror is missing; damage does not pass."""
        if error is None:
            return
        self._universe.note("operator", f"reads: {' '.join(str(error).split())}")
        self._tries += 1
        if isinstance(error, EngineDown | YourMistake) and self._tries < 100:
            return
        self.loud = str(error)
        self._court.judge(self._trouble.expect_loud, self.loud)
        self.gave_up.set()
