"""`hairpin crowd`: a synthetic crowd against a running node."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer
import uvloop

from hairpin.cli.show import load_show
from hairpin.errors import EngineDown, YourMistake
from hairpin.node.family import allow_files
from hairpin.rehearsal import sockets
from hairpin.rehearsal.crowd import Crowd, Progress, Settings, told_of
from hairpin.rehearsal.script import Habits
from hairpin.world import real_world

EPILOG = (
    "Example: hairpin crowd http://127.0.0.1:8000 --fans 20000 --out ./rehearsal --exit-after-over"
)
FILES_SPARE = 64


def crowd(
    url: Annotated[str, typer.Argument(help="Public address of the node, http://HOST:PORT.")],
    out: Annotated[Path, typer.Option(help="Directory for crowd.json and crowd.npz.")],
    fans: Annotated[int, typer.Option(min=1, max=10_000_000, help="How many synthetic fans.")] = (
        20_000
    ),
    connections: Annotated[
        int, typer.Option(min=1, max=60_000, help="TCP connections that they share.")
    ] = 500,
    seed: Annotated[int, typer.Option(min=0, help="The same seed plans the same crowd.")] = 1,
    now_share: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=1.0,
            help="Share of fans who really send GET /now; in front of a real show a cache (CDN) "
            "answers the others.",
        ),
    ] = 0.05,
    knows: Annotated[
        Path | None,
        typer.Option(
            help="The show file: then some fans know the right answers, as people do. Without it "
            "they guess, since no phone learns them before the reveal.",
            metavar="SHOW",
        ),
    ] = None,
    plan: Annotated[
        Path | None,
        typer.Option(
            help="Take all of the above from this file, as `hairpin rehearse` writes it for each "
            "of its generators.",
            metavar="FILE",
        ),
    ] = None,
    exit_after_over: Annotated[
        bool, typer.Option("--exit-after-over", help="End when the show is over.")
    ] = False,
    progress_json: Annotated[
        bool, typer.Option("--progress-json", help="Progress as JSON lines on stdout.")
    ] = False,
) -> None:
    """Rehearse with a synthetic crowd: real TCP, browser-like requests, human-like times.

    Fans join, answer, repeat themselves, lose connections, come late and sometimes cheat. Ctrl-C
    ends it; what was sent and acknowledged is in the --out directory.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise YourMistake(
            f"--out: cannot write {out}: {error.strerror}", "Give another directory."
        ) from error
    if plan is not None:
        settings = _read_plan(plan)
    else:
        told = tuple(map(told_of, load_show(knows).questions)) if knows else ()
        habits = Habits(asks=now_share)
        settings = Settings(url, fans, connections, seed, habits, exit_after_over, told)
    _allow_files(settings.connections)
    sockets.warm()
    report = _print_progress if progress_json else _keep_quiet
    uvloop.run(_until_stopped(Crowd(settings, out, real_world(), report)))
    if not progress_json:
        typer.echo((out / "crowd.json").read_text(encoding="utf-8"), nl=False)


def _read_plan(path: Path) -> Settings:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Settings)
    except (OSError, msgspec.MsgspecError) as error:
        raise YourMistake(
            f"--plan: cannot read {path}: {error}", "Give a file that `hairpin rehearse` wrote."
        ) from error


def _keep_quiet(_: Progress) -> None:
    """The record at the end says it all."""


def _print_progress(progress: Progress) -> None:
    try:
        sys.stdout.buffer.write(msgspec.json.encode(progress) + b"\n")
        sys.stdout.buffer.flush()
    except BrokenPipeError as error:
        raise EngineDown(
            "--progress-json: whoever read the progress is gone",
            "The crowd has ended, too; what it did is in the --out directory.",
        ) from error


async def _until_stopped(crowd_: Crowd) -> None:
    """Run until the crowd is done or a signal asks it to stop; both end in good order."""
    task = asyncio.ensure_future(crowd_.run())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        pass


def _allow_files(connections: int) -> None:
    """Raise the limit of open files as far as the crowd needs it."""
    allowed = allow_files(connections + FILES_SPARE)
    if allowed < connections + FILES_SPARE:
        raise YourMistake(
            f"--connections: found {connections}; allowed here: at most {allowed - FILES_SPARE}, "
            f"since a process may open {allowed} files",
            "Ask for fewer connections, or raise the limit with `ulimit -n`.",
        )
