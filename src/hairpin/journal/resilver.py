"""Filling a mirror that is no member, until it holds all of the journal and is one.

Strands of dead writers are read from the members, verified, and written where the mirror differs.
A living writer brings its own strand up (`StrandWriter.tend`), and says so by the strand's lock in
that mirror, which it holds as long as every frame goes there. When each strand is level or so held,
the labels make the mirror a member, unless their epoch changed meanwhile: every writer that loses
the mirror changes it, and a strand born meanwhile takes every mirror along from its first frame.
"""

from __future__ import annotations

import errno
from pathlib import Path

import msgspec
import structlog

from hairpin.journal.fence import cut_behind, fence, strand_locks
from hairpin.journal.filling import Filled, Filling
from hairpin.journal.label import LABEL, LABEL_BYTES_MAX, Label, State, decode_label
from hairpin.journal.mirrors import Mirror, Mirrors, open_or_create
from hairpin.journal.names import lock_name, parse_name, segment_name
from hairpin.journal.reader import StrandReader
from hairpin.journal.snapshot import FOLDER, SNAPSHOT_BYTES_MAX, name_of_file
from hairpin.world import World

log = structlog.get_logger()

NOTES = "resilver.json"
LOCK = "resilver.lock"
ASIDE_SUFFIX = ".aside"
"""Of files that no member knows: another history's, which nobody reads."""
STEP_BYTES = 4 << 20
_NOTES_BYTES_MAX = 16 << 20


class Progress(msgspec.Struct, frozen=True):
    """How far a mirror is."""

    mirror: str
    directory: str
    done_bytes: int = 0
    """Of dead strands: read, verified, and the same in the mirror."""
    all_bytes: int = 0
    written_bytes: int = 0
    """Of these: what the mirror lacked."""
    waiting: tuple[int, ...] = ()
    """Strands whose writers live, and have not brought the mirror up yet."""
    finished: bool = False
    """It is a member."""
    elsewhere: bool = False
    """Another process is at it."""


class Notes(msgspec.Struct):
    """What a resilver that goes on after a crash need not do again."""

    mirror: str
    distrusted: bool
    """Everything is written anew."""
    strands: dict[str, Filled]
    """By incarnation."""


class Resilver:
    """`step` until it is finished; for one thread, with `mirrors` of its own."""

    def __init__(
        self, world: World, mirrors: Mirrors, mirror: Mirror, step_bytes: int = STEP_BYTES
    ) -> None:
        self._world = world
        self._disk = world.disk
        self._mirrors = mirrors
        self._mirror = mirror
        self._step_bytes = step_bytes
        self._lock_fd = -1
        self._notes = Notes(mirror.id, False, {})
        self._filling: Filling | None = None
        self._written_bytes = 0
        self._done_bytes = 0
        self._all_bytes = 0

    def step(self) -> Progress:
        """A bounded piece of the work.

        Raises OSError if a disk fails, DataDamaged if the members cannot be read: the next step
        tries again.
        """
        try:
            return self._step()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let others go on with it."""
        if self._filling is not None:
            self._filling.close()
            self._filling = None
        if self._lock_fd >= 0:
            self._disk.close(self._lock_fd)
            self._lock_fd = -1

    def _step(self) -> Progress:
        if self._lock_fd < 0:
            self._expect_label()
            if not self._takes_lock():
                return self._progress(elsewhere=True)
            self._recall()
        if self._filling is None:
            return self._look()
        filled = self._filling.step(self._step_bytes)
        if filled.done and not self._end(self._filling.reader):
            filled = msgspec.structs.replace(filled, done=False)  # more was there than was read
        incarnation = str(self._filling.reader.incarnation)
        if filled != self._notes.strands.get(incarnation):
            self._notes.strands[incarnation] = filled
            self._keep()
        if filled.done:
            self._written_bytes += self._filling.written_bytes
            self._filling.close()
            self._filling = None
        return self._progress()

    def _progress(self, **more: object) -> Progress:
        filling = self._filling
        return Progress(
            self._mirror.id,
            str(self._mirror.directory),
            self._done_bytes + (filling.done_bytes if filling else 0),
            self._all_bytes,
            self._written_bytes + (filling.written_bytes if filling else 0),
            **more,  # type: ignore[arg-type]
        )
