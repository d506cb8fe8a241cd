"""What must hold of a journal, whatever befalls its disks and its writers.

`Truth` is told what was given to writers and what came of it, and compares that with everything
that is ever read, and with what is really on the platters. It knows frames byte by byte.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from hairpin import frame as framing
from hairpin.errors import HairpinError
from hairpin.frame import Frame, Kind
from hairpin.journal import StrandEnd
from hairpin.journal.label import LABEL, Label, decode_label
from hairpin.journal.labels import SPARE
from sim.checkers import Violation

SEGMENTS_SPARE = 4
"""More than one for each frame, roll and failure there are never."""

Platter = Callable[[Path], bytes | None]
"""Durable content of a file; None if there is none."""
Living = Callable[[], bool]


class Strand:
    """One incarnation, as its writer was used."""

    def __init__(self, journal: int, incarnation: int, living: Living) -> None:
        self.incarnation = incarnation
        self._living = living
        self.ending = False
        """Its writer is about to seal it, or has lost its lock: others may end it."""
        self.acked: list[bytes] = []
        """Whole frames."""
        self.tried: set[bytes] = set()
        """Whole frames that were given to the writer for the next place, and not acknowledged."""
        self.end: StrandEnd | None = None
        """As fencing told it."""
        self.burnt = 0
        """Calls that may have left a segment behind."""
        self._journal = journal
        self.chain = framing.genesis(journal, incarnation)

    @property
    def alive(self) -> bool:
        return self._living() and not self.ending

    def frame(self, kind: Kind, body: bytes, count: int) -> bytes:
        """The bytes that this must become at the next place."""
        place = (self._journal, self.incarnation, len(self.acked))
        return framing.pack(kind, *place, self.chain, body, count)[0]

    def last(self) -> set[bytes]:
        """What may follow behind the last acknowledged frame: one of these, or nothing."""
        by_fence = {self.frame(Kind.SEAL, b"", 0)} if not self.acked else set()
        return self.tried | by_fence


class Truth:
    def __init__(self, platter: Platter, mirrors: Callable[[], Iterable[Path]]) -> None:
        """`mirrors`: all directories that ever were one, and still can be read by the god of this
        world, whether anybody else can or not."""
        self._platter = platter
        self._mirrors = mirrors
        self.journal = 0
        """Its id, once it is there."""
        self.strands: dict[int, Strand] = {}
        self.strict = True
        """The faults are such that nothing may be lost."""
        self.quiet = True
        """No mirror has any trouble now."""
        self.lying: set[Path] = set()
        """Mirrors whose disks say that they have what they have not."""
        self.hurt: set[Path] = set()
        """Mirrors with damage that nobody need have found yet."""
        self.frames = 0
        self._decoded: dict[bytes, Label | None] = {}
        self._own: dict[Path, str] = {}
        """Ids of mirrors, as their labels said when they could be read last."""

    # --- writers ----------------------------------------------------------------------------------

    def born(self, incarnation: int, living: Living) -> Strand:
        if incarnation in self.strands:
            raise Violation("incarnations are never used again", f"{incarnation} is")
        self.strands[incarnation] = Strand(self.journal, incarnation, living)
        return self.strands[incarnation]

    def given(self, strand: Strand, kind: Kind, body: bytes, count: int) -> bytes:
        """A writer is about to be asked to commit this."""
        frame = strand.frame(kind, body, count)
        strand.tried.add(frame)
        strand.burnt += 1
        return frame

    def acknowledged(self, strand: Strand, frame: bytes) -> None:
        if strand.end is not None and frame in strand.acked:
            return  # it was fenced just when it had sealed itself
        if strand.end is not None:
            found = f"frame {len(strand.acked)} of {strand.incarnation}"
            raise Violation("nothing is acknowledged behind a strand's end", found)
        strand.acked.append(frame)
        strand.chain = framing.unpack(frame).chain
        strand.tried.clear()
        self.frames += 1
        if self.strict:
            self._durable(strand, len(strand.acked) - 1)

    def fenced(self, incarnation: int, end: StrandEnd) -> None:
        strand = self.strands.get(incarnation)
        if strand is None:
            # Its writer died while it was being born.
            strand = self.strands[incarnation] = Strand(self.journal, incarnation, lambda: False)
        if strand.alive:
            raise Violation("no living writer is fenced", str(incarnation))
        known = strand.end
        moved = known is not None and (known.frames, known.chain) != (end.frames, end.chain)
        if moved and not self._excused(strand, min(end.frames, len(strand.acked) - 1)):
            assert known is not None
            found = f"{incarnation} had {known.frames} frames, now {end.frames}"
            raise Violation("a strand's end never moves", found)
        strand.end = end
        if end.frames > len(strand.acked):
            self._counts(strand, end)

    def _counts(self, strand: Strand, end: StrandEnd) -> None:
        """A frame that was never acknowledged belongs to the journal from now on."""
        for frame in strand.last():
            if framing.unpack(frame).chain == end.chain:
                strand.acked.append(frame)
                strand.chain = end.chain
                strand.tried.clear()
                return
        found = f"{strand.incarnation} ends at {end.frames}, acknowledged: {len(strand.acked)}"
        raise Violation("a strand ends with what was given for its last place", found)

    # --- readers ----------------------------------------------------------------------------------

    def read(self, frame: Frame) -> None:
        """Somebody was given this frame."""
        strand = self.strands.get(frame.incarnation)
        data = framing.packed(frame)
        place = f"frame {frame.sequence} of incarnation {frame.incarnation}"
        if strand is None:
            raise Violation("nothing is read that nobody wrote", place)
        if frame.sequence < len(strand.acked):
            if data != strand.acked[frame.sequence] and not self._excused(strand, frame.sequence):
                raise Violation("what was acknowledged is read as it was written", place)
        elif frame.sequence > len(strand.acked) or data not in strand.last():
            raise Violation("nothing is read that was not given for this place", place)

    def read_to_end(self, incarnation: int, frames: int, chain: bytes) -> None:
        """Somebody read a strand to its end without an error; each frame was shown to `read`."""
        strand = self.strands[incarnation]
        if self._excused(strand, frames):
            return
        if frames < len(strand.acked):
            found = f"{frames} of {len(strand.acked)} frames of incarnation {incarnation}"
            raise Violation("what was acknowledged is read", found)
        if strand.end is not None and (frames, chain) != (strand.end.frames, strand.end.chain):
            found = f"{frames} frames of {incarnation}, its end was at {strand.end.frames}"
            raise Violation("a strand's end never moves", found)

    def _excused(self, strand: Strand, frames: int) -> bool:
        """With more faults than the rules survive: is what comes next bad on all members, and
        nothing whole behind it? Then it looks like the torn end of a crash, and only a head that
        was published can tell."""
        lost = strand.acked[frames:]
        return not self.strict and not any(
            self._has(mirror, strand, frame) for mirror in self.members()[0] for frame in lost
        )

    def known(self, incarnations: Iterable[int]) -> None:
        """All strands that a journal names."""
        missing = {n for n, strand in self.strands.items() if strand.acked} - set(incarnations)
        if missing:
            raise Violation("what was acknowledged is read", f"strands {sorted(missing)} are gone")

    # --- platters ---------------------------------------------------------------------------------

    def labels(self) -> dict[Path, Label]:
        found = {}
        for mirror in self._mirrors():
            both = [self._label(mirror / name) for name in (LABEL, SPARE)]
            known = [label for label in both if label is not None]
            if known:
                found[mirror] = max(known, key=lambda label: label.epoch)
        return found

    def _label(self, path: Path) -> Label | None:
        data = self._platter(path)
        if data is None:
            return None
        if data not in self._decoded:
            try:
                self._decoded[data] = decode_label(data, path.parent)
            except HairpinError:
                self._decoded[data] = None
        return self._decoded[data]

    def members(self) -> tuple[list[Path], int]:
        """By the label in force: where they lie, and how many it names."""
        labels = self.labels()
        if not labels:
            return [], 0
        newest = max(labels.values(), key=lambda label: label.epoch)
        self._own |= {place: label.mirror for place, label in labels.items()}
        places = [place for place, own in self._own.items() if own in newest.members]
        return places, len(newest.members)

    def _durable(self, strand: Strand, sequence: int) -> None:
        places, named = self.members()
        holders = [place for place in places if self._holds(place, strand, sequence)]
        needed = named if named <= 2 else named // 2 + 1
        if len(holders) < max(needed, 1):
            raise Violation(
                "what is acknowledged is durable on its members",
                f"frame {sequence} of {strand.incarnation}: on "
                f"{', '.join(map(str, holders)) or 'none'} of {named}; needed: {needed}",
            )

    def _holds(self, mirror: Path, strand: Strand, sequence: int) -> bool:
        return mirror in self.lying or self._has(mirror, strand, strand.acked[sequence])

    def _has(self, mirror: Path, strand: Strand, frame: bytes) -> bool:
        return any(frame in data for data in self._segments(mirror, strand))

    def _segments(self, mirror: Path, strand: Strand) -> Iterable[bytes]:
        for segment in range(len(strand.acked) + strand.burnt + SEGMENTS_SPARE):
            data = self._platter(mirror / f"{strand.incarnation:08x}-{segment:04x}.hpj")
            if data is None:
                return
            yield data

    def lacks(self, mirror: Path, strand: Strand, upto: int | None = None) -> int | None:
        """The first acknowledged frame that is not on this platter, in its order; None: it has all.

        `upto`: look at so many.
        """
        wanted = strand.acked[:upto]
        at = 0
        for data in self._segments(mirror, strand):
            offset = 0
            if at and data.startswith(wanted[at - 1]):
                at -= 1  # its sync failed in the segment before
            while at < len(wanted) and data.startswith(wanted[at], offset):
                offset += len(wanted[at])
                at += 1
        return at if at < len(wanted) else None

    def whole(self, mirror: Path) -> bool:
        """Does this mirror count as a member, and hold all that was acknowledged?"""
        return mirror in self.members()[0] and self.gap(mirror) is None

    def gap(self, mirror: Path) -> str | None:
        """What it lacks first."""
        for strand in self.strands.values():
            at = self.lacks(mirror, strand)
            if at is not None:
                return f"{mirror} lacks frame {at} of {len(strand.acked)} of {strand.incarnation}"
        return None

    def members_hold_all(self) -> None:
        """Call it when no process is at anything."""
        few = len(list(self._mirrors())) <= 2
        for mirror in self.members()[0]:
            for strand in self.strands.values():
                at = self.lacks(mirror, strand)
                if at is None or mirror in self.hurt:
                    continue
                behind = strand.acked[at:]
                on_its_way = strand.end is None and not any(
                    self._has(mirror, strand, frame) for frame in behind
                )
                if few or not on_its_way:
                    found = f"{mirror} lacks frame {at} of {len(strand.acked)} of "
                    raise Violation(
                        "a member holds what was acknowledged", f"{found}{strand.incarnation}"
                    )

    def scrubbed(self) -> None:
        """All members were read, and what was bad is healed."""
        members, _ = self.members()
        self.hurt -= {m for m in members if m not in self.lying and self.gap(m) is None}
