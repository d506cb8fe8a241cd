"""`hairpin results --tally`: what memcached holds, beside what the journal says."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from hairpin.tally.memcached_results import ComparedQuestion, Comparison

COLUMNS = ("memcached", "right", "exact", "right", "repeats", "difference")


def print_comparison(comparison: Comparison) -> None:
    """For people: one row for each question."""
    console = Console()
    table = Table(title=f"{comparison.show}: {comparison.tally} beside the journal")
    table.add_column("question")
    for name in COLUMNS:
        table.add_column(name, justify="right")
    for question in comparison.questions:
        table.add_row(question.id, *_numbers(question))
    console.print(table)
    for line in _remarks(comparison):
        typer.echo(line)


def comparison_json(comparison: Comparison) -> str:
    return msgspec.json.format(msgspec.json.encode(comparison)).decode() + "\n"


def _numbers(question: ComparedQuestion) -> tuple[str, ...]:
    there, here = question.memcached, question.exact
    if here is None:
        return f"{there.answers:,}", f"{there.right:,}", "", "", "", ""
    numbers = (there.answers, there.right, here.answers, here.right, question.repeats)
    difference = f"{question.difference:+,}" if question.difference else "0"
    return (*(f"{number:,}" for number in numbers), difference)


def _remarks(comparison: Comparison) -> list[str]:
    remarks = []
    if comparison.lost_ms is not None:
        lost = datetime.fromtimestamp(comparison.lost_ms / 1000, UTC)
        remarks.append(f"memcached lost what it had counted before {lost:%Y-%m-%d %H:%M:%S} UTC.")
    if all(question.exact is None for question in comparison.questions):
        remarks.append("There is no journal here to compare with.")
    else:
        remarks.append(
            "memcached counts repeats; what it forgets or never got is missing. "
            "The journal's count is the result."
        )
    return remarks
