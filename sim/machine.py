"""A machine: what processes share that run on it, which is its time of day and its disks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.disk import Disks

if TYPE_CHECKING:
    from sim.universe import Universe


class Machine:
    """Made by `Universe.new_machine`."""

    def __init__(self, universe: Universe, name: str) -> None:
        self._universe = universe
        self.name = name
        self.disks = Disks(universe.dice, lambda: universe.now_ms, universe.advance, universe.note)
        self.ahead_ms = 0.0
        """Of true time, by its time of day."""

    def jump(self, by_ms: float) -> None:
        """Set the time of day. Only clocks that are anchored later notice."""
        self.ahead_ms += by_ms
        self._universe.note(self.name, "the time of day jumps", by_ms=by_ms)

    def power_cut(self) -> None:
        """All its processes die, and its disks keep what was synced and some of the rest."""
        for process in self._universe.processes:
            if process.machine is self:
                process.kill("by a power cut")
        self._universe.note(self.name, "the power is cut")
        self.disks.power_cut()
