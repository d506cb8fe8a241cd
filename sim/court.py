"""The court hears all witnesses of a night and puts every checker to its question.

It knows what no process can know: everything. The first violation ends the night.
"""

from __future__ import annotations

import asyncio
import json
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hairpin.answer import RECORD
from hairpin.frame import Kind
from hairpin.messages import QuestionTally, Synced, TallySnapshot
from hairpin.stage.commands import Reveal
from hairpin.stage.documents import Cue
from sim.checkers import Violation
from sim.checkers.durable import Durability
from sim.checkers.finality import Finality
from sim.checkers.ledger import Ledger
from sim.checkers.numbers import Numbers, fan_of
from sim.checkers.patience import Patience
from sim.checkers.steps import Told
from sim.checkers.versions import Versions, settled
from sim.checkers.watermark import Watermark
from sim.transcript import Transcript

if TYPE_CHECKING:
    from sim.process import Process
    from sim.universe import Universe


class Court:
    def __init__(
        self, universe: Universe, mirrors: Sequence[Path] = (), reveal_after_ms: int = 0
    ) -> None:
        self._universe = universe
        self.ledger = Ledger()
        self.numbers = Numbers()
        self.durability = Durability(self._platter, mirrors)
        self.finality = Finality()
        self.versions = Versions()
        self.watermark = Watermark()
        self.patience = Patience(reveal_after_ms)
        self.told = Told()
        self.transcript = Transcript(universe)
        self.tears: dict[int, tuple[str, int]] = {}
        """Processes that are to die when they write answers, by number: in what operation, and of
        how many bytes at least."""
        self.violation: Violation | None = None
        self.called = asyncio.Event()
        """There is a violation."""
        self.snapshot: TallySnapshot | None = None
        """What was shown last."""

    def sample(self, of: range, most: int) -> list[int]:
        """Some of them, by dice."""
        return self._universe.dice.sample(of, min(most, len(of)))

    def judge(self, check: Callable[..., object], *args: Any) -> None:
        """Ask a checker."""
        try:
            check(*args)
        except Violation as violation:
            self.blame(violation)

    def blame(self, violation: Violation) -> None:
        if self.violation is None:
            self.violation = violation
            self._universe.note("court", f"VIOLATION of {violation}")
            self.called.set()

    # --- writers ----------------------------------------------------------------------------------

    def committed(self, process: Process, synced: Synced, kind: Kind, body: bytes) -> None:
        """A writer says that this frame is durable."""
        incarnation = synced.incarnation
        self.judge(self.durability.acknowledged, incarnation, synced.frames - 1, body)
        self.judge(self.finality.journalled, incarnation)
        self.watermark.durable(incarnation, synced.frames)
        if kind is Kind.ANSWERS:
            questions = set(np.frombuffer(body, RECORD)["question"].tolist())
            now_ms = self._universe.now_ms
            self.judge(self.finality.answered, incarnation, questions, now_ms)
        elif kind is Kind.CONTROL:
            self._control(process, incarnation, json.loads(body))

    def crashed(self, process: Process, error: BaseException) -> None:
        """A process ended by an error that nobody explains."""
        for line in "".join(traceback.format_exception(error)).splitlines():
            self.transcript.tell(process.name, f"| {line}")
        told = f"{process.name}: {error!r}"
        self.blame(Violation("no process falls by an error that nobody explains", told))

    def sealed(self, incarnation: int) -> None:
        self.finality.sealed(incarnation)
        self.watermark.sealed(incarnation)

    def _control(self, process: Process, incarnation: int, record: dict[str, Any]) -> None:
        if record["type"] == "born" and record["role"] == "gate":
            self.judge(self.finality.born, incarnation, lambda: not process.dead)
        elif record["type"] == "marked" and record["questions"]:
            self.finality.marked(incarnation, record["questions"])
        elif record["type"] == "fenced":
            self.finality.fenced(record["incarnation"])
            self.watermark.durable(record["incarnation"], record["frames"])
        elif record["type"] == "closed":
            self.patience.closed(record["question"], record["at_ms"])
        elif record["type"] == "revealed":
            self.judge(self.patience.revealed, record["question"], record["at_ms"])
        self.transcript.control(process.name, incarnation, record)

    # --- what people see --------------------------------------------------------------------------

    def issued(self, ticket: str) -> int:
        """A phone has joined; returns its fan number."""
        self.judge(self.numbers.issue, ticket)
        return fan_of(ticket)

    def shown(self, snapshot: TallySnapshot) -> None:
        """The stage shows these counts."""
        known = self.snapshot.questions if self.snapshot else ()
        self.snapshot = snapshot
        self.judge(self.watermark.counted, snapshot.positions)
        for index, tally in enumerate(snapshot.questions):
            if index >= len(known) or known[index] != tally:
                self._tally(tally)

    def _tally(self, tally: QuestionTally) -> None:
        self.judge(self.versions.show, tally)
        if settled(tally):
            self.patience.excused(tally.question)
            self.judge(self.finality.shown, tally.question, self._universe.now_ms)

    def pressed(self, command: object) -> None:
        """The producer presses a button of the console."""
        if isinstance(command, Reveal):
            self.patience.excused(command.question)

    def order(self, cues: Sequence[Cue]) -> None:
        self.judge(self.told.take, cues)

    def seen_now(self, body: dict[str, Any]) -> None:
        """`GET /now` as a phone got it."""
        result = body["result"]
        if result is not None and result["status"] == "final":
            index = body["question"]["index"]
            self.judge(self.finality.shown, index, self._universe.now_ms)

    def _platter(self, path: Path) -> bytes | None:
        try:
            return self._universe.machine.disks.durable(path)
        except OSError:
            return None
