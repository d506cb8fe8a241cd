"""`hairpin verify`: what an outsider does with an exported journal and the head on the wall."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from hairpin.journal import Readable
from hairpin.journal.disk import DiskJournal
from hairpin.journal.export import IDENTITY
from hairpin.journal.exported import ExportedJournal
from hairpin.messages import QuestionTally
from hairpin.node.data import open_journal
from hairpin.tally.verify import Verification, parse_head, verify
from hairpin.world import real_world

EPILOG = "Example: hairpin verify night.tar --head 5f0c9d2b8e1a47d6b3c05f0c9d2b8e1a"


def command(
    place: Annotated[
        Path,
        typer.Argument(
            help="An export, a journal, or the data directory of a show.", metavar="DIR|EXPORT"
        ),
    ],
    head: Annotated[
        str, typer.Option(help="The head as it was published: 32 digits.", metavar="HASH")
    ],
    json: Annotated[bool, typer.Option("--json", help="Print for machines.")] = False,
) -> None:
    """Verify a journal against a published head, and recount what the head covers."""
    wanted = parse_head(head)
    journal = _journal(place)
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("verifying", total=None)
        found = verify(
            journal,
            wanted,
            lambda done, all_: progress.update(task, completed=done, total=all_),
        )
    if json:
        typer.echo(msgspec.json.format(msgspec.json.encode(found)).decode())
    else:
        _print(found)


def _journal(place: Path) -> Readable:
    """Whatever of the three `place` is. Mirrors that are missing are none of our business."""
    world = real_world()
    if place.is_file():
        return ExportedJournal(world.disk, place)
    if (place / IDENTITY).exists():
        return DiskJournal.open(world, place, degraded=True)
    return open_journal(place, degraded=True)


def _print(found: Verification) -> None:
    console = Console()
    recount = found.recount
    table = Table(title=f"{recount.show}: recounted from the {recount.frames} frames of the head")
    for name in ("question", "status", "version", "counted", "right", "wrong", "published"):
        table.add_column(
            name, justify="left" if name in ("question", "status", "published") else "right"
        )
    told = {result.question: result.at_ms for result in found.results}
    for q in recount.questions:
        table.add_row(*_row(q), when(told[q.id]) if q.id in told else "")
    console.print(table)
    console.print(
        f"journalled {recount.journalled:,} = counted {recount.counted:,} "
        f"+ repeats {recount.repeats:,}"
    )
    console.print(
        f"journal {found.journal}: every checksum and chain holds, and all "
        f"{recount.heads_verified} published heads",
        soft_wrap=True,
    )
    console.print(
        f"[bold]holds:[/bold] {found.head} is the head of {_covered(found)}", soft_wrap=True
    )
    if found.frames_after:
        console.print(f"{found.frames_after} frames came later; this head says nothing of them")


def _row(q: QuestionTally) -> tuple[str, ...]:
    numbers = (q.version, q.answers, q.right, q.wrong)
    return (q.id, q.status, *(f"{n:,}" for n in numbers))


def _covered(found: Verification) -> str:
    results = [f"the result of {r.question}, version {r.version}" for r in found.results]
    return ", and ".join([*results, *(["the whole journal"] if found.whole else [])])


def when(at_ms: int) -> str:
    """When a result was told, in UTC."""
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M}Z"
