"""What waits in the journal to be counted by memcached, gathered into one increment per cell."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from hairpin.answer import RECORD, Records
from hairpin.errors import DataDamaged
from hairpin.frame import Frame, Kind
from hairpin.journal import Follower, Journal
from hairpin.tally.lines import Positions
from hairpin.tally.memcached_keys import CELLS, Deltas, by_cell

LOAD_ANSWERS = 200_000
"""About how many answers go in one load, so that numbers move while much waits."""

Good = Callable[[int], npt.NDArray[np.bool]]
"""Question index to: for each of the 256 choice masks, does it count as right?"""


def by_question(frame: Frame) -> Iterator[tuple[int, Records]]:
    """A frame's answers by question index. Raises ValueError if the body is not whole records."""
    records = np.frombuffer(frame.body, RECORD)
    for question in np.unique(records["question"]).tolist():
        yield question, records[records["question"] == question]


class Load:
    """Increments by question, and how far each strand is counted once they have arrived."""

    def __init__(self) -> None:
        self.deltas: dict[int, Deltas] = {}
        self.counted: Positions = {}
        self.answers = 0
        self.oldest_ms: int | None = None
        """When the oldest of them was received, since the show's epoch."""

    def take(self, question: int, records: Records, deltas: Deltas) -> None:
        self.deltas[question] = self.deltas.get(question, 0) + deltas
        self.answers += len(records)
        oldest_ms = int(records["received_ms"].min())
        self.oldest_ms = oldest_ms if self.oldest_ms is None else min(self.oldest_ms, oldest_ms)


class Waiting:
    """Reads strands as far as they are durable. What waits is in the journal, not in memory."""

    def __init__(self, journal: Journal, good: Good) -> None:
        self._journal = journal
        self._good = good
        self._followers: dict[int, Follower] = {}
        self._damaged: set[int] = set()
        self.hit: dict[int, npt.NDArray[np.bool]] = {}
        """The cells of each question that hold anything: only these need to be read."""
        self.touched: set[int] = set()
        """Questions that were answered in what was read; whoever has looked clears it."""

    def forget(self) -> None:
        """Read everything again: what was taken has not arrived."""
        self._followers.clear()

    def load(self, durable: Positions, counted: Positions) -> Load:
        """What is durable and not counted; about LOAD_ANSWERS at most."""
        load = Load()
        for incarnation, frames in durable.items():
            if load.answers >= LOAD_ANSWERS:
                break
            if incarnation not in self._damaged:
                self._follow(incarnation, frames, counted.get(incarnation, 0), load)
        return load

    def more(self, durable: Positions, counted: Positions) -> bool:
        """Is there anything left to load?"""
        readable = ((n, frames) for n, frames in durable.items() if n not in self._damaged)
        return any(frames > counted.get(n, 0) for n, frames in readable)

    def _follow(self, incarnation: int, upto: int, counted: int, load: Load) -> None:
        follower = self._followers.get(incarnation)
        if follower is None:
            follower = self._followers[incarnation] = self._journal.follow(incarnation)
        try:
            for frame in follower.read(upto):
                if frame.kind is Kind.ANSWERS:
                    self._take(frame, frame.sequence >= counted, load)
                if load.answers >= LOAD_ANSWERS:
                    break
        except (DataDamaged, ValueError):
            self._damaged.add(incarnation)  # the keeper has met it, too, and tells
        if follower.frames > counted:
            load.counted[incarnation] = follower.frames

    def _take(self, frame: Frame, fresh: bool, load: Load) -> None:
        for question, records in by_question(frame):
            deltas = by_cell(records, self._good(question))
            hit = self.hit.setdefault(question, np.zeros(CELLS, np.bool))
            hit |= deltas > 0
            self.touched.add(question)
            if fresh:
                load.take(question, records, deltas)
