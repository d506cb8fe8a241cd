"""What came of one night, in numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from sim.night import Night


class Outcome(msgspec.Struct, frozen=True):
    seed: int
    profile: str
    mirrors: int
    violation: str
    """Empty: all invariants held."""
    loud: str
    """The error by which the product refused to count, where faults went beyond its promises."""
    beyond: tuple[str, ...]
    """The faults that did."""
    seconds: float
    """Of processor time."""
    hours: float
    """Of virtual time."""
    questions: int
    requests: int
    """Answers that were sent, retries included."""
    acknowledged: int
    journalled: int
    counted: int
    repeats: int
    lives: int
    """Processes that were started."""
    faults: dict[str, int]
    highest: dict[str, int]
    """The most that each bounded thing grew to."""


def outcome_of(night: Night, seconds: float) -> Outcome:
    recount, court, plan = night.recount, night.court, night.plan
    return Outcome(
        seed=plan.seed,
        profile=plan.profile,
        mirrors=plan.mirrors,
        violation=str(court.violation or ""),
        loud=night.loud or night.operator.loud,
        beyond=tuple(night.trouble.beyond),
        seconds=round(seconds, 3),
        hours=round(night.universe.loop.now_s / 3600, 2),
        questions=len(plan.show.questions),
        requests=court.ledger.requests,
        acknowledged=len(court.ledger.acknowledged),
        journalled=recount.journalled if recount else 0,
        counted=recount.counted if recount else 0,
        repeats=recount.repeats if recount else 0,
        lives=len(night.universe.processes),
        faults={**night.universe.machine.disks.tally.faults, **night.trouble.done},
        highest=night.gauges.bounds.highest,
    )
