"""Reading one strand, verified, from whichever mirror has it; what is bad elsewhere is healed.

A frame stands at the same byte of the same segment in every mirror. So a frame that is not good in
one copy is looked for at that place in the others, and written over the bad one.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

from hairpin import frame as framing
from hairpin.errors import DataDamaged, EngineDown, HairpinError
from hairpin.frame import Broken, Frame
from hairpin.journal.mirrors import Mirror, Mirrors, holders
from hairpin.journal.names import parse_name, segment_name

_CHUNK_BYTES = 1 << 20
"""What is read at once stays in the processor's caches; a larger frame is read by itself."""
RESTORE = "Keep the files as they are, and restore this one from a copy."


class StrandReader:
    """Keeps its place in a strand: segment, byte, sequence and chain."""

    def __init__(
        self,
        mirrors: Mirrors,
        incarnation: int,
        end_frames: int | None = None,
        sources: list[Mirror] | None = None,
    ) -> None:
        """`end_frames`: the strand ends there, whatever follows. `sources`: read these only."""
        self._mirrors = mirrors
        self._disk = mirrors.reading
        self._end_frames = end_frames
        self._sources = sources
        self.source = (sources or mirrors.members())[0]
        """The mirror that is read from as long as it is good."""
        self.incarnation = incarnation
        self.segment = 0
        self.offset = 0
        self.ends: dict[int, int] = {}
        """Size of what counts in the segments that were read before this one."""
        self.frames = 0
        self.chain = framing.genesis(mirrors.journal, incarnation)
        self.last: tuple[int, int, Frame] | None = None
        """The frame that was read last, with its segment and byte."""
        self.torn: Broken | None = None
        """Why the last read without a limit stopped before the end of the file."""
        self._confirmed = ("", 0), 0
        """Frames of this mirror, in this segment up to this byte, lead to a frame of a member."""
        self._silent: dict[str, str] = {}
        """Mirrors that could not be read since the last read began, by id, and why."""

    def read(self, upto_frames: int | None = None) -> Iterator[Frame]:
        """Frames that were not read yet, until `upto_frames` were, or all intact ones."""
        self.torn = None
        self._silent.clear()
        if self._end_frames is not None:
            asked = self._end_frames if upto_frames is None else upto_frames
            upto_frames = min(self._end_frames, asked)
        while upto_frames is None or self.frames < upto_frames:
            following = self._following()
            limits = [n for n in (upto_frames, following and following[1]) if n is not None]
            stop = min(limits, default=None)
            yield from self._read_segment(stop)
            if stop is not None and self.frames != stop:
                raise self._damaged(self.torn.why if self.torn else f"frame {stop - 1} is missing")
            if following is None or self.frames < following[1]:
                return
            self.ends |= dict.fromkeys(range(self.segment, following[0]), 0)
            self.ends[self.segment] = self.offset
            self.segment = following[0]
            self.offset = 0
            self.torn = None

    def skip(self) -> int | None:
        """Go on behind damage: the number of the next intact frame, None if there is none.

        What lies between is lost, and the chain begins anew there. For looking at what is left.
        """
        for segment in count(self.segment):
            at = self.offset + 1 if segment == self.segment else 0
            data = [self._whole(mirror, segment) for mirror in self._copies()]
            if not any(content is not None for content in data):
                return None
            found = [
                frame
                for content in data
                if content is not None and (frame := self._intact_from(content, at)) is not None
            ]
            if found:
                first = min(found, key=lambda frame: frame.sequence)
                self.segment, self.offset = segment, first.offset
                self.frames, self.chain = first.sequence, b""
                return first.sequence
        raise AssertionError("count() ends never")

    def _whole(self, mirror: Mirror, segment: int) -> bytes | None:
        path = mirror.directory / segment_name(self.incarnation, segment)
        try:
            return self._disk.read(path, 0, self._disk.size(path))
        except OSError:
            return None

    def _intact_from(self, data: bytes, at: int) -> Frame | None:
        """The first frame of this strand at or after `at` that was not read yet."""
        offset: int | None = at - 1
        while offset is not None:
            offset = framing.intact_frame_after(data, offset)
            if offset is None:
                return None
            frame = framing.unpack(data, offset)
            if self._own(frame) and frame.sequence >= self.frames:
                return frame
        return None

    # --- segments ---------------------------------------------------------------------------------

    def _following(self) -> tuple[int, int] | None:
        """The next segment that holds a frame, and that frame's sequence.

        A segment that a failed write left behind may end with frames that were never acknowledged,
        or hold none at all. The next one begins with their numbers again; only those count.
        """
        for segment in count(self.segment + 1):
            members = self._judges()
            missing, starts = True, []
            for mirror in self._copies():
                judges = mirror in members
                if missing and not judges:
                    continue
                start = self._read(mirror, segment, 0, 2 * framing.FRAME_BYTES_MAX)
                if start is None:
                    continue
                missing = False
                try:
                    first = framing.unpack(start)
                except Broken as broken:
                    if judges:
                        starts.append((start, broken))
                    continue
                if self._own(first):
                    return segment, first.sequence
            if missing:
                self._expect_none_after(segment)
                self._expect_witnesses()
                return None
            for start, why in starts:
                self._judge_end(start, why, segment)
        raise AssertionError("count() ends never")

    def _expect_none_after(self, segment: int) -> None:
        """Segments are numbered without gaps: a later one means that this one was removed."""
        for mirror in self._judges():
            names = [parse_name(name) for name in self._names(mirror)]
            own = {name[1] for name in names if name is not None and name[0] == self.incarnation}
            if any(other > segment for other in own):
                raise self._damaged("the file is missing, but later segments are here", segment)

    def _names(self, mirror: Mirror) -> list[str]:
        """None of them if the disk cannot tell, and others may."""
        try:
            return self._disk.list(mirror.directory)
        except OSError as error:
            self._unreadable(mirror, mirror.directory, error)
            return []

    def _read_segment(self, stop: int | None) -> Iterator[Frame]:
        size_bytes = _CHUNK_BYTES
        while stop is None or self.frames < stop:
            start = self.offset
            data = self._read(self.source, self.segment, start, size_bytes)
            why: Broken | None = None
            if data is None:
                why = Broken(0, "the file is missing or cannot be read", torn=False)
            else:
                yield from self._intact(data, stop)
                why = self.torn
                at_end = len(data) < size_bytes
                if why is None and at_end and stop is None and not self._elsewhere_more():
                    self._expect_witnesses()
                    return
                if why is None and not at_end:
                    size_bytes = _CHUNK_BYTES
                    continue
                if why is not None and why.torn and not at_end:
                    size_bytes = _CHUNK_BYTES if self.offset > start else framing.FRAME_BYTES_MAX
                    continue
            if stop is not None and self.frames >= stop:
                return
            other = self._elsewhere(why, self._judges() if stop is None else self._copies())
            if other is None and stop is None:
                other = self._last_resort(why)
            if other is None:
                self._expect_witnesses()
                return
            size_bytes = _CHUNK_BYTES
            yield other

    def _intact(self, data: bytes, stop: int | None) -> Iterator[Frame]:
        """The chunk's good frames; `offset` moves past each, `torn` says why they end."""
        view = memoryview(data)
        used = 0
        self.torn = None
        while used < len(data) and (stop is None or self.frames < stop):
            try:
                frame = framing.unpack(view, used)
                self._check(frame, used)
            except Broken as broken:
                self.torn = broken
                return
            used += frame.size_bytes
            self._take(frame)
            yield frame

    def _take(self, frame: Frame) -> None:
        self.last = self.segment, self.offset, frame
        self.frames += 1
        self.chain = frame.chain
        self.offset += frame.size_bytes

    # --- other copies -----------------------------------------------------------------------------

    def _copies(self) -> list[Mirror]:
        """All that may be asked, the one that was good last first, members before others."""
        everyone = self._mirrors.all() if self._sources is None else self._sources
        return [self.source, *(mirror for mirror in everyone if mirror.id != self.source.id)]

    def _judges(self) -> list[Mirror]:
        """Those that say where the strand ends: what others have beyond was given up."""
        return self._mirrors.members() if self._sources is None else self._sources

    def _elsewhere_more(self) -> bool:
        """Does another copy of this segment go on where ours ends?"""
        name = segment_name(self.incarnation, self.segment)
        for mirror in self._judges():
            if mirror.id == self.source.id:
                continue
            try:
                if self._disk.size(mirror.directory / name) > self.offset:
                    return True
            except FileNotFoundError:
                continue
            except OSError as error:
                self._unreadable(mirror, mirror.directory / name, error)
        return False

    def _elsewhere(self, why: Broken | None, copies: list[Mirror]) -> Frame | None:
        """The next frame from another mirror. A copy that just ends too early is not touched: its
        writer is at it."""
        bad = [(self.source, why)]
        for mirror in copies:
            if mirror.id == self.source.id:
                continue
            try:
                frame = self._frame_at(mirror, self.segment, self.offset)
                self._check(frame, 0)
                self._expect_confirmed(mirror, frame)
            except Broken as broken:
                bad.append((mirror, broken))
                continue
            name, offset = segment_name(self.incarnation, self.segment), self.offset
            self._take(frame)
            self.torn = None
            data = framing.packed(frame)
            for guilty, reason in bad:
                if reason is not None and not reason.torn and self._is_there(guilty, name):
                    self._mirrors.heal(guilty, name, offset, data, reason.why)
            ends = why is None or why.torn or not self._is_there(self.source, name)
            if ends and mirror in self._judges():
                self.source = mirror
            return frame
        return None

    def _is_there(self, mirror: Mirror, name: str) -> bool:
        """Is there a file that healing would make whole again?"""
        entry = self._mirrors.entry(mirror)
        if entry is None or entry.state != "member":
            return False
        try:
            self._disk.size(mirror.directory / name)
        except OSError:
            return False
        return True

    def _expect_confirmed(self, mirror: Mirror, frame: Frame) -> None:
        """A mirror that is no member may have a frame here that was refused: what follows there
        must lead to a frame of a member. Raises Broken."""
        judges = self._judges()
        place, until = self._confirmed
        if mirror in judges or (place == (mirror.id, self.segment) and self.offset < until):
            return
        end = self.offset
        following: Frame | None = frame
        while following is not None:
            frame, end = following, end + following.size_bytes
            places = [
                (judge, *at)
                for judge in judges
                for at in ((self.segment, end), (self.segment + 1, 0))
            ]
            if any(self._continues(frame, *place) is not None for place in places):
                self._confirmed = (mirror.id, self.segment), end
                return
            following = self._continues(frame, mirror, self.segment, end)
        raise Broken(0, f"no member follows frame {frame.sequence}", torn=False)

    def _continues(self, frame: Frame, mirror: Mirror, segment: int, offset: int) -> Frame | None:
        """The frame there, if it is the one after this one."""
        try:
            other = self._frame_at(mirror, segment, offset)
        except Broken:
            return None
        own = self._own(other) and other.sequence == frame.sequence + 1
        return other if own and framing.follows(other, frame.chain) else None

    def _frame_at(self, mirror: Mirror, segment: int, offset: int) -> Frame:
        """The frame at this place in that mirror. Raises Broken."""
        data = self._read(mirror, segment, offset, _CHUNK_BYTES)
        if data is None:
            raise Broken(0, "the file is missing or cannot be read", torn=False)
        try:
            frame = framing.unpack(data)
        except Broken as broken:
            if not broken.torn or len(data) < _CHUNK_BYTES:
                raise
            data = self._read(mirror, segment, offset, framing.FRAME_BYTES_MAX) or b""
            frame = framing.unpack(data)
        return frame

    def _read(self, mirror: Mirror, segment: int, offset: int, size_bytes: int) -> bytes | None:
        """None if there is no such file, or the disk cannot read it and others may."""
        path = mirror.directory / segment_name(self.incarnation, segment)
        try:
            return self._disk.read(path, offset, size_bytes)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            self._unreadable(mirror, path, error)
            return None

    def _unreadable(self, mirror: Mirror, path: Path, error: OSError) -> None:
        """Note it; raises EngineDown if there is no other mirror."""
        if len(self._copies()) == 1:
            raise EngineDown(
                f"cannot read {path}: {error.strerror}", "Look at the disk."
            ) from error
        self._silent[mirror.id] = f"{path}: {error.strerror}"
        self._mirrors.health.note(mirror.id, f"{path.name}: {error.strerror}", read=1)

    # --- judging ----------------------------------------------------------------------------------

    def _own(self, frame: Frame) -> bool:
        return (frame.journal, frame.incarnation) == (self._mirrors.journal, self.incarnation)

    def _check(self, frame: Frame, at: int) -> None:
        """Raises Broken if this is not the strand's next frame."""
        why = ""
        if not self._own(frame):
            why = f"it belongs to journal {frame.journal:016x}, incarnation {frame.incarnation}"
        elif frame.sequence != self.frames:
            why = f"frame {frame.sequence} stands where {self.frames} belongs"
        elif self.chain and not framing.follows(frame, self.chain):
            why = f"frame {frame.sequence} does not continue the chain"
        if why:
            raise Misplaced(at, why, torn=False)

    def _last_resort(self, why: Broken | None) -> Frame | None:
        """No member has the next frame. If that is damage, one that is no member may have it."""
        try:
            self._judge_all()
        except HairpinError:
            other = self._elsewhere(why, self._copies())
            if other is None:
                raise
            return other
        return None

    def _expect_witnesses(self) -> None:
        """Whoever cannot be read may have more: of those that hold a frame one must answer."""
        judges = self._judges()
        if sum(mirror.id in self._silent for mirror in judges) >= holders(len(judges)):
            raise self._damaged("the end cannot be seen")

    def _judge_all(self) -> None:
        """No member has a good frame here: is this the end, or damage?"""
        size_bytes = 2 * framing.FRAME_BYTES_MAX
        rests = [(m, self._read(m, self.segment, self.offset, size_bytes)) for m in self._judges()]
        here = [mirror for mirror, rest in rests if rest is not None]
        if not here:
            raise self._damaged("the file is missing")
        for _, rest in rests:
            if rest:
                try:
                    self._check(framing.unpack(rest), 0)
                except Broken as broken:
                    self._judge_end(rest, broken, self.segment)
        if self.source not in here:
            self.source = here[0]

    def _judge_end(self, data: bytes, broken: Broken, segment: int) -> None:
        """A torn last frame is the mark of a crash; anything else is damage."""
        if isinstance(broken, framing.Newer | Misplaced):
            raise self._damaged(broken.why, segment)
        if len(data) > framing.FRAME_BYTES_MAX:
            raise self._damaged(f"{broken.why}, and more than one frame follows", segment)
        if framing.intact_frame_after(data, 0) is not None:
            raise self._damaged(f"{broken.why}, but intact frames follow", segment)

    def _damaged(self, why: str, segment: int | None = None) -> HairpinError:
        """DataDamaged, unless a member that cannot be read now may know better."""
        segment = self.segment if segment is None else segment
        path = self.source.directory / segment_name(self.incarnation, segment)
        copies = len(self._copies())
        others = f" (and no better in {copies - 1} other mirrors)" if copies > 1 else ""
        place = (
            f"{path} at byte {self.offset if segment == self.segment else 0}, "
            f"after {self.frames} frames of incarnation {self.incarnation}: {why}{others}"
        )
        silent = [self._silent[m.id] for m in self._judges() if m.id in self._silent]
        if silent:
            return EngineDown(f"{place}; cannot read {'; '.join(silent)}", "Look at the disk.")
        return DataDamaged(f"journal damaged: {place}", RESTORE)


class Misplaced(Broken):
    """An intact frame that does not belong here."""
