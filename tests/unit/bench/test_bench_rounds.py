"""Rounds are interleaved; who is absent is named; an unsteady machine gets more rounds."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from bench import rounds
from bench.report import Bound, Contender, Guarantees, State
from bench.rounds import Measured, Missing, Options, Plan, Runner

STEADY = (40.0, 40.0)


class Fake:
    def __init__(self, name: str, calls: list[str], missing: bool = False) -> None:
        self.contender = Contender(name, Guarantees())
        self._calls = calls
        self._missing = missing

    def __enter__(self) -> Fake:
        if self._missing:
            raise Missing("not installed")
        self._calls.append(f"start {self.contender.name}")
        return self

    def __exit__(self, *_: object) -> None:
        self._calls.append(f"end {self.contender.name}")

    def measure(self, seconds: float) -> Measured:
        self._calls.append(f"{self.contender.name} {seconds:g}")
        return Measured(answers=100, cpu_s=2e-4, seconds=seconds)

    def verify(self) -> str | None:
        return f"{self.contender.name} verified"


class FakeWatch:
    """Tells the states in turn, the last one for ever."""

    states: list[tuple[float, float]]

    def __enter__(self) -> FakeWatch:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def begin(self) -> None:
        pass

    def end(self) -> State:
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        return State(state, 30.0, 0.0)


@pytest.fixture
def states(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, float]]:
    FakeWatch.states = [STEADY]
    monkeypatch.setattr(rounds, "Watch", FakeWatch)
    return FakeWatch.states


def plan(runners: Sequence[Runner], *bounds: Bound) -> Plan:
    return Plan("p", "t", "a", "answer", lambda _: runners, bounds)


def run(planned: Plan, count: int) -> rounds.Group:
    return rounds.run(planned, Options(rounds=count, seconds=2.0), lambda *_: None)


def test_rounds_are_interleaved(states: list[tuple[float, float]]) -> None:
    calls: list[str] = []
    found = run(plan([Fake("a", calls), Fake("b", calls)]), 2)
    warming, measuring = ["a 0.5", "b 0.5"], ["a 2", "b 2", "a 2", "b 2"]
    assert calls == ["start a", "start b", *warming, *measuring, "end b", "end a"]
    assert [(s.contender, s.round) for s in found.samples] == [
        ("a", 1),
        ("b", 1),
        ("a", 2),
        ("b", 2),
    ]
    assert found.samples[0].cpu_us_per_answer == pytest.approx(2.0)
    assert found.samples[0].answers_per_s == pytest.approx(50.0)
    assert found.notes == ("a verified", "b verified")


def test_who_is_missing_is_named_and_bounds_on_it_fall_away(
    states: list[tuple[float, float]],
) -> None:
    calls: list[str] = []
    runners = [Fake("a", calls), Fake("b", calls, missing=True)]
    found = run(plan(runners, Bound("b", "a", at_least=2.0)), 1)
    assert [(absent.contender, absent.why) for absent in found.absent] == [("b", "not installed")]
    assert found.bounds == ()


def test_an_unsteady_machine_gets_more_rounds(states: list[tuple[float, float]]) -> None:
    states[:] = [(40.0, 300.0)] * 4 + [STEADY]
    calls: list[str] = []
    found = run(plan([Fake("a", calls), Fake("b", calls)], Bound("b", "a", at_most=1.5)), 3)
    assert max(sample.round for sample in found.samples) == 5


def test_more_rounds_have_an_end(states: list[tuple[float, float]]) -> None:
    states[:] = [(40.0, 300.0)]
    calls: list[str] = []
    found = run(plan([Fake("a", calls), Fake("b", calls)], Bound("b", "a", at_most=1.5)), 2)
    assert max(sample.round for sample in found.samples) == 2 * rounds.ROUNDS_MORE
