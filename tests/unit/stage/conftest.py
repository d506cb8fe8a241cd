"""A small show, its running order, and counts to go with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import pytest

from hairpin.messages import (
    BestCountry,
    Cell,
    GateReport,
    Leader,
    QuestionTally,
    RankRow,
    TallySnapshot,
)
from hairpin.order import RunningOrder, Step
from hairpin.show import Choice, Mode, Question, Retention, Show, TieBreak, Word

START = 1_795_000_000_000


class FixedClock:
    """Stands still unless told otherwise."""

    def __init__(self) -> None:
        self.at_ms = START

    def now_ms(self) -> int:
        return self.at_ms

    def monotonic_ms(self) -> float:
        return float(self.at_ms)


def make_question(number: int, right: int = 0b010, text: str = "Which band?") -> Question:
    return Question(
        id=f"q{number}",
        text={"en": f"{text} {number}", "fr": f"Quel groupe ? {number}"},
        choices=(
            Choice({"en": f"First {number}", "fr": "Le premier"}, "a.png"),
            Choice({"en": f"Second {number}", "fr": "Le second"}),
            Choice({"en": f"Third {number}", "fr": "Le tiers"}),
        ),
        right=right,
        multiple=False,
        opens_after_ms=60_000 * number,
        duration_ms=20_000,
        explanation={"en": f"Because {number} & right {right}"},
        image="stage.jpg" if number == 1 else None,
    )


def make_show(questions: tuple[Question, ...] | None = None, **changes: object) -> Show:
    fields: dict[str, object] = {
        "id": "first-light",
        "title": {"en": "First light", "fr": "Premières lueurs"},
        "languages": ("en", "fr"),
        "mode": Mode.CLOCK,
        "start_ms": START,
        "audience_low": 100,
        "audience_high": 1_000,
        "tickets_per_fan": 1.5,
        "age_bands": ({"en": "under 18"}, {"en": "18 to 35"}, {"en": "over 35"}),
        "questions": questions or tuple(make_question(number) for number in (1, 2, 3)),
        "allowance_ms": 3_000,
        "elapsed_floor_ms": 300,
        "reveal_after_ms": 4_000,
        "tie_break": TieBreak.SHARE,
        "draw_seed": "seed",
        "cell_min": 5,
        "best_country_min": 10,
        "contenders": 2,
        "reserves": 1,
        "claim_deadline_ms": 600_000,
        "word": Word({"en": "Thank you"}, "word.jpg", "https://example.org/"),
        "retention": Retention(1, 30, 30),
        "accent": "#ff8a3d",
    }
    return Show(**(fields | changes))  # type: ignore[arg-type]


def make_order(show: Show, *steps: tuple[int, Step]) -> RunningOrder:
    """The order after these steps, one every ten seconds from the start."""
    order = RunningOrder(show, tuple(START + 60_000 * n for n in range(1, len(show.questions) + 1)))
    for count, (question, step) in enumerate(steps):
        order.apply(question, step, START + 10_000 * count)
    return order


def make_tally(question: int, answers: int = 100, **changes: object) -> QuestionTally:
    fields: dict[str, object] = {
        "question": question,
        "id": f"q{question + 1}",
        "status": "final",
        "version": 1,
        "reason": "",
        "missing": (),
        "journalled": answers + 7,
        "repeats": 7,
        "answers": answers,
        "by_choice": (answers - 63, 60, 3),
        "by_age_band": (Cell(4, 2), Cell(46, 30), Cell(answers - 50, 28)),
        "by_country": {"FR": Cell(70, 50), "GB": Cell(26, 8), "MC": Cell(4, 2)},
        "right": 60,
        "wrong": answers - 60,
        "best_country": BestCountry("FR", 50, 70),
    }
    return QuestionTally(**(fields | changes))  # type: ignore[arg-type]


def make_snapshot(*tallies: QuestionTally, at_ms: int = START, **changes: object) -> TallySnapshot:
    fields: dict[str, object] = {
        "at_ms": at_ms,
        "oldest_ms": at_ms - 40,
        "answers_per_s": 123.456,
        "questions": tallies or (make_tally(0),),
        "leaders": (
            Leader(1, 11, 1, 1_234, "FR", 1, 1),
            Leader(2, 22, 1, 2_000, "GB", 2, 2),
        ),
        "more": 3,
        "ranks": (RankRow(1, 60, (1_234, 5_000)), RankRow(0, 40, (0, 0))),
        "fans": 100,
        "head": "c0ffee",
        "positions": {"1": 5},
    }
    return TallySnapshot(**(fields | changes))  # type: ignore[arg-type]


def make_report(incarnation: int, at_ms: int = START, **changes: object) -> GateReport:
    fields: dict[str, object] = {
        "incarnation": incarnation,
        "at_ms": at_ms,
        "pid": 4_000 + incarnation,
        "cpu_s": 1.5,
        "connections": 250,
        "acknowledged": 100,
        "refused": {"late": 3},
        "tickets": 50,
        "requests": {"answer": 103, "now": 7},
        "commits": 9,
        "commit_ms_p50": 0.4,
        "commit_ms_p99": 2.5,
        "latency_ms_p50": 0.9,
        "latency_ms_p99": 4.5,
        "journal_error": None,
    }
    return GateReport(**(fields | changes))  # type: ignore[arg-type]


class Make:
    """What the tests of this folder are built from."""

    start_ms = START
    media: ClassVar = {
        "a.png": "/media/aa.png",
        "stage.jpg": "/media/bb.jpg",
        "word.jpg": "/media/cc.jpg",
    }
    clock = staticmethod(FixedClock)
    question: Callable[..., Question] = staticmethod(make_question)
    show: Callable[..., Show] = staticmethod(make_show)
    order: Callable[..., RunningOrder] = staticmethod(make_order)
    tally: Callable[..., QuestionTally] = staticmethod(make_tally)
    snapshot: Callable[..., TallySnapshot] = staticmethod(make_snapshot)
    report: Callable[..., GateReport] = staticmethod(make_report)


@pytest.fixture
def make() -> Make:
    return Make()
