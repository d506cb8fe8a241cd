"""The running order: the states of a question as a table, and what is due when.

    waiting --open--> open --close--> closed --reveal--> revealed
       any state but void --void--> void; revealed --correct--> revealed

By the clock, the producer may hold it: then nothing opens by itself until the clock is armed again.
Pure: time arrives as an argument. The stage's director journals each step and tells the others.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from hairpin.show import Mode, Show


class State(StrEnum):
    WAITING = "waiting"
    OPEN = "open"
    CLOSED = "closed"
    REVEALED = "revealed"
    VOID = "void"


class Step(StrEnum):
    OPEN = "open"
    CLOSE = "close"
    REVEAL = "reveal"
    CORRECT = "correct"
    VOID = "void"


STEPS: dict[tuple[State, Step], State] = {
    (State.WAITING, Step.OPEN): State.OPEN,
    (State.OPEN, Step.CLOSE): State.CLOSED,
    (State.CLOSED, Step.REVEAL): State.REVEALED,
    (State.WAITING, Step.CORRECT): State.WAITING,
    (State.CLOSED, Step.CORRECT): State.CLOSED,
    (State.REVEALED, Step.CORRECT): State.REVEALED,
    (State.WAITING, Step.VOID): State.VOID,
    (State.OPEN, Step.VOID): State.VOID,
    (State.CLOSED, Step.VOID): State.VOID,
    (State.REVEALED, Step.VOID): State.VOID,
}


class IllegalStep(ValueError):
    """A step that the table does not know; the message says what is possible instead."""


class Moment(msgspec.Struct):
    """Where one question stands. Times are milliseconds since 1970, None until they happened."""

    state: State = State.WAITING
    due_ms: int | None = None
    """When it opens by the clock."""
    opened_ms: int | None = None
    closes_ms: int | None = None
    """When it closes by the clock; None: by hand."""
    closed_ms: int | None = None
    revealed_ms: int | None = None
    right: int = 0
    """The right answer now in force, after corrections; bit mask."""


class Due(msgspec.Struct, frozen=True):
    at_ms: int
    step: Step
    question: int


class RunningOrder:
    """Every question's moment. `apply` is the only way to change one, `hold` to set `held`."""

    def __init__(self, show: Show, opens_ms: tuple[int | None, ...]) -> None:
        self.show = show
        self.held = False
        """Does the clock open nothing until it is armed again?"""
        self.moments = [
            Moment(due_ms=due, right=question.right)
            for question, due in zip(show.questions, opens_ms, strict=True)
        ]

    def check(self, question: int, step: Step) -> State:
        """The state that `step` leads to; raises `IllegalStep`."""
        if not 0 <= question < len(self.moments):
            raise IllegalStep(f"there is no question {question + 1}")
        state = self.moments[question].state
        target = STEPS.get((state, step))
        if target is None:
            possible = ", ".join(s for (of, s) in STEPS if of is state) or "nothing more"
            raise IllegalStep(
                f"question {question + 1} is {state}: cannot {step}; possible: {possible}"
            )
        busy = self.open_question()
        if step is Step.OPEN and busy is not None:
            raise IllegalStep(f"question {busy + 1} is still open: close it first")
        return target

    def apply(self, question: int, step: Step, at_ms: int, right: int | None = None) -> None:
        target = self.check(question, step)
        moment = self.moments[question]
        moment.state = target
        if step is Step.OPEN:
            moment.opened_ms = at_ms
            duration = self.show.questions[question].duration_ms
            moment.closes_ms = None if duration is None else at_ms + duration
        elif step is Step.CLOSE or (step is Step.VOID and moment.closed_ms is None):
            moment.closed_ms = at_ms
        elif step is Step.REVEAL:
            moment.revealed_ms = at_ms
        elif step is Step.CORRECT and right is not None:
            moment.right = right

    def check_hold(self, held: bool) -> None:
        """May the clock be held, or, if not `held`, armed again? Raises `IllegalStep`."""
        step = "hold" if held else "arm"
        if self.show.mode is not Mode.CLOCK:
            raise IllegalStep(
                f"this show goes by hand: cannot {step} the clock; possible: {', '.join(Step)}"
            )
        if held is self.held:
            state, possible = ("held", "arm") if held else ("armed", "hold")
            raise IllegalStep(f"the clock is {state}: cannot {step} it; possible: {possible}")
        if held and all(moment.state is not State.WAITING for moment in self.moments):
            raise IllegalStep("no question waits for the clock: there is nothing to hold")

    def hold(self, held: bool) -> None:
        """Let the clock open nothing more, or, if not `held`, go on. Raises `IllegalStep`."""
        self.check_hold(held)
        self.held = held

    def open_question(self) -> int | None:
        for index, moment in enumerate(self.moments):
            if moment.state is State.OPEN:
                return index
        return None

    def current(self) -> int | None:
        """The question that people look at: the last one that left `waiting`."""
        started = [i for i, m in enumerate(self.moments) if m.opened_ms is not None]
        return max(started, key=lambda i: self.moments[i].opened_ms or 0) if started else None

    def over(self) -> bool:
        return all(m.state in (State.REVEALED, State.VOID) for m in self.moments)

    def next_opening_ms(self) -> int | None:
        """When the clock will open the next question; None by hand or held, whatever is planned."""
        if self.show.mode is not Mode.CLOCK or self.held:
            return None
        waiting = [
            m.due_ms for m in self.moments if m.state is State.WAITING and m.due_ms is not None
        ]
        return min(waiting) if waiting else None

    def _last_shown(self) -> tuple[int, int]:
        """Of the question closed last: when it closed, and until when it should stay on show."""
        closed = [m for m in self.moments if m.closed_ms is not None and m.opened_ms is not None]
        if not closed:
            return 0, 0
        last = max(closed, key=lambda moment: moment.closed_ms or 0)
        closed_ms = last.closed_ms or 0
        revealed_ms = last.revealed_ms or closed_ms + self.show.reveal_after_ms
        return closed_ms, revealed_ms + LOOK_MS

    def next_due(self, final: frozenset[int]) -> Due | None:
        """The next step that the clock will take.

        `final`: the questions whose count is final. A reveal waits for it, but not longer than
        REVEAL_WAIT_MS: then the result is shown as provisional. While a question is open, the next
        opening waits until it is closed and people have seen its result, which a restart or an
        opening by hand can make necessary. While the clock is held it opens nothing, but closes and
        reveals what is open.
        """
        may_open = not self.held and self.open_question() is None
        closed_ms, shown_until_ms = self._last_shown()
        by_clock = self.show.mode is Mode.CLOCK
        dues: list[tuple[int, int, Step]] = []
        for index, moment in enumerate(self.moments):
            state = moment.state
            if state is State.OPEN:
                if moment.closes_ms is not None:
                    dues.append((moment.closes_ms, index, Step.CLOSE))
            elif not by_clock:
                continue
            elif state is State.CLOSED and moment.closed_ms is not None:
                wait_ms = 0 if index in final else REVEAL_WAIT_MS
                at_ms = moment.closed_ms + self.show.reveal_after_ms + wait_ms
                dues.append((at_ms, index, Step.REVEAL))
            elif state is State.WAITING and may_open and moment.due_ms is not None:
                slipped = closed_ms > moment.due_ms
                dues.append((shown_until_ms if slipped else moment.due_ms, index, Step.OPEN))
        if not dues:
            return None
        at_ms, question, step = min(dues)
        return Due(at_ms, step, question)


REVEAL_WAIT_MS = 10_000
LOOK_MS = 5_000
"""How long a result stays on show when the running order has slipped."""


def poll_after_ms(
    now_ms: int, state: State | None, closes_ms: int | None, next_ms: int | None, reveal_ms: int
) -> int:
    """How long a phone should sleep before it asks `GET /now` again; it adds its own spread.

    Silent while the question is open, one look after the reveal, then until shortly before the
    next opening. Where nothing is scheduled, every two seconds.
    """
    if state is State.OPEN and closes_ms is not None:
        return max(closes_ms - now_ms, 0) + reveal_ms + 500
    if state is State.CLOSED:
        return 1_000
    if next_ms is not None:
        return min(max(next_ms - now_ms - 500, 500), 60_000)
    return 2_000
