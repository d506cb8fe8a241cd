"""A closer look at a few fans: both clocks of each of their answers, from the journal."""

from __future__ import annotations

import numpy as np

from hairpin.answer import RECORD, Records
from hairpin.frame import Kind
from hairpin.journal import Follower
from hairpin.messages import AnswerClocks, ContenderClocks
from hairpin.tally.batch import answers_of
from hairpin.tally.cells import QuestionCount
from hairpin.tally.lines import Line, Positions
from hairpin.tally.replay import Strands
from hairpin.tally.words import parts_of


class AnswersOfFans:
    """All journalled answers of the same few fans, read once, and from there on when asked again.

    Not for use by several threads at once.
    """

    def __init__(self, journal: Strands) -> None:
        self._journal = journal
        self._fans: tuple[int, ...] = ()
        self._followers: dict[int, Follower] = {}
        self._parts: list[Records] = []

    def read(self, fans: tuple[int, ...], upto: Positions) -> Records:
        """Repeats included. Raises DataDamaged."""
        if fans != self._fans:
            self._fans, self._followers, self._parts = fans, {}, [np.zeros(0, RECORD)]
        wanted = np.array(sorted(fans), np.uint32)
        for incarnation, frames in upto.items():
            if incarnation not in self._followers:
                self._followers[incarnation] = self._journal.follow(incarnation)
            for frame in self._followers[incarnation].read(frames):
                if frame.kind is Kind.ANSWERS:
                    records = answers_of(frame)
                    self._parts.append(records[np.isin(records["fan"], wanted)])
        self._parts = [np.concatenate(self._parts)]
        return self._parts[0]


def clocks(lines: list[Line], records: Records) -> tuple[ContenderClocks, ...]:
    """Both clocks of the fans' right answers, as they count; void questions are left out."""
    fans = np.unique(records["fan"])
    records = records.copy()
    records["fan"] = np.searchsorted(fans, records["fan"])
    found: list[list[AnswerClocks]] = [[] for _ in fans]
    for index, line in enumerate(lines):
        if line.count is None or line.void:
            continue
        count = QuestionCount(line.question, line.count.clamp, len(fans))
        count.add(records[records["question"] == index])
        for place in count.fans():
            received_ms, elapsed_ms, choice = parts_of(int(count.words[place]))
            if line.question.is_right(choice, line.right):
                found[place].append(AnswerClocks(index, received_ms, elapsed_ms))
    return tuple(
        ContenderClocks(int(fan), tuple(pairs)) for fan, pairs in zip(fans, found, strict=True)
    )
