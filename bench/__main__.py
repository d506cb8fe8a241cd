"""`python -m bench`: run groups, print tables, write results, check goals."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.measure import Measurement
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from bench.groups import plans
from bench.machine import describe, versions
from bench.report import BoundVerdict, Group, Run, across_states, judge, write
from bench.rounds import Options, Plan, run
from bench.tables import lines, table
from hairpin.cli import explain
from hairpin.errors import HairpinError, YourMistake
from hairpin.node.family import allow_files

RESULTS = Path(__file__).parent / "results"
QUICK = Options(quick=True, rounds=3, seconds=0.7)
WIDTH_MAX = 250
FILES = 16_384
"""Open files that are asked for; groups with more connections than usual need them."""
_FILES_SPARE = 64
EPILOG = "Example: python -m bench --only http-browser --rounds 5 --seconds 3"


def bench(
    quick: Annotated[
        bool,
        typer.Option("--quick", help="Short rounds; exit code 1 where a loose goal is missed."),
    ] = False,
    full: Annotated[
        bool, typer.Option("--full", help="Recount 100 M answers instead of extrapolating.")
    ] = False,
    only: Annotated[
        list[str] | None, typer.Option(help="A group; may be given several times.", metavar="NAME")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print for machines.")] = False,
    rounds: Annotated[
        int | None, typer.Option(min=1, max=100, help="Rounds of each group.")
    ] = None,
    seconds: Annotated[float | None, typer.Option(min=0.1, max=600, help="Of each sample.")] = None,
    connections: Annotated[int, typer.Option(min=1, max=8000, help="Of the generator.")] = 1000,
) -> None:
    """Measure what an answer costs, beside what others cost. How to read it: bench/README.md."""
    start = QUICK if quick else Options()
    options = Options(
        quick=quick,
        full=full,
        rounds=rounds or start.rounds,
        seconds=seconds or start.seconds,
        connections=connections,
    )
    _allow_connections(options.connections)
    runs = [_run(plan, options, json) for plan in _chosen(quick, only)]
    if json:
        typer.echo(msgspec.json.format(msgspec.json.encode(runs)).decode())
    raise typer.Exit(1 if quick and _missed(runs) else 0)


def _allow_connections(connections: int) -> None:
    """For this process and its children. Raises YourMistake."""
    allowed = allow_files(FILES)
    if allowed < connections + _FILES_SPARE:
        raise YourMistake(
            f"{connections} connections need as many open files; the system allows {allowed}",
            "Raise `ulimit -Hn`, or use fewer --connections.",
        )


def _chosen(quick: bool, only: list[str] | None) -> list[Plan]:
    known = {plan.name: plan for plan in plans()}
    for name in only or []:
        if name not in known:
            raise YourMistake(
                f"--only: found {name}; allowed: {', '.join(known)}", "Leave it out to run all."
            )
    return [
        plan
        for plan in known.values()
        if (plan.quick_bounds is not None or not quick) and (not only or plan.name in only)
    ]


def _run(plan: Plan, options: Options, json: bool) -> Run:
    console = Console(stderr=json)
    group = _measure(plan, options)
    done = Run(
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=describe(),
        versions=versions(),
        options=msgspec.structs.asdict(options),
        group=group,
        judged=judge(group),
    )
    path = write(done, RESULTS)
    _print(group, console)
    console.print(f"written to {path}\n", soft_wrap=True)
    return done


def _print(group: Group, console: Console) -> None:
    """A table that is wider than the terminal runs over its edge, and stays readable."""
    wide = Console(stderr=console.stderr, width=WIDTH_MAX)
    grid = table(group)
    wide.width = max(Measurement.get(wide, wide.options, grid).maximum, console.width)
    wide.print(grid)
    for line in lines(group):
        console.print(line, soft_wrap=True, highlight=False, markup=False)


def _measure(plan: Plan, options: Options) -> Group:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.fields[group]}: {task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("starting", total=1.0, group=plan.name)

        def tick(what: str, done: float) -> None:
            progress.update(task, description=what, completed=done)

        return run(plan, options, tick)


def _missed(runs: list[Run]) -> bool:
    """Say on stderr which goals were not met; a restless machine is judged across its states."""
    missed = False
    for each in runs:
        for judged in each.judged:
            if judged.verdict is BoundVerdict.MET:
                continue
            ratio = None
            if judged.verdict is BoundVerdict.NONE:
                ratio = across_states(each.group.samples, judged.bound)
            holds = ratio is not None and judged.bound.holds(ratio)
            also = f"; across states {ratio:.3g}" if ratio is not None else ""
            typer.echo(f"bench: {each.group.name}: {judged}{also}", err=True)
            missed |= not holds
    return missed


def main() -> None:
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command(epilog=EPILOG)(bench)
    try:
        app(prog_name="python -m bench")
    except HairpinError as error:
        explain(error)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
