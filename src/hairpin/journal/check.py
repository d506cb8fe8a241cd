"""Verifying every frame of every mirror by itself: checksum, identity, sequence, chain.

Nothing is changed. What is bad in one mirror and good in another is told apart from what is lost.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from hairpin.frame import Kind
from hairpin.journal import Follower, StrandEnd
from hairpin.journal.disk import DiskJournal
from hairpin.journal.holders import is_alive
from hairpin.journal.looking import Gap, look
from hairpin.journal.mirrors import Mirror
from hairpin.journal.reader import StrandReader

Progress = Callable[[int], None]
"""Told how many more bytes were verified, of all mirrors."""


class Found(msgspec.Struct, frozen=True):
    """Something that is not as it should be."""

    gap: Gap
    elsewhere: bool
    """Another member has these frames."""


class Checked(msgspec.Struct):
    """What there is, and what is wrong with it."""

    strands: dict[int, StrandEnd]
    """As the mirror has it that has most of it."""
    living: list[int]
    frames: int
    bytes: int
    """Of frames, in all mirrors together."""
    found: list[Found]
    whole: list[str]
    """Directories of the members in which every frame is good."""

    @property
    def lost(self) -> list[Found]:
        return [one for one in self.found if not one.elsewhere]


class OneMirror:
    """A journal of which one mirror is read, and nothing is healed."""

    def __init__(self, journal: DiskJournal, mirror: Mirror) -> None:
        self._journal = journal
        self._mirror = mirror

    @property
    def id(self) -> int:
        return self._journal.id

    def incarnations(self) -> list[int]:
        return self._journal.incarnations()

    def follow(self, incarnation: int) -> Follower:
        mirrors = self._journal.mirrors
        replica = mirrors.label.replica
        end = None if replica is None else replica.strands.get(str(incarnation), 0)
        return StrandReader(mirrors, incarnation, end, [self._mirror])


class _Copy:
    """What one mirror has of a strand."""

    def __init__(self) -> None:
        self.runs: list[tuple[int, int]] = []
        """(first frame, the one behind the last), of frames that are good."""
        self.gaps: list[Gap] = []
        self.bytes = 0
        self.chain = b""
        self.sealed = False

    @property
    def frames(self) -> int:
        return self.runs[-1][1] if self.runs else 0

    def has(self, gap: Gap) -> bool:
        if gap.frames is None:
            return any(first <= gap.first_frame < end for first, end in self.runs)
        return any(
            first <= gap.first_frame and gap.first_frame + gap.frames <= end
            for first, end in self.runs
        )


def check(journal: DiskJournal, progress: Progress | None = None) -> Checked:
    """All strands in all members. Raises EngineDown if a directory cannot be read."""
    result = Checked({}, [], 0, 0, [], [])
    members = journal.mirrors.members()
    bad: set[str] = set()
    for incarnation in journal.incarnations():
        alive = is_alive(journal.mirrors, incarnation)
        copies = {m.id: _read(journal, m, incarnation, progress) for m in members}
        best = max(copies.values(), key=lambda copy: copy.frames)
        for mirror in members:
            copy = copies[mirror.id]
            if not alive:
                _expect_all(copy, best, incarnation, mirror)
            for gap in copy.gaps:
                bad.add(mirror.id)
                elsewhere = any(other.has(gap) for other in copies.values() if other is not copy)
                result.found.append(Found(gap, elsewhere))
        if alive:
            result.living.append(incarnation)
        end = StrandEnd(incarnation, best.frames, best.chain, best.sealed, 0)
        result.strands[incarnation] = end
        result.frames += best.frames
        result.bytes += sum(copy.bytes for copy in copies.values())
    result.whole = [str(m.directory) for m in members if m.id not in bad]
    return result


def _read(
    journal: DiskJournal, mirror: Mirror, incarnation: int, progress: Progress | None
) -> _Copy:
    copy = _Copy()
    for item in look(journal.mirrors, mirror, incarnation):
        if isinstance(item, Gap):
            copy.gaps.append(item)
            continue
        frame = item.frame
        if not copy.runs or copy.runs[-1][1] != frame.sequence:
            copy.runs.append((frame.sequence, frame.sequence))
        copy.runs[-1] = (copy.runs[-1][0], frame.sequence + 1)
        copy.bytes += frame.size_bytes
        copy.chain, copy.sealed = frame.chain, frame.kind is Kind.SEAL
        if progress:
            progress(frame.size_bytes)
    return copy


def _expect_all(copy: _Copy, best: _Copy, incarnation: int, mirror: Mirror) -> None:
    """A dead strand is the same in all members, to its end."""
    why = ""
    if copy.frames < best.frames and not any(gap.frames is None for gap in copy.gaps):
        why = "it ends too early"
    elif copy.frames == best.frames and copy.chain != best.chain:
        why = "another mirror has other frames, which hold, too"
    if why:
        first = copy.frames if copy.frames < best.frames else 0
        gap = Gap(incarnation, str(mirror.directory), 0, 0, None, first, best.frames - first, why)
        copy.gaps.append(gap)
