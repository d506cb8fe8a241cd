"""After the night: `hairpin recount`, `hairpin results`, `hairpin purge`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from hairpin.cli.certificate import grounds_in_words
from hairpin.cli.results_memcached import comparison_json, print_comparison
from hairpin.cli.verify import when
from hairpin.node.data import has_journal, open_journal
from hairpin.node.purge import PurgePlan, purge_plan
from hairpin.tally.book import Book
from hairpin.tally.export import as_csv, as_json, recount_json, told_of
from hairpin.tally.memcached import Address, Server, address_of
from hairpin.tally.memcached_results import Exact, cells_csv, compare
from hairpin.tally.recount import Recount, Recounter
from hairpin.world import real_world

RECOUNT_EPILOG = "Example: hairpin recount ./my-show --json"
RESULTS_EPILOG = "Example: hairpin results ./my-show --format csv > results.csv"
PURGE_EPILOG = "Example: hairpin purge ./my-show --dry-run"

HEAD_DIGITS = 32

Data = Annotated[Path, typer.Argument(help="Data directory of a show.", metavar="DIR")]


class Format(StrEnum):
    CSV = "csv"
    JSON = "json"


def recount(
    data: Data,
    json: Annotated[bool, typer.Option("--json", help="Print for machines.")] = False,
) -> None:
    """Count again from the journal alone, and verify every checksum, chain and published head."""
    recounter, found = _recount(data)
    if json:
        typer.echo(recount_json(recounter.book, found), nl=False)
        return
    _print_recount(recounter.book, found)


def _print_recount(book: Book, found: Recount) -> None:
    console = Console()
    table = Table(title=f"{found.show}: recounted from {found.frames} frames")
    for name in ("question", "status", "journalled", "repeats", "counted", "right", "wrong"):
        table.add_column(name, justify="left" if name in ("question", "status") else "right")
    for q in found.questions:
        numbers = (q.journalled, q.repeats, q.answers, q.right, q.wrong)
        table.add_row(q.id, q.status, *(f"{n:,}" for n in numbers))
    console.print(table)
    console.print(
        f"journalled {found.journalled:,} = counted {found.counted:,} + repeats {found.repeats:,}"
    )
    if book.published:
        console.print(_heads(book, found))
    console.print(f"published heads that hold: {found.heads_verified}; chain head {found.head}")
    console.print(f"armed {grounds_in_words(found.permission)}", markup=False)


def _heads(book: Book, found: Recount) -> Table:
    """What to give to whoever wants to verify a result: the head of its last version."""
    table = Table(title="heads of the results, as they were told last")
    table.add_column("question")
    table.add_column("version", justify="right")
    table.add_column("published")
    table.add_column("head", no_wrap=True, min_width=HEAD_DIGITS)  # half a head is none
    for q in found.questions:
        told = told_of(book, q.question)
        if told:
            last = told[-1]
            table.add_row(q.id, str(last.version), when(last.at_ms), last.head)
    return table


def results(
    data: Data,
    format_: Annotated[
        Format | None, typer.Option("--format", help="csv or json; default: json.")
    ] = None,
    tally: Annotated[
        str | None,
        typer.Option(
            help="Read back what this memcached counted, too (memcached://HOST:PORT), and print "
            "both side by side; a table if no --format is given.",
            metavar="URL",
        ),
    ] = None,
) -> None:
    """Counts by question, right or wrong, age band and country; small cells are suppressed."""
    if tally is not None:
        _results_beside(data, address_of(tally), format_)
        return
    recounter, found = _recount(data)
    make = as_csv if format_ is Format.CSV else as_json
    typer.echo(make(recounter.book, found), nl=False)


def _results_beside(data: Path, address: Address, format_: Format | None) -> None:
    exact = None
    if has_journal(data):
        recounter, found = _recount(data)
        exact = Exact(open_journal(data).id, recounter.book, found)
    server = Server(address)
    try:
        with Progress(console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("reading counters", total=None)
            comparison = compare(
                server, exact, lambda done, all_: progress.update(task, completed=done, total=all_)
            )
    finally:
        server.close()
    if format_ is None:
        print_comparison(comparison)
    else:
        make = cells_csv if format_ is Format.CSV else comparison_json
        typer.echo(make(comparison), nl=False)


def purge(
    data: Data,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say it, do nothing.")] = False,
    now: Annotated[
        bool, typer.Option("--now", help="Do not wait for the days that the show file states.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print for machines.")] = False,
) -> None:
    """Delete names, per-fan records and keys when the show's retention says so."""
    world = real_world()
    plan = purge_plan(data, world, now)
    if not dry_run:
        plan.carry_out()
    if json:
        typer.echo(msgspec.json.encode(plan.rows()).decode())
        return
    _print_purge(plan, dry_run)


def _print_purge(plan: PurgePlan, dry_run: bool) -> None:
    for row in plan.rows():
        done = "would be deleted" if dry_run else "deleted"
        state = done if row.due else f"kept until {row.until}"
        typer.echo(f"{row.what:<8} {state:<28} {row.where}")


def _recount(data: Path) -> tuple[Recounter, Recount]:
    recounter = Recounter(open_journal(data))
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("recounting", total=None)
        found = recounter.run(lambda done, all_: progress.update(task, completed=done, total=all_))
    return recounter, found
