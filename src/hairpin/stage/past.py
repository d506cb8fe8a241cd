"""What happened so far, read back from the control records of the journal."""

from __future__ import annotations

from collections.abc import Iterable
from functools import singledispatchmethod

from hairpin import messages as m
from hairpin.errors import DataDamaged
from hairpin.frame import Kind
from hairpin.journal import Journal, decode_control
from hairpin.order import IllegalStep, RunningOrder, State, Step
from hairpin.show import Mode

DIRECTOR = "director"


class Past:
    """The running order and all that goes with it, after these control records."""

    def __init__(self) -> None:
        self.armed: m.Armed | None = None
        self.order: RunningOrder | None = None
        self.struck: dict[int, m.Struck] = {}
        self.announced: m.Announced | None = None
        self.leased = 0
        """The first fan number that nobody was given."""
        self.fenced: dict[int, m.Fenced] = {}
        self.published: dict[int, m.Published] = {}
        """Question to the last published version of its result."""

    @property
    def held(self) -> bool:
        """Is the clock held by the producer?"""
        return self.order is not None and self.order.held

    @property
    def begun(self) -> bool:
        """Did any question open?"""
        moments = self.order.moments if self.order else ()
        return any(moment.opened_ms is not None for moment in moments)

    @property
    def untouched(self) -> bool:
        """Was no step taken yet? Then the show may be armed anew, with other times."""
        moments = self.order.moments if self.order else []
        questions = self.order.show.questions if self.order else ()
        return all(
            moment.state is State.WAITING and moment.right == question.right
            for moment, question in zip(moments, questions, strict=True)
        )

    def take(self, record: m.AnyControl) -> None:
        self._take(record)

    def _step(self, question: int, step: Step, at_ms: int, right: int | None = None) -> None:
        if self.order is None:
            raise _damaged("it has steps, but no show")
        try:
            self.order.apply(question, step, at_ms, right)
        except IllegalStep as error:
            raise _damaged(str(error)) from error

    def _hold(self, held: bool) -> None:
        if self.order is None:
            raise _damaged("it has steps, but no show")
        try:
            self.order.hold(held)
        except IllegalStep as error:
            raise _damaged(str(error)) from error

    @singledispatchmethod
    def _take(self, record: m.AnyControl) -> None:
        """Records of other writers say nothing about the running order."""

    @_take.register
    def _(self, record: m.Armed) -> None:
        # A show that waits for its producer must not begin because its node was started again.
        held = self.held and record.show.mode is Mode.CLOCK
        self.armed = record
        self.order = RunningOrder(record.show, record.opens_ms)
        self.order.held = held

    @_take.register
    def _(self, record: m.Opened) -> None:
        self._step(record.question, Step.OPEN, record.at_ms)

    @_take.register
    def _(self, record: m.Closed) -> None:
        self._step(record.question, Step.CLOSE, record.at_ms)

    @_take.register
    def _(self, _: m.Held) -> None:
        self._hold(True)

    @_take.register
    def _(self, _: m.Released) -> None:
        self._hold(False)

    @_take.register
    def _(self, record: m.Revealed) -> None:
        self._step(record.question, Step.REVEAL, record.at_ms)

    @_take.register
    def _(self, record: m.Corrected) -> None:
        self._step(record.question, Step.CORRECT, record.at_ms, record.right)

    @_take.register
    def _(self, record: m.Voided) -> None:
        self._step(record.question, Step.VOID, record.at_ms)

    @_take.register
    def _(self, record: m.Struck) -> None:
        self.struck[record.fan] = record

    @_take.register
    def _(self, record: m.Announced) -> None:
        self.announced = record

    @_take.register
    def _(self, record: m.Leased) -> None:
        self.leased = max(self.leased, record.first + record.count)

    @_take.register
    def _(self, record: m.Fenced) -> None:
        self.fenced[record.incarnation] = record

    @_take.register
    def _(self, record: m.Published) -> None:
        self.published[record.question] = record


def _damaged(why: str) -> DataDamaged:
    return DataDamaged(
        f"journal damaged: {why}", "A strand of its director is missing: restore it from a copy."
    )


def roles(journal: Journal) -> dict[int, str | None]:
    """Each strand's role, from its first frame; None if it has none."""
    found: dict[int, str | None] = {}
    for incarnation in journal.incarnations():
        first = next(journal.follow(incarnation).read(), None)
        record = None
        if first is not None and first.kind is Kind.CONTROL:
            record = decode_control(first.body)
        found[incarnation] = record.role if isinstance(record, m.Born) else None
    return found


def directors(journal: Journal) -> list[int]:
    """The strands of all owners of the running order, in order of birth."""
    return [n for n, role in roles(journal).items() if role == DIRECTOR]


def read_past(journal: Journal, incarnations: Iterable[int]) -> Past:
    """Raises DataDamaged where a strand cannot be read."""
    past = Past()
    for incarnation in incarnations:
        for frame in journal.follow(incarnation).read():
            if frame.kind is Kind.CONTROL:
                past.take(decode_control(frame.body))
    return past
