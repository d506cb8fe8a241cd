"""What the book says at one moment, as messages: the snapshot that the stage shows."""

from __future__ import annotations

import numpy as np

from hairpin import frame as framing
from hairpin.country import CODES
from hairpin.messages import (
    BestCountry,
    Cell,
    Leader,
    QuestionTally,
    RankRow,
    TallySnapshot,
)
from hairpin.show import Question
from hairpin.tally.book import Book
from hairpin.tally.leaderboard import leaderboard, rank_rows
from hairpin.tally.lines import Line
from hairpin.tally.words import Cells


class Snapshots:
    """Builds snapshots; what did not change since the last one is not built again."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._lines: dict[int, tuple[tuple[object, ...], QuestionTally]] = {}
        self._scored: tuple[object, ...] = ()
        self._leaders: tuple[Leader, ...] = ()
        self._more = 0
        self._ranks: tuple[RankRow, ...] = ()
        self._fans = 0

    def take(self, at_ms: int, oldest_ms: int | None, answers_per_s: float) -> TallySnapshot:
        book = self._book
        self._score()
        strands = {n: (s.frames, s.chain) for n, s in book.strands.items() if s.frames}
        return TallySnapshot(
            at_ms=at_ms,
            oldest_ms=oldest_ms,
            answers_per_s=answers_per_s,
            questions=tuple(self._question(i, line) for i, line in enumerate(book.lines)),
            leaders=self._leaders,
            more=self._more,
            ranks=self._ranks,
            fans=self._fans,
            head=framing.head(strands),
            positions={str(n): frames for n, (frames, _) in strands.items()},
        )

    def _question(self, index: int, line: Line) -> QuestionTally:
        journalled = line.count.journalled if line.count else 0
        state = (journalled, line.version, line.status, line.reason, line.right, line.missing)
        known = self._lines.get(index)
        if known is None or known[0] != state:
            minimum = self._book.show.best_country_min
            known = (state, question_tally(index, line, minimum))
            self._lines[index] = known
        return known[1]

    def _score(self) -> None:
        """Leaderboard and ranks, anew only after a fold or a strike."""
        book = self._book
        state = (
            tuple((line.version, line.right, line.void) for line in book.lines),
            frozenset(book.struck),
        )
        if state == self._scored or book.armed is None:
            return
        self._scored = state
        show, scores = book.show, book.scores
        places, self._more = leaderboard(
            scores.correct,
            scores.total_ms,
            frozenset(book.struck),
            show.contenders + show.reserves,
            show.tie_break,
            show.draw_seed,
        )
        self._leaders = tuple(
            Leader(p.rank, p.fan, p.right, p.total_ms, *scores.origin(p.fan), p.tied)
            for p in places
        )
        self._ranks = rank_rows(scores.correct, scores.total_ms, scores.origins)
        self._fans = sum(row.fans for row in self._ranks)


def question_tally(index: int, line: Line, best_country_min: int) -> QuestionTally:
    """The counts of one question; `right` and `wrong` are 0 for a poll."""
    question, count = line.question, line.count
    if count is None:
        cells: Cells = np.zeros((1 << len(question.choices), 3, len(CODES)), np.int64)
    else:
        cells = count.cells
    masks = np.arange(len(cells))
    good = right_masks(question, line.right)
    by_country = cells.sum(axis=(0, 1))
    right_by_country = cells[good].sum(axis=(0, 1))
    present = np.flatnonzero(by_country)
    answers, right = int(by_country.sum()), int(right_by_country.sum())
    return QuestionTally(
        question=index,
        id=question.id,
        status=line.status,
        version=line.version,
        reason=line.reason,
        missing=line.missing,
        journalled=count.journalled if count else 0,
        repeats=count.repeats if count else 0,
        answers=answers,
        by_choice=tuple(
            int(cells[(masks >> bit) & 1 == 1].sum()) for bit in range(len(question.choices))
        ),
        by_age_band=tuple(
            Cell(int(a), int(r))
            for a, r in zip(cells.sum(axis=(0, 2)), cells[good].sum(axis=(0, 2)), strict=True)
        ),
        by_country={CODES[c]: Cell(int(by_country[c]), int(right_by_country[c])) for c in present},
        right=right,
        wrong=answers - right if line.right else 0,
        best_country=best_country(
            {CODES[c]: (int(right_by_country[c]), int(by_country[c])) for c in present},
            best_country_min,
        )
        if line.right
        else None,
    )


def right_masks(question: Question, right: int) -> list[int]:
    """All choice masks that are right, when `right` is the right answer in force."""
    if not right:
        return []
    if question.multiple:
        return [right]
    return [mask for mask in range(1 << len(question.choices)) if mask & right]


def best_country(countries: dict[str, tuple[int, int]], answers_min: int) -> BestCountry | None:
    """The country with the largest share right among those with enough answers.

    `countries`: code to (right, answers). Equal shares: more answers first, then the code.
    The unknown country never wins.
    """
    able = [
        (-right / answers, -answers, code, right)
        for code, (right, answers) in countries.items()
        if answers >= max(answers_min, 1) and code != "ZZ"
    ]
    if not able:
        return None
    _, answers, code, right = min(able)
    return BestCountry(code, right, -answers)
