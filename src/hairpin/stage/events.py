"""The model as `tally` events for wall and console; docs/http-api.md describes the fields.

The console sees what is counted. The wall is seen by everyone in the room, so it gets what may be
published at this moment: no choices before the close, no right and wrong before the reveal, and no
choice, age band or country with fewer people in it than the show's `cell_min`.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from hairpin.messages import (
    BestCountry,
    Cell,
    GateReport,
    Leader,
    QuestionTally,
    TallySnapshot,
    Winner,
)
from hairpin.order import State
from hairpin.stage.documents import suppressed
from hairpin.stage.gates import GateBook


class Audience(StrEnum):
    WALL = "wall"
    CONSOLE = "console"


class ShownCell(msgspec.Struct, frozen=True):
    """Counts of one age band or country as far as they may be shown; None where they may not."""

    answers: int | None
    right: int | None


class ShownQuestion(msgspec.Struct, frozen=True):
    """One question of a `tally` event. A whole field is None while its time has not come."""

    index: int
    id: str
    status: str
    version: int
    reason: str
    missing: tuple[int, ...]
    journalled: int
    repeats: int
    answers: int
    by_choice: tuple[int | None, ...] | None
    by_age_band: tuple[ShownCell, ...] | None
    by_country: dict[str, ShownCell] | None
    right: int | None
    wrong: int | None
    best_country: BestCountry | None


class ShownLeader(msgspec.Struct, frozen=True):
    rank: int
    fan: int
    right: int
    total_ms: int
    country: str
    age_band: int
    tied: int
    name: str | None
    """Only of an approved winner."""


class Standings(msgspec.Struct, frozen=True):
    """The leaderboard of one moment."""

    leaders: tuple[Leader, ...] = ()
    more: int = 0


class Scene(msgspec.Struct, frozen=True):
    """What stands around the counts at one moment."""

    states: tuple[State, ...]
    """Of every question, by index."""
    current: int | None
    cell_min: int
    standings: Standings
    """The last ones that `documents.standings_public` allowed."""
    winners: tuple[Winner, ...]
    rate_history: tuple[tuple[int, int], ...]


class TallyEvent(msgspec.Struct, frozen=True, kw_only=True):
    at: int
    oldest_at: int | None
    answers_per_s: float
    journalled: int
    counted: int
    repeats: int
    fans: int
    head: str
    question: ShownQuestion | None
    questions: tuple[ShownQuestion, ...]
    leaders: tuple[ShownLeader, ...]
    more: int
    rate_history: tuple[tuple[int, int], ...]
    """Of `question`: [ms since its opening, answers until then]."""
    # For the console only; unset fields are not sent.
    gates: tuple[GateReport, ...] | msgspec.UnsetType = msgspec.UNSET
    refused: dict[str, int] | msgspec.UnsetType = msgspec.UNSET
    acknowledged: int | msgspec.UnsetType = msgspec.UNSET


def wall_tally(snapshot: TallySnapshot, scene: Scene) -> TallyEvent:
    """What may be published of every question."""
    shown = tuple(
        wall_question(tally, scene.states[tally.question], scene.cell_min)
        for tally in snapshot.questions
    )
    return _tally(snapshot, scene, shown, scene.standings)


def wall_event(snapshot: TallySnapshot, scene: Scene) -> TallyEvent:
    """The same as it is sent to every wall, several times a second: cells of `question` only."""
    event = _tally(
        snapshot, scene, tuple(totals_only(one) for one in snapshot.questions), scene.standings
    )
    on_show = next((one for one in snapshot.questions if one.question == scene.current), None)
    if on_show is None:
        return event
    question = wall_question(on_show, scene.states[on_show.question], scene.cell_min)
    return msgspec.structs.replace(event, question=question)


def console_tally(snapshot: TallySnapshot, scene: Scene, gates: GateBook) -> TallyEvent:
    shown = tuple(console_question(tally) for tally in snapshot.questions)
    event = _tally(snapshot, scene, shown, Standings(snapshot.leaders, snapshot.more))
    return msgspec.structs.replace(
        event, gates=gates.alive(), refused=gates.refused(), acknowledged=gates.acknowledged
    )


def totals_only(tally: QuestionTally) -> ShownQuestion:
    """How many answered, and nothing of what they chose."""
    return ShownQuestion(
        index=tally.question,
        id=tally.id,
        status=tally.status,
        version=tally.version,
        reason=tally.reason,
        missing=tally.missing,
        journalled=tally.journalled,
        repeats=tally.repeats,
        answers=tally.answers,
        by_choice=None,
        by_age_band=None,
        by_country=None,
        right=None,
        wrong=None,
        best_country=None,
    )


def console_question(tally: QuestionTally) -> ShownQuestion:
    """Everything that is counted."""
    return msgspec.structs.replace(
        totals_only(tally),
        by_choice=tally.by_choice,
        by_age_band=tuple(ShownCell(cell.answers, cell.right) for cell in tally.by_age_band),
        by_country={
            country: ShownCell(cell.answers, cell.right)
            for country, cell in tally.by_country.items()
        },
        right=tally.right,
        wrong=tally.wrong,
        best_country=tally.best_country,
    )


def wall_question(tally: QuestionTally, state: State, cell_min: int) -> ShownQuestion:
    """What the room may see. A country below `cell_min` is left out, an age band's counts are None.

    A void question keeps its choices and shows no right and wrong.
    """
    closed = state in (State.CLOSED, State.REVEALED, State.VOID)
    revealed = state is State.REVEALED
    if not closed:
        return totals_only(tally)
    return msgspec.structs.replace(
        totals_only(tally),
        by_choice=None if tally.by_choice is None else suppressed(tally.by_choice, cell_min),
        by_age_band=tuple(_wall_cell(cell, revealed, cell_min) for cell in tally.by_age_band),
        by_country={
            country: _wall_cell(cell, revealed, cell_min)
            for country, cell in tally.by_country.items()
            if cell.answers >= cell_min
        },
        right=tally.right if revealed else None,
        wrong=tally.wrong if revealed else None,
        best_country=tally.best_country if revealed else None,
    )


def _wall_cell(cell: Cell, revealed: bool, cell_min: int) -> ShownCell:
    if 0 < cell.answers < cell_min:
        return ShownCell(None, None)
    return ShownCell(cell.answers, cell.right if revealed else None)


def _tally(
    snapshot: TallySnapshot,
    scene: Scene,
    shown: tuple[ShownQuestion, ...],
    standings: Standings,
) -> TallyEvent:
    names = {winner.fan: winner.name for winner in scene.winners}
    return TallyEvent(
        at=snapshot.at_ms,
        oldest_at=snapshot.oldest_ms,
        answers_per_s=snapshot.answers_per_s,
        journalled=sum(question.journalled for question in shown),
        counted=sum(question.answers for question in shown),
        repeats=sum(question.repeats for question in shown),
        fans=snapshot.fans,
        head=snapshot.head,
        question=next((one for one in shown if one.index == scene.current), None),
        questions=shown,
        leaders=tuple(_leader(leader, names.get(leader.fan)) for leader in standings.leaders),
        more=standings.more,
        rate_history=scene.rate_history,
    )


def _leader(leader: Leader, name: str | None) -> ShownLeader:
    return ShownLeader(
        rank=leader.rank,
        fan=leader.fan,
        right=leader.right,
        total_ms=leader.total_ms,
        country=leader.country,
        age_band=leader.age_band,
        tied=leader.tied,
        name=name,
    )
