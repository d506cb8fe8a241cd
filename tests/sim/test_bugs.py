"""Every deliberate bug is found within the nights that are stated for it, by the right checker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from structlog.typing import EventDict

from sim.bugs import BUGS, Bug, hunt
from sim.bugs.hunt import holds

DOCS = Path(__file__).parents[2] / "docs" / "internals" / "bugs.md"
TOLD: dict[tuple[object, int], str] = {}
"""What is violated without a bug, by nights and seed: several bugs share theirs."""


@pytest.fixture(autouse=True)
def silence() -> Iterator[None]:
    """What a product with a bug logs is no news."""

    def drop(*_: object) -> EventDict:
        raise structlog.DropEvent

    configured = structlog.get_config()
    structlog.configure(processors=[drop])
    yield
    structlog.configure(**configured)


def test_there_are_enough() -> None:
    assert len(BUGS) >= 30


@pytest.mark.parametrize("bug", BUGS.values(), ids=BUGS.keys())
def test_the_bug_is_found(bug: Bug) -> None:
    found = hunt(bug)
    assert found is not None, f"{bug.seeds} nights hold although: {bug.mistake}"
    assert found.violation.invariant in bug.invariants, str(found.violation)
    key = (bug.nights, found.seed)
    if key not in TOLD:
        TOLD[key] = holds(bug, found.seed)
    assert TOLD[key] == "", "the night does not hold without the bug, either"


def test_a_bug_is_gone_when_it_is_switched_off() -> None:
    for bug in BUGS.values():
        before = _code(bug)
        with bug.on():
            assert _code(bug) != before, f"{bug.name} changes nothing"
        assert _code(bug) == before


def _code(bug: Bug) -> list[object]:
    """What its patch replaces, as it is now."""

    class Spy:
        def __init__(self) -> None:
            self.seen: list[object] = []

        def replace(self, owner: object, name: str, _: object) -> object:
            self.seen.append(vars(owner)[name])
            return vars(owner)[name]

    spy = Spy()
    bug.switch_on(spy)  # type: ignore[arg-type]
    return spy.seen


def test_the_table_names_every_bug_with_its_place_and_its_seeds() -> None:
    table = DOCS.read_text()
    for bug in BUGS.values():
        row = next(line for line in table.splitlines() if line.startswith(f"| `{bug.name}` |"))
        assert f"| {bug.seeds} |" in row, f"{bug.name}: {bug.seeds} seeds"
        assert bug.where in row
        assert bug.mistake in row
