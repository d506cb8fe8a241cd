"""What `hairpin demo` shows: a live picture on a terminal, plain lines elsewhere."""

from __future__ import annotations

import io
from collections import deque
from types import TracebackType

import segno
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from hairpin.rehearsal.crowd import Progress
from hairpin.rehearsal.ledger import Ledger
from hairpin.rehearsal.night import Night

HEIGHTS = " ▁▂▃▄▅▆▇█"
RATES_SHOWN = 40
LEADERS_SHOWN = 10


def hairpin(rates: list[float]) -> str:
    """The answer rate as the sign it is named after: it opens as answers swell, then closes."""
    top = max(rates, default=0.0)
    if top <= 0.0:
        return "<" + " " * len(rates) + ">"
    steps = len(HEIGHTS) - 1
    return "<" + "".join(HEIGHTS[round(rate / top * steps)] for rate in rates) + ">"


class DemoScreen:
    """Prints addresses, progress and the ledger; a context manager around the live part."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None
        self._rates: deque[float] = deque([0.0] * RATES_SHOWN, maxlen=RATES_SHOWN)
        self._said: tuple[str, int | None] | None = None

    def addresses(self, night: Night) -> None:
        facts, settings = night.facts, night.settings
        self.say(
            f"< > {facts.show}: {settings.fans:,} synthetic fans on "
            f"{settings.connections} connections; join them from a browser"
        )
        self.say(f"phone    {facts.public}/")
        self.say(f"wall     {facts.private}/wall?token={facts.token}")
        self.say(f"console  {facts.private}/console?token={facts.token}")
        self.say(f"data     {settings.data}")

    def qr(self, url: str) -> None:
        """For phones in the same network."""
        drawn = io.StringIO()
        segno.make(url, error="m").terminal(drawn, compact=True, border=2)
        self._console.print(Text.from_ansi(drawn.getvalue()), soft_wrap=True)
        self._console.print(url)

    def __enter__(self) -> DemoScreen:
        if self._console.is_terminal:
            self._live = Live(console=self._console, refresh_per_second=4, transient=True)
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def show(self, night: Night) -> None:
        """Called after each sign of progress of the crowd."""
        progress, tally = night.progress, night.console.tally
        if progress is None:
            return
        self._rates.append(tally.answers_per_s if tally else 0.0)
        if self._live is not None:
            self._live.update(self._picture(night, progress))
        elif self._said != (progress.state, progress.question):
            self._said = (progress.state, progress.question)
            self._console.print(_line(night, progress), highlight=False, soft_wrap=True)

    def _picture(self, night: Night, progress: Progress) -> Group:
        tally = night.console.tally
        table = Table.grid(padding=(0, 2))
        table.add_row("question", f"{_place(progress)}  [bold]{progress.state}[/bold]")
        table.add_row("joined", f"{progress.joined:,} of {progress.fans:,}")
        table.add_row("answers", f"{progress.sent:,} sent, {progress.acknowledged:,} acknowledged")
        table.add_row("refused", f"{progress.refused:,}, unanswered {progress.unanswered:,}")
        if tally is not None:
            table.add_row("counted", f"{tally.counted:,} and {tally.repeats:,} repeats")
        lag = night.wall.lag_ms_p99
        table.add_row("wall lag", "-" if lag is None else f"{lag:.0f} ms at the 99th percentile")
        rate = Text(hairpin(list(self._rates)), style="bold dark_orange")
        rate.append(f"  {self._rates[-1]:,.0f} answers/s", style="none")
        return Group(table, rate)

    def ledger(self, ledger: Ledger) -> None:
        self._console.print(_questions(ledger))
        self._console.print(_leaders(ledger))
        self._console.print(_sums(ledger), highlight=False)
        if ledger.balanced:
            self._console.print("[bold green]The ledger balances.[/bold green]")
            return
        self._console.print("[bold red]The ledger does not balance:[/bold red]")
        for problem in ledger.problems:
            self._console.print(f"  - {problem}", highlight=False, markup=False, soft_wrap=True)

    def say(self, text: str) -> None:
        self._console.print(text, highlight=False, soft_wrap=True)


def _place(progress: Progress) -> str:
    return "-" if progress.question is None else f"{progress.question + 1} of {progress.of}"


def _line(night: Night, progress: Progress) -> str:
    tally = night.console.tally
    counted = tally.counted if tally else 0
    return (
        f"question {_place(progress)} {progress.state}: {progress.joined} joined, "
        f"{progress.sent} sent, {progress.acknowledged} acknowledged, {counted} counted, "
        f"{progress.refused} refused, {progress.unanswered} unanswered"
    )


def _questions(ledger: Ledger) -> Table:
    table = Table(title="Questions", title_justify="left")
    for name in ("question", "answers", "right", "wrong", "best country"):
        table.add_column(name, justify="left" if name in ("question", "best country") else "right")
    for question in ledger.questions:
        best = question.best_country
        share = f"{best.country}  {best.right / best.answers:.0%} right" if best else "-"
        answers = sum(cell.answers for cell in question.by_age_band)
        judged = question.right + question.wrong > 0
        right, wrong = (f"{question.right:,}", f"{question.wrong:,}") if judged else ("a poll", "-")
        table.add_row(question.id, f"{answers:,}", right, wrong, share)
    return table


def _leaders(ledger: Ledger) -> Table:
    table = Table(title=f"Top {LEADERS_SHOWN}", title_justify="left")
    for name in ("rank", "fan", "right", "seconds", "country"):
        table.add_column(name, justify="left" if name == "country" else "right")
    for leader in ledger.leaderboard[:LEADERS_SHOWN]:
        seconds = f"{leader.total_ms / 1000:.3f}"
        table.add_row(str(leader.rank), str(leader.fan), str(leader.right), seconds, leader.country)
    return table


def _sums(ledger: Ledger) -> Table:
    table = Table(title="Ledger", title_justify="left", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_column()
    refused = ", ".join(f"{why} {number:,}" for why, number in sorted(ledger.refused.items()))
    rows = (
        ("fans", ledger.fans, f"and {ledger.visitors:,} visitors" if ledger.visitors else ""),
        ("sent", ledger.sent, "= acknowledged + refused + unanswered"),
        ("acknowledged", ledger.acknowledged, "all of them journalled"),
        ("refused", sum(ledger.refused.values()), refused),
        ("unanswered", ledger.unanswered, "the connection broke before the reply"),
        ("journalled", ledger.journalled, "= counted + repeats"),
        ("counted", ledger.counted, "one for each fan and question"),
        ("repeats", ledger.repeats, ""),
        ("recounted", ledger.recounted, "again, from the journal alone"),
    )
    for name, number, meaning in rows:
        table.add_row(name, f"{number:,}", meaning)
    lag = "-" if ledger.wall_lag_ms_p99 is None else f"{ledger.wall_lag_ms_p99:.0f}"
    table.add_row("wall lag", lag, "ms at the 99th percentile")
    p50, p99 = ledger.latency_ms_p50, ledger.latency_ms_p99
    table.add_row("reply", f"{p50:.1f}", f"ms at the median, {p99:.1f} at the 99th percentile")
    return table
