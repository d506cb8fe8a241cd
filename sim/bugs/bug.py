"""What a deliberate bug is: a mistake in the product that is switched on for a few nights.

A bug replaces methods, functions or constants of the product while it is switched on; the product
itself knows nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from hairpin.show import Mode
from sim.plan import GATES, QUEUE_MAX, WHIM, Plan, plan_of

PROMISES = "the promises of design section 7"
"""The product refuses to go on, and has no reason to."""
ENDS = "a night comes to its end"


class Nights(msgspec.Struct, frozen=True):
    """Small nights in which a bug shows itself. Mirrors and mode: None leaves them to the dice."""

    troubles: tuple[str, ...] = ()
    questions: int = 3
    fans: int = 60
    mirrors: int | None = 1
    mode: Mode | None = None
    appetite: float = 0.5
    beat_ms: int = 0
    whim: float = WHIM
    queue_max: int = QUEUE_MAX
    gates: int = GATES
    forged: bool = False

    def plan(self, seed: int) -> Plan:
        drawn = plan_of(seed, "quiet", self.questions, self.fans, self.mirrors, self.mode)
        return msgspec.structs.replace(
            drawn,
            appetite=self.appetite,
            beat_ms=self.beat_ms,
            whim=self.whim,
            queue_max=self.queue_max,
            troubles=self.troubles,
            gates=self.gates,
            forged=self.forged,
        )


class Patch:
    """Replaces parts of the product until it is undone."""

    def __init__(self) -> None:
        self._undo: list[tuple[Any, str, Any]] = []

    def replace(self, owner: Any, name: str, new: Any) -> Any:
        """Returns what was there. `owner`: a class or a module."""
        old = vars(owner)[name]
        self._undo.append((owner, name, old))
        setattr(owner, name, new)
        return old

    def undo(self) -> None:
        while self._undo:
            owner, name, old = self._undo.pop()
            setattr(owner, name, old)


class Bug(msgspec.Struct, frozen=True):
    name: str
    mistake: str
    """One sentence: what somebody might have got wrong."""
    where: str
    """In the product."""
    invariants: tuple[str, ...]
    """Those of the family that must find it: the first violation is one of these."""
    seeds: int
    """It is found within so many nights, whatever the first seed."""
    nights: Nights
    switch_on: Callable[[Patch], None]

    @contextmanager
    def on(self) -> Iterator[None]:
        patch = Patch()
        try:
            self.switch_on(patch)
            yield
        finally:
            patch.undo()


BUGS: dict[str, Bug] = {}
"""All of them, by name; each family's file adds its own."""


def bug(
    name: str,
    where: str,
    *invariants: str,
    seeds: int,
    nights: Nights | None = None,
) -> Callable[[Callable[[Patch], None]], Callable[[Patch], None]]:
    """Adds what it decorates, which switches the bug on; its docstring says the mistake."""

    def add(switch_on: Callable[[Patch], None]) -> Callable[[Patch], None]:
        mistake = " ".join((switch_on.__doc__ or "").split())
        assert name not in BUGS
        BUGS[name] = Bug(name, mistake, where, invariants, seeds, nights or Nights(), switch_on)
        return switch_on

    return add
