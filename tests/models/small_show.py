"""Shows with a few questions, and answers to them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from hairpin.answer import RECORD, Records
from hairpin.messages import Armed, Permission
from hairpin.show import Choice, Mode, Question, Retention, Show, TieBreak, Word

EPOCH_MS = 1_795_000_000_000
FR, GB, US, ZZ = 75, 77, 233, 0
"""Places of countries in `country.CODES`."""

Answer = tuple[int, int, int, int, int, int, int]
"""fan, received_ms, elapsed_ms, question, choice, age band, country: the fields of a record."""


def make_question(number: int, **changes: object) -> Question:
    fields: dict[str, object] = {
        "id": f"q{number}",
        "text": {"en": f"Question {number}?"},
        "choices": tuple(Choice({"en": text}) for text in ("one", "two", "three")),
        "right": 0b001,
        "multiple": False,
        "opens_after_ms": 60_000 * number,
        "duration_ms": 20_000,
    }
    return Question(**(fields | changes))  # type: ignore[arg-type]


def make_show(questions: int | Iterable[Question] = 2, **changes: object) -> Show:
    if isinstance(questions, int):
        questions = [make_question(number) for number in range(1, questions + 1)]
    fields: dict[str, object] = {
        "id": "small",
        "title": {"en": "A small show"},
        "languages": ("en",),
        "mode": Mode.CLOCK,
        "start_ms": None,
        "audience_low": 10,
        "audience_high": 100,
        "tickets_per_fan": 2.0,
        "age_bands": ({"en": "under 18"}, {"en": "18 to 35"}, {"en": "over 35"}),
        "questions": tuple(questions),
        "allowance_ms": 3_000,
        "elapsed_floor_ms": 200,
        "reveal_after_ms": 4_000,
        "tie_break": TieBreak.SHARE,
        "draw_seed": "seed",
        "cell_min": 3,
        "best_country_min": 2,
        "contenders": 4,
        "reserves": 2,
        "claim_deadline_ms": 600_000,
        "word": Word({"en": "Thank you"}),
        "retention": Retention(1, 30, 60),
    }
    return Show(**(fields | changes))  # type: ignore[arg-type]


def armed(show: Show, epoch_ms: int = EPOCH_MS) -> Armed:
    opens = tuple(EPOCH_MS + (q.opens_after_ms or 0) for q in show.questions)
    reason = Permission("override", reason="a test", lacking="no rehearsal")
    return Armed(epoch_ms, epoch_ms, show, show.hash(), opens, reason)


def opened_ms(question: int) -> int:
    """When a question opens in these tests: one every minute."""
    return EPOCH_MS + 60_000 * (question + 1)


def records_of(answers: Iterable[Answer]) -> Records:
    return np.array(list(answers), RECORD)


def answer(
    fan: int,
    choice: int = 0b001,
    took_ms: int = 1_000,
    *,
    question: int = 0,
    received_ms: int | None = None,
    band: int = 1,
    country: int = FR,
) -> Answer:
    """An answer `took_ms` after the opening, received then if nothing else is said."""
    since = 60_000 * (question + 1) + (took_ms if received_ms is None else received_ms)
    return fan, since, took_ms, question, choice, band, country
