"""The mirrors of one journal, as one process knows them."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import structlog

from hairpin.errors import DataDamaged, EngineDown, YourMistake
from hairpin.journal.health import HealthBook
from hairpin.journal.label import Entry, Label, State, in_force
from hairpin.journal.labels import read_label, write_label
from hairpin.world import Disk, World

log = structlog.get_logger()

LABEL_LOCK = "label.lock"


class Mirror(msgspec.Struct, frozen=True):
    """One copy of the journal."""

    id: str
    directory: Path


def holders(members: int) -> int:
    """How many of so many members have synced each frame that was acknowledged."""
    return members if members <= 2 else members // 2 + 1


class Mirrors:
    """`label` is the one in force when it was last read; `refresh` reads it again."""

    def __init__(self, world: World, label: Label, directories: dict[str, Path]) -> None:
        """`directories`: where mirrors were found, by id; the others may not be there."""
        self._world = world
        self._directories = directories
        self.label = label
        self._epoch = label.epoch
        self.health = HealthBook(world)
        self.behind: list[Entry] = []
        """Members that carried an older label when they were found."""
        self.reading: Disk = world.disk
        """What readers use: in a process that must not freeze one that is waited for only so long.
        """

    def view(self) -> Mirrors:
        """The same mirrors, for another thread."""
        return Mirrors(self._world, self.label, dict(self._directories))

    @property
    def disk(self) -> Disk:
        return self._world.disk

    @property
    def journal(self) -> int:
        return self.label.journal

    def members(self) -> list[Mirror]:
        """Those that hold everything."""
        return [self._mirror(e) for e in self.label.mirrors if e.state is State.MEMBER]

    def others(self) -> list[Mirror]:
        """Those that lack something, or cannot be found."""
        return [self._mirror(e) for e in self.label.mirrors if e.state is not State.MEMBER]

    def all(self) -> list[Mirror]:
        return [*self.members(), *self.others()]

    def leave_out(self, silent: dict[str, str]) -> None:
        """From now on these (id, why) are no members to this process; nothing is written."""
        entries = tuple(
            msgspec.structs.replace(entry, state=State.STALE, why=silent[entry.id])
            if entry.id in silent and entry.state is State.MEMBER
            else entry
            for entry in self.label.mirrors
        )
        self.label = msgspec.structs.replace(self.label, mirrors=entries)

    def is_found(self, mirror: Mirror) -> bool:
        """Was it there when the journal was opened, or was it made since?"""
        return mirror.id in self._directories

    def entry(self, mirror: Mirror) -> Entry | None:
        return self.label.entry(mirror.id)

    def _mirror(self, entry: Entry) -> Mirror:
        return Mirror(entry.id, self._directories.get(entry.id, Path(entry.directory)))

    # --- labels -----------------------------------------------------------------------------------

    def refresh(self) -> bool:
        """Read the labels of the members again; says if something changed meanwhile.

        A member that cannot be read now tells nothing; who writes to it will find out.
        """
        return self.learn({mirror.directory: self.read(mirror) for mirror in self.members()})

    def learn(self, found: dict[Path, Label | None]) -> bool:
        """The same, from labels that were read already; None where one cannot be."""
        labels = {place: label for place, label in found.items() if label is not None}
        if not labels:
            return False
        try:
            newest = in_force(labels)
        except YourMistake as mistake:
            log.error("labels contradict each other", why=mistake.message)
            return False
        if newest.epoch <= self.label.epoch:
            return False
        self.label = newest
        return True

    def read(self, mirror: Mirror) -> Label | None:
        """What a mirror's label says now; None if nobody can tell."""
        try:
            return self._read(mirror)
        except OSError:
            return None

    def _read(self, mirror: Mirror) -> Label | None:
        """None if it is damaged. Raises OSError."""
        try:
            return read_label(self.disk, mirror.directory)
        except DataDamaged as damage:
            log.error("a label is damaged", why=damage.message)
            return None

    def next_epoch(self) -> int:
        """Higher than all that this process has seen or tried."""
        self._epoch = max(self._epoch, self.label.epoch) + 1
        return self._epoch

    def drop(self, on: Mirror, lost: Iterable[Entry], epoch: int) -> Label:
        """Note on this mirror that others are no members any more; durable on return.

        Also for one that was none: the epoch says that it may lack more now. Raises OSError.
        """

        def without(label: Label) -> Label:
            # What others changed is in the newer one; this mirror may have missed some of it.
            base = label if label.epoch > self.label.epoch else self.label
            if base.entry(on.id) is None:
                raise OSError(errno.ENODEV, "it was taken out of the journal", str(on.directory))
            known = [entry for entry in lost if base.entry(entry.id) is not None]
            changed = base.changed(*known)
            return msgspec.structs.replace(changed, epoch=max(changed.epoch, epoch))

        return self.change(on, without)

    def change(self, on: Mirror, change: Callable[[Label], Label]) -> Label:
        """Change the label of one mirror, durably; returns the new one. Raises OSError."""
        with label_lock(self.disk, on.directory):
            # One that is damaged is written anew, as this process knows it.
            label = change(self._read(on) or self.label).of(on.id)
            write_label(self.disk, on.directory, label)
            self.health.flush(self.disk, on.directory)
        return label

    def agree(self, change: Callable[[Label], Label], also: Iterable[Mirror] = ()) -> bool:
        """Change the label on all members, and on `also`, if no other change came between.

        Durable on return. False: somebody was faster, and nothing was changed here. Raises OSError
        if a mirror cannot be written; the highest epoch is in force then, wherever it stands.
        """
        new = change(self.label)
        carriers = {m.id: m for m in [*self.members(), *also]}
        carriers |= {m.id: m for m in self.all() if m.id in new.members}
        ordered = sorted(carriers.values(), key=lambda mirror: mirror.id)
        with _all_locks(self.disk, [mirror.directory for mirror in ordered]):
            if self.refresh():
                return False
            for mirror in ordered:
                write_label(self.disk, mirror.directory, new.of(mirror.id))
        self.label = new
        return True

    def relabel(self, new: Label) -> None:
        """Put this label on all its members, when no writer lives; durable on return.

        One that cannot be written is behind from then on; whoever writes there finds out. Raises
        EngineDown if none can.
        """
        self.label, problems = new, []
        for mirror in self.members():
            try:
                self.change(mirror, lambda _: new)
            except OSError as error:
                problems.append(f"{mirror.directory}: {error.strerror}")
                log.error("a label cannot be written", why=problems[-1])
        if len(problems) == len(self.members()):
            raise EngineDown(
                f"cannot write a label: {'; '.join(problems)}",
                "Give the journal's disks space and write permission.",
            )

    def locate(self, mirror: Mirror) -> None:
        """From now on a mirror of this id lies in this directory."""
        self._directories[mirror.id] = mirror.directory

    # --- small files ------------------------------------------------------------------------------

    def write_everywhere(self, name: str, data: bytes) -> None:
        """Set the content of a file on every member. Raises EngineDown if one cannot be written."""
        for mirror in self.members():
            path = mirror.directory / name
            try:
                self.disk.make_directory(path.parent)
                self.disk.replace(path, data)
            except OSError as error:
                raise EngineDown(
                    f"cannot write {path}: {error.strerror}",
                    "Give the disk space and write permission.",
                ) from error

    def flush_health(self) -> None:
        """Keep what was noted; whoever cannot write it keeps it in mind."""
        for mirror in self.members() if self.health.waiting else ():
            try:
                with label_lock(self.reading, mirror.directory):
                    self.health.flush(self.reading, mirror.directory)
                return
            except OSError as error:
                log.warning("health is not noted", mirror=str(mirror.directory), why=str(error))

    # --- healing ----------------------------------------------------------------------------------

    def heal(
        self, mirror: Mirror, name: str, offset: int, data: bytes, why: str, frames: int = 1
    ) -> bool:
        """Write good bytes over bad ones; False if this mirror cannot be written, either."""
        path = mirror.directory / name
        log.warning("a bad copy was found", file=str(path), at_byte=offset, why=why)
        try:
            overwrite(self.reading, path, offset, data)
        except OSError as error:
            log.error("it cannot be healed", file=str(path), why=error.strerror)
            self.health.note(mirror.id, f"{why}; healing failed: {error.strerror}", read=frames)
            return False
        self.health.note(mirror.id, why, read=frames, healed=frames)
        return True


def overwrite(disk: Disk, path: Path, offset: int, data: bytes) -> None:
    """Durable on return; the file is made if it does not exist."""
    fd = open_or_create(disk, path)
    try:
        disk.write(fd, offset, data)
        disk.sync(fd)
    finally:
        disk.close(fd)


def open_or_create(disk: Disk, path: Path) -> int:
    while True:
        try:
            return disk.open(path)
        except FileNotFoundError:
            pass
        try:
            return disk.create(path)
        except FileExistsError:
            continue


@contextmanager
def label_lock(disk: Disk, directory: Path) -> Iterator[None]:
    """Nobody else changes this mirror's label meanwhile."""
    fd = open_or_create(disk, directory / LABEL_LOCK)
    try:
        disk.lock(fd, wait=True)
        yield
    finally:
        disk.close(fd)


@contextmanager
def _all_locks(disk: Disk, directories: list[Path]) -> Iterator[None]:
    """In the order given, which must be the same for everybody."""
    if not directories:
        yield
        return
    with label_lock(disk, directories[0]), _all_locks(disk, directories[1:]):
        yield
