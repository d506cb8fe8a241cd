"""The stage's numbers for Prometheus: read from the view at every scrape."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, SummaryMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from hairpin.messages import GateReport
from hairpin.order import State
from hairpin.stage.events import Audience
from hairpin.stage.view import StageView

QUANTILES = (0.5, 0.99)


def registry(view: StageView, wrong_tokens: Callable[[], int]) -> CollectorRegistry:
    """A registry of its own, so that two nodes in one process do not mix."""
    own = CollectorRegistry(auto_describe=False)
    own.register(StageCollector(view, wrong_tokens))
    return own


class StageCollector(Collector):
    def __init__(self, view: StageView, wrong_tokens: Callable[[], int]) -> None:
        self._view = view
        self._wrong_tokens = wrong_tokens

    def collect(self) -> Iterator[Metric]:
        yield from self._of_all_gates()
        yield from self._of_each_gate()
        yield from self._of_the_tally()
        yield from self._of_the_stage()

    def _of_all_gates(self) -> Iterator[Metric]:
        """Counters that survive the death of a gate."""
        gates = self._view.gates
        yield CounterMetricFamily(
            "hairpin_answers_acknowledged",
            "Answers that were durable before their 204, by all gates since the node started.",
            value=gates.acknowledged,
        )
        yield CounterMetricFamily("hairpin_tickets", "Tickets issued.", value=gates.tickets)
        yield CounterMetricFamily(
            "hairpin_commits", "Group commits to the journal.", value=gates.commits
        )
        refused = CounterMetricFamily(
            "hairpin_refused", "Requests turned away, by reason.", labels=["reason"]
        )
        for reason, count in sorted(gates.refused().items()):
            refused.add_metric([reason], count)
        yield refused
        requests = CounterMetricFamily(
            "hairpin_requests", "Requests received, by kind.", labels=["kind"]
        )
        for kind, count in sorted(gates.requests().items()):
            requests.add_metric([kind], count)
        yield requests

    def _of_each_gate(self) -> Iterator[Metric]:
        alive = self._view.gates.alive()
        yield _per_gate(
            alive, "hairpin_gate_connections", "Open connections.", lambda gate: gate.connections
        )
        yield _per_gate(
            alive,
            "hairpin_gate_reported_seconds",
            "When this gate reported last, seconds since 1970.",
            lambda gate: gate.at_ms / 1000,
        )
        yield _per_gate(
            alive,
            "hairpin_gate_journal_failing",
            "1 while this gate cannot write to its journal.",
            lambda gate: int(gate.journal_error is not None),
        )
        yield _per_gate(
            alive,
            "hairpin_gate_journal_mirrors_lacking",
            "Mirrors of the journal that this gate writes without.",
            lambda gate: len(gate.degraded),
        )
        cpu = CounterMetricFamily(
            "hairpin_gate_cpu_seconds", "Processor time of this gate.", labels=["gate"]
        )
        for gate in alive:
            cpu.add_metric([str(gate.incarnation)], gate.cpu_s)
        yield cpu
        commit = _quantiles("hairpin_commit_ms", "Time of one group commit.")
        latency = _quantiles("hairpin_latency_ms", "From an answer's last byte to its reply.")
        for gate in alive:
            name = str(gate.incarnation)
            commit.add_metric([name, "0.5"], gate.commit_ms_p50)
            commit.add_metric([name, "0.99"], gate.commit_ms_p99)
            latency.add_metric([name, "0.5"], gate.latency_ms_p50)
            latency.add_metric([name, "0.99"], gate.latency_ms_p99)
        yield commit
        yield latency

    def _of_the_tally(self) -> Iterator[Metric]:
        """Gauges, not counters: a recount or a voided question may lower them."""
        snapshot = self._view.snapshot
        if snapshot is None:
            return
        questions = snapshot.questions
        yield GaugeMetricFamily(
            "hairpin_journalled",
            "Answers read from the journal; always counted + repeats.",
            value=sum(question.journalled for question in questions),
        )
        yield GaugeMetricFamily(
            "hairpin_counted",
            "Answers counted: one for each fan and question.",
            value=sum(question.answers for question in questions),
        )
        yield GaugeMetricFamily(
            "hairpin_repeats",
            "Journalled answers of fans who had answered that question already.",
            value=sum(question.repeats for question in questions),
        )
        yield GaugeMetricFamily(
            "hairpin_answers_per_second", "Rate of the tally.", value=snapshot.answers_per_s
        )
        yield GaugeMetricFamily("hairpin_fans", "Fans in the standings.", value=snapshot.fans)
        yield GaugeMetricFamily(
            "hairpin_provisional",
            "Questions whose count still waits for a writer.",
            value=sum(1 for question in questions if question.status == "provisional"),
        )

    def _of_the_stage(self) -> Iterator[Metric]:
        view = self._view
        states = Counter(cue.state for cue in view.cues)
        questions = GaugeMetricFamily("hairpin_questions", "Questions by state.", labels=["state"])
        for state in State:
            questions.add_metric([state], states[state])
        yield questions
        lag = SummaryMetricFamily(
            "hairpin_wall_lag_ms",
            "From the receiving of the oldest new answer until it stood on the wall.",
        )
        for quantile in QUANTILES:
            value = view.wall_lag.quantile_ms(quantile)
            if value is not None:
                lag.add_sample("hairpin_wall_lag_ms", {"quantile": str(quantile)}, value)
        lag.add_metric([], view.wall_lag.count, view.wall_lag.sum_ms)
        yield lag
        streams = GaugeMetricFamily(
            "hairpin_event_streams", "Browsers that listen.", labels=["audience"]
        )
        for audience in Audience:
            streams.add_metric([audience], view.streams.count(audience))
        yield streams
        yield CounterMetricFamily(
            "hairpin_wrong_tokens",
            "Calls of the private listener with a wrong token.",
            value=self._wrong_tokens(),
        )


def _per_gate(
    gates: tuple[GateReport, ...],
    name: str,
    documentation: str,
    value: Callable[[GateReport], float],
) -> Metric:
    family = GaugeMetricFamily(name, documentation, labels=["gate"])
    for gate in gates:
        family.add_metric([str(gate.incarnation)], value(gate))
    return family


def _quantiles(name: str, documentation: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, documentation, labels=["gate", "quantile"])
