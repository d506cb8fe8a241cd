"""Nothing is acknowledged that is not durable, by the rule of the mirrors that are members.

One or two members: all of them hold the frame on their platters. Three and more: a majority does.
The label with the highest epoch on any platter says who is a member.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from sim.checkers import Violation

Platter = Callable[[Path], bytes | None]
"""Durable content of a file, None if there is none."""
HEADER_BYTES = 56
SEGMENTS_AHEAD = 20
"""So many segments may a writer leave behind between two frames: one for each failed try."""
SEQUENCE_AT = 24
"""In a frame's header; docs/formats.md draws it."""


class Durability:
    """Told every frame that a writer says is durable, at that moment."""

    def __init__(self, platter: Platter, mirrors: Sequence[Path]) -> None:
        self._platter = platter
        self._mirrors = tuple(mirrors)
        self._labels: dict[bytes, tuple[int, str, tuple[str, ...]]] = {}
        self._own: dict[Path, str] = {}
        """The id of each mirror, known although its label may rot."""
        self._excused: set[Path] = set()
        self._segments: dict[tuple[Path, int], int] = {}
        """Where the last frame of each strand was found."""
        self.frames = 0

    def excuse(self, mirror: Path) -> None:
        """Its disk says that it has what it has not: nobody but the other mirrors can help."""
        self._excused.add(mirror)

    def acknowledged(self, incarnation: int, sequence: int, body: bytes) -> None:
        """`sequence`: of the frame, from 0."""
        self.frames += 1
        labels = [label for path in self._mirrors if (label := self._label(path))]
        _, _, members = max(labels, default=(0, "", ()))
        needed = len(members) if len(members) < 3 else len(members) // 2 + 1
        here = [path for path in self._mirrors if self._own.get(path) in members]
        holders = [
            path
            for path in here
            if path in self._excused or self._holds(path, incarnation, sequence, body)
        ]
        if len(holders) < max(needed, 1):
            raise Violation(
                "what is acknowledged is durable",
                f"frame {sequence} of incarnation {incarnation} is durable on {len(holders)} of "
                f"{len(members)} members; needed: {needed}",
            )

    def _holds(self, mirror: Path, incarnation: int, sequence: int, body: bytes) -> bool:
        last = self._segments.get((mirror, incarnation), 0)
        for segment in [*range(last, last + SEGMENTS_AHEAD), *range(last)]:
            data = self._platter(mirror / f"{incarnation:08x}-{segment:04x}.hpj")
            if data is not None and _has_frame(data, incarnation, sequence, body):
                self._segments[mirror, incarnation] = segment
                return True
        return False

    def _label(self, mirror: Path) -> tuple[int, str, tuple[str, ...]] | None:
        """Epoch, own id, ids of the members."""
        data = self._platter(mirror / "journal.json")
        if data is None:
            return None
        if data not in self._labels:
            try:
                label = json.loads(data)
                own = label.get("mirror") or label["id"]
                entries = label.get("mirrors") or [{"id": own, "state": "member"}]
                members = [e["id"] for e in entries if e.get("state", "member") == "member"]
            except (ValueError, KeyError, AttributeError, TypeError):
                return None  # it rots
            self._labels[data] = (int(label.get("epoch", 0)), own, tuple(members))
        self._own[mirror] = self._labels[data][1]
        return self._labels[data]


def _has_frame(data: bytes, incarnation: int, sequence: int, body: bytes) -> bool:
    """Search from the end: the frame in question was written last."""
    number = incarnation.to_bytes(4, "little")
    place = sequence.to_bytes(8, "little")
    at = data.rfind(place)
    while at >= 0:
        start = at - SEQUENCE_AT
        begins = start >= 0 and data[start : start + 4] == b"HPN1"
        if begins and data[start + 16 : start + 20] == number:
            start += HEADER_BYTES
            return data[start : start + len(body)] == body
        at = data.rfind(place, 0, at)
    return False
