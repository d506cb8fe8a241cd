"""A whole night's journal, written by the product's own writer, for the recount to read."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bench.counting.answers import ALLOWANCE_MS, BATCH, FLOOR_MS, OPENED_MS, SEED, records_of
from hairpin.frame import Kind
from hairpin.journal import Writer, encode_control
from hairpin.journal.disk import DiskJournal
from hairpin.messages import AnyControl, Armed, Born, Closed, Marked, Opened
from hairpin.show import Show
from hairpin.showfile import read_show
from hairpin.world import RealDisk, real_world

ANSWERS_PER_QUESTION = 10_000_000
_QUESTION = """
[[questions]]
text = { en = "Which one?" }
choices = ["one", "two", "three", "four"]
right = 2
"""


class Unsynced(RealDisk):
    """What is measured is the reading: the writing need not wait for the disk."""

    def sync(self, fd: int) -> None:
        """Left to the system."""


def write_night(directory: Path, size: int, fans: int) -> int:
    """`size` answers in frames of BATCH, random fans; returns how many count."""
    journal = DiskJournal.create(real_world(disk=Unsynced()), directory)
    questions = -(-size // ANSWERS_PER_QUESTION)
    show = _show(questions, fans)
    director, gate = journal.writer(), journal.writer()
    _control(director, Born(0, "director"), Armed(0, 0, show, show.hash(), (None,) * questions))
    _control(gate, Born(0, "gate"))
    chance = np.random.default_rng(SEED)
    counted = 0
    for question in range(questions):
        _control(director, Opened(OPENED_MS, question))
        asked = min(ANSWERS_PER_QUESTION, size - question * ANSWERS_PER_QUESTION)
        counted += _answer(gate, question, chance.integers(0, fans, asked), chance)
        _control(director, Closed(OPENED_MS, question))
        _control(gate, Marked(OPENED_MS, (question,)))
    gate.seal()
    director.seal()
    return counted


def _answer(
    gate: Writer,
    question: int,
    fans: np.ndarray[tuple[int], np.dtype[np.int64]],
    chance: np.random.Generator,
) -> int:
    records = records_of(fans, chance)
    records["question"] = question
    for at in range(0, len(records), BATCH):
        some = records[at : at + BATCH]
        gate.commit(Kind.ANSWERS, some.tobytes(), len(some))
    return int((np.bincount(fans) > 0).sum())


def _control(writer: Writer, *records: AnyControl) -> None:
    for record in records:
        writer.commit(Kind.CONTROL, encode_control(record), 1)


def _show(questions: int, fans: int) -> Show:
    head = f"""
id = "bench"
title = {{ en = "The bench" }}
mode = "hand"
audience = {{ low = {fans}, high = {fans} }}
allowance = "{ALLOWANCE_MS // 1000}s"
elapsed_floor = "{FLOOR_MS}ms"
"""
    return read_show(head + _QUESTION * questions, "the bench's show")
