"""The running order takes no illegal step, in the journal and in what is told of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hairpin.stage.documents import Cue
from sim.checkers import Violation

ORDER = ("waiting", "open", "closed", "revealed", "void")
"""No question goes back."""
LEGAL = {
    "opened": {"waiting": "open"},
    "closed": {"open": "closed"},
    "revealed": {"closed": "revealed"},
    "corrected": {"waiting": "waiting", "closed": "closed", "revealed": "revealed"},
    "voided": {"waiting": "void", "open": "void", "closed": "void", "revealed": "void"},
}
"""Control record: state before it, and state after it."""


class Steps:
    """Told the control records of all directors, in order, as plain JSON."""

    def __init__(self) -> None:
        self.states: dict[int, str] = {}
        self._held = False

    def take(self, record: Mapping[str, Any]) -> None:
        kind = record["type"]
        if kind == "armed" and any(state != "waiting" for state in self.states.values()):
            raise Violation("the show is armed before its first step", f"{self.states}")
        if kind in ("held", "released"):
            if self._held is (kind == "held"):
                raise Violation("the clock is held and released in turns", f"{kind} twice")
            self._held = kind == "held"
        if kind not in LEGAL:
            return
        question = int(record["question"])
        before = self.states.get(question, "waiting")
        after = LEGAL[kind].get(before)
        name = f"question {question + 1}"
        if after is None:
            raise Violation("no illegal step", f"{name} was {before}, and was {kind}")
        if kind == "opened" and "open" in self.states.values():
            raise Violation("one question is open at a time", f"{name} was opened beside another")
        self.states[question] = after


class Told:
    """Told every running order that was shown, by whatever process, in order."""

    def __init__(self) -> None:
        self._opened: dict[int, int] = {}
        self._states: dict[int, str] = {}

    def take(self, cues: Sequence[Cue]) -> None:
        for cue in cues:
            name = f"question {cue.index + 1}"
            opened = self._opened.get(cue.index)
            if opened is not None and cue.opened_at != opened:
                raise Violation(
                    "an opening stays", f"{name} opened at {opened}, then at {cue.opened_at}"
                )
            if cue.opened_at is not None:
                self._opened[cue.index] = cue.opened_at
            before = self._states.get(cue.index, ORDER[0])
            if ORDER.index(cue.state) < ORDER.index(before):
                raise Violation(
                    "what was shown is not taken back", f"{name} was {before}, and is {cue.state}"
                )
            self._states[cue.index] = cue.state
