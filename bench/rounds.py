"""Interleaved rounds: every contender once per round, each sample with the machine's state.

A group is described by a `Plan`; its contenders are context managers, all started before the first
round and ended after the last one. One that this machine has not raises `Missing` on entering.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Protocol

import msgspec

from bench.report import Absent, Bound, Contender, Group, Sample, judge
from bench.report import BoundVerdict as Verdict
from bench.state import Watch

ROUNDS_MORE = 3
"""Times as many rounds at most, where the machine's state moved too often for a verdict."""


class Options(msgspec.Struct, frozen=True):
    quick: bool = False
    full: bool = False
    """Where a group extrapolates from a part: really all of it."""
    rounds: int = 5
    seconds: float = 3.0
    """Of one sample."""
    connections: int = 1000


class Missing(Exception):
    """This machine has not what a contender needs; says what, and how to get it."""


class Measured(msgspec.Struct, frozen=True):
    """What one contender did in one sample."""

    answers: int
    cpu_s: float
    seconds: float
    p50_ms: float | None = None
    p99_ms: float | None = None
    extra: dict[str, float] = {}


class Runner(Protocol):
    """A contender that runs between `__enter__` and `__exit__`."""

    contender: Contender

    def __enter__(self) -> Runner: ...

    def __exit__(self, *exc: object) -> None: ...

    def measure(self, seconds: float) -> Measured:
        """Work for about `seconds`."""
        ...

    def verify(self) -> str | None:
        """After the last round: totals, checked; a line for the table. Raises if they are wrong."""
        ...


class Plan(msgspec.Struct, frozen=True):
    name: str
    title: str
    base: str
    unit: str
    runners: Callable[[Options], Sequence[Runner]]
    bounds: tuple[Bound, ...] = ()
    quick_bounds: tuple[Bound, ...] | None = None
    """Looser ones, checked by --quick; None: this group is no part of it."""


Tick = Callable[[str, float], None]
"""Called before each sample with its name, and the share of the rounds that is done."""


def run(plan: Plan, options: Options, tick: Tick) -> Group:
    """Measure one group."""
    bounds = (plan.quick_bounds or ()) if options.quick else plan.bounds
    samples: list[Sample] = []
    absent: list[Absent] = []
    with ExitStack() as stack:
        watch = stack.enter_context(Watch())
        running = _started(plan.runners(options), stack, absent, tick)
        for runner in running:
            tick(f"{runner.contender.name}, warming up", 0.0)
            runner.measure(options.seconds / 4)
        for number in range(1, options.rounds * ROUNDS_MORE + 1):
            for runner in running:
                done = min(len(samples) / len(running) / options.rounds, 1.0)
                tick(f"{runner.contender.name}, round {number}", done)
                samples.append(_sample(runner, number, options.seconds, watch))
            if number >= options.rounds and _settled(plan, tuple(samples), bounds):
                break
        notes = [note for runner in running if (note := runner.verify())]
    return Group(
        plan.name,
        plan.title,
        plan.base,
        plan.unit,
        tuple(runner.contender for runner in running),
        tuple(samples),
        tuple(b for b in bounds if not {b.base, b.contender} & {a.contender for a in absent}),
        tuple(absent),
        tuple(notes),
    )


def _started(
    runners: Sequence[Runner], stack: ExitStack, absent: list[Absent], tick: Tick
) -> list[Runner]:
    running = []
    for runner in runners:
        tick(f"{runner.contender.name}, starting", 0.0)
        try:
            running.append(stack.enter_context(runner))
        except Missing as error:
            absent.append(Absent(runner.contender.name, str(error)))
    return running


def _sample(runner: Runner, number: int, seconds: float, watch: Watch) -> Sample:
    watch.begin()
    measured = runner.measure(seconds)
    state = watch.end()
    return Sample(
        runner.contender.name,
        number,
        measured.answers,
        measured.cpu_s / max(measured.answers, 1) * 1e6,
        measured.answers / measured.seconds,
        measured.p50_ms,
        measured.p99_ms,
        state,
        measured.extra,
    )


def _settled(plan: Plan, samples: tuple[Sample, ...], bounds: tuple[Bound, ...]) -> bool:
    """Has every bound enough pairs in one state?"""
    so_far = Group(plan.name, plan.title, plan.base, plan.unit, (), samples, bounds)
    return all(judged.verdict is not Verdict.NONE for judged in judge(so_far))
