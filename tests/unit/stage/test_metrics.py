"""What Prometheus reads."""

from __future__ import annotations

from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from hairpin.order import Step
from hairpin.stage.documents import cues, now_body
from hairpin.stage.metrics import registry
from hairpin.stage.view import StageView


def read(own: CollectorRegistry) -> dict[str, float]:
    """Sample name with its labels to value; fails on a metric without help."""
    samples = {}
    for family in text_string_to_metric_families(generate_latest(own).decode()):
        assert family.documentation, family.name
        assert family.type != "unknown", family.name
        for sample in family.samples:
            labels = ",".join(f"{k}={v}" for k, v in sorted(sample.labels.items()))
            samples[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return samples


def test_a_stage_that_knows_nothing_yet(make: Any) -> None:
    samples = read(registry(StageView(make.show(), make.clock()), lambda: 0))
    assert samples["hairpin_answers_acknowledged_total"] == 0
    assert "hairpin_counted" not in samples


def test_numbers(make: Any) -> None:
    view = StageView(make.show(), make.clock())
    order = make.order(view.show, (0, Step.OPEN))
    view.set_order(
        now_body(view.show, order, {}, None, [], {}, 1), cues(view.show, order, make.media)
    )
    view.set_gates({1: make.report(1), 2: make.report(2, journal_error="disk full")})
    view.set_gates({2: make.report(2, journal_error="disk full")})
    view.set_tally(make.snapshot(make.tally(0), make.tally(1, status="provisional")))
    samples = read(registry(view, lambda: 4))
    assert samples == samples | {
        "hairpin_answers_acknowledged_total": 200,
        "hairpin_tickets_total": 100,
        "hairpin_commits_total": 18,
        "hairpin_refused_total{reason=late}": 6,
        "hairpin_requests_total{kind=answer}": 206,
        "hairpin_gate_connections{gate=2}": 250,
        "hairpin_gate_journal_failing{gate=2}": 1,
        "hairpin_gate_cpu_seconds_total{gate=2}": 1.5,
        "hairpin_gate_reported_seconds{gate=2}": make.start_ms / 1000,
        "hairpin_commit_ms{gate=2,quantile=0.99}": 2.5,
        "hairpin_latency_ms{gate=2,quantile=0.5}": 0.9,
        "hairpin_journalled": 214,
        "hairpin_counted": 200,
        "hairpin_repeats": 14,
        "hairpin_answers_per_second": 123.456,
        "hairpin_fans": 100,
        "hairpin_provisional": 1,
        "hairpin_questions{state=open}": 1,
        "hairpin_questions{state=waiting}": 2,
        "hairpin_wall_lag_ms{quantile=0.99}": 40,
        "hairpin_wall_lag_ms_count": 1,
        "hairpin_wall_lag_ms_sum": 40,
        "hairpin_event_streams{audience=wall}": 0,
        "hairpin_wrong_tokens_total": 4,
    }
    assert "hairpin_gate_connections{gate=1}" not in samples
    assert samples["hairpin_journalled"] == samples["hairpin_counted"] + samples["hairpin_repeats"]
