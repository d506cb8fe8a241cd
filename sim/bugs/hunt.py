"""Hunting a bug through the nights of its plan, until a checker finds it."""

from __future__ import annotations

from typing import NamedTuple

from sim.bugs.bug import Bug
from sim.checkers import Violation
from sim.night import Night


class Find(NamedTuple):
    seed: int
    violation: Violation
    story: str
    """The night's transcript."""


def hunt(bug: Bug, first: int = 1, nights: int | None = None) -> Find | None:
    """The first night in which a checker complains; None if all hold.

    `nights`: how many are looked at, by default as many as the bug may need.
    """
    for seed in range(first, first + (nights or bug.seeds)):
        with bug.on():
            night = Night(bug.nights.plan(seed))
            night.run()
        if night.court.violation is not None:
            return Find(seed, night.court.violation, night.universe.transcript())
    return None


def holds(bug: Bug, seed: int) -> str:
    """The same night without the bug: what is violated then, or ""."""
    night = Night(bug.nights.plan(seed))
    night.run()
    return str(night.court.violation or night.loud)
