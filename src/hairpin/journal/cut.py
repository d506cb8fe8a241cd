"""One moment of a journal that is being written: whatever a frame rests on is in it, too.

Directors tell of frames that gates have synced, gates answer questions that directors have opened.
So directors are read, then all others, then it is made sure that no director wrote meanwhile: the
moment in between is the cut. A gate that goes on writing does no harm, for nobody else's frame in
the cut can know of it.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from hairpin.errors import EngineDown
from hairpin.frame import Frame, Kind
from hairpin.journal import Follower, Readable, decode_control
from hairpin.messages import Born

ROUNDS_MAX = 1000
"""Directors write some records a second, and a round takes milliseconds once all was read."""
DIRECTOR = "director"

Progress = Callable[[int], None]
"""Told how many more bytes were read."""


class Extent(msgspec.Struct, frozen=True):
    """How far one strand had got."""

    frames: int
    size_bytes: int
    answers: int
    chain: bytes
    """After the last of these frames."""


def cut(journal: Readable, progress: Progress | None = None) -> dict[int, Extent]:
    """How far each strand had got at one moment, every frame verified.

    Raises DataDamaged with the range that cannot be read; EngineDown if directors never pause.
    """
    strands: dict[int, _Strand] = {}
    for _ in range(ROUNDS_MAX):
        for incarnation in journal.incarnations():
            if incarnation not in strands:
                strands[incarnation] = _Strand(journal.follow(incarnation), progress)
        first = sorted(strands, key=lambda n: (not strands[n].may_direct, n))
        for incarnation in first:
            strands[incarnation].advance()
        listed = all(incarnation in strands for incarnation in journal.incarnations())
        directors = [strand for strand in strands.values() if strand.may_direct]
        if listed and not any(strand.advance() for strand in directors):
            return {incarnation: strands[incarnation].extent for incarnation in sorted(strands)}
    raise EngineDown("the journal's director writes without a pause", "Try again.")


class _Strand:
    def __init__(self, follower: Follower, progress: Progress | None) -> None:
        self._follower = follower
        self._progress = progress
        self._size_bytes = 0
        self._answers = 0
        self.may_direct = True
        """It is a director's, or has no frame yet."""

    @property
    def extent(self) -> Extent:
        follower = self._follower
        return Extent(follower.frames, self._size_bytes, self._answers, follower.chain)

    def advance(self) -> bool:
        """Read to its end; was there anything?"""
        grew = False
        for frame in self._follower.read():
            if frame.sequence == 0:
                self.may_direct = _by_director(frame)
            self._size_bytes += frame.size_bytes
            if frame.kind is Kind.ANSWERS:
                self._answers += frame.count
            if self._progress:
                self._progress(frame.size_bytes)
            grew = True
        return grew


def _by_director(first: Frame) -> bool:
    record = decode_control(first.body) if first.kind is Kind.CONTROL else None
    return isinstance(record, Born) and record.role == DIRECTOR
