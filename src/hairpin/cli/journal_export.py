"""`hairpin journal export`: the journal as a file that anyone can open."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from hairpin.errors import EngineDown, YourMistake
from hairpin.journal.export import Survey, survey, write, write_file
from hairpin.node.data import open_journal
from hairpin.world import real_world

EPILOG = "Example: hairpin journal export ./my-show night.tar"
STDOUT = Path("-")


class Exported(msgspec.Struct, frozen=True):
    """What was written."""

    file: str | None
    """None: stdout."""
    journal: str
    strands: int
    frames: int
    answers: int
    head: str


def export(
    data: Annotated[Path, typer.Argument(help="Data directory of a show.", metavar="DIR")],
    file: Annotated[
        Path, typer.Argument(help="The tar to write; `-`: to stdout.", metavar="[FILE]")
    ] = STDOUT,
    degraded: Annotated[
        bool, typer.Option("--degraded", help="Export though a mirror of the journal is missing.")
    ] = False,
    json: Annotated[
        bool,
        typer.Option("--json", help="Say for machines what was exported; on stderr without FILE."),
    ] = False,
) -> None:
    """The journal as one plain tar, for whoever wants to verify the count: no names, no keys."""
    piped = file == STDOUT
    if piped and sys.stdout.isatty():
        raise YourMistake(
            "an export is no text for a terminal",
            "Name a file for it, or pipe it to a program.",
        )
    journal = open_journal(data, degraded)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("verifying", total=None)
        found = survey(journal, lambda size_bytes: progress.advance(task, size_bytes))
        progress.update(task, description="writing", completed=0)

        def told(done: int, all_: int) -> None:
            progress.update(task, completed=done, total=all_)

        if piped:
            write(journal, found, _to_stdout, told)
        else:
            write_file(real_world().disk, file, journal, found, told)
    _say(found, None if piped else file, json)


def _to_stdout(data: bytes) -> None:
    """Gone out on return: who exports wants to know that it is through."""
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except OSError as error:
        with suppress(OSError):
            # Python would try once more when it ends, and complain.
            sys.stdout.close()
        raise EngineDown(
            f"cannot write the export to stdout: {error.strerror}",
            "Look at the program behind the pipe; what it has is no export.",
        ) from error


def _say(found: Survey, file: Path | None, json: bool) -> None:
    summary = Exported(
        file=None if file is None else str(file),
        journal=f"{found.journal:016x}",
        strands=len(found.strands),
        frames=found.frames,
        answers=found.answers,
        head=found.head,
    )
    text = (
        msgspec.json.encode(summary).decode()
        if json
        else f"{file or 'stdout'}: {summary.strands:,} strands, {summary.frames:,} frames, "
        f"{summary.answers:,} answers\nhead {summary.head}"
    )
    typer.echo(text, err=file is None)
