"""Scrubbing one strand: each mirror is read in full, what is bad in one is healed from another.

Where all copies hold the same bytes, one is verified (checksum, identity, sequence) for all. Where
they differ, or do not verify, frames are looked at one by one. Whether the chain holds is asked
only where two copies contradict each other; `hairpin journal check` follows it everywhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import msgspec

from hairpin import frame as framing
from hairpin.frame import Broken
from hairpin.journal.fence import segments
from hairpin.journal.mirrors import Mirror, Mirrors
from hairpin.journal.names import segment_name

WINDOW_BYTES = 1 << 20
_SECTOR_BYTES = 4096
_WIDE_BYTES = 2 * framing.FRAME_BYTES_MAX
"""Holds a whole frame, wherever it begins within the first half."""


class Damage(msgspec.Struct, frozen=True):
    """What is bad in all copies, or cannot be healed in one."""

    incarnation: int
    file: str
    offset: int
    bytes: int
    first_frame: int
    frames: int | None
    """How many frames are lost; None if nobody knows."""
    why: str

    @property
    def place(self) -> str:
        size = f"{self.bytes:,} bytes" if self.bytes else "no bytes"
        if self.frames is None:
            lost = f"from frame {self.first_frame} on"
        elif self.frames == 0:
            lost = "no frame is lost"
        elif self.frames == 1:
            lost = f"frame {self.first_frame}"
        else:
            lost = f"frames {self.first_frame} to {self.first_frame + self.frames - 1}"
        return f"{self.file} at byte {self.offset}, {size} ({lost}): {self.why}"


class _Bad:
    """A run of bytes that one mirror lacks, and what belongs there."""

    def __init__(self, offset: int, why: str) -> None:
        self.offset = offset
        self.why = why
        self.data: list[bytes] = []
        self.size_bytes = 0


class StrandScan:
    """`run` yields how many bytes were read, of all mirrors together, window by window."""

    def __init__(
        self, mirrors: Mirrors, members: list[Mirror], incarnation: int, dead: bool, end: int | None
    ) -> None:
        """`dead`: its files are what they will be for ever, so that a short one is made whole.
        `end`: the strand has so many frames, whatever follows."""
        self._mirrors = mirrors
        self._disk = mirrors.disk
        self._members = members
        self.incarnation = incarnation
        self._dead = dead
        self._stop = end
        self._segment = 0
        self._chain = framing.genesis(mirrors.journal, incarnation)
        self._gap = False
        """Frames are missing at the end of this segment."""
        self._bounds: dict[str, int] = {}
        self._bad: dict[str, _Bad] = {}
        self._unreadable: dict[str, str] = {}
        self._next = 0
        """Number of the frame that comes next."""
        self.frames = 0
        """How many hold, in one mirror at least."""
        self.healed: Counter[str] = Counter()
        """Frames by directory."""
        self.damages: list[Damage] = []
        self.unfinished_bytes = 0
        """Of a frame that a crash cut short, at the end."""

    def run(self) -> Iterator[int]:
        last = self._last_segment()
        while self._segment <= last and (self._stop is None or self._next < self._stop):
            following = self._following(last)
            self._bounds = {m.id: self._size(m) for m in self._members}
            if not self._dead:
                # What is not in all of them yet is on its way.
                shortest = min(self._bounds.values())
                self._bounds = dict.fromkeys(self._bounds, shortest)
            self._gap = False
            yield from self._scan(following)
            if following is not None and (self._gap or following[1] is None):
                self._lost_whole(following[0])
            if self._dead:
                self._fill_gaps(last if following is None else following[0])
            if following is None:
                return
            self._segment = following[0]

    # --- segments ---------------------------------------------------------------------------------

    def _last_segment(self) -> int:
        found = [segments(self._disk, m.directory, self.incarnation) for m in self._members]
        return max((max(numbers) for numbers in found if numbers), default=-1)

    def _following(self, last: int) -> tuple[int, int | None] | None:
        """The next segment that holds a frame; that frame's number, if it stands at the start."""
        for segment in range(self._segment + 1, last + 1):
            intact = False
            for mirror in self._members:
                data = self._read(mirror, segment, 0, _WIDE_BYTES)
                found = self._first_intact(data, 0)
                if found is not None and found[0] == 0:
                    return segment, found[1]
                intact |= found is not None or len(data) > framing.FRAME_BYTES_MAX
            if intact:
                return segment, None
        return None

    def _fill_gaps(self, behind: int) -> None:
        """Segments are numbered without gaps in every mirror, also those without a frame."""
        for segment in range(self._segment, behind):
            for mirror in self._members:
                path = mirror.directory / segment_name(self.incarnation, segment)
                if self._size_of(mirror, segment) is None:
                    self._mirrors.heal(mirror, path.name, 0, b"", "the file is missing")

    def _size(self, mirror: Mirror) -> int:
        return self._size_of(mirror, self._segment) or 0

    def _size_of(self, mirror: Mirror, segment: int) -> int | None:
        try:
            return self._disk.size(mirror.directory / segment_name(self.incarnation, segment))
        except OSError:
            return None

    def _name(self) -> str:
        return segment_name(self.incarnation, self._segment)

    # --- one segment ------------------------------------------------------------------------------

    def _scan(self, following: tuple[int, int | None] | None) -> Iterator[int]:
        offset, window = 0, WINDOW_BYTES
        stop = following[1] if following is not None else None
        if stop is None or (self._stop is not None and self._stop < stop):
            stop = self._stop
        longest = max(self._bounds.values())
        while offset < longest and (stop is None or self._next < stop):
            chunks = [self._window(mirror, offset, window) for mirror in self._members]
            used = self._take(chunks, offset, stop)
            whole = offset + max(map(len, chunks)) >= longest
            if used or (not whole and window == WINDOW_BYTES):
                window = WINDOW_BYTES if used else _WIDE_BYTES
            else:
                used = self._skip(chunks, offset, stop, following)
            self._flush(offset + used)
            yield sum(max(min(size - offset, used), 0) for size in self._bounds.values())
            offset += used
        self._flush(None)
        if stop is not None and self._next < stop:
            self._lost_between(offset, stop - self._next, following)
            self._next, self._chain = stop, b""
        yield sum(max(size - offset, 0) for size in self._bounds.values())

    def _window(self, mirror: Mirror, offset: int, size_bytes: int) -> bytes:
        size_bytes = min(size_bytes, self._bounds[mirror.id] - offset)
        return self._read(mirror, self._segment, offset, size_bytes) if size_bytes > 0 else b""

    def _read(self, mirror: Mirror, segment: int, offset: int, size_bytes: int) -> bytes:
        """What the mirror has there; zeros where the disk cannot read."""
        path = mirror.directory / segment_name(self.incarnation, segment)
        try:
            return self._disk.read(path, offset, size_bytes)
        except FileNotFoundError:
            return b""
        except OSError as error:
            self._unreadable[mirror.id] = error.strerror or str(error)
        if size_bytes <= _SECTOR_BYTES:
            return bytes(size_bytes)
        # Another mirror may have failed elsewhere: as little as possible is given up.
        places = range(offset, offset + size_bytes, _SECTOR_BYTES)
        end = offset + size_bytes
        return b"".join(
            self._read(mirror, segment, at, min(_SECTOR_BYTES, end - at)) for at in places
        )

    def _take(self, chunks: list[bytes], offset: int, stop: int | None) -> int:
        """Verify and heal frames until none of the copies has the next one; returns the bytes."""
        used = 0
        if all(chunk == chunks[0] for chunk in chunks):
            used, upto, last = self._walk(chunks[0], self._next, stop, 0)
            self.frames += upto - self._next
            self._next = upto
            if last >= 0:
                self._chain = framing.chain_at(chunks[0], last)
            return used
        while stop is None or self._next < stop:
            versions = self._versions(chunks, used)
            if not versions:
                break
            frame = versions[0]
            if len(versions) > 1:
                why = "the mirrors hold different frames, and nobody can tell which one is right"
                self._lost(offset + used, len(frame), 1, why)
            for mirror, chunk in zip(self._members, chunks, strict=True):
                if len(versions) == 1 and chunk[used : used + len(frame)] != frame:
                    self._is_bad(mirror, offset + used, frame, self._why(chunk, used, mirror))
            used += len(frame)
            self._next += 1
            self.frames += 1
            self._chain = framing.chain_at(frame, 0)
        return used

    def _walk(self, data: bytes, sequence: int, upto: int | None, at: int) -> tuple[int, int, int]:
        return framing.walk(data, self._mirrors.journal, self.incarnation, sequence, upto, at)

    def _versions(self, chunks: list[bytes], at: int) -> list[bytes]:
        """The next frame, as the copies have it; of several the one that continues the chain."""
        versions: dict[bytes, None] = {}
        for chunk in chunks:
            end, _, last = self._walk(chunk, self._next, self._next + 1, at)
            if last >= 0:
                versions[chunk[at:end]] = None
        if len(versions) > 1:
            follow = [v for v in versions if framing.follows(framing.unpack(v), self._chain)]
            return follow if len(follow) == 1 else list(versions)
        return list(versions)

    def _why(self, chunk: bytes, at: int, mirror: Mirror | None = None) -> str:
        if mirror is not None:
            if mirror.id in self._unreadable:
                return self._unreadable.pop(mirror.id)
            if self._size_of(mirror, self._segment) is None:
                return "the file is missing"
        try:
            frame = framing.unpack(chunk, at)
        except Broken as broken:
            return "the file ends too early" if broken.torn and mirror is not None else broken.why
        if frame.sequence != self._next:
            return f"frame {frame.sequence} stands where {self._next} belongs"
        return "it is not the frame that belongs here"

    # --- damage -----------------------------------------------------------------------------------

    def _skip(
        self,
        chunks: list[bytes],
        offset: int,
        stop: int | None,
        following: tuple[int, int | None] | None,
    ) -> int:
        """No copy has the next frame: go on behind it. Returns the bytes in between."""
        rest = max(self._bounds.values()) - offset
        found = self._next_intact(offset, stop)
        if found is not None:
            at, sequence = found
            self._lost(offset, at - offset, sequence - self._next, self._why_all(chunks))
            self._next, self._chain = sequence, b""
            return at - offset
        if following is None and stop is None and rest <= framing.FRAME_BYTES_MAX:
            self.unfinished_bytes = rest
        else:
            lost = None if stop is None else stop - self._next
            self._lost(offset, rest, lost, self._why_all(chunks))
            if stop is not None:
                self._next, self._gap = stop, True
            self._chain = b""
        return rest

    def _why_all(self, chunks: list[bytes]) -> str:
        longest = max(chunks, key=len)
        return self._why(longest, 0)

    def _next_intact(self, offset: int, stop: int | None) -> tuple[int, int] | None:
        """(byte, frame) of what can be read next in this segment."""
        longest = max(self._bounds.values())
        for start in range(offset, longest, framing.FRAME_BYTES_MAX):
            found = []
            for mirror in self._members:
                data = self._window(mirror, start, _WIDE_BYTES)
                intact = self._first_intact(data, 1 if start == offset else 0)
                if intact is not None and (stop is None or intact[1] < stop):
                    found.append((start + intact[0], intact[1]))
            if found:
                return min(found)
        return None

    def _first_intact(self, data: bytes, at: int) -> tuple[int, int] | None:
        """The first frame of this strand that was not read yet, at or after `at`."""
        place: int | None = at - 1
        while place is not None:
            place = framing.intact_frame_after(data, place)
            if place is not None:
                frame = framing.unpack(data, place)
                own = (frame.journal, frame.incarnation)
                ours = own == (self._mirrors.journal, self.incarnation)
                if ours and frame.sequence >= self._next:
                    return place, frame.sequence
        return None

    def _lost_between(
        self, offset: int, frames: int, following: tuple[int, int | None] | None
    ) -> None:
        """The segment ends before the next one begins; or one in between holds nothing."""
        self._gap = True
        if following is None or following[0] == self._segment + 1:
            self._lost(offset, 0, frames, "the file ends too early")
            return
        self._segment += 1
        size_bytes = max(map(self._size, self._members))
        self._lost(0, size_bytes, frames, "no frame can be read")

    def _lost_whole(self, behind: int) -> None:
        """Frames are missing before that segment: some of them stood in these."""
        for segment in range(self._segment + 1, behind):
            self._segment = segment
            size_bytes = max(map(self._size, self._members))
            if size_bytes:
                self._lost(0, size_bytes, None, "no frame can be read")

    def _lost(self, offset: int, size_bytes: int, frames: int | None, why: str) -> None:
        copies = "" if len(self._members) == 1 else f", in all {len(self._members)} mirrors"
        damage = Damage(
            self.incarnation, self._name(), offset, size_bytes, self._next, frames, why + copies
        )
        self.damages.append(damage)

    # --- healing ----------------------------------------------------------------------------------

    def _is_bad(self, mirror: Mirror, offset: int, frame: bytes, why: str) -> None:
        """Gather what lies side by side: healing is a write and a sync."""
        run = self._bad.get(mirror.id)
        if run is not None and run.offset + run.size_bytes != offset:
            self._heal(mirror, run)
            run = None
        if run is None:
            run = self._bad[mirror.id] = _Bad(offset, why)
        run.data.append(frame)
        run.size_bytes += len(frame)

    def _flush(self, end: int | None) -> None:
        """Heal runs that end before this byte, and long ones; None: all."""
        for mirror in self._members:
            run = self._bad.get(mirror.id)
            if run is not None and (
                end is None or run.offset + run.size_bytes < end or run.size_bytes >= WINDOW_BYTES
            ):
                self._heal(mirror, run)
                del self._bad[mirror.id]

    def _heal(self, mirror: Mirror, run: _Bad) -> None:
        data, frames = b"".join(run.data), len(run.data)
        # Its writer may have been at it when it was read.
        if self._read(mirror, self._segment, run.offset, len(data)) == data:
            return
        if self._mirrors.heal(mirror, self._name(), run.offset, data, run.why, frames):
            self.healed[str(mirror.directory)] += frames
            return
        name = str(mirror.directory / self._name())
        why = f"{run.why}; it cannot be healed, other mirrors are good"
        self.damages.append(
            Damage(self.incarnation, name, run.offset, len(data), self._next, 0, why)
        )
