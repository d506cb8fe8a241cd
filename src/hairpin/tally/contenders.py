"""A closer look at a few fans: where they are from, and both clocks of each of their answers."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import numpy as np

from hairpin.answer import RECORD, Records
from hairpin.country import CODES
from hairpin.messages import AnswerClocks, ContenderClocks
from hairpin.tally.cells import ELAPSED_MAX_MS, QuestionCount
from hairpin.tally.lines import Line


def answers_of_fans(fans: Collection[int], answers: Iterable[Records]) -> Records:
    """All journalled answers of these fans, repeats included, in journal order."""
    wanted = np.array(sorted(fans), np.uint32)
    parts = [records[np.isin(records["fan"], wanted)] for records in answers]
    return np.concatenate([np.zeros(0, RECORD), *parts])


def origins(records: Records) -> dict[int, tuple[str, int]]:
    """Fan number to country code and age band, as the ticket says."""
    return {int(r["fan"]): (CODES[int(r["country"])], int(r["age_band"])) for r in records}


def clocks(lines: list[Line], records: Records) -> tuple[ContenderClocks, ...]:
    """Both clocks of the fans' right answers, as they count; void questions are left out."""
    found: dict[int, list[AnswerClocks]] = {int(fan): [] for fan in np.unique(records["fan"])}
    for index, line in enumerate(lines):
        if line.count is None or line.void:
            continue
        count = QuestionCount(line.question, line.count.clamp)
        count.add(records[records["question"] == index])
        for fan in count.fans():
            word = int(count.words[fan])
            if line.question.is_right(word & 0xFF, line.right):
                pair = AnswerClocks(index, word >> 36, word >> 8 & ELAPSED_MAX_MS)
                found[int(fan)].append(pair)
    return tuple(ContenderClocks(fan, tuple(pairs)) for fan, pairs in found.items())
