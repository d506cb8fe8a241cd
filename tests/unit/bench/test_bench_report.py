"""Ratios are taken within one round and one state only, and few of them are no verdict."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from bench import report, tables
from bench.report import Bound, BoundVerdict, Contender, Group, Guarantees, Nearness, Sample, State

NEAR, FAR, MOVED = (40.0, 50.0), (250.0, 300.0), (40.0, 300.0)


def sample(
    name: str, number: int, cost: float, state: tuple[float, float] = NEAR, **extra: float
) -> Sample:
    tagged = State(state, 30.0, 0.01)
    return Sample(name, number, 1000, cost, 1e6 / cost, 1.5, None, tagged, extra)


def group(samples: tuple[Sample, ...], *bounds: Bound) -> Group:
    names = dict.fromkeys(each.contender for each in samples)
    contenders = tuple(Contender(name, Guarantees(durable=True)) for name in names)
    return Group("some", "a title", "base", "answer", contenders, samples, bounds)


def test_pairs_are_of_one_round() -> None:
    samples = (
        *(sample("base", number, 2.0 * number) for number in (1, 2, 3)),
        *(sample("ours", number, 1.0 * number) for number in (1, 2, 3, 4)),
    )
    (ratio,) = report.ratios(samples, "ours", "base")
    assert (ratio.n, ratio.median, ratio.low, ratio.high) == (3, 0.5, 0.5, 0.5)
    assert ratio.verdict


def test_states_are_not_mixed() -> None:
    samples = (
        sample("base", 1, 2.0),
        sample("ours", 1, 1.0),
        sample("base", 2, 6.0, FAR),
        sample("ours", 2, 6.0, FAR),
        sample("base", 3, 2.0),
        sample("ours", 3, 6.0, FAR),
        sample("base", 4, 2.0, MOVED),
        sample("ours", 4, 1.0, MOVED),
    )
    near, far = report.ratios(samples, "ours", "base")
    assert (near.nearness, near.n, near.median) == (Nearness.NEAR, 1, 0.5)
    assert (far.nearness, far.n, far.median) == (Nearness.FAR, 1, 1.0)
    assert not near.verdict
    assert not far.verdict


@pytest.mark.parametrize(
    ("cost", "rounds", "verdict"),
    [
        (1.9, 3, BoundVerdict.MET),
        (2.1, 3, BoundVerdict.MISSED),
        (2.1, 2, BoundVerdict.NONE),
    ],
)
def test_a_bound_needs_three_pairs(cost: float, rounds: int, verdict: BoundVerdict) -> None:
    numbers = range(1, rounds + 1)
    samples = tuple(
        each for n in numbers for each in (sample("base", n, 1.0), sample("ours", n, cost))
    )
    (judged,) = report.judge(group(samples, Bound("ours", "base", at_most=2.0)))
    assert judged.verdict is verdict


def test_a_bound_must_hold_in_each_state() -> None:
    samples = tuple(
        each
        for n in range(1, 7)
        for each in (
            sample("base", n, 1.0, NEAR if n < 4 else FAR),
            sample("ours", n, 1.0 if n < 4 else 3.0, NEAR if n < 4 else FAR),
        )
    )
    (judged,) = report.judge(group(samples, Bound("ours", "base", at_most=2.0)))
    assert judged.verdict is BoundVerdict.MISSED


def test_a_restless_machine_is_judged_across_its_states() -> None:
    """Only where the goal is loose: no pair of one state is there to judge by."""
    bound = Bound("ours", "base", at_most=2.0)
    samples = tuple(
        each
        for n in (1, 2, 3)
        for each in (sample("base", n, 1.0, MOVED), sample("ours", n, 0.5 * n, FAR))
    )
    (judged,) = report.judge(group(samples, bound))
    assert judged.verdict is BoundVerdict.NONE
    assert report.across_states(samples, bound) == 1.0
    assert report.across_states(samples[:1], bound) is None


def test_a_bound_may_be_on_a_further_figure_by_itself() -> None:
    samples = tuple(sample("ours", n, 1.0, NEAR, late_ms=200.0 + n) for n in range(3))
    at_most = Bound("ours", "", at_most=250.0, figure="late_ms")
    at_least = Bound("ours", "", at_least=250.0, figure="late_ms")
    verdicts = [judged.verdict for judged in report.judge(group(samples, at_most, at_least))]
    assert verdicts == [BoundVerdict.MET, BoundVerdict.MISSED]


def test_the_table_says_what_is_needed_to_judge_it() -> None:
    samples = (sample("base", 1, 2.0), sample("ours", 1, 1.0, NEAR, late_ms=7.0))
    found = group(samples, Bound("ours", "base", at_most=1.0))
    shown = StringIO()
    Console(file=shown, width=160).print(tables.table(found), *tables.lines(found))
    text = shown.getvalue()
    for part in ("no verdict", "near", "late_ms", "ours: durable", "x base", "n=1"):
        assert part in text


def test_a_file_holds_the_whole_run(tmp_path: Path) -> None:
    found = group((sample("base", 1, 2.0),))
    run = report.Run("2026-11-23T10:00:00+00:00", {"cores": "2"}, {}, {"rounds": 1}, found, ())
    path = report.write(run, tmp_path / "results")
    assert path.name == "2026-11-23-some.json"
    assert msgspec.json.decode(path.read_bytes(), type=report.Run) == run
