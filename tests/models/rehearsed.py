"""What a good rehearsal of a small show finds; every test changes what it is about."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from hairpin.rehearsal.findings import (
    Findings,
    GateFindings,
    GeneratorFindings,
    Latency,
    LedgerTotals,
    Rate,
    Series,
)

STARTED_MS = 1_795_463_000_000
"""2026-11-23, 19:43:20 UTC."""
FANS = 10_000
QUESTIONS = 3
BURST_S = 20
PAUSE_S = 12


def human(second: float) -> float:
    """Share of the fans who answer in this second of a burst: few at once, most soon, a tail."""
    return second * math.exp(-second / 2.4) / 5.9


def series(fans: int = FANS, questions: int = QUESTIONS, served: float = 1.0) -> Series:
    """`served`: at most this share of the busiest second is acknowledged, the rest refused."""
    peak = max(round(fans * human(second)) for second in range(BURST_S))
    at, offered, acknowledged, refused, cores = [], [], [], [], []
    for question in range(questions):
        for second in range(BURST_S):
            sent = round(fans * human(second))
            done = min(sent, round(peak * served))
            at.append(5 + question * (BURST_S + PAUSE_S) + second)
            offered.append(sent)
            acknowledged.append(done)
            refused.append(sent - done)
            cores.append(round(0.02 + 1.4 * done / peak, 3))
    return Series(
        at_s=tuple(at),
        offered=tuple(offered),
        acknowledged=tuple(acknowledged),
        refused=tuple(refused),
        joins=(0,) * len(at),
        now_requests=(3,) * len(at),
        wall_lag_ms=tuple(210.0 + 9 * (second % 17) for second in at),
        gate_cores=tuple(cores),
    )


def findings(**changes: Any) -> Findings:
    drawn = series()
    good = Findings(
        started_ms=STARTED_MS,
        ended_ms=STARTED_MS + 101_000,
        fans=FANS,
        window_s=20.0,
        seed=1,
        options={"fans": FANS, "window": 20.0, "cdn-share": 0.95, "url": None, "seed": 1},
        url="http://127.0.0.1:8000",
        tls=False,
        questions=QUESTIONS,
        rates=(
            Rate("answers", max(drawn.offered), max(drawn.acknowledged)),
            Rate("joins", 900.0, 897.0),
            Rate("now", 120.0, 120.0),
        ),
        latencies=(
            Latency("answers", 29_000, 1.4, 3.1, 11.2, 48.0, 97.3),
            Latency("joins", 10_000, 1.9, 4.0, 22.5, 61.0, 140.2),
            Latency("now", 1_500, 0.8, 1.6, 7.3, 20.0, 33.0),
        ),
        series=drawn,
        refused={"closed": 140, "bad_ticket": 31, "not_open": 60},
        refused_honest={},
        joins_refused={},
        retries=420,
        duplicates=330,
        dropped=260,
        given_up=4,
        forged=31,
        forged_accepted=0,
        wall_lag_p50_ms=280.0,
        wall_lag_p99_ms=354.0,
        ledger=LedgerTotals(True, "full", (), 29_600, 29_300, 231, 69, 29_350, 29_000, 350),
        gate=GateFindings(2, 3.4, 290_000.0, 512, 460 << 20),
        generator=GeneratorFindings(2, True, 12.0, 0.9),
    )
    return msgspec.structs.replace(good, **changes)


def inside(part: msgspec.Struct, **changes: Any) -> Any:
    """`part` with changes, for what lies deeper."""
    return msgspec.structs.replace(part, **changes)
