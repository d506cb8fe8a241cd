"""Run lives of the journal alone: `python -m sim.journal_life`, or replay one with `--seed 7`."""

from __future__ import annotations

import sys
from typing import Annotated

import structlog
import typer

from sim.journal_machine import Life

SILENT = 50
"""Log level: what the product logs of injected faults is no news here."""


def mirrors_of(seed: int) -> int:
    return 1 + seed % 4


app = typer.Typer(add_completion=False)


@app.command()
def main(
    seed: Annotated[int | None, typer.Option(help="Replay this life and print its story.")] = None,
    seeds: Annotated[str, typer.Option(help="The lives to run: FIRST..LAST.")] = "1..200",
    mirrors: Annotated[int | None, typer.Option(min=1, max=4, help="Instead of by seed.")] = None,
    beyond: Annotated[bool, typer.Option(help="More faults than the rules survive.")] = False,
) -> None:
    """Run lives of the journal alone."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(SILENT))
    if seed is not None:
        life = Life(seed, mirrors or mirrors_of(seed), beyond)
        outcome = life.run()
        typer.echo(life.universe.transcript())
        sys.exit(1 if outcome.violation else 0)
    first, _, last = seeds.partition("..")
    bad = frames = operations = 0
    for number in range(int(first), int(last) + 1):
        count = mirrors or mirrors_of(number)
        outcome = Life(number, count, beyond).run()
        frames += outcome.frames
        operations += outcome.operations
        if outcome.violation:
            bad += 1
            typer.echo(f"seed {number}, {count} mirrors: {outcome.violation}")
            more = " --beyond" * beyond
            typer.echo(f"  python -m sim.journal_life --seed {number} --mirrors {count}{more}")
    typer.echo(f"{frames:,} frames, {operations:,} disk operations, {bad} violations")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    app()
