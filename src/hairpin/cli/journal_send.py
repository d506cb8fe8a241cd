"""`hairpin journal send` and `receive`: a journal, or what came since, through a pipe."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from hairpin.cli.journal_places import progress_bar
from hairpin.cli.journal_snapshot import Data, Degraded
from hairpin.errors import EngineDown, YourMistake
from hairpin.journal.receiving import Received, receive
from hairpin.journal.sending import Sent, send
from hairpin.journal.snapshots import Snapshots
from hairpin.node.data import DataDirectory, open_journal
from hairpin.world import real_world

SEND_EPILOG = (
    "Example: hairpin journal send ./my-show --from monday | "
    "ssh HOST hairpin journal receive ./my-show"
)
RECEIVE_EPILOG = "Example: hairpin journal receive ./copy < night.stream"


def send_command(
    data: Data,
    snapshot: Annotated[
        str | None,
        typer.Argument(help="What to send; default: the latest snapshot.", metavar="[SNAPSHOT]"),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option("--from", help="Send only what came since this snapshot.", metavar="SNAPSHOT"),
    ] = None,
    degraded: Degraded = False,
    json: Annotated[
        bool, typer.Option("--json", help="Say for machines, on stderr, what was sent.")
    ] = False,
) -> None:
    """Write a snapshot to stdout, as a stream that checks itself."""
    if sys.stdout.isatty():
        raise YourMistake(
            "a stream is no text for a terminal",
            "Pipe it: hairpin journal send DIR | ssh HOST hairpin journal receive DIR",
        )
    journal = open_journal(data, degraded)
    snapshots = Snapshots(real_world(), journal.mirrors)
    target = snapshots.read(snapshot) if snapshot is not None else snapshots.latest()
    since = snapshots.read(base) if base is not None else None
    with _progress("sending") as told:
        sent = send(journal, target, since, _to_stdout, told)
        _flush()
    _say("sent", sent, json, err=True)


def receive_command(
    data: Annotated[
        Path,
        typer.Argument(
            help="Data directory: a new one, or one that received the stream's base.",
            metavar="DIR",
        ),
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Verify the stream, and change nothing.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print for machines.")] = False,
) -> None:
    """Read a stream from stdin; only its last byte makes the journal what the stream says."""
    if sys.stdin.isatty():
        raise YourMistake(
            "no stream comes from a terminal",
            "Pipe it: hairpin journal send DIR | hairpin journal receive NEWDIR",
        )
    with _alone(data, dry_run) as directory, _progress("receiving") as told:
        found = receive(real_world(), directory.journal_path, _from_stdin, dry_run, told)
    _say("verified, not received" if dry_run else "received", found, json, err=False)


@contextmanager
def _alone(data: Path, dry_run: bool) -> Iterator[DataDirectory]:
    """Nobody else uses the data directory meanwhile; one that was made in vain goes again."""
    world = real_world()
    directory = DataDirectory(data, world)
    if directory.end_path.exists():
        raise YourMistake(
            f"the records of the show in {data} were purged", "Receive into a new directory."
        )
    if dry_run:
        yield directory
        return
    new = not data.exists()
    directory.prepare()
    try:
        yield directory
    except BaseException:
        if new:
            with suppress(OSError):
                (data / "lock").unlink()
                data.rmdir()
        raise


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """Tells on stderr how many bytes went through, and how fast."""
    with progress_bar() as told:
        yield partial(told, what)


def _to_stdout(data: bytes) -> None:
    try:
        sys.stdout.buffer.write(data)
    except OSError as error:
        raise _pipe_broke(error) from error


def _flush() -> None:
    try:
        sys.stdout.buffer.flush()
    except OSError as error:
        raise _pipe_broke(error) from error


def _pipe_broke(error: OSError) -> EngineDown:
    with suppress(OSError):
        # Python would try once more when it ends, and complain.
        sys.stdout.close()
    return EngineDown(
        f"cannot write the stream: {error.strerror}",
        "Look at what the receiving end says; a stream without its end changes nothing there.",
    )


def _from_stdin(size_bytes: int) -> bytes:
    try:
        return sys.stdin.buffer.read(size_bytes)
    except OSError as error:
        raise EngineDown(
            f"cannot read the stream: {error.strerror}", "Nothing was changed. Send it again."
        ) from error


def _say(done: str, what: Sent | Received, json: bool, err: bool) -> None:
    if json:
        typer.echo(msgspec.json.encode(what).decode(), err=err)
        return
    since = f" since {what.base}" if what.base else ""
    typer.echo(
        f"{done}: snapshot {what.snapshot}{since}, {what.frames:,} frames, {what.bytes:,} bytes\n"
        f"head {what.head}",
        err=err,
    )
