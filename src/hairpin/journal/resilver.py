"""Filling a mirror that is no member, until it holds all of the journal and is one.

Strands of dead writers are read from the members, verified, and written where the mirror differs.
A living writer brings its own strand up (`StrandWriter.tend`), and says so by the strand's lock in
that mirror, which it holds as long as every frame goes there. When each strand is level or so held,
the labels make the mirror a member, unless their epoch changed meanwhile: every writer that loses
the mirror changes it, and a strand born meanwhile takes every mirror along from its first frame.
"""

from __future__ import annotations

import errno
from contextlib import suppress
from pathlib import Path

import msgspec
import structlog

from hairpin.errors import EngineDown
from hairpin.journal.fence import cut_behind, fence, strand_locks
from hairpin.journal.filling import Filled, Filling
from hairpin.journal.holders import holds
from hairpin.journal.label import Entry, Label, State
from hairpin.journal.labels import read_label
from hairpin.journal.mirrors import Mirror, Mirrors, open_or_create
from hairpin.journal.names import parse_name, segment_name
from hairpin.journal.reader import StrandReader
from hairpin.journal.tidying import tidy
from hairpin.world import World

log = structlog.get_logger()

NOTES = "resilver.json"
LOCK = "resilver.lock"
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
        self._sources: list[Mirror] = []
        """Members that it is read from."""
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
        self._advance(self._filling)
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

    # --- notes ------------------------------------------------------------------------------------

    def _expect_label(self) -> None:
        """Raises OSError if what lies there is not this mirror: the disk may not be mounted."""
        found = read_label(self._disk, self._mirror.directory)
        if (found.journal, found.mirror) != (self._mirrors.journal, self._mirror.id):
            why = f"it holds mirror {found.mirror} of journal {found.id}"
            raise OSError(errno.ENODEV, why, str(self._mirror.directory))

    def _takes_lock(self) -> bool:
        """One process at a time."""
        fd = open_or_create(self._disk, self._mirror.directory / LOCK)
        if not self._disk.lock(fd):
            self._disk.close(fd)
            return False
        self._lock_fd = fd
        return True

    def _recall(self) -> None:
        try:
            data = self._disk.read(self._mirror.directory / NOTES, 0, _NOTES_BYTES_MAX)
            notes = msgspec.json.decode(data, type=Notes)
        except (OSError, msgspec.MsgspecError):
            notes = Notes(self._mirror.id, False, {})
        if notes.mirror == self._mirror.id:
            self._notes = notes

    def _keep(self) -> None:
        self._disk.replace(self._mirror.directory / NOTES, msgspec.json.encode(self._notes))

    def _known(self, incarnation: int) -> Filled:
        return self._notes.strands.get(str(incarnation), Filled())

    # --- strands ----------------------------------------------------------------------------------

    def _look(self) -> Progress:
        """What is to be done next? If nothing is, the mirror becomes a member."""
        self._mirrors.refresh()
        entry = self._mirrors.entry(self._mirror)
        if entry is None:
            raise EngineDown(
                f"{self._mirror.directory} is no mirror of this journal any more",
                "Somebody took it out; see: hairpin journal status DIR",
            )
        if entry.state is State.MEMBER:
            return self._finish()
        if entry.distrusted and not self._notes.distrusted:
            self._notes = Notes(self._mirror.id, True, {})
            self._keep()
        living = []
        for incarnation in self._incarnations():
            if self._known(incarnation).done:
                continue
            if not self._dead(incarnation):
                living.append(incarnation)
            elif not self._mirrors.refresh():
                self._begin(incarnation)
                return self._progress()
            else:
                return self._progress()  # whose locks were asked may not be whose count
        waiting = tuple(n for n in living if not holds(self._disk, self._mirror.directory, n))
        if waiting:
            return self._progress(waiting=waiting)
        tidy(self._world, self._mirrors, self._mirror, self._incarnations)
        return self._join()

    def _incarnations(self) -> list[int]:
        """All strands that members have. Raises OSError if one cannot be asked."""
        replica = self._mirrors.label.replica
        if replica is not None:
            return sorted(int(text) for text, frames in replica.strands.items() if frames)
        found: set[int] = set()
        for mirror in self._mirrors.members():
            names = map(parse_name, self._disk.list(mirror.directory))
            found.update(name[0] for name in names if name is not None)
        return sorted(found)

    def _dead(self, incarnation: int) -> bool:
        """Will nobody ever write to it?

        Its lock was taken before its first byte was written; one without a byte may just be born,
        unless it is fenced.
        """
        if self._mirrors.label.replica is not None:
            return True
        with strand_locks(self._disk, self._mirrors, incarnation) as dead:
            if not dead:
                return False
            first = segment_name(incarnation, 0)
            begun = any(self._has_bytes(m.directory / first) for m in self._mirrors.members())
        return begun or fence(self._disk, self._mirrors, incarnation) is not None

    def _has_bytes(self, path: Path) -> bool:
        try:
            return self._disk.size(path) > 0
        except FileNotFoundError:
            return False

    def _begin(self, incarnation: int) -> None:
        replica = self._mirrors.label.replica
        end = None if replica is None else replica.strands[str(incarnation)]
        self._sources = self._mirrors.members()
        reader = StrandReader(self._mirrors, incarnation, end, self._sources)
        known = self._known(incarnation)
        self._filling = Filling(
            self._disk, reader, self._mirror.directory, self._notes.distrusted, known
        )
        self._count()

    def _advance(self, filling: Filling) -> None:
        """Go on with one strand; what is level is noted after each of its segments."""
        if self._mirrors.refresh() and self._mirrors.members() != self._sources:
            filling.close()
            self._filling = None  # what it reads may not count any more
            return
        try:
            filled = filling.step(self._step_bytes)
            if filling.at_end:
                filled = self._end(filling)
        except OSError:
            if filling.sync_failed:
                self._distrust()
            raise
        incarnation = str(filling.reader.incarnation)
        if filled != self._known(filling.reader.incarnation) and filled.frames:
            self._notes.strands[incarnation] = filled
            self._keep()
        if filled.done:
            self._written_bytes += filling.written_bytes
            self._done_bytes += filling.done_bytes
            filling.close()
            self._filling = None

    def _end(self, filling: Filling) -> Filled:
        """Fix the strand's end in the members, as fencing does, and then here.

        This mirror may hang; nobody must wait for the strand's locks meanwhile.
        """
        if self._mirrors.label.replica is not None:
            return filling.complete()
        with strand_locks(self._disk, self._mirrors, filling.reader.incarnation) as dead:
            if not dead:
                return filling.take([])  # somebody fences it
            more = filling.more()
            if not more:
                cut_behind(self._disk, self._mirrors, filling.reader)
        return filling.take(more) if more else filling.complete()

    def _distrust(self) -> None:
        """A sync failed: what the mirror shows now may not be on its disk."""
        self._notes = Notes(self._mirror.id, True, {})

        def distrusted(label: Label) -> Label:
            entry = label.entry(self._mirror.id)
            if entry is None:
                return label.changed()
            return label.changed(
                msgspec.structs.replace(entry, distrusted=True, why="a sync failed")
            )

        with suppress(OSError):
            while not self._mirrors.agree(distrusted):
                pass

    def _count(self) -> None:
        """How much there is to do, as far as files tell."""
        source = self._mirrors.members()[0].directory
        with suppress(OSError):
            names = [name for name in self._disk.list(source) if parse_name(name) is not None]
            self._all_bytes = sum(self._disk.size(source / name) for name in names)

    # --- the end ----------------------------------------------------------------------------------

    def _join(self) -> Progress:
        """Not if anything changed since the labels were read: then look again."""

        def joined(label: Label) -> Label:
            entry = label.entry(self._mirror.id)
            assert entry is not None, "the label says so since it was read"
            member = Entry(entry.id, str(self._mirror.directory))
            changed = label.changed(member)
            return changed.without(entry.replaces) if entry.replaces else changed

        if not self._mirrors.agree(joined, [self._mirror]):
            return self._progress()
        log.info("a mirror is a member", mirror=str(self._mirror.directory))
        return self._finish()

    def _finish(self) -> Progress:
        with suppress(OSError):
            self._disk.remove(self._mirror.directory / NOTES)
        progress = self._progress(finished=True)
        self.close()
        return progress
