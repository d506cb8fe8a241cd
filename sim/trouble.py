"""What goes wrong in a night, by dice, and the operator who puts it right."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

from sim.checkers import Violation
from sim.node import Node
from sim.plan import Plan

if TYPE_CHECKING:
    from sim.universe import Universe


class Trouble:
    def __init__(self, universe: Universe, plan: Plan, node: Node) -> None:
        self._universe = universe
        self._plan = plan
        self._node = node
        self._dice = universe.dice
        self.done: Counter[str] = Counter()
        self.beyond: list[str] = []
        """Faults that go beyond what the product promises to survive."""

    async def run(self) -> None:
        """One trouble after the other."""
        await asyncio.sleep(1)

    async def operate(self) -> None:
        """Somebody starts the node again when it has ended."""
        while True:
            await asyncio.sleep(5)
            if not self._node.lives:
                await asyncio.sleep(self._dice.uniform(5, 60))
                self._node.start()

    async def heal(self) -> None:
        """Nothing goes wrong from now on."""

    def expect_loud(self, error: str) -> None:
        """The product refuses to count. May it?"""
        if not self.beyond:
            raise Violation("what was acknowledged can be counted", error)
