"""The running order: every row of its table, what is illegal, what is due, when phones ask."""

from __future__ import annotations

import itertools

import pytest

from hairpin.order import (
    LOOK_MS,
    REVEAL_WAIT_MS,
    STEPS,
    Due,
    IllegalStep,
    RunningOrder,
    State,
    Step,
    poll_after_ms,
)
from hairpin.show import Show, schedule
from hairpin.showfile import read_show

START_MS = 1_795_000_000_000
FINAL = frozenset({0, 1, 2})
NONE: frozenset[int] = frozenset()

WAY: dict[State, tuple[Step, ...]] = {
    State.WAITING: (),
    State.OPEN: (Step.OPEN,),
    State.CLOSED: (Step.OPEN, Step.CLOSE),
    State.REVEALED: (Step.OPEN, Step.CLOSE, Step.REVEAL),
    State.VOID: (Step.VOID,),
}
"""How a question gets into each state."""

TABLE = {
    State.WAITING: {Step.OPEN: "open", Step.CORRECT: "waiting", Step.VOID: "void"},
    State.OPEN: {Step.CLOSE: "closed", Step.VOID: "void"},
    State.CLOSED: {Step.REVEAL: "revealed", Step.CORRECT: "closed", Step.VOID: "void"},
    State.REVEALED: {Step.CORRECT: "revealed", Step.VOID: "void"},
    State.VOID: {},
}
"""The whole table again, as a person would check it."""


def show(mode: str = "clock", duration: str = 'duration = "20s"') -> Show:
    text = f'id = "n"\ntitle = "N"\nmode = "{mode}"\naudience = {{ low = 1, high = 9 }}\n'
    for minutes in (1, 2, 3):
        text += '[[questions]]\ntext = "?"\nchoices = ["a", "b"]\nright = 1\n'
        text += f'opens = "{minutes}m"\n{duration}\n'
    return read_show(text, "n.toml")


def order_of(show: Show) -> RunningOrder:
    return RunningOrder(show, schedule(show, START_MS))


def order_in(state: State, show: Show) -> RunningOrder:
    order = order_of(show)
    for number, step in enumerate(WAY[state]):
        order.apply(0, step, START_MS + number)
    return order


# --- the table ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("state", "step"), STEPS)
def test_every_row_leads_where_it_says(state: State, step: Step) -> None:
    order = order_in(state, show())
    assert order.check(0, step) == TABLE[state][step]
    order.apply(0, step, START_MS)
    assert order.moments[0].state == TABLE[state][step]


@pytest.mark.parametrize(
    ("state", "step"), [row for row in itertools.product(State, Step) if row not in STEPS]
)
def test_everything_else_is_illegal_and_the_message_says_what_is_possible(
    state: State, step: Step
) -> None:
    assert step not in TABLE[state]
    order = order_in(state, show())
    possible = ", ".join(TABLE[state]) or "nothing more"
    with pytest.raises(IllegalStep) as caught:
        order.apply(0, step, START_MS)
    assert str(caught.value) == f"question 1 is {state}: cannot {step}; possible: {possible}"
    assert order.moments[0].state is state


@pytest.mark.parametrize("question", [-1, 3])
def test_a_question_that_does_not_exist(question: int) -> None:
    with pytest.raises(IllegalStep, match=f"there is no question {question + 1}"):
        order_of(show()).apply(question, Step.OPEN, START_MS)


def test_only_one_question_is_open_at_a_time() -> None:
    order = order_in(State.OPEN, show())
    with pytest.raises(IllegalStep, match="question 1 is still open: close it first"):
        order.apply(1, Step.OPEN, START_MS)
    order.apply(0, Step.CLOSE, START_MS)
    order.apply(1, Step.OPEN, START_MS)
    assert order.open_question() == 1


# --- moments --------------------------------------------------------------------------------------


def test_each_step_is_stamped_once() -> None:
    order = order_of(show())
    for number, step in enumerate((Step.OPEN, Step.CLOSE, Step.REVEAL, Step.CORRECT)):
        order.apply(0, step, START_MS + number, right=0b10)
    moment = order.moments[0]
    assert (moment.opened_ms, moment.closed_ms, moment.revealed_ms) == (
        *(START_MS, START_MS + 1, START_MS + 2),
    )
    assert moment.closes_ms == START_MS + 20_000
    assert moment.right == 0b10


