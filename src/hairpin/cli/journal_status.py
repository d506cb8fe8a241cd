"""`hairpin journal status`: how the journal and its mirrors are."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from hairpin.cli.journal_places import journal_at, many
from hairpin.journal.health import Scrubbed
from hairpin.journal.status import Condition, Degraded, JournalStatus, MirrorStatus, status
from hairpin.world import real_world

STATUS_EPILOG = "Example: hairpin journal status ./my-show"

_ACTIONS = {
    Condition.STALE: "The node fills it while it runs; without a node: hairpin journal attach DIR "
    "MIRROR",
    Condition.FILLING: "The node goes on with it while it runs; without a node, give the `replace` "
    "or `attach` once more.",
    Condition.UNAVAILABLE: "Bring it back, or put another disk in its place: hairpin journal "
    "replace DIR MIRROR NEWDIR",
}


def status_command(
    data: Annotated[
        Path, typer.Argument(help="Data directory of a show, or a mirror.", metavar="DIR")
    ],
    json: Annotated[bool, typer.Option("--json", help="Print for machines.")] = False,
) -> None:
    """State of the journal and of each mirror. Ends with 8 if one of them lacks something."""
    world = real_world()
    found = status(world, journal_at(data, world))
    if json:
        typer.echo(msgspec.json.format(msgspec.json.encode(found)).decode())
    else:
        _print(found)
    if found.state != "ONLINE":
        kinds = {m.condition for m in found.mirrors if m.condition in _ACTIONS}
        actions = [_ACTIONS[kind] for kind in _ACTIONS if kind in kinds]
        raise Degraded(
            "the journal is degraded: " + "; ".join(found.problems),
            "\n  ".join(actions)
            or "Delete the snapshot: hairpin journal snapshot DIR NAME --delete",
        )


def _print(found: JournalStatus) -> None:
    typer.echo(f"journal {found.journal}: {found.state}")
    alive = f", {len(found.living)} being written" if found.living else ""
    typer.echo(f"{many(found.strands, 'strand')}{alive}, {found.bytes:,} bytes in each mirror")
    if found.received is not None:
        typer.echo(f"received, and stands at snapshot {found.received}")
    if found.snapshots:
        typer.echo(f"snapshots: {', '.join(found.snapshots)}")
    typer.echo(_last_scrub(found))
    typer.echo("")
    titles = "mirror state free on read healed write ejected"
    rows = [tuple(titles.split()), *map(_row, found.mirrors)]
    wide = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        left = [text.ljust(width) for text, width in zip(row[:4], wide[:4], strict=True)]
        right = [text.rjust(width) for text, width in zip(row[4:], wide[4:], strict=True)]
        typer.echo("  ".join([*left, *right]).rstrip())
    notes = [line for mirror in found.mirrors for line in _notes(mirror)]
    if notes:
        typer.echo("\n" + "\n".join(notes))


def _row(mirror: MirrorStatus) -> tuple[str, ...]:
    health, room = mirror.health, mirror.room
    counts = (health.read_errors, health.healed, health.write_errors, health.ejected)
    free = "-" if room is None else _size(room.free_bytes)
    kind = "-" if room is None else room.kind or "unknown"
    return (mirror.directory, str(mirror.condition), free, kind, *(f"{n:,}" for n in counts))


def _notes(mirror: MirrorStatus) -> list[str]:
    lines = []
    if mirror.why:
        lines.append(f"{mirror.directory}: {mirror.why}")
    if mirror.replaces is not None:
        lines.append(f"{mirror.directory} takes the place of {mirror.replaces}")
    if mirror.lacks_bytes:
        lacks = f"{many(mirror.lacks_frames, 'frame')}, {mirror.lacks_bytes:,} bytes"
        lines.append(f"{mirror.directory} lacks {lacks}")
    if mirror.health.last and mirror.health.last_ms is not None:
        lines.append(f"{mirror.directory}: {_when(mirror.health.last_ms)}: {mirror.health.last}")
    if mirror.room is not None and mirror.room.note:
        lines.append(f"{mirror.directory}: {mirror.room.note}")
    return lines


def _last_scrub(found: JournalStatus) -> str:
    scrubs = [m.health.scrubbed for m in found.mirrors if m.health.scrubbed is not None]
    if not scrubs:
        return "never scrubbed"
    last = max(scrubs, key=lambda scrub: scrub.at_ms)
    same: list[Scrubbed] = [scrub for scrub in scrubs if scrub.at_ms == last.at_ms]
    return (
        f"scrubbed {_when(last.at_ms)}: {sum(s.bytes for s in same):,} bytes in "
        f"{many(len(same), 'mirror')}, {sum(s.healed for s in same):,} healed, "
        f"{many(last.errors, 'error')}"
    )


def _when(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M:%S}Z"


def _size(size_bytes: int) -> str:
    """As disks are sold: powers of ten."""
    size = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if size < 1000 or unit == "TB":
            break
        size /= 1000
    return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"
