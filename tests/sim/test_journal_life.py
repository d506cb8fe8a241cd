"""Lives of the journal alone, with as many faults as its rules survive, and with more."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog

from sim.journal_life import SILENT
from sim.journal_machine import Life

SEEDS = 10


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """What the product logs of injected faults is no news here."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(SILENT))
    yield
    structlog.configure(**before)


@pytest.mark.parametrize("mirrors", [1, 2, 3, 4])
def test_nothing_is_lost_by_what_the_rules_survive(mirrors: int) -> None:
    for seed in range(1, SEEDS + 1):
        outcome = Life(seed, mirrors).run()
        assert not outcome.violation, f"seed {seed}: {outcome.violation}\n{outcome.transcript}"
        assert outcome.frames, f"seed {seed} wrote nothing"


@pytest.mark.parametrize("mirrors", [1, 2, 3])
def test_what_is_lost_by_more_is_told(mirrors: int) -> None:
    for seed in range(1, SEEDS // 2 + 1):
        outcome = Life(seed, mirrors, beyond=True).run()
        assert not outcome.violation, f"seed {seed}: {outcome.violation}\n{outcome.transcript}"


def test_a_life_depends_on_its_seed_alone() -> None:
    lives = [Life(3, 2) for _ in range(2)]
    for life in lives:
        life.run()
    first, second = (life.universe.transcript() for life in lives)
    assert first == second
    other = Life(4, 2)
    other.run()
    assert other.universe.transcript() != first
