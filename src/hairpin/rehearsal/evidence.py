"""What a rehearsal found, put together for its certificate. Pure.

The crowd's record, the screens' samples and the ledger come in; `Findings` go out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import msgspec
import numpy as np

from hairpin.rehearsal.findings import (
    Findings,
    GateFindings,
    GeneratorFindings,
    Latency,
    LedgerTotals,
    Option,
    Rate,
    Series,
)
from hairpin.rehearsal.ledger import Ledger, crowd_problems
from hairpin.rehearsal.measure import Row, Timeline
from hairpin.rehearsal.record import KINDS, CrowdRecord
from hairpin.rehearsal.witness import Cost

RATES = (
    ("answers", Row.OFFERED, Row.ACKNOWLEDGED),
    ("joins", Row.JOINS_OFFERED, Row.JOINED),
    ("now", Row.NOW_OFFERED, Row.NOW),
)


class Asked(msgspec.Struct, frozen=True):
    """What the rehearsal was asked for."""

    started_ms: int
    ended_ms: int
    window_s: float
    seed: int
    options: dict[str, Option]
    url: str
    tls: bool


class Seen(msgspec.Struct, frozen=True):
    """What was seen of the node and of the crowd's own processes; see `night`."""

    lags_ms: Sequence[int]
    lags_at_ms: Sequence[int]
    costs: Sequence[Cost]
    memory_peak_bytes: int | None
    processes: int
    same_machine: bool
    crowd_cores_peak: float


def findings(asked: Asked, crowd: CrowdRecord, seen: Seen, ledger: Ledger | None) -> Findings:
    """`ledger`: None where the journal could not be read."""
    totals, timeline = crowd.totals, crowd.timeline
    rehearsed = int(crowd.sent.any(axis=1).sum())
    return Findings(
        started_ms=asked.started_ms,
        ended_ms=asked.ended_ms,
        fans=totals.fans,
        window_s=asked.window_s,
        seed=asked.seed,
        options=asked.options,
        url=asked.url,
        tls=asked.tls,
        questions=rehearsed,
        rates=tuple(_rates(timeline)),
        latencies=tuple(_latency(crowd, kind) for kind in KINDS if crowd.waits[kind].total),
        series=_series(timeline, asked.started_ms, seen),
        refused=totals.refused,
        refused_honest=totals.refused_honest,
        joins_refused=totals.joins_failed,
        retries=totals.retries,
        duplicates=totals.duplicates,
        dropped=totals.dropped,
        given_up=totals.given_up,
        forged=totals.forged,
        forged_accepted=totals.forged_accepted,
        wall_lag_p50_ms=_quantile(seen.lags_ms, 0.5),
        wall_lag_p99_ms=_quantile(seen.lags_ms, 0.99),
        ledger=_ledger(crowd, ledger),
        gate=_gate(seen),
        generator=GeneratorFindings(
            processes=seen.processes,
            same_machine=seen.same_machine,
            behind_ms_p99=totals.behind_ms_p99,
            cores_peak=round(seen.crowd_cores_peak, 2),
        ),
    )


def _rates(timeline: Timeline) -> Iterable[Rate]:
    for kind, wanted, came in RATES:
        target = timeline.busiest(wanted)
        if target:
            yield Rate(kind, float(target), float(timeline.busiest(came)))


def _latency(crowd: CrowdRecord, kind: str) -> Latency:
    waits = crowd.waits[kind]
    p50, p90, p99, p999 = (waits.quantile_ms(share) for share in (0.5, 0.9, 0.99, 0.999))
    return Latency(kind, waits.total, p50, p90, p99, p999, round(waits.max_ms, 3))


