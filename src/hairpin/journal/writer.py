"""Writing one strand into all its mirrors, and what to do when a disk fails or hangs.

One mirror: every frame is written and synced before `commit` returns, by the caller's thread. More:
each mirror has a lane of its own, and `commit` waits for all of two, or a majority of more. Whoever
fails, or is later than `stall_ms`, is ejected: the labels of the others say so before the frame is
acknowledged. It catches up in its lane, and takes part again when it has everything.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from functools import partial

import msgspec
import structlog

from hairpin import frame as framing
from hairpin.errors import EngineDown, HairpinError
from hairpin.frame import Kind
from hairpin.journal import StrandLost
from hairpin.journal.copy import Copy, Job
from hairpin.journal.label import Entry, State
from hairpin.journal.mirrors import Mirrors, holders
from hairpin.messages import Synced
from hairpin.world import Lanes, World

log = structlog.get_logger()

SEGMENT_BYTES_MAX = 256 << 20
STALL_MS = 1_000.0
RETRY_MS = 5_000.0
"""How often a mirror that failed is tried again."""


class StrandWriter:
    """Appends frames to one strand. The copies that are `on` have begun it."""

    def __init__(
        self,
        world: World,
        mirrors: Mirrors,
        incarnation: int,
        copies: list[Copy],
        lanes: Lanes | None,
        stall_ms: float,
    ) -> None:
        """`lanes`: None if there is one mirror, which the caller's thread writes to."""
        self._world = world
        self._mirrors = mirrors
        self._followed = mirrors.label
        self._copies = copies
        self._lanes = lanes
        self._stall_ms = stall_ms
        self._rolls = False
        self._sealed = False
        self._chain = framing.genesis(mirrors.journal, incarnation)
        self._synced = Synced(incarnation, 0)
        self._segment = 0
        self._size_bytes = 0

    def begin(self) -> bool:
        """Create the strand in every mirror that is here; False if its number is taken.

        Raises OSError if no mirror can, or those that can do not suffice.
        """
        begun = False
        try:
            begun = self._create()
        finally:
            if not begun:
                self._end_lanes()
        return begun

    def _create(self) -> bool:
        self._run(self._copies, lambda copy: copy.create, -1)
        if any(isinstance(copy.error, FileExistsError) for copy in self._copies):
            return False
        done = [copy for copy in self._copies if not copy.busy and copy.error is None]
        lost = [copy for copy in self._copies if copy not in done]
        if not done:
            errors = [copy.error for copy in lost if isinstance(copy.error, OSError)]
            raise next(iter(errors), OSError(errno.ETIMEDOUT, "no disk answers"))
        if self._learn(done):
            # A mirror that came meanwhile would lack this strand, and nobody would know.
            return False
        for copy in done:
            copy.on = True
            if not self._is_whole(copy):
                copy.mark_ejected()
        if lost and not self._eject(lost):
            raise OSError(errno.ETIMEDOUT, "too many mirrors fail")
        return True

    @property
    def incarnation(self) -> int:
        return self._synced.incarnation

    @property
    def synced(self) -> Synced:
        return self._synced

    def commit(self, kind: Kind, body: bytes, count: int) -> Synced:
        at = self._synced
        self._check_open()
        data, chain = framing.pack(
            kind, self._mirrors.journal, at.incarnation, at.frames, self._chain, body, count
        )
        rolled = self._rolls
        error = self._attempt(data)
        if error is not None and self._rolls and not rolled and error.errno != errno.ETIMEDOUT:
            error = self._attempt(data)  # elsewhere: in a new segment
        if error is not None:
            down = StrandLost if error.errno == errno.ENODEV else EngineDown
            raise down(
                f"the journal cannot write: {self._places()}: {error.strerror}",
                _REMEDIES.get(error.errno or 0, "Look at the disk that it names."),
            ) from error
        self._chain = chain
        self._synced = Synced(at.incarnation, at.frames + 1)
        return self._synced

    def roll(self) -> None:
        # A failed write may have asked for a new segment already.
        self._rolls |= self._size_bytes > 0

    def seal(self) -> None:
        self._check_open()
        try:
            self.commit(Kind.SEAL, b"", 0)
        finally:
            self._sealed = True  # its file numbers may soon belong to others
            self._mirrors.flush_health()
            self._end_lanes()

    def _end_lanes(self) -> None:
        """Close all files; a mirror that hangs closes them when it wakes up."""
        self._run(self._copies, lambda copy: copy.close, 0)
        if self._lanes is not None:
            self._run([copy for copy in self._copies if not copy.stuck], None, -1)
            self._lanes.close()

    def tend(self) -> None:
        """Now and then: learn of changed mirrors, and take those back that have caught up."""
        if self._sealed:
            return
        self._collect()
        self._learn(self._on())
        if self._lanes is None and len(self._mirrors.all()) == 1:
            return
        if self._mirrors.label is not self._followed:
            self._followed = self._mirrors.label
            self._follow_label()
        overdue = [copy for copy in self._on() if copy.error or self._is_late(copy)]
        if overdue and len(overdue) < len(self._on()):
            self._eject(overdue)
        for copy in self._copies:
            if not copy.on and not copy.busy:
                self._bring_up(copy)
        self._mirrors.flush_health()

    @property
    def degraded(self) -> list[str]:
        """Directories of mirrors that lack something."""
        return [str(mirror.directory) for mirror in self._mirrors.others()]

    def _check_open(self) -> None:
        if self._sealed:
            raise EngineDown(f"strand {self.incarnation} is sealed", "Begin a new one.")

    def _places(self) -> str:
        return ", ".join(str(copy.mirror.directory) for copy in self._copies)

    def _on(self) -> list[Copy]:
        return [copy for copy in self._copies if copy.on]

    def _is_whole(self, copy: Copy) -> bool:
        return copy.mirror.id in self._mirrors.label.members

    def _voters(self, copies: list[Copy]) -> list[Copy]:
        """Those that decide what is acknowledged: nobody reads what only others have."""
        return [copy for copy in copies if self._is_whole(copy)]

    def _learn(self, copies: list[Copy]) -> bool:
        """Read the label again in these mirrors; did somebody change it?"""
        able = [copy for copy in copies if not copy.stuck]
        self._run(able, lambda copy: partial(copy.look, self._mirrors), -1)
        return self._mirrors.learn(
            {c.mirror.directory: c.seen for c in able if not c.busy and self._is_whole(c)}
        )

    # --- one frame --------------------------------------------------------------------------------

    def _attempt(self, data: bytes) -> OSError | None:
        """Write a frame to all copies; None if enough have it, and nobody trusts the others."""
        segment, offset = self._segment, self._size_bytes
        if offset and (self._rolls or offset + len(data) > SEGMENT_BYTES_MAX):
            segment, offset = segment + 1, 0
        self._collect()
        on = self._on()
        able = [copy for copy in on if not copy.stuck]
        voters = self._voters(on)
        if not voters:
            return OSError(errno.ETIMEDOUT, "no member takes part")
        need = holders(len(voters))
        known = self._segment, self._size_bytes
        self._run(
            able, lambda copy: partial(copy.write, segment, offset, data, known), need, voters
        )
        if any(copy.busy for copy in able) and self._some_are_out(able):
            self._run(able, None, -1)
        done = [copy for copy in able if not copy.busy and copy.error is None]
        if not done:
            return self._nobody_wrote(on)
        lost = [copy for copy in on if copy.error or copy.stuck or self._is_late(copy)]
        if sum(copy in done for copy in voters) < need:
            lost = [copy for copy in on if copy not in done]
        if lost and not self._eject(lost):
            self._rolls = True
            return OSError(errno.ETIMEDOUT, "too many mirrors fail")
        self._segment, self._size_bytes = segment, offset + len(data)
        self._rolls = False
        return None

    def _some_are_out(self, able: list[Copy]) -> bool:
        """Does another process go on without one of those that were fast? Then they are no majority
        of those that stay, and the others must have the frame, too."""
        done = [copy for copy in able if not copy.busy and copy.error is None]
        return any(self._is_whole(copy) and copy.ejected_by_others() for copy in done)

    def _nobody_wrote(self, on: list[Copy]) -> OSError:
        """The frame was not acknowledged: its place is given up, unless nothing was left there."""
        self._rolls |= self._lanes is not None or not all(copy.clean for copy in on)
        errors = [copy.error for copy in on if copy.error is not None]
        for copy in on:
            copy.error = None
            copy.give_up()
        error = next(iter(errors), None)
        if isinstance(error, OSError):
            return error
        if error is not None:
            raise error
        return OSError(errno.ETIMEDOUT, f"no answer within {self._stall_ms:.0f} ms")

    def _is_late(self, copy: Copy) -> bool:
        return copy.late(self._world.clock.monotonic_ms(), self._stall_ms)

    # --- lanes ------------------------------------------------------------------------------------

    def _run(
        self,
        copies: list[Copy],
        job: Callable[[Copy], Job] | None,
        need: int,
        voters: list[Copy] | None = None,
    ) -> None:
        """Give each copy a job, and wait until `need` of them (-1: all) have done theirs.

        With `voters`, until so many of these have, and all others: these are to become members,
        and must lack nothing then. Waits no longer than `stall_ms`, nor for those that cannot make
        it any more.
        """
        now = self._world.clock.monotonic_ms()
        for copy in copies if job is not None else ():
            assert job is not None
            copy.begins(now)
            if self._lanes is None:
                self._do(copy, job(copy))
            else:
                self._lanes.submit(copy.lane, job(copy))
        if self._lanes is None:
            return
        until = now + self._stall_ms
        wanted = len(copies) if need < 0 else need
        voting = copies if voters is None else [copy for copy in copies if copy in voters]
        others = [copy for copy in copies if copy not in voting]
        while now < until and (
            any(copy.busy for copy in others)
            or (
                sum(not copy.busy and copy.error is None for copy in voting) < wanted
                and any(copy.busy for copy in voting)
            )
        ):
            self._collect(until - now)
            now = self._world.clock.monotonic_ms()

    @staticmethod
    def _do(copy: Copy, job: Job) -> None:
        try:
            job()
        except OSError as error:
            copy.ended(error)
        else:
            copy.ended(None)

    def _collect(self, timeout_ms: float = 0.0) -> None:
        """Note what came of jobs: wait for one, and take all that are there."""
        while self._lanes is not None and (done := self._lanes.next(timeout_ms)) is not None:
            timeout_ms = 0.0
            if done.error is not None and not isinstance(done.error, OSError | HairpinError):
                raise done.error
            next(copy for copy in self._copies if copy.lane == done.lane).ended(done.error)

    # --- membership -------------------------------------------------------------------------------

    def _eject(self, lost: list[Copy]) -> bool:
        """Go on without these; durable on the others on return. False if nobody may be left."""
        rest = [copy for copy in self._on() if copy not in lost]
        while lost:
            if not self._may_go_on(lost, rest):
                return False
            entries = [self._as_lost(copy) for copy in lost]
            drop = partial(self._mirrors.drop, lost=entries, epoch=self._mirrors.next_epoch())
            self._run(rest, lambda copy, drop=drop: partial(drop, copy.mirror), -1)  # type: ignore[misc]
            failed = [copy for copy in rest if copy.busy or copy.error is not None]
            rest = [copy for copy in rest if copy not in failed]
            if not rest:
                return False
            for copy in lost:
                self._let_go(copy)
            self._mirrors.label = self._mirrors.label.changed(*entries)
            lost = failed
        return True

    def _may_go_on(self, lost: list[Copy], rest: list[Copy]) -> bool:
        """Is anybody left who holds everything, and whom no other process has ejected?"""
        whole = [copy for copy in rest if self._is_whole(copy)]
        if not all(copy.mark_ejected() for copy in lost):
            return False
        if not all(copy.ejected_by_others() for copy in whole):
            return True
        for copy in lost:
            copy.unmark()
        log.error("mirrors fail for several processes, not the same ones")
        return False

    def _as_lost(self, copy: Copy) -> Entry:
        entry = self._mirrors.entry(copy.mirror) or Entry(
            copy.mirror.id, str(copy.mirror.directory), State.STALE
        )
        why = _why(copy.error) if copy.error else f"no answer within {self._stall_ms:.0f} ms"
        state = State.STALE if entry.state is State.MEMBER else entry.state
        return msgspec.structs.replace(
            entry, state=state, why=why, distrusted=entry.distrusted or copy.distrusted
        )

    def _let_go(self, copy: Copy) -> None:
        why = _why(copy.error) if copy.error else "too slow"
        log.error("a mirror is ejected", mirror=str(copy.mirror.directory), why=why)
        self._mirrors.health.note(copy.mirror.id, why, write=int(copy.error is not None), out=1)
        copy.leaves()
        copy.give_up()
        if copy.error is not None:
            copy.error, copy.level = None, None
        copy.retry_at_ms = self._world.clock.monotonic_ms() + RETRY_MS

    def _follow_label(self) -> None:
        """Mirrors came or went by somebody else's hand."""
        known = {copy.mirror.id: copy for copy in self._copies}
        if self._lanes is None:
            self._lanes = self._world.threads.lanes()
            for copy in self._copies:
                copy.lane = self._lanes.open(copy.mirror.directory)
            self._run(self._copies, lambda copy: copy.open_marks, -1)
        for mirror in self._mirrors.all():
            if mirror.id not in known:
                copy = Copy(self._mirrors.disk, mirror, self.incarnation)
                copy.lane = self._lanes.open(mirror.directory)
                self._copies.append(copy)
        for mirror_id, copy in known.items():
            entry = self._mirrors.label.entry(mirror_id)
            if entry is None and not copy.busy:
                copy.leaves()
                copy.close()
                self._copies.remove(copy)
            elif entry is not None and entry.state is State.MEMBER and copy.on:
                copy.unmark()
            elif entry is not None and copy.on:
                copy.mark_ejected()

    def _bring_up(self, copy: Copy) -> None:
        """Catch up in the lane; when little is left, do that at once and take part."""
        if copy.error is not None:
            log.warning(
                "a mirror stays away", mirror=str(copy.mirror.directory), why=str(copy.error)
            )
            copy.error, copy.level = None, None
            copy.retry_at_ms = self._world.clock.monotonic_ms() + RETRY_MS
        if self._world.clock.monotonic_ms() < copy.retry_at_ms or not self._on():
            return
        here, good = (self._segment, self._size_bytes), self._on()[0].mirror
        level = copy.level
        near = level is not None and level[0] == here[0] and here[1] - level[1] <= NEAR_BYTES
        self._run([copy], lambda c: partial(c.catch_up, good, here), -1 if near else 0)
        if not copy.busy and copy.error is None and copy.level == here and copy.takes_part():
            log.info("a mirror takes part again", mirror=str(copy.mirror.directory))


def _why(error: Exception) -> str:
    """For people; which directory it was stands beside it."""
    return str(getattr(error, "strerror", None) or error)


NEAR_BYTES = 8 << 20
"""What a mirror can catch up with while its writer waits."""

_REMEDIES = {
    errno.ENOSPC: "The disk is full: make room; answers are taken again at once.",
    errno.EDQUOT: "The quota is used up: make room; answers are taken again at once.",
    errno.EIO: "The disk reports an input/output error: replace it.",
    errno.EROFS: "The file system turned read-only: look at the disk.",
    errno.ETIMEDOUT: "All mirrors hang or fail: look at their disks; answers wait meanwhile.",
}
