"""`hairpin run` serves a show; `hairpin warm` compiles ahead of time."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Annotated

import msgspec
import segno
import typer

from hairpin.cli.certificate import grounds_in_words
from hairpin.cli.show import load_show
from hairpin.config import read_settings
from hairpin.errors import YourMistake
from hairpin.node.arming import Grounds, Purpose
from hairpin.node.data import NodeFile
from hairpin.node.run import Node, Wish
from hairpin.node.warm import warm as warm_kernels
from hairpin.rehearsal import sockets

EPILOG = "Example: hairpin run examples/by-hand.toml --data ./my-show --override 'trying it out'"


def run(
    file: Annotated[Path, typer.Argument(help="A show file.", metavar="SHOW")],
    data: Annotated[Path, typer.Option(help="Data directory of this show; created if need be.")],
    port: Annotated[
        int, typer.Option(min=1, max=65_534, help="For phones; wall and console: the next one.")
    ] = 8_000,
    lan: Annotated[
        bool, typer.Option("--lan", help="Phones from the whole network; prints a QR code.")
    ] = False,
    host: Annotated[
        str, typer.Option(help="Address that phones connect to.", metavar="ADDRESS")
    ] = "127.0.0.1",
    private_host: Annotated[
        str, typer.Option(help="Address of wall and console.", metavar="ADDRESS")
    ] = "127.0.0.1",
    start: Annotated[
        str | None,
        typer.Option(
            help="now, +SECONDS, or a time such as 2026-12-31T20:00:00+01:00, for the first run."
        ),
    ] = None,
    speed: Annotated[
        float, typer.Option(min=1.0, help="Divides the pauses, never the questions.")
    ] = 1.0,
    config: Annotated[
        Path | None, typer.Option(help="Settings; default: hairpin.toml in the data directory.")
    ] = None,
    gates: Annotated[
        int | None, typer.Option(min=1, max=64, help="Gate processes, instead of the setting.")
    ] = None,
    certificate: Annotated[
        Path | None,
        typer.Option(
            help="The rehearsal's certificate; default: the newest that matches, in certificates/ "
            "beside the show file.",
            metavar="FILE",
        ),
    ] = None,
    override: Annotated[
        str | None,
        typer.Option(
            help="Arm without a certificate, for this reason; the journal keeps it.",
            metavar="REASON",
        ),
    ] = None,
    purpose: Annotated[
        Purpose,
        typer.Option(help="A rehearsal or demo needs no certificate, and says so on the console."),
    ] = Purpose.SHOW,
    degraded: Annotated[
        bool,
        typer.Option("--degraded", help="Start though a mirror of the journal is missing."),
    ] = False,
    tally: Annotated[
        str | None,
        typer.Option(
            help="Count approximately, in this memcached (memcached://HOST:PORT), instead of "
            "exactly: no leaderboard, repeats count.",
            metavar="URL",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print addresses for machines.")] = False,
) -> None:
    """Run a show until Ctrl-C. Run it again on the same data, and it goes on where it was.

    A show for people is armed only with a certificate of its rehearsal that still holds, or with
    --override.
    """
    start_ms, start_after_ms = _start(start)
    wish = Wish(
        show=load_show(file),
        show_path=file,
        data=data,
        host="0.0.0.0" if lan else host,  # noqa: S104 - asked for
        port=port,
        private_host=private_host,
        start_ms=start_ms,
        start_after_ms=start_after_ms,
        speed=speed,
        settings=read_settings(config) if config else None,
        gates=gates,
        grounds=Grounds(purpose, certificate, override),
        degraded=degraded,
        tally=tally,
    )
    node = Node(wish)

    def ready(facts: NodeFile) -> None:
        if json:
            typer.echo(msgspec.json.encode(facts).decode())
        else:
            _print_addresses(facts, lan, tally)

    raise typer.Exit(node.run(ready))


def warm() -> None:
    """Compile all kernels into the cache: once after installing, or when building an image."""
    warm_kernels()
    sockets.warm()


def _start(text: str | None) -> tuple[int | None, int | None]:
    """A time in ms since 1970, or ms from the moment when the node serves."""
    if text is None:
        return None, None
    if text == "now":
        return None, 0
    if re.fullmatch(r"\+[0-9]{1,6}", text):
        return None, int(text) * 1000
    try:
        start = datetime.fromisoformat(text)
    except ValueError:
        start = None
    if start is None or start.tzinfo is None:
        raise YourMistake(
            f"--start: found {text!r}; allowed: now, +SECONDS, or a time with its offset from UTC",
            "For example --start 2026-12-31T20:00:00+01:00",
        )
    return round(start.timestamp() * 1000), None


def _print_addresses(node: NodeFile, lan: bool, tally: str | None) -> None:
    typer.echo(f"phone    {node.phone}/")
    typer.echo(f"wall     {node.private}/wall?token={node.token}")
    typer.echo(f"console  {node.private}/console?token={node.token}")
    if lan:
        segno.make(node.phone + "/").terminal(compact=True)
    typer.echo(f"armed    {grounds_in_words(node.permission)}")
    if tally:
        typer.echo(f"tally    {tally}: approximate, without a leaderboard")
    typer.echo("Ctrl-C ends it.")
