"""`hairpin check` and `hairpin import`: a show file before the night."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hairpin.errors import YourMistake
from hairpin.sheet import import_questions
from hairpin.show import Question, Show
from hairpin.showfile import images, read_show
from hairpin.showfile.values import span
from hairpin.world import real_world


def check(
    file: Annotated[Path, typer.Argument(help="A show file.", metavar="FILE")],
    json: Annotated[bool, typer.Option("--json", help="Print for machines.")] = False,
) -> None:
    """Read a show file: print its running order, or every mistake in it at once.

    Exit code 0 if the file is good, 2 if it is not.

    Example: hairpin check examples/first-light.toml
    """
    try:
        show = load_show(file)
    except YourMistake as mistake:
        if not json:
            raise
        _print_json(_mistakes(file, mistake))
        raise typer.Exit(mistake.exit_code) from None
    if json:
        _print_json(_summary(file, show))
    else:
        _print_summary(file, show)


def import_(
    file: Annotated[Path, typer.Argument(help="Questions as CSV (UTF-8) or XLSX.", metavar="FILE")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The show file to write. Default: FILE, as .toml."),
    ] = None,
    language: Annotated[
        str, typer.Option(help="The language of columns that name none.", metavar="TAG")
    ] = "en",
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
) -> None:
    """Turn a spreadsheet of questions into a show file.

    Example: hairpin import examples/questions.csv -o night.toml
    """
    target = output or file.with_suffix(".toml")
    text = import_questions(file.name, _read(file), language)
    if target.is_dir():
        raise YourMistake(f"{target} is a directory", "Name a file in it with --output.")
    if target.exists() and not force:
        raise YourMistake(
            f"{target} exists already",
            "Name another file with --output, or replace this one with --force.",
        )
    try:
        real_world().disk.replace(target, text.encode(), mode=0o644)
    except OSError as error:
        raise YourMistake(
            f"{target} cannot be written: {error.strerror}", "Name another file with --output."
        ) from None
    count = len(read_show(text, file.name).questions)
    questions = "1 question" if count == 1 else f"{count} questions"
    Console(soft_wrap=True).print(
        Text(f"Wrote {target} with {questions}. Edit its first settings, then:\n")
        + Text(f"  hairpin check {target}")
    )


def load_show(file: Path) -> Show:
    """The show in a file, its images checked too. Raises `YourMistake` with all findings."""
    try:
        text = _read(file).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise YourMistake(
            f"{file} is not text in UTF-8: byte {error.start} is 0x{error.object[error.start]:02x}",
            "Save it as UTF-8 in your editor.",
        ) from None
    return read_show(text, str(file), lambda path: (file.parent / path).is_file())


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise YourMistake(
            f"{file} cannot be read: {error.strerror}", "Name a file that is there and readable."
        ) from None


def _print_json(value: object) -> None:
    typer.echo(msgspec.json.format(msgspec.json.encode(value), indent=2))


def _mistakes(file: Path, mistake: YourMistake) -> dict[str, object]:
    return {
        "ok": False,
        "file": str(file),
        "message": mistake.message,
        "remedy": mistake.remedy,
        "findings": [
            {"place": finding.place, "found": finding.found, "allowed": finding.allowed}
            for finding in mistake.findings
        ],
    }


def _summary(file: Path, show: Show) -> dict[str, object]:
    return {
        "ok": True,
        "file": str(file),
        "id": show.id,
        "title": show.title,
        "languages": show.languages,
        "mode": show.mode,
        "start_ms": show.start_ms,
        "audience": {"low": show.audience_low, "high": show.audience_high},
        "hash": show.hash(),
        "questions": [
            {
                "id": question.id,
                "opens_after_ms": question.opens_after_ms,
                "duration_ms": question.duration_ms,
                "choices": len(question.choices),
                "right": _right(question),
                "multiple": question.multiple,
                "poll": question.poll,
            }
            for question in show.questions
        ],
        "images": [path for _, path in images(show)],
    }


def _print_summary(file: Path, show: Show) -> None:
    console = Console(highlight=False)
    first = show.languages[0]
    console.print(Text(f"{file} is good: {show.title[first]} ({show.id})\n"))
    facts = Table.grid(padding=(0, 2))
    for name, fact in _facts(show):
        facts.add_row(Text(name, style="dim"), Text(fact))
    console.print(facts)
    console.print()
    order = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for heading in ("", "id", "opens", "open for"):
        order.add_column(heading, justify="right" if heading != "id" else "left", no_wrap=True)
    for heading in ("choices", "right", "question"):
        order.add_column(heading, justify="left", ratio=1 if heading == "question" else None)
    for number, question in enumerate(show.questions, 1):
        order.add_row(
            str(number),
            Text(question.id),
            _opens(question),
            "by hand" if question.duration_ms is None else span(question.duration_ms),
            str(len(question.choices)),
            _right_in_words(question),
            Text(question.text[first]),
        )
    console.print(order)


def _facts(show: Show) -> list[tuple[str, str]]:
    fans = f"{show.audience_low:,} to {show.audience_high:,}, at most {show.tickets_max:,} tickets"
    pictures = sorted({path for _, path in images(show)})
    return [
        ("languages", f"{', '.join(show.languages)}; every text is there in each of them"),
        ("mode", f"{show.mode}, {_begins(show)}"),
        ("fans", fans),
        ("images", ", ".join(pictures) or "none"),
    ]


def _begins(show: Show) -> str:
    if show.start_ms is None:
        return "starts when it is run"
    start = datetime.fromtimestamp(show.start_ms / 1_000, UTC)
    return f"starts on {start:%Y-%m-%d} at {start:%H:%M:%S} UTC"


def _opens(question: Question) -> str:
    if question.opens_after_ms is None:
        return "by hand"
    minutes, seconds = divmod(question.opens_after_ms // 1_000, 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"


def _right(question: Question) -> list[int]:
    """Numbers of the right choices, from 1, as in the show file."""
    return [n for n in range(1, len(question.choices) + 1) if question.right & 1 << (n - 1)]


def _right_in_words(question: Question) -> str:
    numbers = list(map(str, _right(question)))
    return (" and " if question.multiple else " or ").join(numbers) or "poll"
