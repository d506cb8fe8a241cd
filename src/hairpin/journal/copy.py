"""One strand's files in one mirror, as its writer sees them.

The methods that say so touch the disk and run in the mirror's lane; the rest belongs to the owner.
"""

from __future__ import annotations

import errno
import os
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from hairpin.journal.label import Label
from hairpin.journal.labels import read_label
from hairpin.journal.level import level_file
from hairpin.journal.mirrors import Mirror, Mirrors, open_or_create
from hairpin.journal.names import lock_name, segment_name
from hairpin.world import Disk

EJECTED_LOCK = "ejected.lock"
"""Held, shared, by every process that goes on without this mirror."""
Place = tuple[int, int]
"""(segment, byte)"""


class Copy:
    def __init__(self, disk: Disk, mirror: Mirror, incarnation: int, alone: bool = False) -> None:
        """`alone`: there is no other mirror, so that nobody can eject this one."""
        self._disk = disk
        self._alone = alone
        self.mirror = mirror
        self._incarnation = incarnation
        # The owner's:
        self.on = False
        """Every frame is written here; it holds all that came before."""
        self.lane = -1
        self.error: Exception | None = None
        """Why the last job failed."""
        self._since_ms: deque[float] = deque()
        """When the jobs that are not done were given to the lane."""
        self.given_up = 0
        """How many of these nobody waits for any more."""
        self.retry_at_ms = 0.0
        self._left = False
        """Nobody waits for it any more: its lane must not take the strand's lock, either."""
        # The lane's:
        self.distrusted = False
        """A sync failed: what the system shows may not be on the disk."""
        self.clean = True
        """Nothing of a frame that failed is left."""
        self.level: Place | None = (0, 0)
        """Up to here it equals the good copies; None if nobody knows."""
        self.seen: Label | None = None
        """What the label there said last."""
        self._segment = -1
        self._fd = -1
        self._lock_fd = -1
        self._ejected_fd = -1

    # --- the owner's ------------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        return bool(self._since_ms)

    @property
    def stuck(self) -> bool:
        """Is it still at something that nobody waits for any more?"""
        return self.given_up > 0

    def begins(self, now_ms: float) -> None:
        self.error = None
        self._since_ms.append(now_ms)

    def ended(self, error: Exception | None) -> None:
        self._since_ms.popleft()
        self.given_up = max(self.given_up - 1, 0)
        self.error = self.error or error

    def give_up(self) -> None:
        self.given_up = len(self._since_ms)

    def late(self, now_ms: float, stall_ms: float) -> bool:
        return bool(self._since_ms) and now_ms - self._since_ms[0] >= stall_ms

    def takes_part(self) -> bool:
        """From now on this strand's lock says that the mirror holds all of it."""
        self._left = False
        self.on = self._locks(self._lock_fd)
        return self.on

    def _locks(self, fd: int, shared: bool = False) -> bool:
        """No, too, if the file system is gone so far that it knows no locks."""
        try:
            return self._disk.lock(fd, shared=shared)
        except OSError:
            return False

    def _unlocks(self, fd: int) -> None:
        with suppress(OSError):
            self._disk.unlock(fd)

    def leaves(self) -> None:
        self.on = False
        self._left = True
        if self._lock_fd >= 0:
            self._unlocks(self._lock_fd)

    def mark_ejected(self) -> bool:
        """Tell all processes that this one goes on without the mirror."""
        if self._ejected_fd < 0:
            return True
        try:
            return self._disk.lock(self._ejected_fd, shared=True)
        except OSError:
            return True  # where no lock can be taken, everybody takes the mirror for ejected

    def unmark(self) -> None:
        if self._ejected_fd >= 0:
            self._unlocks(self._ejected_fd)

    def ejected_by_others(self) -> bool:
        """Does another process go on without it? Its own mark is gone after the question."""
        if self._ejected_fd < 0:
            return True
        if not self._locks(self._ejected_fd):
            return True
        self._unlocks(self._ejected_fd)
        return False

    # --- the lane's -------------------------------------------------------------------------------

    def create(self) -> None:
        """Begin the strand here. Raises FileExistsError if the number is taken; OSError."""
        self._expect_label()
        if not self._alone:
            self.open_marks()
        path = self.mirror.directory / segment_name(self._incarnation, 0)
        self._fd = self._disk.create(path)
        self._segment = 0
        self._open_lock()
        # A strand that was fenced between its creation and the lock has a seal in it.
        if not self._disk.lock(self._lock_fd) or self._disk.size(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        if self._left:
            self._unlocks(self._lock_fd)

    def write(self, segment: int, offset: int, data: bytes, known: Place) -> None:
        """Durable on return. `known`: up to here it was acknowledged, and must be here.

        The frame before this one may have failed when this one was waiting already.
        """
        if self.level is None or self.level < known:
            raise OSError(errno.EIO, "a frame before it failed", str(self.mirror.directory))
        if segment != self._segment:
            self._begin(segment)
        elif not self.clean:
            self._disk.truncate(self._fd, offset)
        self.clean = False
        try:
            self._disk.write(self._fd, offset, data)
            try:
                self._disk.sync(self._fd)
            except OSError:
                # After a failed sync nobody knows what the disk holds, and a second sync may claim
                # success for pages that were thrown away.
                self.distrusted = True
                raise
        except OSError:
            self._take_back(offset)
            raise
        self.clean = True
        self.level = (segment, offset + len(data))

    def _take_back(self, offset: int) -> None:
        """A frame that nobody was promised should not be found after a crash."""
        with suppress(OSError):
            self._disk.truncate(self._fd, offset)
            self.clean = not self.distrusted
        if not self.clean:
            self._segment = -1

    def _begin(self, segment: int) -> None:
        self._expect_own_lock()
        path = self.mirror.directory / segment_name(self._incarnation, segment)
        try:
            fd = self._disk.create(path)
        except FileExistsError:
            # Ours, from an attempt that failed: nothing in it counts, not even its pages.
            self._disk.replace(path, b"")
            fd = self._disk.open(path)
        self._close_segment()
        self._fd, self._segment, self.clean, self.distrusted = fd, segment, True, False

    def catch_up(self, good: Mirror, upto: Place) -> None:
        """Become equal to a good copy up to there, which its writer has made durable."""
        self._expect_label()
        self.open_marks()
        self._close_segment()
        # What was known to be equal is not looked at again, unless a failure made that doubtful.
        start, self.level = None if self.distrusted else self.level, None
        first = start[0] if start else 0
        for segment in range(first, upto[0] + 1):
            name = segment_name(self._incarnation, segment)
            source = good.directory / name
            size_bytes = upto[1] if segment == upto[0] else self._disk.size(source)
            known = start[1] if start and segment == first else 0
            known = known if known <= size_bytes else 0
            level_file(
                self._disk,
                source,
                self.mirror.directory / name,
                size_bytes,
                known,
                rewrite=start is None,
                torn=segment < upto[0],
            )
        self._fd = self._disk.open(self.mirror.directory / segment_name(self._incarnation, upto[0]))
        self._segment, self.clean, self.distrusted = upto[0], True, False
        self._open_lock()
        self.level = upto

    def look(self, mirrors: Mirrors) -> None:
        """Read the label there."""
        self.seen = mirrors.read(self.mirror)

    def open_marks(self) -> None:
        if self._ejected_fd < 0:
            self._ejected_fd = open_or_create(self._disk, self.mirror.directory / EJECTED_LOCK)

    def _expect_label(self) -> None:
        """Raises OSError if what lies there is not this mirror: the disk may not be mounted."""
        if read_label(self._disk, self.mirror.directory).mirror != self.mirror.id:
            raise OSError(errno.ENODEV, "another mirror lies there", str(self.mirror.directory))

    def _open_lock(self) -> None:
        if self._lock_fd < 0:
            path = self.mirror.directory / lock_name(self._incarnation)
            self._lock_fd = open_or_create(self._disk, path)

    def _expect_own_lock(self) -> None:
        """Raises OSError if the file system was away meanwhile, and our lock with it: others may
        have found the strand without a writer, and ended it."""
        fd = open_or_create(self._disk, self.mirror.directory / lock_name(self._incarnation))
        try:
            # Ours must be the one that lies there, and still work.
            if self._disk.lock(fd) or not self._locks(self._lock_fd):
                raise OSError(errno.ENODEV, "it was away meanwhile", str(self.mirror.directory))
        finally:
            self._disk.close(fd)

    def _close_segment(self) -> None:
        if self._fd >= 0:
            self._disk.close(self._fd)
        self._fd = -1
        self._segment = -1

    def close(self) -> None:
        """Let go of all files, and with them of the locks."""
        self._close_segment()
        for fd in (self._lock_fd, self._ejected_fd):
            if fd >= 0:
                self._disk.close(fd)
        self._lock_fd = self._ejected_fd = -1


Job = Callable[[], None]
