"""Looking at a strand as it is: every frame that can be read, and what lies in between.

Reads one mirror, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from hairpin.errors import DataDamaged, EngineDown
from hairpin.frame import Frame
from hairpin.journal.mirrors import Mirror, Mirrors
from hairpin.journal.reader import StrandReader


class Seen(msgspec.Struct, frozen=True):
    """A frame that is intact and in its place."""

    segment: int
    offset: int
    frame: Frame


class Gap(msgspec.Struct, frozen=True):
    """What cannot be read in one mirror."""

    incarnation: int
    directory: str
    segment: int
    offset: int
    bytes: int | None
    """Up to the next intact frame of the same segment; None if that stands elsewhere, or nowhere.
    """
    first_frame: int
    frames: int | None
    """None: all that came after."""
    why: str

    @property
    def lost(self) -> str:
        last = None if self.frames is None else self.first_frame + self.frames - 1
        if last is None:
            return f"from frame {self.first_frame} on"
        if last < self.first_frame:
            return "no frame"
        if last == self.first_frame:
            return f"frame {last}"
        return f"frames {self.first_frame} to {last}"


def look(mirrors: Mirrors, mirror: Mirror, incarnation: int) -> Iterator[Seen | Gap]:
    """Frames and gaps in order; the chain begins anew behind a gap."""
    replica = mirrors.label.replica
    end = None if replica is None else replica.strands.get(str(incarnation), 0)
    reader = StrandReader(mirrors, incarnation, end, [mirror])
    while True:
        try:
            for frame in reader.read():
                yield Seen(reader.segment, reader.offset - frame.size_bytes, frame)
            return
        except DataDamaged as damage:
            why = damage.message.split(f"incarnation {incarnation}: ", 1)[-1]
        except EngineDown as down:
            why = down.message
        segment, offset, first = reader.segment, reader.offset, reader.frames
        following = reader.skip()
        yield Gap(
            incarnation,
            str(mirror.directory),
            segment,
            offset,
            reader.offset - offset if following is not None and reader.segment == segment else None,
            first,
            following - first if following is not None else None,
            why,
        )
        if following is None:
            return