def test_a_question_without_a_duration_closes_by_hand() -> None:
    order = order_in(State.OPEN, show("hand", duration=""))
    assert order.moments[0].closes_ms is None
    assert order.next_due(FINAL) is None


def test_voiding_an_open_question_closes_it() -> None:
    order = order_in(State.OPEN, show())
    order.apply(0, Step.VOID, START_MS + 7)
    assert order.moments[0].closed_ms == START_MS + 7
    assert order.open_question() is None


def test_voiding_later_keeps_the_time_of_the_close() -> None:
    order = order_in(State.REVEALED, show())
    order.apply(0, Step.VOID, START_MS + 7)
    assert order.moments[0].closed_ms == START_MS + 1


def test_the_question_on_show_is_the_one_that_opened_last() -> None:
    order = order_of(show())
    assert order.current() is None
    for number, question in enumerate((2, 0)):
        order.apply(question, Step.OPEN, START_MS + 10 * number)
        order.apply(question, Step.CLOSE, START_MS + 10 * number + 5)
    assert order.current() == 0


def test_over_means_that_every_question_is_revealed_or_void() -> None:
    order = order_in(State.REVEALED, show())
    order.apply(1, Step.VOID, START_MS)
    assert not order.over()
    for step in WAY[State.REVEALED]:
        assert not order.over()
        order.apply(2, step, START_MS)
    assert order.over()


# --- what is due ----------------------------------------------------------------------------------


def test_a_whole_show_by_the_clock() -> None:
    order = order_of(show())
    steps = []
    while due := order.next_due(FINAL):
        order.apply(due.question, due.step, due.at_ms)
        steps.append((due.at_ms - START_MS, due.question, due.step.value))
    assert steps == [
        (at + 60_000 * n, n, step)
        for n in range(3)
        for at, step in ((60_000, "open"), (80_000, "close"), (83_000, "reveal"))
    ]
    assert order.over()


def test_the_reveal_waits_for_the_final_count_but_not_for_ever() -> None:
    order = order_in(State.CLOSED, show())
    closed_ms = START_MS + 1
    assert order.next_due(FINAL) == Due(closed_ms + 3_000, Step.REVEAL, 0)
    assert order.next_due(NONE) == Due(closed_ms + 3_000 + REVEAL_WAIT_MS, Step.REVEAL, 0)


def test_a_late_reveal_does_not_hold_up_the_next_opening() -> None:
    order = order_of(show())
    order.apply(0, Step.OPEN, START_MS + 60_000)
    order.apply(0, Step.CLOSE, START_MS + 115_000)
    assert order.next_due(NONE) == Due(START_MS + 120_000, Step.OPEN, 1)


def test_an_opening_waits_until_the_open_question_is_closed() -> None:
    """One that opened late, by hand or after a restart, may be open when the next is due."""
    order = order_of(show())
    order.apply(0, Step.OPEN, START_MS + 115_000)
    due = order.next_due(FINAL)
    assert due == Due(START_MS + 135_000, Step.CLOSE, 0)
    order.apply(due.question, due.step, due.at_ms)
    due = order.next_due(FINAL)
    assert due == Due(START_MS + 135_000 + order.show.reveal_after_ms, Step.REVEAL, 0)
    order.apply(due.question, due.step, due.at_ms)
    assert order.next_due(FINAL) == Due(due.at_ms + LOOK_MS, Step.OPEN, 1)


def test_a_void_question_is_never_opened() -> None:
    order = order_of(show())
    order.apply(0, Step.VOID, START_MS)
    assert order.next_due(FINAL) == Due(START_MS + 120_000, Step.OPEN, 1)
    assert order.next_opening_ms() == START_MS + 120_000


def test_by_hand_the_clock_only_closes() -> None:
    order = order_of(show("hand"))
    assert order.next_due(FINAL) is None
    order.apply(0, Step.OPEN, START_MS)
    assert order.next_due(FINAL) == Due(START_MS + 20_000, Step.CLOSE, 0)
    order.apply(0, Step.CLOSE, START_MS + 20_000)
    assert order.next_due(FINAL) is None


def test_by_hand_no_opening_is_announced_even_if_one_is_planned() -> None:
    order = order_of(show("hand"))
    assert order.moments[0].due_ms == START_MS + 60_000
    assert order.next_opening_ms() is None


