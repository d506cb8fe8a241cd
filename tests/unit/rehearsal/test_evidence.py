from __future__ import annotations

import msgspec
import numpy as np

from hairpin.rehearsal.evidence import Asked, Seen, findings
from hairpin.rehearsal.measure import Row, Timeline, Waits
from hairpin.rehearsal.record import CrowdRecord, CrowdTotals
from hairpin.rehearsal.witness import Cost

START_MS = 1_795_000_000_000
ASKED = Asked(START_MS, START_MS + 60_000, 12.0, 1, {"fans": 4}, "http://127.0.0.1:1", False)


def crowd() -> CrowdRecord:
    waits = {kind: Waits() for kind in ("answers", "joins", "now", "behind")}
    waits["answers"].add(np.array([1.0, 2.0, 3.0, 200.0]))
    waits["behind"].add(np.array([4.0]))
    timeline = Timeline(START_MS + 2_000)
    timeline.plan(Row.OFFERED, START_MS + 5_000 + np.array([0.0, 100.0, 200.0, 300.0]))
    timeline.count(Row.ACKNOWLEDGED, START_MS + 5_400, 3)
    timeline.count(Row.REFUSED, START_MS + 9_000, 1)
    return CrowdRecord(
        CrowdTotals(
            show="s",
            fans=4,
            sent=4,
            acknowledged=3,
            refused={"overloaded": 1},
            refused_honest={"overloaded": 1},
            joins_failed={"too_many": 2},
            behind_ms_p99=4.0,
        ),
        np.arange(4, dtype=np.uint32),
        np.ones(4, np.bool_),
        np.array([[1, 1, 1, 1], [0, 0, 0, 0]], np.bool_),
        np.array([[1, 1, 1, 0], [0, 0, 0, 0]], np.bool_),
        waits,
        timeline,
    )


def cost(at_s: float, cpu_s: float, acknowledged: int, question: int | None) -> Cost:
    return Cost(START_MS + round(1000 * at_s), cpu_s, acknowledged, 40, 2, question)


COSTS = (
    cost(1.0, 5.0, 0, None),
    cost(5.0, 5.5, 0, 0),
    cost(5.5, 5.6, 50_000, 0),
    cost(6.0, 5.7, 100_000, 0),
    cost(6.5, 5.8, 100_010, 0),
    cost(12.0, 9.0, 100_010, None),
)
SEEN = Seen((90, 700), (START_MS + 5_500, START_MS + 9_100), COSTS, 1 << 28, 2, True, 0.7)


def test_rates_and_waits_are_those_of_the_crowd() -> None:
    found = findings(ASKED, crowd(), SEEN, None)
    answers = found.rate("answers")
    assert answers is not None
    assert (answers.target_per_s, answers.reached_per_s) == (4.0, 3.0)
    assert found.rate("joins") is None
    latency = found.latency("answers")
    assert latency is not None
    assert (latency.requests, latency.max_ms) == (4, 200.0)
    assert found.latency("now") is None
    assert found.questions == 1, "nobody answered the second one"
    assert found.joins_refused == {"too_many": 2}
    assert found.refused_honest == {"overloaded": 1}


def test_an_answer_costs_what_gates_spent_while_they_had_most_of_them() -> None:
    gate = findings(ASKED, crowd(), SEEN, None).gate
    assert gate.cpu_us_per_answer == 2.0
    assert gate.capacity_answers_per_s_per_core == 500_000
    assert (gate.gates, gate.connections_peak, gate.memory_peak_bytes) == (2, 40, 1 << 28)


def test_without_a_console_the_cost_is_unknown() -> None:
    blind = msgspec.structs.replace(SEEN, costs=(), lags_ms=(), lags_at_ms=())
    found = findings(ASKED, crowd(), blind, None)
    assert found.gate.cpu_us_per_answer is None
    assert found.gate.capacity_answers_per_s_per_core is None
    assert found.wall_lag_p99_ms is None


def test_seconds_count_from_the_start_and_quiet_ones_are_left_out() -> None:
    series = findings(ASKED, crowd(), SEEN, None).series
    assert series.at_s == (5, 9)
    assert series.offered == (4, 0)
    assert series.acknowledged == (3, 0)
    assert series.refused == (0, 1)
    assert series.wall_lag_ms == (90.0, 700.0)
    assert series.gate_cores[0] == 0.2


def test_without_a_journal_only_the_crowds_own_side_is_checked() -> None:
    ledger = findings(ASKED, crowd(), SEEN, None).ledger
    assert (ledger.balanced, ledger.checked, ledger.counted) == (True, "crowd", None)
    lost = crowd()
    lost.totals.unanswered = 1
    ledger = findings(ASKED, lost, SEEN, None).ledger
    assert not ledger.balanced
    assert "3 acknowledged + 1 refused + 1 unanswered" in ledger.problems[0]
