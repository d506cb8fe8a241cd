"""Run simulated nights: `python -m sim` (200 of them), or replay one: `python -m sim --seed 7`.

A failure prints its seed, the invariant and the command that replays it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import structlog
import typer
from structlog.typing import EventDict

from sim.bugs import BUGS, hunt
from sim.night import Night
from sim.plan import PROFILES, plan_of, questions_of
from sim.series import Series, summary

NIGHTS = 200
EXIT_VIOLATED = 1
SILENT = 50
"""Log level: what the product logs of injected faults is no news here."""

app = typer.Typer(add_completion=False)


@app.command()
def main(
    seed: Annotated[int | None, typer.Option(help="Replay this night and print its story.")] = None,
    seeds: Annotated[str, typer.Option(help="The nights to run: FIRST..LAST.")] = f"1..{NIGHTS}",
    profile: Annotated[str | None, typer.Option(help="One of: " + ", ".join(PROFILES))] = None,
    questions: Annotated[
        int | None, typer.Option(min=1, max=200, help="Of each night; by the seed: 42 or 14.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes side by side.")] = 2,
    long: Annotated[float, typer.Option(help="Run new seeds for so many minutes.")] = 0.0,
    bug: Annotated[
        str | None, typer.Option(help="Show how a deliberate bug is found; `list` names them.")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write the tally to this file.")] = None,
) -> None:
    """Run whole nights of the product in the simulated world."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(SILENT))
    if bug is not None:
        _show_bug(bug, seed)
        return
    if profile is not None and profile not in PROFILES:
        raise typer.BadParameter(f"found {profile!r}; allowed: {', '.join(PROFILES)}")
    if seed is not None:
        _replay(seed, profile, questions)
        return
    series = Series(profile, questions, jobs)
    first, last = _range(seeds)
    outcomes = series.run_for(first, long * 60) if long else series.run(range(first, last + 1))
    told = summary(outcomes)
    if json is not None:
        json.write_bytes(told.as_json())
    typer.echo(told.text())
    if told.violated:
        sys.exit(EXIT_VIOLATED)


def _show_bug(name: str, seed: int | None) -> None:
    """The story of the night in which it is found; exit code 1 if it is not."""
    structlog.configure(processors=[_say_nothing])
    if name == "list":
        for bug in BUGS.values():
            typer.echo(f"{bug.name:28} {bug.mistake}")
        return
    if name not in BUGS:
        raise typer.BadParameter(f"--bug: found {name!r}; allowed: list, {', '.join(BUGS)}")
    bug = BUGS[name]
    found = hunt(bug, seed or 1, None if seed is None else 1)
    if found is None:
        typer.echo(f"{name} is not found in these nights: {bug.mistake}")
        sys.exit(EXIT_VIOLATED)
    typer.echo(found.story)
    typer.echo(f"the bug, in {bug.where}: {bug.mistake}")
    typer.echo(f"found with seed {found.seed}: {found.violation}")


def _say_nothing(*_: object) -> EventDict:
    """Nights with a bug would log more than they tell."""
    raise structlog.DropEvent


def _range(text: str) -> tuple[int, int]:
    first, dots, last = text.partition("..")
    if not (dots and first.isdigit() and last.isdigit() and int(first) <= int(last)):
        raise typer.BadParameter(f"--seeds: found {text!r}; allowed: FIRST..LAST, such as 1..200")
    return int(first), int(last)


def _replay(seed: int, profile: str | None, questions: int | None) -> None:
    night = Night(plan_of(seed, profile, questions or questions_of(seed)))
    outcome = night.run()
    typer.echo(night.universe.transcript())
    typer.echo(summary([outcome]).text())
    if outcome.violation:
        sys.exit(EXIT_VIOLATED)


if __name__ == "__main__":
    app()
