"""`hairpin journal snapshot` and `snapshots`: name a moment of the journal, list such moments."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from hairpin.errors import DataDamaged, YourMistake
from hairpin.journal.snapshot import Snapshot
from hairpin.journal.snapshots import Snapshots
from hairpin.node.data import open_journal
from hairpin.world import real_world

SNAPSHOT_EPILOG = "Example: hairpin journal snapshot ./my-show before-the-encore"
SNAPSHOTS_EPILOG = "Example: hairpin journal snapshots ./my-show"

Data = Annotated[Path, typer.Argument(help="Data directory of a show.", metavar="DIR")]
Degraded = Annotated[
    bool, typer.Option("--degraded", help="Although a mirror of the journal is missing.")
]


class Listed(msgspec.Struct, frozen=True):
    """One snapshot, in short."""

    name: str
    at_ms: int
    journal: str
    strands: int
    frames: int
    bytes: int
    """Of the frames; the snapshot itself takes next to nothing."""
    head: str


def snapshot(
    data: Data,
    name: Annotated[
        str | None,
        typer.Argument(help="What to call it; default: the time in UTC.", metavar="[NAME]"),
    ] = None,
    delete: Annotated[
        bool, typer.Option("--delete", help="Delete this snapshot; its frames stay.")
    ] = False,
    degraded: Degraded = False,
    json: Annotated[bool, typer.Option("--json", help="Print for machines.")] = False,
) -> None:
    """Name this moment of the journal. Nothing is copied; the show goes on meanwhile."""
    journal = open_journal(data, degraded)
    snapshots = Snapshots(real_world(), journal.mirrors)
    if delete:
        if name is None:
            raise YourMistake("--delete needs a NAME", f"See: hairpin journal snapshots {data}")
        snapshots.remove(name)
        if json:
            typer.echo(msgspec.json.encode({"deleted": name}).decode())
        else:
            typer.echo(f"deleted {name}")
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    console = Console(stderr=True)
    hidden = not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=hidden) as progress:
        task = progress.add_task("verifying", total=None)
        taken = snapshots.take(journal, name, lambda read: progress.advance(task, read))
    if json:
        typer.echo(msgspec.json.encode(_listed(taken)).decode())
        return
    typer.echo(
        f"snapshot {taken.name}: {len(taken.strands):,} strands, {taken.frames:,} frames, "
        f"{taken.size_bytes:,} bytes\nhead {taken.head}"
    )


def snapshots(
    data: Data,
    degraded: Degraded = False,
    json: Annotated[bool, typer.Option("--json", help="Print for machines.")] = False,
) -> None:
    """List the snapshots of a journal, oldest first."""
    found, damages = Snapshots(real_world(), open_journal(data, degraded).mirrors).all()
    if json:
        listed = msgspec.json.encode([_listed(one) for one in found])
        typer.echo(msgspec.json.format(listed).decode())
    else:
        _print(found)
    if damages:
        raise DataDamaged(
            "; ".join(damage.message for damage in damages),
            damages[0].remedy,
        )


def _listed(taken: Snapshot) -> Listed:
    return Listed(
        taken.name,
        taken.at_ms,
        taken.journal,
        len(taken.strands),
        taken.frames,
        taken.size_bytes,
        taken.head,
    )


def _print(found: list[Snapshot]) -> None:
    if not found:
        typer.echo("no snapshots")
        return
    rows = [("name", "taken (UTC)", "frames", "bytes", "head")]
    for one in found:
        when = datetime.fromtimestamp(one.at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
        rows.append((one.name, when, f"{one.frames:,}", f"{one.size_bytes:,}", one.head))
    wide = [max(len(row[column]) for row in rows) for column in range(4)]
    for name, when, frames, size_bytes, head in rows:
        left = f"{name:<{wide[0]}}  {when:<{wide[1]}}"
        typer.echo(f"{left}  {frames:>{wide[2]}}  {size_bytes:>{wide[3]}}  {head}")
