"""The model counts as the product does, and the checkers find every number that differs."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from small_show import FR, GB, Answer, answer, armed, make_question, make_show, opened_ms
from strands import Strands

from hairpin import messages as m
from hairpin.frame import Frame
from hairpin.show import Show, TieBreak
from hairpin.tally.book import Book
from hairpin.tally.snapshot import Snapshots
from sim.checkers import Violation, results
from sim.model import Reckoning

ANSWERS = [
    answer(1, 0b001, 700, country=FR),
    answer(1, 0b010, 900, country=FR),
    answer(2, 0b010, 800, country=GB),
    answer(3, 0b001, 600, country=GB, band=2),
    answer(4, 0b001, 600, country=FR, band=0),
    answer(3, 0b001, 650, question=1, country=GB, band=2),
    answer(4, 0b100, 10, question=1, country=FR, band=0),
]


def night(show: Show, answers: list[Answer]) -> tuple[m.TallySnapshot, Reckoning]:
    """The same frames, counted by the product and by the model."""
    strands, frames = Strands(), list[Frame]()
    frames.append(strands.control(1, m.Born(0, "director")))
    frames.append(strands.control(1, armed(show)))
    gate = strands.control(2, m.Born(0, "gate"))
    for question in range(2):
        frames.append(strands.control(1, m.Opened(opened_ms(question), question)))
        frames.append(strands.control(1, m.Closed(opened_ms(question) + 20_000, question)))
    frames.append(strands.control(1, m.Corrected(0, 1, 0b100, "a slip")))
    frames += [gate, strands.answers(2, answers), strands.control(2, m.Marked(0, (0, 1)))]
    book = strands.book()
    for frame in frames:
        book.apply(frame)
    return settled(book), Reckoning((int(frame.kind), frame.body) for frame in frames)


def settled(book: Book) -> m.TallySnapshot:
    book.settle([1, 2])
    return Snapshots(book).take(0, None, 0.0)


@pytest.mark.parametrize("tie_break", TieBreak)
def test_model_and_product_agree(tie_break: TieBreak) -> None:
    several = make_question(2, multiple=True, right=0b001)
    show = make_show([make_question(1), several], tie_break=tie_break)
    snapshot, model = night(show, ANSWERS)
    results.check_tallies("the live result", snapshot.questions, model)
    results.check_leaders("the live result", snapshot.leaders, snapshot.more, model)
    results.check_same(snapshot.questions, snapshot.questions)
    results.check_times(model, {0: opened_ms(0) + 20_000}, 0)
    results.check_fans(0, [1, 2, 3, 4], model.counted(0))


@pytest.mark.parametrize(
    "changes",
    [
        {"answers": 5},
        {"journalled": 6},
        {"by_choice": (4, 0, 0)},
        {"right": 2},
        {"by_country": {}},
        {"status": "provisional"},
    ],
)
def test_a_number_that_differs_is_found(changes: dict[str, Any]) -> None:
    snapshot, model = night(make_show(2), ANSWERS)
    wrong = [msgspec.structs.replace(snapshot.questions[0], **changes)]
    with pytest.raises(Violation):
        results.check_tallies("the live result", wrong, model)
    with pytest.raises(Violation, match="live = recount"):
        results.check_same(wrong, snapshot.questions[:1])


def test_a_leader_in_the_wrong_place_is_found() -> None:
    snapshot, model = night(make_show(2), ANSWERS)
    for leaders, more in (
        (snapshot.leaders[::-1], snapshot.more),
        (snapshot.leaders[1:], snapshot.more),
        (snapshot.leaders, snapshot.more + 1),
    ):
        with pytest.raises(Violation, match="leaderboard"):
            results.check_leaders("the live result", leaders, more, model)


def test_a_fan_too_many_is_found() -> None:
    _, model = night(make_show(2), ANSWERS)
    with pytest.raises(Violation, match="1 are in one of them only"):
        results.check_fans(0, [1, 2, 3], model.counted(0))


def test_answers_before_the_opening_and_after_the_close_are_found() -> None:
    _, early = night(make_show(2), [*ANSWERS, answer(9, received_ms=-50)])
    results.check_times(early, {}, 50)
    with pytest.raises(Violation, match="nobody answers before the opening"):
        results.check_times(early, {}, 49)
    _, late = night(make_show(2), [*ANSWERS, answer(9, received_ms=20_000)])
    with pytest.raises(Violation, match="nobody answers after the close"):
        results.check_times(late, {0: opened_ms(0) + 20_000}, 0)
