"""`hairpin journal scrub` and `check`: is every byte what was written?"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from hairpin.cli.journal_places import journal_at, many, progress_bar
from hairpin.errors import DataDamaged, YourMistake
from hairpin.journal import Readable
from hairpin.journal.check import Checked, Found, OneMirror, check
from hairpin.journal.disk import DiskJournal
from hairpin.journal.names import segment_name
from hairpin.journal.scrub import Scrub, ScrubResult
from hairpin.journal.status import Degraded
from hairpin.tally.recount import Recounter
from hairpin.world import real_world

SCRUB_EPILOG = "Example: hairpin journal scrub ./my-show --rate 50"
CHECK_EPILOG = "Example: hairpin journal check ./my-show"
RESTORE = "Keep the files as they are, and restore what is lost from a copy."
_MEGABYTE = 1_000_000

Data = Annotated[Path, typer.Argument(help="Data directory of a show, or a mirror.", metavar="DIR")]


class Heads(msgspec.Struct, frozen=True):
    """What comparing fenced ends and published heads gave."""

    verified: int | None
    """How many heads hold; None if they were not compared, or one does not."""
    why: str
    """Of None."""
    wrong: bool = False
    """One does not hold, or an end does not."""


class CheckReport(msgspec.Struct, frozen=True):
    journal: str
    strands: int
    living: list[int]
    frames: int
    bytes: int
    found: list[Found]
    heads: Heads
    others: list[str]


def scrub_command(
    data: Data,
    rate: Annotated[
        float | None,
        typer.Option(help="Read at most so many megabytes per second.", metavar="MB/S"),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print for machines.")] = False,
) -> None:
    """Read everything in every mirror and heal what is bad, while the show goes on."""
    if rate is not None and rate <= 0:
        raise YourMistake(f"--rate {rate:g} reads nothing", "Give megabytes per second, above 0.")
    world = real_world()
    work = Scrub(world, journal_at(data, world).mirrors)
    began_s = time.monotonic()
    with progress_bar() as told:
        while not (progress := work.step()).finished:
            told("scrubbing", progress.done_bytes, progress.all_bytes)
            if rate is not None:
                ahead_s = progress.done_bytes / (rate * _MEGABYTE) - (time.monotonic() - began_s)
                time.sleep(max(ahead_s, 0.0))
    assert work.result is not None
    if json:
        typer.echo(msgspec.json.format(msgspec.json.encode(work.result)).decode())
    else:
        _print_scrub(work.result)
    _judge_scrub(work.result)


def _judge_scrub(result: ScrubResult) -> None:
    """Raises DataDamaged if something is lost, Degraded if not every mirror was read."""
    problems = [damage.place for damage in result.damages] + list(result.others)
    if problems:
        raise DataDamaged("not all could be healed: " + "; ".join(problems), RESTORE)
    if result.unread:
        raise Degraded("; ".join(result.unread), "See: hairpin journal status DIR")


def _print_scrub(result: ScrubResult) -> None:
    typer.echo(
        f"read {result.bytes:,} bytes in {many(len(result.mirrors), 'mirror')}: "
        f"{many(result.frames, 'frame')}"
    )
    for directory, frames in sorted(result.healed.items()):
        typer.echo(f"healed in {directory}: {frames:,} (frames, labels, snapshots)")
    if not result.healed:
        typer.echo("nothing had to be healed")
    for damage in result.damages:
        typer.echo(f"bad: {damage.place}")
    if result.unfinished_bytes:
        typer.echo(f"{result.unfinished_bytes:,} bytes at ends of strands were never finished")


def check_command(
    data: Data,
    json: Annotated[bool, typer.Option("--json", help="Print for machines.")] = False,
) -> None:
    """Verify every frame, chain, end and published head, and change nothing."""
    world = real_world()
    journal = journal_at(data, world)
    with progress_bar() as told:
        done = 0

        def more(size_bytes: int) -> None:
            nonlocal done
            done += size_bytes
            told("verifying", done, 0)

        checked = check(journal, more)
    others = [f"{mirror.directory} is no member" for mirror in journal.mirrors.others()]
    report = CheckReport(
        journal=f"{journal.id:016x}",
        strands=len(checked.strands),
        living=checked.living,
        frames=checked.frames,
        bytes=checked.bytes,
        found=checked.found,
        heads=_heads(journal, checked),
        others=others,
    )
    if json:
        typer.echo(msgspec.json.format(msgspec.json.encode(report)).decode())
    else:
        _print_check(report)
    _judge(report, checked)


def _heads(journal: DiskJournal, checked: Checked) -> Heads:
    """Fenced ends and published heads, by the first mirror in which every frame is good."""
    whole = [m for m in journal.mirrors.members() if str(m.directory) in checked.whole]
    if not whole:
        return Heads(None, "no mirror has every frame")
    one: Readable = OneMirror(journal, whole[0])
    try:
        return Heads(Recounter(one).run().heads_verified, "")
    except YourMistake as error:
        return Heads(None, error.message)  # it holds no show, or one of a later version
    except DataDamaged as damage:
        return Heads(None, damage.message, wrong=True)


def _print_check(report: CheckReport) -> None:
    alive = f", {len(report.living)} being written" if report.living else ""
    typer.echo(
        f"journal {report.journal}: {many(report.strands, 'strand')}{alive}, "
        f"{many(report.frames, 'frame')}, "
        f"{report.bytes:,} bytes"
    )
    for one in report.found:
        typer.echo(_line(one))
    if report.heads.verified is None:
        typer.echo(f"published heads were not compared: {report.heads.why}")
    else:
        typer.echo(f"fenced ends hold, and {many(report.heads.verified, 'published head')}")
    for other in report.others:
        typer.echo(f"{other}, and was not read")


def _line(one: Found) -> str:
    gap = one.gap
    size = "" if gap.bytes is None else f", {gap.bytes:,} bytes"
    place = f"{gap.directory}/{segment_name(gap.incarnation, gap.segment)} at byte {gap.offset}"
    fate = "good in another mirror" if one.elsewhere else "lost"
    return f"{place}{size}: {gap.lost}, {fate}: {gap.why}"


def _judge(report: CheckReport, checked: Checked) -> None:
    """Raises DataDamaged if anything is not what was written."""
    if checked.lost:
        raise DataDamaged(f"lost: {many(len(checked.lost), 'range')}", RESTORE)
    if checked.found:
        raise DataDamaged(
            f"bad in one mirror and good in another: {many(len(checked.found), 'range')}",
            "Heal them: hairpin journal scrub DIR",
        )
    if report.heads.wrong:
        raise DataDamaged(f"the journal does not hold: {report.heads.why}", RESTORE)
