"""The simulated world of one seed: time, chance, machines, processes, and the transcript."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine
from contextvars import Context
from typing import Any, NamedTuple, TypeVar

from sim.bus import SimBus
from sim.loop import SimLoop
from sim.machine import Machine
from sim.net import SimNet
from sim.process import CURRENT, Process

T = TypeVar("T")

START_MS = 1_796_498_100_000.0
"""Saturday, 2026-12-05, 19:15 UTC: a night begins."""


class Note(NamedTuple):
    """A line of the transcript: true time in ms since 1970, whose, and what."""

    at_ms: float
    who: str
    text: str


class Universe:
    """Everything in it depends on `seed` alone. Close it, or its coroutines stay for ever."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.dice = random.Random(seed)
        """The only source of chance."""
        self.loop = SimLoop()
        self.loop.complain = self._complain
        self.outside = Context()
        """The context of whoever is in no process."""
        self.notes: list[Note] = []
        self.complaints: list[str] = []
        """Errors that no code of a process caught, in order; asyncio would log them."""
        self.processes: list[Process] = []
        """All that ever were, in order of birth."""
        self.net = SimNet(self)
        self.bus = SimBus(self)
        self.machine = self.new_machine("node")
        """The one on which processes run unless told otherwise."""
        self._closed = False

    @property
    def now_ms(self) -> float:
        """True time, in ms since 1970."""
        return START_MS + self.loop.now_s * 1000

    def advance(self, ms: float) -> None:
        """Time passes while somebody blocks: nobody else runs meanwhile, either."""
        self.loop.advance_to(self.loop.now_s + ms / 1000)

    def loop_s(self, at_ms: float) -> float:
        """The loop's time at a true time."""
        return (at_ms - START_MS) / 1000

    def note(self, who: str, what: str, **facts: object) -> None:
        if facts:
            what = " ".join([what, *(f"{name}={fact}" for name, fact in facts.items())])
        self.notes.append(Note(self.now_ms, who, what))

    def transcript(self) -> str:
        """The notes to read: time since the beginning, who, what."""
        return "".join(f"{_elapsed(n.at_ms)} {n.who:<10} {n.text}\n" for n in self.notes)

    def new_machine(self, name: str) -> Machine:
        return Machine(self, name)

    def process(
        self, name: str, machine: Machine | None = None, anchor_ms: float | None = None
    ) -> Process:
        """A new one, not started. Its clock is anchored now, unless it inherits `anchor_ms`."""
        machine = machine or self.machine
        anchor = machine.ahead_ms if anchor_ms is None else anchor_ms
        process = Process(self, machine, name, len(self.processes) + 1, anchor)
        self.processes.append(process)
        return process

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Until it ends, outside of all processes; raises what it does, or `sim.loop.Stuck`."""
        task = self.loop.create_task(coroutine, context=self.outside.copy())
        return self.loop.run_until_complete(task)

    def close(self) -> None:
        """The end of the world: all processes die, and what they left is thrown away."""
        if self._closed:
            return
        self._closed = True
        for process in self.processes:
            process.dead = True
        tasks = [*self.loop.tasks, *(task for p in self.processes for task in p.tasks)]
        for task in tasks:
            _throw_away(task)
        self.loop.close()

    def _complain(self, context: dict[str, Any]) -> None:
        """When Python throws away what nobody looked at is its own affair: no line for that."""
        text, error = str(context.get("message", "")), context.get("exception")
        if self._closed or "never retrieved" in text:
            return
        handle = context.get("handle")
        process = CURRENT.get() if handle is None else handle._context.get(CURRENT)
        who = process.name if process else "outside"
        self.complaints.append(f"{who}: {error!r}")
        self.note(who, f"an error that nobody caught: {error!r}")


def current() -> Process | None:
    """The process that is running; None is outside of all."""
    return CURRENT.get()


def _throw_away(task: asyncio.Task[object]) -> None:
    """Close the coroutine, whatever its `finally` blocks still try in a world that is over."""
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    coroutine = task.get_coro()
    if task.done() or coroutine is None:
        return
    try:
        coroutine.close()
    except BaseException:  # noqa: S110  # nobody is left to hear of it
        pass


def _elapsed(at_ms: float) -> str:
    ms = round(at_ms - START_MS)
    return f"{ms // 3_600_000}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02}.{ms % 1000:03}"
