"""Open-loop groups on one gate: below, at and beyond its capacity, and under a flood of garbage.

The capacity is the peak of the closed loop, measured anew in every round.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import msgspec

from bench.http.gate import verify
from bench.http.plans import GATE, WHOLE, answer_job, gate_site
from bench.http.runner import OVERLOADED, HttpRunner
from bench.http.site import OK, Sampled, Site
from bench.http.wall import WallLag
from bench.load import requests
from bench.load.jobs import Flood, Load
from bench.report import Bound, Contender
from bench.rounds import Measured, Options, Plan

FACTORS = (0.7, 1.0, 1.5, 2.0, 3.0)
HONEST = 0.3
FLOOD = 3.0
CONNECTIONS = 4000
DEPTH = 32
"""Requests that may wait on one connection: beyond capacity somebody must wait."""
P999, LAG = "p99.9 ms", "wall lag p99 ms"
ALONE, BAD_TICKETS, JUNK = "honest, alone", "honest, bad tickets", "honest, junk"


class Peak(HttpRunner):
    """The closed loop; what it reaches is the capacity for the others."""

    def __init__(self, options: Options) -> None:
        job = answer_job(options, requests.BROWSER)
        super().__init__(Contender(GATE, WHOLE), gate_site(), job, verify=verify)
        self._rates: list[float] = []

    @property
    def per_s(self) -> float:
        return statistics.median(self._rates)

    def measured(self, sampled: Sampled) -> Measured:
        measured = super().measured(sampled)
        self._rates.append(measured.answers / measured.seconds)
        return measured


class Paced(HttpRunner):
    """Answers at a multiple of the peak; only acknowledged ones count."""

    def __init__(
        self, name: str, site: Site, peak: Peak, options: Options, factor: float, garbage: bytes
    ) -> None:
        """`garbage`: a request that comes at `FLOOD` times the peak besides; empty: none."""
        job = answer_job(options, requests.BROWSER, Load.PACED, DEPTH)
        job = msgspec.structs.replace(job, connections=min(CONNECTIONS, 4 * options.connections))
        super().__init__(Contender(name, WHOLE), site, job, frozenset({OK, OVERLOADED}))
        self._peak = peak
        self._factor = factor
        self._garbage = garbage

    def measure(self, seconds: float) -> Measured:
        peak = self._peak.per_s
        flood = Flood(self._garbage, FLOOD * peak) if self._garbage else None
        self.job = msgspec.structs.replace(self.job, per_s=self._factor * peak, flood=flood)
        with WallLag(self.site.serving) as wall:
            measured = super().measure(seconds)
        lag = {} if wall.p99_ms is None else {LAG: wall.p99_ms}
        return msgspec.structs.replace(measured, extra=measured.extra | lag)

    def measured(self, sampled: Sampled) -> Measured:
        result = sampled.result
        seconds = result.seconds
        extra = {
            "due/s": result.due / sampled.asked_s,
            "503/s": result.statuses.get(OVERLOADED, 0) / seconds,
            P999: result.p999_ms or 0.0,
            "generator us": result.generator_us,
        }
        if self._garbage:
            extra["garbage/s"] = sum(result.flood_statuses.values()) / seconds
        return Measured(
            answers=result.statuses.get(OK, 0),
            cpu_s=sampled.cpu_s,
            seconds=seconds,
            p50_ms=result.p50_ms,
            p99_ms=result.p99_ms,
            extra=extra,
        )


def _load(options: Options) -> Sequence[HttpRunner]:
    peak = Peak(options)
    paced = [Paced(_name(f), peak.site, peak, options, f, b"") for f in FACTORS]
    return [peak, *paced]


def _name(factor: float) -> str:
    return f"{factor:g} x its peak"


def _flood(options: Options) -> Sequence[HttpRunner]:
    peak = Peak(options)
    floods = (
        (ALONE, b""),
        (BAD_TICKETS, requests.bad_ticket(requests.BROWSER)),
        (JUNK, requests.junk(requests.BROWSER)),
    )
    return [
        peak,
        *(Paced(name, peak.site, peak, options, HONEST, garbage) for name, garbage in floods),
    ]


_FAIR = 1 / (HONEST + FLOOD)
"""What first come, first served would leave of each stream of requests."""

PLANS = (
    Plan(
        "load",
        "answers that come whether or not the gate keeps up",
        GATE,
        "answer",
        _load,
        (
            Bound(_name(0.7), "", at_most=250.0, figure=P999),
            Bound(_name(0.7), "", at_most=1000.0, figure=LAG),
            Bound(_name(1.0), "", at_most=1000.0, figure=LAG),
            *(
                Bound(_name(f), GATE, at_least=0.9, figure="answers_per_s")
                for f in FACTORS
                if f > 1
            ),
        ),
    ),
    Plan(
        "flood",
        f"answers at {HONEST:g} of the peak, alone and beside garbage at {FLOOD:g} times the peak",
        ALONE,
        "answer",
        _flood,
        tuple(
            Bound(name, ALONE, at_least=round(_FAIR, 2), figure="answers_per_s")
            for name in (BAD_TICKETS, JUNK)
        ),
    ),
)
