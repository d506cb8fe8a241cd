"""Any night: steps drawn by hypothesis, played on a real journal beside the plain books."""

from __future__ import annotations

from pathlib import Path

from disk_night import DiskNight
from hypothesis import strategies as st
from inline_worker import PatientWorker
from plain_tally import PlainTally
from small_show import EPOCH_MS, FR, GB, US, Answer, make_question, make_show, opened_ms

from hairpin import messages as m
from hairpin.show import Show
from hairpin.tally.keeper import Keeper

QUESTIONS = [
    make_question(1),
    make_question(2, multiple=True, right=0b011),
    make_question(3, right=0),
]
SHOW = make_show(QUESTIONS, contenders=3, reserves=1)
FANS = 8

questions = st.integers(0, len(QUESTIONS) - 1)
fans = st.integers(0, FANS - 1)
one_answer = st.tuples(fans, st.integers(-200, 8_000), st.integers(0, 8_000), st.integers(0, 2))
steps = st.one_of(
    st.tuples(st.just("answers"), st.integers(0, 1), questions, st.lists(one_answer, max_size=5)),
    st.tuples(st.just("answers"), st.integers(0, 1), questions, st.lists(one_answer, max_size=5)),
    st.tuples(st.sampled_from(["advance", "advance", "publish", "crash", "roll", "restart"])),
    st.tuples(st.sampled_from(["work", "publish"])),
    st.tuples(st.just("correct"), questions, st.integers(0, 7)),
    st.tuples(st.just("void"), questions),
    st.tuples(st.just("strike"), fans),
)


class AnyNight:
    """Plays steps on a real journal and keeps the plain books beside it."""

    def __init__(self, directory: Path, show: Show = SHOW) -> None:
        self.worker = PatientWorker()
        self.night = DiskNight(directory, show, worker=self.worker)
        starts = {n: opened_ms(n) - EPOCH_MS for n in range(len(QUESTIONS))}
        self.plain = PlainTally(show, starts)
        self.opened = 0
        self.is_open = False

    def play(self, step: tuple[object, ...]) -> None:
        getattr(self, f"_{step[0]}")(*step[1:])

    def finish(self) -> m.TallySnapshot:
        while self.opened < len(QUESTIONS) or self.is_open:
            self._advance()
        for question in range(len(QUESTIONS)):
            self.night.mark(question)
        self.night.publish()
        while self.night.keeper.book.stale():
            self.worker.work()
            self.night.publish()
        self.night.control(m.Struck(0, 99, "so that there is news"))
        snapshot = self.night.snapshot()
        assert snapshot is not None
        return snapshot

    def _advance(self) -> None:
        """Open the next question, or close the one that is open."""
        if self.is_open:
            self.night.close(self.opened - 1)
            self.night.mark(self.opened - 1)
            self.is_open = False
        elif self.opened < len(QUESTIONS):
            self.night.open(self.opened)
            self.opened += 1
            self.is_open = True

    def _answers(self, gate: int, question: int, given: list[tuple[int, int, int, int]]) -> None:
        answers: list[Answer] = [
            (
                fan,
                max(opened_ms(question) - EPOCH_MS + received, 0),
                claimed,
                question,
                1 << bit,
                fan % 3,
                (FR, GB, US)[fan % 3],
            )
            for fan, received, claimed, bit in given
        ]
        self.night.answers(gate, answers)
        self.plain.answers += answers

    def _correct(self, question: int, right: int) -> None:
        self.night.control(m.Corrected(0, question, right, f"now {right}"))
        self.plain.right[question] = right

    def _void(self, question: int) -> None:
        # A question that never opened has no counts; here each of them opens.
        if question < self.opened:
            self.night.control(m.Voided(0, question, "void"))
            self.plain.void.add(question)
            if self.is_open and question == self.opened - 1:
                self.night.mark(question)
                self.is_open = False

    def _strike(self, fan: int) -> None:
        self.night.control(m.Struck(0, fan, "struck"))
        self.plain.struck.add(fan)

    def _work(self) -> None:
        """Another thread has read what it was asked to; answers came meanwhile."""
        self.worker.work()

    def _publish(self) -> None:
        self.night.publish()

    def _crash(self) -> None:
        self.night.crash(0)
        self.night.add_gate()

    def _roll(self) -> None:
        for writer in (self.night.director, *self.night.gates):
            writer.roll()

    def _restart(self) -> None:
        """A new keeper reads everything, director first; what was being refolded is forgotten."""
        night = self.night
        night.publish()
        fenced = {end.incarnation: end.frames for end in night.keeper.book.fenced}
        self.worker = PatientWorker()
        night.keeper = Keeper(night.journal, night.clock, self.worker)
        night.keeper.synced(night.director.synced)
        news = [m.Synced(incarnation, frames) for incarnation, frames in fenced.items()]
        assert night.keeper.catch_up([*news, *(gate.synced for gate in night.gates)]) == {}
