"""`hairpin certificate`: read one, and check whether it may arm its show on this installation."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hairpin.cli.show import load_show
from hairpin.config import Settings, read_settings
from hairpin.errors import YourMistake
from hairpin.messages import Permission
from hairpin.node.arming import read_certificate
from hairpin.node.arming_facts import configuration, facts_of
from hairpin.node.arming_papers import as_page
from hairpin.node.identity import installation_key, public_key
from hairpin.node.run import in_force
from hairpin.rehearsal.certificate import Certificate, Facts, Signed, differences, key_name
from hairpin.world import real_world

app = typer.Typer(no_args_is_help=True, help="Read and check the certificate of a rehearsal.")

File = Annotated[Path, typer.Argument(help="The JSON file of a certificate.", metavar="FILE")]


@app.command(epilog="Example: hairpin certificate show certificates/night-20261123T200501Z.json")
def show(
    file: File,
    json: Annotated[bool, typer.Option("--json", help="Print it whole, for machines.")] = False,
    html: Annotated[
        Path | None, typer.Option(help="Write its page anew, from the file.", metavar="PAGE")
    ] = None,
) -> None:
    """Say in a few lines what a certificate says; its signature must hold."""
    signed = read_certificate(file)
    if html is not None:
        real_world().disk.replace(html, as_page(signed).encode(), 0o644)
    if json:
        typer.echo(msgspec.json.format(msgspec.json.encode(signed.certificate)).decode())
        return
    _print(signed)


@app.command(epilog="Example: hairpin certificate check FILE --show night.toml")
def check(
    file: File,
    show_file: Annotated[
        Path | None,
        typer.Option("--show", help="Compare with this show file, too.", metavar="SHOW"),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="Compare with these settings; needs --show.")
    ] = None,
    gates: Annotated[
        int | None, typer.Option(min=1, max=64, help="Gate processes, instead of the setting.")
    ] = None,
    tally: Annotated[
        str | None, typer.Option(help="The engine that will count, as for run.", metavar="URL")
    ] = None,
) -> None:
    """Signature, key, verdict, and with --show whether it still matches. Ends with 0 for go."""
    signed = read_certificate(file)
    own = public_key(installation_key(real_world().disk))
    certificate = signed.certificate
    whose = "this installation" if signed.public_key == own else "another installation"
    typer.echo(f"signature  holds; key {key_name(signed.public_key)}, of {whose}")
    typer.echo(f"verdict    {certificate.verdict.word}: {certificate.verdict.summary}")
    good = signed.public_key == own and certificate.verdict.go
    if show_file is not None:
        settings = read_settings(config) if config else Settings()
        settings = msgspec.structs.replace(settings, gates=gates or settings.gates)
        loaded = load_show(show_file)
        now = facts_of(loaded, configuration(in_force(settings), tally))
        good &= _matches(certificate, loaded.id, now)
    raise typer.Exit(0 if good else YourMistake.exit_code)


def grounds_in_words(permission: Permission | None) -> str:
    """How a show was armed, after the word *armed*."""
    if permission is None:
        return "by a version that knew no certificates"
    if permission.grounds == "certificate" and permission.certified_ms is not None:
        dated = datetime.fromtimestamp(permission.certified_ms / 1000, UTC)
        return f"by certificate {permission.certificate} of {dated:%Y-%m-%d %H:%M} UTC"
    if permission.grounds == "override":
        return f"by override: {permission.reason}"
    return f"as a {permission.grounds}, not for people"


def _matches(certificate: Certificate, show_id: str, now: Facts) -> bool:
    if show_id != certificate.show:
        typer.echo(f"matches    no: it is of the show {certificate.show!r}, not {show_id!r}")
        return False
    differ = differences(certificate.facts, now)
    typer.echo(f"matches    {'no' if differ else 'yes'}")
    for difference in differ:
        typer.echo(f"  {difference}")
    return not differ


def _print(signed: Signed) -> None:
    certificate = signed.certificate
    found, console = certificate.findings, Console(highlight=False, soft_wrap=True)
    answers, latency = found.rate("answers"), found.latency("answers")
    capacity = found.gate.capacity_answers_per_s_per_core
    console.print(Text(f"{certificate.verdict.word.upper()}  {certificate.title}", style="bold"))
    console.print(Text(certificate.verdict.summary + "\n"))
    facts = Table.grid(padding=(0, 2))
    rows = [
        ("certificate", f"{certificate.id} of {certificate.dated}"),
        ("signed by", key_name(signed.public_key)),
        ("machine", f"{certificate.machine.cpu}, {certificate.machine.cores} cores"),
        ("fans", f"{found.fans:,} of {certificate.facts.audience.high:,}"),
    ]
    if answers is not None:
        rows.append(("answers", f"{answers.reached_per_s:,.0f}/s of {answers.target_per_s:,.0f}/s"))
    if latency is not None:
        rows.append(("latency", f"p50 {latency.p50_ms:g} ms, p99.9 {latency.p999_ms:g} ms"))
    if found.wall_lag_p99_ms is not None:
        rows.append(("wall", f"{found.wall_lag_p99_ms:,.0f} ms behind (p99)"))
    rows.append(("ledger", "balances" if found.ledger.balanced else "does not balance"))
    if capacity is not None:
        rows.append(("capacity", f"{capacity:,.0f} answers/s per core"))
    for name, fact in rows:
        facts.add_row(Text(name, style="dim"), Text(fact))
    console.print(facts)
    for limit in certificate.verdict.limits:
        console.print(Text(f"\n{limit.rule}: found {limit.found}; needed: {limit.needed}"))
        console.print(Text(f"  {limit.lift}"))
