"""The show as it is rehearsed: the same file, made to run by the clock and to let the crowd in.

A rehearsal by hand has nobody to press the buttons, a burst may be given another length, and more
fans may come than the file expects; all else stays as it is written. Pure: a document in, a text
out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, time
from typing import Any

from hairpin.show import Show

HAND_S = 30.0
"""How long a question is open where the file leaves it to the producer."""
FIRST_S = 10.0
"""From the start to the first question, where the file gives no times."""
PAUSE_S = 5.0
"""Between the reveal of one question and the opening of the next, at least."""


def durations_s(show: Show, window_s: float | None) -> tuple[float, ...]:
    """How long each question is open in the rehearsal."""
    return tuple(
        window_s or (HAND_S if q.duration_ms is None else q.duration_ms / 1000)
        for q in show.questions
    )


def stretches(show: Show, window_s: float | None) -> tuple[float, ...]:
    """Factor on human times for each question: a window gives the burst of a question's own
    duration another length; what is open until somebody closes it has none of its own."""
    return tuple(
        1.0 if window_s is None or q.duration_ms is None else 1000 * window_s / q.duration_ms
        for q in show.questions
    )


def rehearsed(document: Mapping[str, Any], show: Show, fans: int, window_s: float | None) -> str:
    """The text of the show file for a rehearsal. `document`: the file as TOML reads it; `show`:
    what it means."""
    changed = {key: value for key, value in document.items() if key not in ("start", "questions")}
    changed["mode"] = "clock"
    changed["audience"] = {"low": show.audience_low, "high": max(show.audience_high, fans)}
    questions: list[dict[str, Any]] = []
    earliest_s = 0.0
    for question, asked, duration_s in zip(
        show.questions, document["questions"], durations_s(show, window_s), strict=True
    ):
        opens_s = (question.opens_after_ms or 0) / 1000
        if question.opens_after_ms is None and not questions:
            opens_s = FIRST_S
        opens_s = max(opens_s, earliest_s)
        earliest_s = opens_s + duration_s + show.reveal_after_ms / 1000 + PAUSE_S
        times = {"opens": _seconds(opens_s), "duration": _seconds(duration_s)}
        questions.append({**asked, **times})
    lines = [f"{_key(key)} = {toml_value(value)}" for key, value in changed.items()]
    lines.append(f"questions = {toml_value(questions)}")
    return "\n".join(lines) + "\n"


def _seconds(seconds: float) -> str:
    return f"{round(1000 * seconds)}ms"


def _key(name: str) -> str:
    return _text(name)


def toml_value(value: object) -> str:
    """Any TOML value, on one line."""
    if isinstance(value, Mapping):
        pairs = (f"{_key(key)} = {toml_value(item)}" for key, item in value.items())
        return "{ " + ", ".join(pairs) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, date | time):
        return value.isoformat()
    return _text(value) if isinstance(value, str) else str(value)


def _text(text: str) -> str:
    """JSON's escapes are TOML's, but for one character that JSON leaves bare."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
