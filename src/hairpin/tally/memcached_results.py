"""What memcached holds, read back in full, beside what the journal says."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable

import msgspec
import numpy as np

from hairpin.country import CODES
from hairpin.errors import YourMistake
from hairpin.tally.book import Book
from hairpin.tally.export import COLUMNS, rows
from hairpin.tally.memcached import Server
from hairpin.tally.memcached_card import Card, expect_own, read_card
from hairpin.tally.memcached_keys import CELLS, OUTCOMES, Deltas, Scheme, cell_name, shaped
from hairpin.tally.recount import Recount

Progress = Callable[[int, int], None]
"""Told (questions read, questions in all)."""


class Sums(msgspec.Struct, frozen=True):
    answers: int
    right: int
    wrong: int


class ComparedQuestion(msgspec.Struct, frozen=True):
    """`exact`, `repeats` and `difference` are None where there is no journal."""

    id: str
    memcached: Sums
    exact: Sums | None = None
    repeats: int | None = None
    difference: int | None = None
    """Answers in memcached, less those that count."""


class ComparedCell(msgspec.Struct, frozen=True):
    """A count is None if it is below the show's cell_min, or, if exact, not known."""

    question: str
    outcome: str
    age_band: int
    country: str
    memcached: int | None
    exact: int | None


class Comparison(msgspec.Struct, frozen=True):
    tally: str
    """Address of the memcached."""
    show: str
    journal: str
    cell_min: int
    lost_ms: int | None
    """When it was found that memcached had lost its counts; ms since 1970."""
    questions: tuple[ComparedQuestion, ...]
    cells: tuple[ComparedCell, ...]


class Exact:
    """The journal's side: a recount, and the id of its journal."""

    def __init__(self, journal_id: int, book: Book, found: Recount) -> None:
        self.journal_id = journal_id
        self.questions = {q.id: q for q in found.questions}
        self.cells = {
            (row.question, row.outcome, row.age_band, row.country): row.answers
            for row in rows(book)
        }
        self.polls = {line.question.id for line in book.lines if not line.right}


def compare(server: Server, exact: Exact | None, progress: Progress) -> Comparison:
    """Raises EngineDown; YourMistake if it holds no counters, or those of another journal."""
    card = _card(server, exact)
    scheme = Scheme(card.heavy)
    questions: list[ComparedQuestion] = []
    cells: list[ComparedCell] = []
    for index, name in enumerate(card.questions):
        counts = _read(server, scheme, index)
        progress(index + 1, len(card.questions))
        questions.append(_question(name, counts, exact))
        cells.extend(_cells(name, counts, card.cell_min, exact))
    return Comparison(
        tally=str(server.address),
        show=card.show,
        journal=card.journal,
        cell_min=card.cell_min,
        lost_ms=card.lost_ms,
        questions=tuple(questions),
        cells=tuple(cells),
    )


def cells_csv(comparison: Comparison) -> str:
    """RFC 4180, first row the names of the columns."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow((*COLUMNS[:-1], "memcached", "exact"))
    writer.writerows(msgspec.structs.astuple(cell) for cell in comparison.cells)
    return out.getvalue()


def _card(server: Server, exact: Exact | None) -> Card:
    card = read_card(server)
    if card is None:
        raise YourMistake(
            f"{server.address} holds no counters of a show",
            "memcached forgets everything when it ends. The journal does not: leave --tally out.",
        )
    if exact is not None:
        expect_own(card, exact.journal_id, server)
    return card


def _read(server: Server, scheme: Scheme, question: int) -> Deltas:
    """Every counter that the question can have."""
    counts = np.zeros(CELLS, np.int64)
    for place in range(CELLS):
        cell = cell_name(place)
        if cell.country < len(CODES):
            counts[place] = server.total(scheme.keys(question, cell))
    return counts


def _question(name: str, counts: Deltas, exact: Exact | None) -> ComparedQuestion:
    wrong, right = shaped(counts).sum(axis=(0, 1)).tolist()
    there = Sums(wrong + right, right, wrong)
    if exact is None:
        return ComparedQuestion(name, there)
    told = exact.questions[name]
    here = Sums(told.answers, told.right, told.wrong)
    return ComparedQuestion(name, there, here, told.repeats, there.answers - here.answers)


def _cells(name: str, counts: Deltas, minimum: int, exact: Exact | None) -> list[ComparedCell]:
    outcomes = ("answer", "right") if exact and name in exact.polls else OUTCOMES
    found = {
        (name, outcomes[cell.right], cell.band, CODES[cell.country]): int(counts[place])
        for place in np.flatnonzero(counts).tolist()
        if (cell := cell_name(place))
    }
    known = {key: n for key, n in exact.cells.items() if key[0] == name} if exact else {}
    return [
        ComparedCell(*key, _shown(found.get(key, 0), minimum), known.get(key, 0 if exact else None))
        for key in sorted(found | known)
    ]


def _shown(count: int, minimum: int) -> int | None:
    return None if 0 < count < minimum else count
