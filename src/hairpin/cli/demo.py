"""`hairpin demo`: a whole night on this machine, with a synthetic crowd and a ledger at the end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from datetime import datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from hairpin.cli.demo_screen import DemoScreen
from hairpin.errors import YourMistake
from hairpin.journal import Journal
from hairpin.node.data import DataDirectory
from hairpin.rehearsal import night
from hairpin.rehearsal.ledger import Counts, Ledger, audit
from hairpin.rehearsal.night import Night, NightSettings
from hairpin.rehearsal.record import CrowdRecord
from hairpin.tally.recount import Recounter
from hairpin.world import World, real_world

EPILOG = "Example: hairpin demo --fans 2000 --exit --report ledger.json"
SHOW = "first-light.toml"
CONNECTIONS = 500
SETTINGS = """\
# Written by `hairpin demo`: the whole synthetic crowd joins from this machine.
join_allow = ["127.0.0.1", "::1"]
"""


def demo(
    fans: Annotated[int, typer.Option(min=1, max=10_000_000, help="Synthetic fans.")] = 20_000,
    speed: Annotated[
        float,
        typer.Option(min=1.0, help="Divides the pauses between questions, not the questions."),
    ] = 60.0,
    port: Annotated[
        int, typer.Option(min=1, max=65_534, help="For phones; wall and console: the next one.")
    ] = 8_000,
    data: Annotated[
        Path | None,
        typer.Option(help="Data directory, new or empty; default: demo-data/<time>."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed plans the same crowd.")] = 1,
    exit_: Annotated[bool, typer.Option("--exit", help="End after the ledger.")] = False,
    report: Annotated[Path | None, typer.Option(help="Write the ledger here as JSON.")] = None,
    lan: Annotated[
        bool, typer.Option("--lan", help="Listen on the network; shows a QR code for phones.")
    ] = False,
) -> None:
    """Run an example show of 7 questions with a synthetic crowd, then audit every answer.

    The exit status is 0 only if the ledger balances. Serves until Ctrl-C; one is enough.
    """
    if report is not None and not report.parent.is_dir():
        raise YourMistake(
            f"--report: found {report}, but {report.parent} is no directory",
            "Create it, or give another file.",
        )
    directory = data or Path("demo-data") / datetime.now().strftime("%Y%m%d-%H%M%S")
    _prepare(directory)
    settings = NightSettings(
        show=_example(),
        data=directory,
        port=port,
        speed=speed,
        fans=fans,
        seed=seed,
        connections=CONNECTIONS,
        lan=lan,
    )
    ledger = asyncio.run(_until_stopped(settings, exit_, report))
    raise typer.Exit(0 if ledger is not None and ledger.balanced else 1)


def _example() -> Path:
    """The show of the demo, in the clone that this package is installed from."""
    path = Path(__file__).resolve().parents[3] / "examples" / SHOW
    if not path.is_file():
        raise YourMistake(
            f"{path}: no such file: the demo needs the example that a clone of Hairpin has",
            "Run it from a clone with `make demo`, or a show of your own with `hairpin run`.",
        )
    return path


def _prepare(directory: Path) -> None:
    """A fresh data directory, whose settings let one address join as a whole crowd."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        found = sorted(path.name for path in directory.iterdir())
        if found:
            raise YourMistake(
                f"--data: found {directory} with {len(found)} files in it ({found[0]}, ...); "
                "allowed: a new or empty directory",
                "Give another directory, or `hairpin run` to take up an earlier show.",
            )
        (directory / "hairpin.toml").write_text(SETTINGS, encoding="utf-8")
    except OSError as error:
        raise YourMistake(
            f"--data: cannot write {directory}: {error.strerror}", "Give another directory."
        ) from error


async def _until_stopped(
    settings: NightSettings, exit_: bool, report: Path | None
) -> Ledger | None:
    """The ledger; None if a signal ended the night before there was one.

    Only the first signal counts, so that the children always end in good order.
    """
    show = asyncio.create_task(_demo(settings, exit_, report))
    loop = asyncio.get_running_loop()
    stop = iter((show.cancel,))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, lambda: next(stop, bool)())
    try:
        return await show
    except asyncio.CancelledError:
        return None


async def _demo(settings: NightSettings, exit_: bool, report: Path | None) -> Ledger:
    world = real_world()
    screen = DemoScreen(Console())
    started_ms = world.clock.monotonic_ms()
    async with night.begin(settings, world.clock) as running:
        screen.addresses(running)
        if settings.lan:
            screen.qr(running.facts.public)
        with screen:
            await running.rehearse(lambda: screen.show(running))
        seconds = (world.clock.monotonic_ms() - started_ms) / 1000
        ledger = await asyncio.to_thread(_audit, running, world, seconds)
        if report is not None:
            world.disk.replace(report, msgspec.json.format(msgspec.json.encode(ledger)), 0o644)
        screen.ledger(ledger)
        if running.producer.approved:
            screen.say(
                f"The demo played the producer and approved {running.producer.approved} claims: "
                "the wall shows these (synthetic) names."
            )
        if not exit_:
            await _serve(running, screen)
    return ledger


async def _serve(running: Night, screen: DemoScreen) -> None:
    screen.say("Still serving the addresses above. One Ctrl-C ends it.")
    with contextlib.suppress(asyncio.CancelledError):
        await running.ended()


def _audit(running: Night, world: World, seconds: float) -> Ledger:
    """Read the crowd's record, count the journal again, and compare."""
    journal = DataDirectory(running.settings.data, world).journal()
    return audit_with_recount(
        running.crowd.record(),
        running.console.counts(),
        journal,
        running.wall.lag_ms_p99,
        seconds,
    )


def audit_with_recount(
    crowd: CrowdRecord,
    live: Counts,
    journal: Journal,
    wall_lag_ms_p99: float | None,
    seconds: float,
) -> Ledger:
    """Compare what the crowd and the live count say with a recount of the journal."""
    recounter = Recounter(journal)
    found = recounter.run()
    recount = Counts(
        journalled=found.journalled,
        counted=found.counted,
        repeats=found.repeats,
        questions=found.questions,
        leaders=found.leaders,
    )
    counted = tuple(recounter.counted_fans(index) for index in range(len(found.questions)))
    return audit(crowd, live, recount, counted, wall_lag_ms_p99, seconds)
