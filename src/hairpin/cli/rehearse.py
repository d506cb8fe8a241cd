"""`hairpin rehearse`: a whole show at its high estimate, and the certificate of how it went."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import tempfile
from pathlib import Path
from typing import Annotated, NoReturn

import msgspec
import typer

from hairpin.cli.rehearse_run import Outcome, Wish, keep_or_remove, rehearse_show
from hairpin.cli.rehearse_screen import RehearsalScreen, print_outcome
from hairpin.cli.show import load_show
from hairpin.config import Settings as NodeSettings
from hairpin.config import read_settings
from hairpin.errors import HairpinError, YourMistake
from hairpin.node.arming_facts import configuration
from hairpin.node.arming_papers import issue
from hairpin.rehearsal.arrival import HUMAN, Curve
from hairpin.rehearsal.findings import Option
from hairpin.rehearsal.script import Habits
from hairpin.world import real_world

EPILOG = "Example: hairpin rehearse examples/first-light.toml --fans 20000 --window 12"
EXIT_UNBALANCED = 1
EXIT_NO_GO = 6
STOPPED = 130

USUAL = Habits()
SECRET = ("token", "json", "out", "data", "file", "ca", "private", "config", "port")
"""Options that do not bear on what was rehearsed."""


def rehearse(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A show file.", metavar="SHOW")],
    fans: Annotated[
        int | None,
        typer.Option(min=1, max=10_000_000, help="Default: the show's high estimate."),
    ] = None,
    window: Annotated[
        float | None,
        typer.Option(
            min=0.5,
            max=3_600.0,
            help="Seconds in which the fans answer one question; default: its own duration.",
        ),
    ] = None,
    cdn_share: Annotated[
        float,
        typer.Option(min=0.0, max=1.0, help="Share of GET /now that a cache in front takes."),
    ] = 0.95,
    new_connections: Annotated[
        float,
        typer.Option(min=0.0, max=1.0, help="Share of answers that come on a new connection."),
    ] = 0.0,
    url: Annotated[
        str | None,
        typer.Option(help="Front door of a node that runs already; default: one of our own."),
    ] = None,
    private: Annotated[
        str | None, typer.Option(help="With --url: private address of that node.", metavar="URL")
    ] = None,
    token: Annotated[str | None, typer.Option(help="With --private: its token.")] = None,
    ca: Annotated[
        Path | None, typer.Option(help="With --url https: certificates to trust, PEM.")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Data directory: new or empty for our own node, default a temporary one; with "
            "--url that node's, to compare with its journal."
        ),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="The installation's settings, as for run.")
    ] = None,
    gates: Annotated[
        int | None, typer.Option(min=1, max=64, help="Gate processes, instead of the setting.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65_534, help="Of our own node; default: a free one.")
    ] = None,
    speed: Annotated[
        float, typer.Option(min=1.0, help="Divides the pauses, never the questions.")
    ] = 60.0,
    processes: Annotated[int, typer.Option(min=1, max=256, help="Generator processes.")] = 2,
    connections: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="TCP connections of all generators.")
    ] = 2_000,
    seed: Annotated[int, typer.Option(min=0, help="The same seed plans the same crowd.")] = 1,
    fast: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of fans who know it at once.")
    ] = HUMAN.fast_share,
    fast_median: Annotated[
        float, typer.Option(min=0.4, max=600.0, help="Their median answer, in seconds.")
    ] = HUMAN.fast_median_ms / 1000,
    median: Annotated[
        float, typer.Option(min=0.4, max=600.0, help="That of all others, in seconds.")
    ] = HUMAN.slow_median_ms / 1000,
    spread: Annotated[
        float, typer.Option(min=0.0, max=2.0, help="Sigma of the logarithm of their times.")
    ] = HUMAN.slow_sigma,
    tail: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of fans who look away first.")
    ] = HUMAN.tail_share,
    tail_mean: Annotated[
        float, typer.Option(min=0.0, max=600.0, help="Mean of their extra time, in seconds.")
    ] = HUMAN.tail_mean_ms / 1000,
    drops: Annotated[
        float,
        typer.Option(
            min=0.0, max=1.0, help="Share of answers whose connection breaks before the reply."
        ),
    ] = USUAL.drops,
    repeats: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of fans who send the same again.")
    ] = USUAL.repeats,
    late: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of fans who answer after the close.")
    ] = USUAL.late,
    forged: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Forged answers, as a share of the fans.")
    ] = USUAL.forges,
    junk: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Requests of junk, as a share of the fans.")
    ] = USUAL.junk,
    out: Annotated[
        Path | None,
        typer.Option(help="Directory of the certificate; default: certificates/ beside SHOW."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Rehearse a whole show with a synthetic crowd, and certify how it went.

    Ends with 0 for go, 6 for no-go, 1 if the ledger does not balance. Whole means: every fan joins,
    looks, and answers each question at human times, in the burst's real length, through the front
    door; bad networks, latecomers and cheats included. Pauses are shortened.
    """
    show = load_show(file)
    curve = Curve(
        fast_share=fast,
        fast_median_ms=1000 * fast_median,
        slow_median_ms=1000 * median,
        slow_sigma=spread,
        tail_share=tail,
        tail_mean_ms=1000 * tail_mean,
    )
    _check_shares(fast, tail)
    _check_url(url, {"--private": private, "--token": token, "--ca": ca})
    habits = Habits(
        drops=drops,
        repeats=repeats,
        late=late,
        forges=forged,
        junk=junk,
        asks=1.0 - cdn_share,
        fresh=new_connections,
    )
    settings = read_settings(config) if config else NodeSettings()
    if gates is not None:
        settings = msgspec.structs.replace(settings, gates=gates)
    fans = fans or show.audience_high
    temporary = data is None or url is not None
    work = Path(tempfile.mkdtemp(prefix="hairpin-rehearsal-")) if temporary else data
    assert work is not None, "either ours or the one that was given"
    wish = Wish(
        show=show,
        show_path=file,
        fans=fans,
        window_s=window,
        habits=habits,
        curve=curve,
        processes=processes,
        connections=connections,
        seed=seed,
        speed=speed,
        settings=settings,
        work=work,
        port=port,
        url=url,
        private=private,
        token=token,
        ca=ca,
        node_data=data if url is not None else None,
        options=_options(context, fans, settings.gates),
    )
    _certify(wish, out, json, temporary)


