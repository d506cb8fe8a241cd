"""What a run found, for people: a table, and the lines below it."""

from __future__ import annotations

import statistics
from collections.abc import Iterable

from rich.box import SIMPLE_HEAD
from rich.table import Table

from bench.report import Contender, Group, Guarantees, Nearness, Ratio, Sample, judge, ratios


def table(group: Group) -> Table:
    """One row for each contender and state."""
    grid = Table(title=f"{group.name}: {group.title}", box=SIMPLE_HEAD, title_style="bold")
    extras = _extras(group)
    unit, base = group.unit, group.base or "1"
    grid.add_column("contender", no_wrap=True)
    headings = (f"us/{unit}", f"x {base}", "spread", f"{unit}/s", "p50 ms", "p99 ms", *extras)
    for heading in (*headings, "n", "state", "foreign"):
        grid.add_column(heading, justify="right", no_wrap=True)
    for contender in group.contenders:
        for row in _rows(group, contender, extras):
            grid.add_row(*row)
    for absent in group.absent:
        grid.add_row(absent.contender, "absent")
    return grid


def lines(group: Group) -> list[str]:
    """What stands below the table: guarantees, who is absent, verified totals, goals."""
    alike: dict[Guarantees, list[str]] = {}
    for contender in group.contenders:
        alike.setdefault(contender.guarantees, []).append(contender.name)
    guarantees = [f"{', '.join(names)}: {held}" for held, names in alike.items()]
    absent = [f"{absent.contender} is absent: {absent.why}" for absent in group.absent]
    goals = [str(judged) for judged in judge(group)]
    return [*guarantees, *absent, *group.notes, *goals]


def _extras(group: Group) -> list[str]:
    """The names of all further figures, in the order in which they come."""
    return list(dict.fromkeys(name for sample in group.samples for name in sample.extra))


def _rows(group: Group, contender: Contender, extras: list[str]) -> list[tuple[str, ...]]:
    rows = []
    by_state = {r.nearness: r for r in ratios(group.samples, contender.name, group.base)}
    for nearness in Nearness:
        mine = [
            sample
            for sample in group.samples
            if sample.contender == contender.name and sample.state.nearness is nearness
        ]
        if mine:
            ratio = by_state.get(nearness)
            rows.append(_row(contender, nearness, mine, ratio, extras))
    return rows


def _row(
    contender: Contender,
    nearness: Nearness,
    samples: list[Sample],
    ratio: Ratio | None,
    extras: list[str],
) -> tuple[str, ...]:
    spread = f"{ratio.low:.3g} to {ratio.high:.3g}" if ratio and ratio.verdict else "no verdict"
    return (
        contender.name,
        f"{_middle(s.cpu_us_per_answer for s in samples):.3g}",
        "-" if ratio is None else f"{ratio.median:.3g}",
        spread,
        f"{_middle(s.answers_per_s for s in samples):,.0f}",
        *(_known(samples, name) for name in ("p50_ms", "p99_ms", *extras)),
        str(len(samples) if ratio is None else ratio.n),
        nearness.value,
        f"{_middle(s.state.foreign_cpu for s in samples):.0%}",
    )


def _middle(values: Iterable[float]) -> float:
    return statistics.median(values)


def _known(samples: list[Sample], figure: str) -> str:
    known = [value for sample in samples if (value := sample.figure(figure)) is not None]
    if not known:
        return "-"
    middle = _middle(known)
    return f"{middle:,.0f}" if middle >= 100 else f"{middle:.3g}"
