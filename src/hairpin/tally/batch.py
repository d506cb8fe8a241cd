"""The answers of one frame."""

from __future__ import annotations

import numpy as np

from hairpin.answer import RECORD, Records
from hairpin.errors import DataDamaged
from hairpin.frame import Frame
from hairpin.tally.words import OTHERS, Pairs, only_question


def by_question(frame: Frame) -> list[tuple[int, Pairs]]:
    """A frame's answers by question index. Raises DataDamaged if the body is not whole records."""
    _check_size(frame)
    if not frame.count:
        return []
    # Copied, since numba takes long to find the kernel for an array that cannot be written.
    pairs: Pairs = np.frombuffer(frame.body, np.uint64).copy()
    only = only_question(pairs)
    if only != OTHERS:
        return [(only, pairs)]
    questions = pairs[1::2] >> np.uint64(32) & np.uint64(0xFF)
    rows = pairs.reshape(-1, 2)
    return [(int(q), rows[questions == q].reshape(-1)) for q in np.unique(questions)]


def answers_of(frame: Frame) -> Records:
    """The answers of a frame, 1-d RECORD. Raises DataDamaged if they are not whole records."""
    _check_size(frame)
    return np.frombuffer(frame.body, RECORD)


def _check_size(frame: Frame) -> None:
    if len(frame.body) != frame.count * RECORD.itemsize:
        raise damaged(frame, f"{len(frame.body)} bytes are not {frame.count} answers")


def damaged(frame: Frame, why: str) -> DataDamaged:
    """Somebody wrote into this frame what no gate writes."""
    return DataDamaged(
        f"journal damaged: frame {frame.sequence} of incarnation {frame.incarnation}: {why}",
        "Keep the files as they are, and restore them from a copy.",
    )
