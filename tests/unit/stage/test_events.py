"""What the wall may show of the counts, and when."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from hairpin.messages import Winner
from hairpin.order import State
from hairpin.stage.events import (
    Scene,
    ShownCell,
    Standings,
    console_tally,
    wall_event,
    wall_question,
    wall_tally,
)
from hairpin.stage.gates import GateBook

SECRETS = ("by_choice", "by_age_band", "by_country", "right", "wrong", "best_country")


def scene(make: Any, *states: State, **changes: Any) -> Scene:
    fields = {
        "states": states,
        "current": 0,
        "cell_min": 5,
        "standings": Standings(make.snapshot().leaders, 3),
        "winners": (),
        "rate_history": ((0, 0), (500, 20)),
    } | changes
    return Scene(**fields)


@pytest.mark.parametrize("state", [State.WAITING, State.OPEN])
def test_before_the_close_only_totals(make: Any, state: State) -> None:
    shown = wall_question(make.tally(0), state, 5)
    assert (shown.answers, shown.journalled, shown.repeats) == (100, 107, 7)
    assert [getattr(shown, name) for name in SECRETS] == [None] * 6


@pytest.mark.parametrize("state", [State.CLOSED, State.VOID])
def test_before_the_reveal_nothing_tells_right_from_wrong(make: Any, state: State) -> None:
    shown = wall_question(make.tally(0), state, 5)
    assert shown.by_choice == (37, 60, None)
    assert shown.by_age_band == (
        ShownCell(None, None),
        ShownCell(46, None),
        ShownCell(50, None),
    )
    assert shown.by_country == {"FR": ShownCell(70, None), "GB": ShownCell(26, None)}
    assert (shown.right, shown.wrong, shown.best_country) == (None, None, None)
    other = wall_question(make.tally(0, right=1, wrong=99, best_country=None), state, 5)
    assert shown == other


def test_after_the_reveal_everything_but_small_cells(make: Any) -> None:
    shown = wall_question(make.tally(0), State.REVEALED, 5)
    assert shown.by_age_band[1:] == (ShownCell(46, 30), ShownCell(50, 28))  # type: ignore[index]
    assert shown.by_country == {"FR": ShownCell(70, 50), "GB": ShownCell(26, 8)}
    assert (shown.right, shown.wrong) == (60, 40)
    assert shown.best_country is not None


def test_without_a_minimum_nothing_is_suppressed(make: Any) -> None:
    shown = wall_question(make.tally(0), State.REVEALED, 0)
    assert shown.by_choice == (37, 60, 3)
    assert set(shown.by_country or ()) == {"FR", "GB", "MC"}


def test_the_wall_event(make: Any) -> None:
    snapshot = make.snapshot(make.tally(0), make.tally(1, answers=63))
    event = wall_tally(snapshot, scene(make, State.REVEALED, State.OPEN, current=1))
    sent = msgspec.json.decode(msgspec.json.encode(event))
    assert not {"gates", "refused", "acknowledged"} & set(sent)
    assert (sent["journalled"], sent["counted"], sent["repeats"]) == (177, 163, 14)
    assert sent["question"]["index"] == 1
    assert sent["rate_history"] == [[0, 0], [500, 20]]
    assert sent["leaders"][0] == {
        "rank": 1,
        "fan": 11,
        "right": 1,
        "total_ms": 1_234,
        "country": "FR",
        "age_band": 1,
        "tied": 1,
        "name": None,
    }
    assert sent["more"] == 3


def test_what_is_sent_to_every_wall_has_the_cells_of_the_question_on_show_only(make: Any) -> None:
    snapshot = make.snapshot(make.tally(0), make.tally(1, answers=63))
    around = scene(make, State.REVEALED, State.REVEALED, current=1)
    event, published = wall_event(snapshot, around), wall_tally(snapshot, around)
    assert event.question == published.question
    for sent, whole in zip(event.questions, published.questions, strict=True):
        assert [getattr(sent, name) for name in SECRETS] == [None] * 6
        assert (sent.index, sent.answers, sent.status) == (whole.index, whole.answers, whole.status)
    assert msgspec.structs.replace(event, questions=published.questions) == published


def test_before_the_first_question_there_is_none_on_show(make: Any) -> None:
    event = wall_event(make.snapshot(), scene(make, State.WAITING, current=None))
    assert event.question is None


def test_the_wall_keeps_the_standings_that_it_is_given(make: Any) -> None:
    event = wall_tally(make.snapshot(), scene(make, State.CLOSED, standings=Standings()))
    assert (event.leaders, event.more) == ((), 0)


def test_only_approved_names_stand_beside_a_rank(make: Any) -> None:
    event = wall_tally(
        make.snapshot(), scene(make, State.REVEALED, winners=(Winner(2, 22, "Ben"),))
    )
    assert [leader.name for leader in event.leaders] == [None, "Ben"]


def test_the_console_sees_what_is_counted_and_the_gates(make: Any) -> None:
    gates = GateBook()
    gates.update({1: make.report(1)})
    event = console_tally(make.snapshot(), scene(make, State.OPEN), gates)
    sent = msgspec.json.decode(msgspec.json.encode(event))
    assert sent["question"]["by_choice"] == [37, 60, 3]
    assert sent["question"]["by_country"]["MC"] == {"answers": 4, "right": 2}
    assert sent["acknowledged"] == 100
    assert sent["refused"] == {"late": 3}
    assert sent["gates"][0]["incarnation"] == 1


def test_no_question_on_show(make: Any) -> None:
    event = wall_tally(make.snapshot(), scene(make, State.WAITING, current=None))
    assert event.question is None
