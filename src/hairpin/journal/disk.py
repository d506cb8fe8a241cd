"""Engine `disk`: strands as segment files, the same in every mirror: a directory each.

    journal.json                     the mirror's label
    <incarnation>-<segment>.hpj      frames
    <incarnation>.lock               held by a writer that lives and writes here

The kernel lets go of a writer's locks when its process ends, however it ends. So whoever can take
them knows that the writer is dead.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import msgspec

from hairpin.errors import EngineDown
from hairpin.journal import Follower, StrandEnd, Writer
from hairpin.journal.copy import Copy
from hairpin.journal.fence import cut_behind, fence
from hairpin.journal.impatient import ImpatientDisk
from hairpin.journal.label import State
from hairpin.journal.mirrors import Mirror, Mirrors, holders
from hairpin.journal.names import parse_name
from hairpin.journal.opening import create_mirrors, find_mirrors
from hairpin.journal.reader import StrandReader
from hairpin.journal.replica import forget_attempts
from hairpin.journal.writer import STALL_MS, StrandWriter
from hairpin.world import World


class DiskJournal:
    """The journal in its mirrors. Create it once with `create`, then `open` it."""

    def __init__(self, world: World, mirrors: Mirrors, stall_ms: float = STALL_MS) -> None:
        self._world = world
        self._stall_ms = stall_ms
        self.mirrors = mirrors

    @classmethod
    def create(
        cls, world: World, directory: Path, *others: Path, stall_ms: float = STALL_MS
    ) -> DiskJournal:
        return cls(world, create_mirrors(world, [directory, *others]), stall_ms)

    @classmethod
    def open(
        cls,
        world: World,
        directory: Path,
        *others: Path,
        degraded: bool = False,
        stall_ms: float = STALL_MS,
        impatient: bool = False,
    ) -> DiskJournal:
        """`others`: directories beside those that the mirrors' labels name. With `impatient` a
        disk that hangs is not waited for longer than `stall_ms` by readers, either.

        Raises YourMistake if there is no journal, or a member is missing and `degraded` does not
        accept that; EngineDown if a disk cannot be read; DataDamaged.
        """
        mirrors = find_mirrors(world, [directory, *others], degraded)
        if impatient:
            mirrors.reading = ImpatientDisk(world, mirrors, stall_ms)
        return cls(world, mirrors, stall_ms)

    @property
    def id(self) -> int:
        return self.mirrors.journal

    # --- writing ----------------------------------------------------------------------------------

    def writer(self) -> Writer:
        self._promote()
        number = max(self._taken(), default=0) + 1
        while (writer := self._begin(number)) is None:
            number += 1
        return writer

    def _taken(self) -> list[int]:
        """Incarnations that any mirror knows, also one that is stale.

        Where one cannot be read now, creating the strand finds out.
        """
        found: list[int] = []
        for mirror in self.mirrors.all():
            with suppress(OSError):
                found += self._numbers(mirror)
        return found

    def _begin(self, number: int) -> StrandWriter | None:
        """None if the number is taken. Every mirror that is here takes part from the start."""
        mirrors = self.mirrors
        lanes = self._world.threads.lanes() if len(mirrors.all()) > 1 else None
        copies = []
        for mirror in mirrors.all():
            copy = Copy(self._world.disk, mirror, number, alone=lanes is None)
            copy.lane = lanes.open(mirror.directory) if lanes is not None else -1
            copies.append(copy)
        writer = StrandWriter(self._world, mirrors, number, copies, lanes, self._stall_ms)
        try:
            return writer if writer.begin() else None
        except OSError as error:
            raise EngineDown(
                f"cannot begin a strand: {error.filename or mirrors.members()[0].directory}: "
                f"{error.strerror}",
                "Give the journal's disks space and write permission.",
            ) from error

    def _promote(self) -> None:
        """A received journal that is written to becomes one of its own."""
        if self.mirrors.label.replica is None:
            return
        for incarnation in self.incarnations():
            reader = StrandReader(self.mirrors, incarnation, self._end_of(incarnation))
            cut_behind(self._world.disk, self.mirrors, reader)
        try:
            forget_attempts(self._world, self.mirrors)
            self.mirrors.agree(lambda label: label.changed().with_replica(None))
        except OSError as error:
            raise EngineDown(
                f"cannot take over the received journal: {error.strerror}",
                "Give the disk space and write permission.",
            ) from error

    def begin_term(self) -> None:
        """Before writers begin, when none lives: a label of this term for all members.

        One whose label is older than the others' was put back as it was once, or died before it
        heard of a change. It may lack something, and is filled before it counts again.
        """
        if len(self.mirrors.all()) == 1:
            return
        why = "its label was older than the others'"
        stale = [
            msgspec.structs.replace(entry, state=State.STALE, why=why)
            for entry in self.mirrors.behind
        ]
        self.mirrors.relabel(self.mirrors.label.changed(*stale))

    # --- reading ----------------------------------------------------------------------------------

    def incarnations(self) -> list[int]:
        replica = self.mirrors.label.replica
        if replica is not None:
            return sorted(map(int, replica.strands))
        members = self.mirrors.members()
        found: set[int] = set()
        silent: list[str] = []
        for mirror in members:
            try:
                found.update(self._numbers(mirror))
            except OSError as error:
                silent.append(f"{mirror.directory}: {error.strerror}")
        if len(silent) >= holders(len(members)):
            # Those that answer may lack what these have.
            raise EngineDown(f"cannot read {'; '.join(silent)}", "Look at the disk.")
        return sorted(found)

    def _numbers(self, mirror: Mirror) -> set[int]:
        names = map(parse_name, self.mirrors.reading.list(mirror.directory))
        return {name[0] for name in names if name is not None}

    def follow(self, incarnation: int) -> Follower:
        return StrandReader(self.mirrors, incarnation, self._end_of(incarnation))

    def _end_of(self, incarnation: int) -> int | None:
        replica = self.mirrors.label.replica
        return None if replica is None else replica.strands.get(str(incarnation), 0)

    # --- fencing ----------------------------------------------------------------------------------

    def fence(self, incarnation: int) -> StrandEnd | None:
        return fence(self.mirrors.reading, self.mirrors, incarnation)