def _certify(wish: Wish, out: Path | None, json: bool, temporary: bool) -> NoReturn:
    """Rehearse, write the papers, say how it went, and end with what that means.

    A temporary directory stays as evidence where the ledger does not balance, or where a process
    fell over and its log is there.
    """
    screen = RehearsalScreen(wish.fans, len(wish.show.questions), json)
    try:
        outcome = asyncio.run(_until_stopped(wish, screen))
    except HairpinError as error:
        nothing = isinstance(error, YourMistake) or not any(wish.work.iterdir())
        keep_or_remove(wish, temporary and nothing)
        raise
    balanced = outcome is None or outcome.findings.ledger.balanced
    kept = keep_or_remove(wish, temporary and balanced)
    if outcome is None:
        raise typer.Exit(STOPPED)
    in_force = outcome.in_force or configuration(wish.settings, None)
    papers = issue(wish.show, wish.show_path, in_force, outcome.findings, real_world(), out)
    print_outcome(papers, kept, json)
    if not outcome.findings.ledger.balanced:
        raise typer.Exit(EXIT_UNBALANCED)
    raise typer.Exit(0 if papers.signed.certificate.verdict.go else EXIT_NO_GO)


def _options(context: typer.Context, fans: int, gates: int) -> dict[str, Option]:
    """Every option that bears on the rehearsal, as it was in force, by its name."""
    given = {name: value for name, value in context.params.items() if name not in SECRET}
    return {name.replace("_", "-"): value for name, value in given.items()} | {
        "fans": fans,
        "gates": gates,
    }


def _check_shares(fast: float, tail: float) -> None:
    if fast + tail > 1.0:
        raise YourMistake(
            f"--fast and --tail: found {fast:g} and {tail:g}; allowed: together at most 1",
            "They are shares of the same crowd; all others read and think.",
        )


def _check_url(url: str | None, others: dict[str, object]) -> None:
    """Without a front door there is nothing behind it."""
    given = [name for name, value in others.items() if value is not None]
    if url is None and given:
        raise YourMistake(
            f"found {' and '.join(given)} without --url; allowed: together with it",
            "Give the front door of the node that runs, or leave it out.",
        )


async def _until_stopped(wish: Wish, screen: RehearsalScreen) -> Outcome | None:
    """None if a signal ended the rehearsal; the children always end in good order."""
    task = asyncio.create_task(rehearse_show(wish, real_world(), screen))
    loop = asyncio.get_running_loop()
    stop = iter((task.cancel,))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, lambda: next(stop, bool)())
    with contextlib.suppress(asyncio.CancelledError):
        return await task
    return None
