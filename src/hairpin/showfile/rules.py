"""What must hold between the settings of a show file, beyond each value by itself.

A rule says nothing about values that are already named as wrong.
"""

from __future__ import annotations

from itertools import pairwise

import msgspec

from hairpin.show import Mode, Question, Show, TieBreak
from hairpin.showfile.settings import FANS_MAX, QUESTION_BYTES_MAX
from hairpin.showfile.table import Mistakes, shown
from hairpin.showfile.values import span


def check_rules(show: Show, mistakes: Mistakes) -> None:
    _audience(show, mistakes)
    _draw(show, mistakes)
    _ids(show, mistakes)
    _times_given(show, mistakes)
    _times_in_order(show, mistakes)
    _small_enough(show, mistakes)


def _audience(show: Show, mistakes: Mistakes) -> None:
    if mistakes.within(("audience",), ("tickets_per_fan",)):
        return
    low, high = show.audience_low, show.audience_high
    if low > high:
        mistakes.note(("audience", "low"), str(low), f"at most `high`, which is {high}")
    if show.tickets_max > FANS_MAX:
        found = f"{show.tickets_per_fan:g} for each of {high} fans: {show.tickets_max} tickets"
        mistakes.note(("tickets_per_fan",), found, f"at most {FANS_MAX} tickets in all")


def _draw(show: Show, mistakes: Mistakes) -> None:
    if mistakes.within(("tie_break",), ("draw_seed",)):
        return
    if show.tie_break is TieBreak.DRAW and not show.draw_seed:
        allowed = 'with tie_break = "draw": a text that you publish before the show'
        mistakes.note(("draw_seed",), "nothing", allowed)
    if show.tie_break is TieBreak.SHARE and show.draw_seed:
        mistakes.note(("draw_seed",), shown(show.draw_seed), 'only with tie_break = "draw"')


def _ids(show: Show, mistakes: Mistakes) -> None:
    first: dict[str, int] = {}
    for index, question in enumerate(show.questions):
        twin = first.setdefault(question.id, index)
        if question.id and twin != index:
            found = f"{shown(question.id)}, the id of questions[{twin}] too"
            mistakes.note(("questions", index, "id"), found, "every id once")


def _times_given(show: Show, mistakes: Mistakes) -> None:
    if show.mode is not Mode.CLOCK or mistakes.within(("mode",)):
        return
    for index, question in enumerate(show.questions):
        place = ("questions", index)
        if question.opens_after_ms is None and not mistakes.within((*place, "opens")):
            allowed = 'when it opens, after the start, like "0:10:00"; or mode = "hand"'
            mistakes.note((*place, "opens"), "nothing", allowed)
        if question.duration_ms is None and not mistakes.within((*place, "duration")):
            allowed = 'how long it is open, like "60s"; or mode = "hand"'
            mistakes.note((*place, "duration"), "nothing", allowed)


def _times_in_order(show: Show, mistakes: Mistakes) -> None:
    """Each question opens after the one before it was revealed."""
    if mistakes.within(("start",), ("reveal_after",)):
        return
    timed = [
        (index, question.opens_after_ms, question)
        for index, question in enumerate(show.questions)
        if question.opens_after_ms is not None
        and not mistakes.within(("questions", index, "opens"), ("questions", index, "duration"))
    ]
    for (before, opened_ms, question), (index, opens_ms, _) in pairwise(timed):
        revealed_ms = opened_ms + (question.duration_ms or 0) + show.reveal_after_ms
        if opens_ms < revealed_ms:
            mistakes.note(
                ("questions", index, "opens"),
                f"{span(opens_ms)} after the start",
                f"{span(revealed_ms)} or later, when questions[{before}] is revealed",
            )


def _small_enough(show: Show, mistakes: Mistakes) -> None:
    """Every phone loads the question; its size is most of the traffic of the night."""
    for index, question in enumerate(show.questions):
        size_bytes = _size_bytes(question)
        if size_bytes > QUESTION_BYTES_MAX and not mistakes.within(("questions", index)):
            mistakes.note(
                ("questions", index),
                f"texts of {size_bytes} bytes in all languages",
                f"at most {QUESTION_BYTES_MAX}, as every phone loads them",
            )


def _size_bytes(question: Question) -> int:
    texts = [question.text, *(choice.text for choice in question.choices)]
    return len(msgspec.json.encode(texts))