def _series(timeline: Timeline, started_ms: int, seen: Seen) -> Series:
    shift = max(0, timeline.begin_ms - started_ms) // 1_000
    rows = {row: timeline.seconds(row) for row in Row}
    lags = _each_second(started_ms, zip(seen.lags_at_ms, seen.lags_ms, strict=True))
    cores = _cores(started_ms, seen.costs)
    busy = np.flatnonzero(np.sum(list(rows.values()), axis=0))
    at_s = [int(second) + shift for second in busy]

    def column(row: Row) -> tuple[int, ...]:
        return tuple(rows[row][busy].tolist())

    return Series(
        at_s=tuple(at_s),
        offered=column(Row.OFFERED),
        acknowledged=column(Row.ACKNOWLEDGED),
        refused=column(Row.REFUSED),
        joins=column(Row.JOINED),
        now_requests=column(Row.NOW),
        wall_lag_ms=tuple(lags.get(second) for second in at_s),
        gate_cores=tuple(cores.get(second) for second in at_s),
    )


def _each_second(started_ms: int, samples: Iterable[tuple[int, int]]) -> dict[int, float]:
    """The largest value of each second."""
    found: dict[int, float] = {}
    for at_ms, value in samples:
        second = (at_ms - started_ms) // 1_000
        found[second] = max(found.get(second, 0.0), float(value))
    return found


def _cores(started_ms: int, costs: Sequence[Cost]) -> dict[int, float]:
    """CPU seconds of all gates in each second, spread evenly between two reports."""
    found: dict[int, float] = {}
    if len(costs) < 2:
        return found
    at_s = np.array([(cost.at_ms - started_ms) / 1_000 for cost in costs])
    cpu_s = np.array([cost.cpu_s for cost in costs])
    seconds = np.arange(max(0, int(at_s[0])), int(at_s[-1]) + 1)
    spent = np.diff(np.interp(np.append(seconds, seconds[-1] + 1), at_s, cpu_s))
    return {int(s): round(float(used), 3) for s, used in zip(seconds, spent, strict=True)}


def _gate(seen: Seen) -> GateFindings:
    cpu_s, answers = _burst(seen.costs)
    measured = answers > 0 and cpu_s > 0.0
    return GateFindings(
        gates=max((cost.gates for cost in seen.costs), default=0),
        cpu_us_per_answer=round(1e6 * cpu_s / answers, 2) if measured else None,
        capacity_answers_per_s_per_core=round(answers / cpu_s) if measured else None,
        connections_peak=max((cost.connections for cost in seen.costs), default=0),
        memory_peak_bytes=seen.memory_peak_bytes,
    )


def _burst(costs: Sequence[Cost]) -> tuple[float, int]:
    """CPU seconds and answers of the times between two reports that had at least half of the
    highest rate: what gates spend while nothing happens is no cost of an answer."""
    steps = [
        (
            after.at_ms - before.at_ms,
            after.cpu_s - before.cpu_s,
            after.acknowledged - before.acknowledged,
        )
        for before, after in pairwise(costs)
        if after.question is not None and after.question == before.question
    ]
    steps = [step for step in steps if step[0] > 0 and step[1] >= 0.0 and step[2] > 0]
    highest = max((answers / ms for ms, _, answers in steps), default=0.0)
    busy = [(cpu_s, answers) for ms, cpu_s, answers in steps if answers / ms >= highest / 2]
    return sum(cpu_s for cpu_s, _ in busy), sum(answers for _, answers in busy)


def _ledger(crowd: CrowdRecord, ledger: Ledger | None) -> LedgerTotals:
    totals = crowd.totals
    problems = crowd_problems(crowd) if ledger is None else ledger.problems
    return LedgerTotals(
        balanced=not problems,
        checked="crowd" if ledger is None else "full",
        problems=problems,
        sent=totals.sent,
        acknowledged=totals.acknowledged,
        refused=sum(totals.refused.values()),
        unanswered=totals.unanswered,
        journalled=None if ledger is None else ledger.journalled,
        counted=None if ledger is None else ledger.counted,
        repeats=None if ledger is None else ledger.repeats,
    )


def _quantile(values: Sequence[int], share: float) -> float | None:
    return round(float(np.quantile(values, share)), 1) if values else None