def test_the_next_opening() -> None:
    order = order_of(show())
    assert order.next_opening_ms() == START_MS + 60_000
    for question in range(3):
        order.apply(question, Step.VOID, START_MS)
    assert order.next_opening_ms() is None


# --- the clock is held ----------------------------------------------------------------------------


def held(mode: str = "clock") -> RunningOrder:
    order = order_of(show(mode))
    order.hold(True)
    return order


def test_a_held_clock_opens_nothing_but_closes_and_reveals_what_is_open() -> None:
    order = held()
    assert order.next_due(FINAL) is None
    assert order.next_opening_ms() is None
    order.apply(0, Step.OPEN, START_MS)
    for at_ms, step in ((20_000, Step.CLOSE), (23_000, Step.REVEAL)):
        due = order.next_due(FINAL)
        assert due == Due(START_MS + at_ms, step, 0)
        order.apply(0, step, due.at_ms)
    assert order.next_due(FINAL) is None


def test_armed_again_the_clock_goes_on_with_what_is_overdue() -> None:
    order = held()
    order.hold(False)
    assert order.next_due(FINAL) == Due(START_MS + 60_000, Step.OPEN, 0)
    assert order.next_opening_ms() == START_MS + 60_000


def test_an_overdue_question_leaves_room_for_the_result_on_show() -> None:
    """Question 1 opens by hand while the clock is held, and closes when question 2 is overdue."""
    order = held()
    order.apply(0, Step.OPEN, START_MS + 110_000)
    order.apply(0, Step.CLOSE, START_MS + 130_000)
    order.apply(0, Step.REVEAL, START_MS + 133_000)
    order.hold(False)
    assert order.next_due(FINAL) == Due(START_MS + 133_000 + LOOK_MS, Step.OPEN, 1)


def test_what_is_held_is_not_held_again() -> None:
    with pytest.raises(IllegalStep) as caught:
        held().hold(True)
    assert str(caught.value) == "the clock is held: cannot hold it; possible: arm"


def test_what_is_armed_is_not_armed_again() -> None:
    with pytest.raises(IllegalStep) as caught:
        order_of(show()).hold(False)
    assert str(caught.value) == "the clock is armed: cannot arm it; possible: hold"


@pytest.mark.parametrize(("wish", "step"), [(True, "hold"), (False, "arm")])
def test_by_hand_there_is_no_clock_to_hold(wish: bool, step: str) -> None:
    order = order_of(show("hand"))
    with pytest.raises(IllegalStep) as caught:
        order.hold(wish)
    assert str(caught.value) == (
        f"this show goes by hand: cannot {step} the clock; "
        "possible: open, close, reveal, correct, void"
    )
    assert not order.held


def test_when_nothing_waits_there_is_nothing_to_hold_and_still_something_to_arm() -> None:
    order, before = order_of(show()), held()
    for question in range(3):
        order.apply(question, Step.VOID, START_MS)
        before.apply(question, Step.VOID, START_MS)
    with pytest.raises(IllegalStep, match="no question waits for the clock"):
        order.hold(True)
    before.hold(False)
    assert not before.held


# --- when phones ask again ------------------------------------------------------------------------

NOW = START_MS


@pytest.mark.parametrize(
    ("state", "closes", "next_", "expected"),
    [
        (State.OPEN, 20_000, 600_000, 23_500),  # silent until after the reveal
        (State.OPEN, -1, None, 3_500),
        (State.OPEN, None, None, 2_000),
        (State.CLOSED, -1, 600_000, 1_000),
        (State.REVEALED, -1, 30_000, 29_500),  # then until shortly before the next opening
        (State.REVEALED, -1, 600_000, 60_000),
        (State.REVEALED, -1, 100, 500),
        (State.REVEALED, -1, -5_000, 500),
        (State.REVEALED, -1, None, 2_000),
        (State.VOID, None, 30_000, 29_500),
        (None, None, 30_000, 29_500),
        (None, None, None, 2_000),
    ],
)
def test_how_long_a_phone_sleeps(
    state: State | None, closes: int | None, next_: int | None, expected: int
) -> None:
    closes_ms = None if closes is None else NOW + closes
    next_ms = None if next_ is None else NOW + next_
    assert poll_after_ms(NOW, state, closes_ms, next_ms, reveal_ms=3_000) == expected
