"""The public documents: what phones may know, and nothing else.

Pure functions from the model to the JSON of docs/http-api.md. Whatever tells right from wrong comes
out of `_result` and `_past` only, and both look at the question's state first; so two shows that
differ only in their right answers give the same bytes until the reveal.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import msgspec

from hairpin.country import CODES, UNKNOWN
from hairpin.messages import (
    Announced,
    Document,
    GateQuestion,
    PollPlan,
    Published,
    QuestionTally,
    TallySnapshot,
    Winner,
)
from hairpin.order import Moment, RunningOrder, State
from hairpin.show import Choice, Mode, Question, Show, Text

Body = dict[str, object]
"""One JSON object."""
Media = Mapping[str, str]
"""An image's path in the show file to its public address; an image that is gone is left out."""

OVER = "over"


class Told(msgspec.Struct, frozen=True):
    """A question's result as it was told last, and the journal's head that was published with it.

    The head covers all that the result rests on: whoever has it can verify the result.
    """

    index: int
    version: int
    at: int
    """ms since 1970."""
    head: str
    """32 hexadecimal digits."""


class Cue(msgspec.Struct, frozen=True):
    """One question of the running order, as the producer sees it. Times are ms since 1970."""

    index: int
    id: str
    text: Text
    image: str | None
    state: State
    due_at: int | None
    opened_at: int | None
    closes_at: int | None
    right: int
    """The right answer in force; bit mask."""
    multiple: bool
    choices: tuple[Choice, ...]
    told: Told | None = None
    """None until the result is final for the first time."""


def now_body(
    show: Show,
    order: RunningOrder,
    tallies: Mapping[int, QuestionTally],
    announced: Announced | None,
    winners: Sequence[Winner],
    media: Media,
    version: int,
    heads: Mapping[int, str] | None = None,
) -> Body:
    """`GET /now` without its time fields, which the gate adds every second.

    `heads`: the journal's head that was published with each question's result, hex.
    """
    current = order.current()
    return {
        "version": version,
        "show": show.id,
        "state": order_state(order),
        "question": None if current is None else _question(show, order, current, media),
        "result": None if current is None else _result(show, order, current, tallies, heads or {}),
        "past": [
            _past(show.questions[index], index, moment, tallies.get(index))
            for index, moment in enumerate(order.moments)
            # One that was voided before it opened stays unknown: nobody has answered it.
            if moment.opened_ms is not None and moment.state in (State.REVEALED, State.VOID)
        ],
        "next_at": order.next_opening_ms(),
        "contenders": None
        if announced is None
        else {
            "deadline_at": announced.deadline_ms,
            "fans": list(announced.fans),
            "reserves": list(announced.reserves),
        },
        "winners": [msgspec.to_builtins(winner) for winner in winners],
        "word": _word(show, media) if winners else None,
    }


def order_state(order: RunningOrder) -> str:
    """The state of the question on show, `waiting` before the first, `over` after the last."""
    if order.over():
        return OVER
    current = order.current()
    return State.WAITING if current is None else order.moments[current].state


def show_body(show: Show) -> Body:
    """`GET /show.json`: nothing in it depends on a question's content."""
    return {
        "show": show.id,
        "title": show.title,
        "languages": list(show.languages),
        "age_bands": list(show.age_bands),
        "countries": [code for index, code in enumerate(CODES) if index != UNKNOWN],
        "accent": show.accent,
        "questions": len(show.questions),
        "allowance_ms": show.allowance_ms,
        "floor_ms": show.elapsed_floor_ms,
    }


def ranks_body(snapshot: TallySnapshot) -> Body:
    """`GET /ranks`. Publish it only while `standings_public` holds."""
    return {
        "version": sum(question.version for question in snapshot.questions),
        "fans": snapshot.fans,
        "rows": [msgspec.to_builtins(row) for row in snapshot.ranks],
    }


def standings_public(states: Sequence[State]) -> bool:
    """May leaderboard and ranks of the latest snapshot be shown?

    Not between close and reveal: there the count may already hold a question whose right answer
    nobody has seen, and the standings would tell it. Keep showing the last ones until then.
    """
    return State.CLOSED not in states


def encoded(body: Mapping[str, object]) -> bytes:
    return msgspec.json.encode(body)


def etag(body: Mapping[str, object]) -> str:
    """Entity tag of a body, with its quotes."""
    return _etag(encoded(body))


def document(path: str, body: Mapping[str, object], max_age_s: int) -> Document:
    """A body as gates hold it, ready to send."""
    data = encoded(body)
    return Document(path, data, _etag(data), max_age_s)


def poll_plan(show: Show, order: RunningOrder) -> PollPlan:
    current = order.current()
    moment = None if current is None else order.moments[current]
    return PollPlan(
        state=None if moment is None else moment.state,
        closes_ms=None if moment is None else _closes_ms(moment),
        next_ms=order.next_opening_ms(),
        # By hand the reveal comes when the producer wants: phones look from the close on.
        reveal_ms=show.reveal_after_ms if show.mode is Mode.CLOCK else 0,
    )


