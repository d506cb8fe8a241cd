"""Results for analysts: counts by question, right or wrong, age band and country.

Cells under the show's minimum are suppressed. Totals per question stay exact, and each question has
what was told of it, with the heads by which anybody can verify that.
"""

from __future__ import annotations

import csv
import io

import msgspec
import numpy as np

from hairpin.country import CODES
from hairpin.tally.book import Book
from hairpin.tally.lines import Line
from hairpin.tally.recount import Recount
from hairpin.tally.snapshot import right_masks

COLUMNS = ("question", "outcome", "age_band", "country", "answers")
SUPPRESSED = ""
"""In CSV; in JSON null."""


class Row(msgspec.Struct, frozen=True):
    """One cell; `answers` is None where it is suppressed."""

    question: str
    outcome: str
    age_band: int
    country: str
    answers: int | None


class Told(msgspec.Struct, frozen=True):
    """A version of a question's result as it was published."""

    version: int
    at_ms: int
    reason: str
    answers: int
    right: int
    head: str
    """Of the journal, as far as the result rests on it."""


def told_of(book: Book, question: int) -> tuple[Told, ...]:
    """Every version of a question's result that was told, the first one first."""
    return tuple(
        msgspec.convert(record, Told, from_attributes=True)
        for record in book.published
        if record.question == question
    )


def rows(book: Book) -> list[Row]:
    """All cells with at least one answer, in the show's order."""
    minimum = book.show.cell_min
    return [row for line in book.lines for row in _rows_of(line, minimum)]


def _rows_of(line: Line, minimum: int) -> list[Row]:
    if line.count is None:
        return []
    cells = line.count.cells
    good = right_masks(line.question, line.right)
    bad = [mask for mask in range(len(cells)) if mask not in good]
    outcomes = {"answer": bad} if not line.right else {"right": good, "wrong": bad}
    found = []
    for outcome, masks in outcomes.items():
        counts = cells[masks].sum(axis=0)
        for band, country in np.argwhere(counts > 0).tolist():
            number = int(counts[band, country])
            shown = number if number >= minimum else None
            found.append(Row(line.question.id, outcome, band, CODES[country], shown))
    return found


def as_csv(book: Book, _: Recount) -> str:
    """RFC 4180, first row the names of the columns."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for row in rows(book):
        shown = SUPPRESSED if row.answers is None else row.answers
        writer.writerow((row.question, row.outcome, row.age_band, row.country, shown))
    return out.getvalue()


def as_json(book: Book, found: Recount) -> str:
    """Totals per question, cells, what was told, and the head of the journal as it is now."""
    minimum = book.show.cell_min
    document = {
        "show": found.show,
        "head": found.head,
        "armed": found.permission,
        "cell_min": minimum,
        "age_bands": list(book.show.age_bands),
        "questions": [
            {
                "id": q.id,
                "status": q.status,
                "version": q.version,
                "answers": q.answers,
                "right": q.right,
                "wrong": q.wrong,
                "by_choice": [None if 0 < n < minimum else n for n in q.by_choice or ()],
                "best_country": q.best_country,
                "published": told_of(book, q.question),
            }
            for q in found.questions
        ],
        "cells": rows(book),
    }
    return _pretty(document)


def recount_json(book: Book, found: Recount) -> str:
    """All that a recount found, and to each question what was told of it."""
    document = msgspec.to_builtins(found)
    for index, question in enumerate(document["questions"]):
        question["published"] = told_of(book, index)
    return _pretty(document)


def _pretty(document: object) -> str:
    return msgspec.json.format(msgspec.json.encode(document)).decode() + "\n"
