"""Every frame that anybody reads stands in its place and continues its chain: docs/formats.md."""

from __future__ import annotations

import hashlib
import struct

from hairpin.frame import Frame
from sim.checkers import Violation

HEADER = struct.Struct("<4sBBHQIIQI")
"""As far as the chain covers it."""


class Chains:
    """Told all frames of a journal, each strand's in order."""

    def __init__(self) -> None:
        self._ends: dict[int, tuple[int, bytes]] = {}
        """Frames and chain, by incarnation."""

    def take(self, frame: Frame) -> None:
        number = frame.incarnation
        genesis = struct.pack("<4sQI", b"HPN1", frame.journal, number)
        sequence, chain = self._ends.get(number, (0, _digest(genesis)))
        name = f"frame {frame.sequence} of incarnation {number}"
        if frame.sequence != sequence:
            raise Violation("frames are read in order", f"{name} is read where {sequence} belongs")
        fields = (frame.kind, frame.partition, frame.journal, number, frame.count)
        header = HEADER.pack(b"HPN1", 1, *fields, frame.sequence, len(frame.body))
        if _digest(chain + header + frame.body) != frame.chain:
            raise Violation("what is read continues its chain", f"{name} does not")
        self._ends[number] = (sequence + 1, frame.chain)


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()
