"""Clock and dice of one simulated process."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sim.process import Process
    from sim.universe import Universe


class SimClock:
    """As `RealClock`: anchored once to its machine's time of day, steady from then on."""

    def __init__(
        self, universe: Universe, anchor_ms: float, process: Process | None = None
    ) -> None:
        """`anchor_ms`: how far the time of day was ahead of true time when it was anchored."""
        self._universe = universe
        self._loop = universe.loop
        self._process = process
        self.anchor_ms = anchor_ms

    def now_ms(self) -> int:
        if self._process is not None and self._process.dead:
            self._process.check()
        return int(self._universe.now_ms + self.anchor_ms)

    def monotonic_ms(self) -> float:
        if self._process is not None and self._process.dead:
            self._process.check()
        return self._loop.now_s * 1000


class SimDice:
    """The universe's dice in the hands of one process."""

    def __init__(self, universe: Universe, process: Process | None = None) -> None:
        self._dice = universe.dice
        self._process = process

    def uniform(self, low: float, high: float) -> float:
        if self._process is not None and self._process.dead:
            self._process.check()
        return self._dice.uniform(low, high)

    def secret(self, size_bytes: int) -> bytes:
        if self._process is not None and self._process.dead:
            self._process.check()
        return self._dice.randbytes(size_bytes)