def gate_questions(order: RunningOrder) -> tuple[GateQuestion, ...]:
    """One per question of the show, by index."""
    return tuple(
        GateQuestion(
            choices=len(question.choices),
            multiple=question.multiple,
            opened_ms=moment.opened_ms,
            closes_ms=_closes_ms(moment),
            closed=moment.state not in (State.WAITING, State.OPEN),
        )
        for question, moment in zip(order.show.questions, order.moments, strict=True)
    )


def cues(
    show: Show,
    order: RunningOrder,
    media: Media,
    published: Mapping[int, Published] | None = None,
) -> tuple[Cue, ...]:
    """The whole running order with its right answers: for the console only.

    `published`: the result of each question as it was told last.
    """
    records = published or {}
    return tuple(
        Cue(
            index=index,
            id=question.id,
            text=question.text,
            image=_image(question.image, media),
            state=moment.state,
            due_at=moment.due_ms,
            opened_at=moment.opened_ms,
            closes_at=_closes_ms(moment),
            right=moment.right,
            multiple=question.multiple,
            choices=tuple(
                Choice(choice.text, _image(choice.image, media)) for choice in question.choices
            ),
            told=_told(records.get(index)),
        )
        for index, (question, moment) in enumerate(zip(show.questions, order.moments, strict=True))
    )


def last_told(upcoming: Sequence[Cue]) -> Told | None:
    """Of all results that people were shown, the one that was told last, if there is any.

    A void question has a result, too: it changed the standings. But a head rests on the whole
    journal, the right answers in it, and so none is shown before the first reveal.
    """
    if all(cue.state is not State.REVEALED for cue in upcoming):
        return None
    shown = (cue.told for cue in upcoming if cue.state in (State.REVEALED, State.VOID))
    return max(filter(None, shown), key=lambda told: told.at, default=None)


def _told(record: Published | None) -> Told | None:
    if record is None:
        return None
    return Told(record.question, record.version, record.at_ms, record.head)


def _etag(data: bytes) -> str:
    return f'"{hashlib.blake2b(data, digest_size=8).hexdigest()}"'


def _closes_ms(moment: Moment) -> int | None:
    """When it closed, or will by the clock; a producer may have closed it early."""
    return moment.closes_ms if moment.closed_ms is None else moment.closed_ms


def _image(path: str | None, media: Media) -> str | None:
    return None if path is None else media.get(path)


def _question(show: Show, order: RunningOrder, index: int, media: Media) -> Body:
    question, moment = show.questions[index], order.moments[index]
    return {
        "index": index,
        "of": len(show.questions),
        "id": question.id,
        "text": question.text,
        "image": _image(question.image, media),
        "multiple": question.multiple,
        "poll": question.poll,
        "choices": [
            {"text": choice.text, "image": _image(choice.image, media)}
            for choice in question.choices
        ],
        "opened_at": moment.opened_ms,
        "closes_at": _closes_ms(moment),
    }


def _result(
    show: Show,
    order: RunningOrder,
    index: int,
    tallies: Mapping[int, QuestionTally],
    heads: Mapping[int, str],
) -> Body | None:
    question, moment, tally = show.questions[index], order.moments[index], tallies.get(index)
    if moment.state is not State.REVEALED:
        return None
    counts: Sequence[int | None] = [None] * len(question.choices)
    if tally is not None and tally.by_choice is not None:
        counts = suppressed(tally.by_choice, show.cell_min)
    return {
        "right": moment.right,
        "explanation": question.explanation,
        "by_choice": list(counts),
        "answers": None if tally is None else tally.answers,
        "status": "final" if tally is not None and tally.status == "final" else "provisional",
        "version": 0 if tally is None else tally.version,
        "head": heads.get(index),
    }


def suppressed(counts: Sequence[int], cell_min: int) -> tuple[int | None, ...]:
    """Counts as they may be published: None from 1 to below `cell_min`.

    A count of 0 says nothing about anybody, and is shown.
    """
    return tuple(None if 0 < count < cell_min else count for count in counts)


def _past(question: Question, index: int, moment: Moment, tally: QuestionTally | None) -> Body:
    revealed = moment.state is State.REVEALED
    return {
        "index": index,
        "state": moment.state,
        # A question that was voided before its reveal keeps its secret.
        "right": moment.right if revealed else None,
        "multiple": question.multiple,
        "poll": question.poll,
        "opened_at": moment.opened_ms,
        "version": 0 if tally is None else tally.version,
    }


def _word(show: Show, media: Media) -> Body:
    word = show.word
    return {"text": word.text, "image": _image(word.image, media), "link": word.link}
