"""What `hairpin rehearse` shows: bars on a terminal, plain lines elsewhere, and the verdict."""

from __future__ import annotations

import sys
from pathlib import Path
from types import TracebackType

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.table import Table

from hairpin.node.arming_papers import Papers
from hairpin.rehearsal.crowd import Progress
from hairpin.rehearsal.findings import Findings


class RehearsalScreen:
    """A context manager around the live part. With `--json` it is silent."""

    def __init__(self, fans: int, questions: int, json: bool) -> None:
        self._console = Console(stderr=json, highlight=False)
        self._silent = json
        self._fans = fans
        self._questions = questions
        self._bars: Bars | None = None
        self._tasks: tuple[TaskID, TaskID, TaskID] | None = None
        self._said: tuple[str, int | None] | None = None

    def say(self, text: str) -> None:
        if not self._silent:
            self._console.print(text, soft_wrap=True)

    def __enter__(self) -> RehearsalScreen:
        if self._console.is_terminal and not self._silent:
            self._bars = Bars(
                TextColumn("{task.description:<10}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("{task.fields[note]}"),
                console=self._console,
            )
            self._tasks = (
                self._bars.add_task("joined", total=self._fans, note=""),
                self._bars.add_task("questions", total=self._questions, note=""),
                self._bars.add_task("answers", total=self._fans * self._questions, note=""),
            )
            self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bars is not None:
            self._bars.stop()
            self._bars = None

    def show(self, progress: Progress | None) -> None:
        """Called after each sign of progress of the crowd."""
        if progress is None or self._silent:
            return
        if self._bars is not None and self._tasks is not None:
            self._move(self._bars, self._tasks, progress)
        elif self._said != (progress.state, progress.question):
            self._said = (progress.state, progress.question)
            self.say(_line(progress))

    def _move(self, bars: Bars, tasks: tuple[TaskID, TaskID, TaskID], progress: Progress) -> None:
        joined, questions, answers = tasks
        begun = 0 if progress.question is None else progress.question + 1
        closed = begun if progress.state not in ("open", "waiting") else max(begun - 1, 0)
        bars.update(joined, completed=progress.joined)
        bars.update(questions, completed=closed, note=progress.state)
        note = f"{progress.refused:,} refused, {progress.unanswered:,} unanswered"
        bars.update(answers, completed=progress.acknowledged, note=note)


def print_outcome(papers: Papers, kept: Path | None, json: bool) -> None:
    """The verdict, what it rests on, and where the papers are."""
    certificate = papers.signed.certificate
    if json:
        document = {
            "verdict": certificate.verdict,
            "certificate": str(papers.certificate_path),
            "page": str(papers.page_path),
            "data": None if kept is None else str(kept),
            "findings": certificate.findings,
        }
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(document)) + b"\n")
        return
    console = Console(highlight=False)
    console.print(_measured(certificate.findings))
    _print_ledger(console, certificate.findings)
    colour = "green" if certificate.verdict.go else "red"
    word = certificate.verdict.word.upper()
    console.print(f"[bold {colour}]{word}[/bold {colour}]  {certificate.verdict.summary}")
    for limit in certificate.verdict.limits:
        typer.echo(f"  {limit.rule}: found {limit.found}; needed: {limit.needed}")
        typer.echo(f"    {limit.lift}")
    typer.echo(f"certificate  {papers.certificate_path}")
    typer.echo(f"page         {papers.page_path}")
    if kept is not None:
        typer.echo(f"data         {kept}")


def _line(progress: Progress) -> str:
    place = "-" if progress.question is None else f"{progress.question + 1} of {progress.of}"
    return (
        f"question {place} {progress.state}: {progress.joined} joined, {progress.sent} sent, "
        f"{progress.acknowledged} acknowledged, {progress.refused} refused, "
        f"{progress.unanswered} unanswered"
    )


def _measured(found: Findings) -> Table:
    table = Table(title="Measured: per second, and milliseconds", title_justify="left")
    for name in ("", "wanted", "reached", "requests", "p50", "p99", "p99.9", "max"):
        table.add_column(name, justify="right" if name else "left")
    for latency in found.latencies:
        rate = found.rate(latency.kind)
        table.add_row(
            latency.kind,
            f"{rate.target_per_s:,.0f}" if rate else "-",
            f"{rate.reached_per_s:,.0f}" if rate else "-",
            f"{latency.requests:,}",
            *(
                f"{value:,.1f}"
                for value in (latency.p50_ms, latency.p99_ms, latency.p999_ms, latency.max_ms)
            ),
        )
    return table


def _print_ledger(console: Console, found: Findings) -> None:
    ledger, gate = found.ledger, found.gate
    console.print(
        f"ledger   {ledger.sent:,} sent = {ledger.acknowledged:,} acknowledged + "
        f"{ledger.refused:,} refused + {ledger.unanswered:,} unanswered"
    )
    if ledger.journalled is not None:
        console.print(
            f"         {ledger.journalled:,} journalled = {ledger.counted:,} counted + "
            f"{ledger.repeats:,} repeats"
        )
    for problem in ledger.problems:
        console.print(f"         {problem}", markup=False, soft_wrap=True)
    if gate.cpu_us_per_answer is not None:
        console.print(
            f"gates    {gate.cpu_us_per_answer:.2f} CPU us per acknowledged answer: "
            f"{gate.capacity_answers_per_s_per_core:,.0f} answers/s per core"
        )
    lag = "-" if found.wall_lag_p99_ms is None else f"{found.wall_lag_p99_ms:,.0f} ms (p99)"
    crowd = found.generator
    console.print(f"wall     {lag} behind")
    console.print(
        f"crowd    {crowd.processes} processes, {crowd.cores_peak:.1f} cores at most, "
        f"{crowd.behind_ms_p99:,.0f} ms (p99) late"
    )
