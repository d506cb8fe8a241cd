"""Received journals: what a stream goes into, and a new one for a stream that holds everything.

Nothing of what is staged is visible before `commit`, which ends with one durable change: a folder
gets the journal's name, or, in `increment`, a label is replaced.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from hairpin.errors import EngineDown, YourMistake
from hairpin.journal.label import (
    FORMAT,
    LABEL,
    Entry,
    Label,
    Replica,
)
from hairpin.journal.labels import write_label
from hairpin.journal.mirrors import Mirrors
from hairpin.journal.names import parse_name
from hairpin.journal.sendstream import Begin
from hairpin.journal.snapshot import FOLDER, Snapshot, encode_snapshot, file_name
from hairpin.journal.snapshots import Snapshots
from hairpin.journal.staging import NOT_SHOWN, Staging
from hairpin.world import World


class Target(Protocol):
    def check(self, begin: Begin) -> None:
        """Does the stream fit? Changes nothing. Raises YourMistake, DataDamaged, EngineDown."""
        ...

    def stage(self) -> Staging:
        """Begin; raises OSError."""
        ...

    def commit(self, begin: Begin) -> None:
        """What was staged becomes the journal. Raises OSError, EngineDown."""
        ...

    def abandon(self) -> None:
        """Take back what can be; what stays is invisible, and goes with the next attempt."""
        ...


def receiving_folder(directory: Path) -> Path:
    """Where a whole journal is built before it gets the name of this directory."""
    return directory.with_name(f"{directory.name}.receiving")


def replica_at(snapshot: Snapshot) -> Replica:
    """The label's word for a journal that holds this snapshot and nothing else."""
    return Replica(snapshot.name, {n: reach.frames for n, reach in snapshot.strands.items()})


def forget_attempts(world: World, mirrors: Mirrors) -> None:
    """Remove what interrupted attempts left in a received journal. Raises OSError.

    Not the later segments of strands that its label knows: who removes these must know where the
    strands end.
    """
    replica = mirrors.label.replica
    assert replica is not None
    for mirror in mirrors.members():
        for name in world.disk.list(mirror.directory):
            parsed = parse_name(name)
            unknown = parsed is not None and str(parsed[0]) not in replica.strands
            if unknown or name.endswith(NOT_SHOWN):
                world.disk.remove(mirror.directory / name)
    Snapshots(world, mirrors).sweep()


def uncertain(snapshot: Snapshot, directory: Path, error: OSError) -> EngineDown:
    return EngineDown(
        f"snapshot {snapshot.name} was received into {directory}, but may not outlive a power cut: "
        f"{error.strerror}",
        "Look at the disk; `hairpin journal snapshots DIR` lists it if it stayed.",
    )


class NewReplica:
    """A whole journal, built beside its place; then one rename."""

    def __init__(self, world: World, directory: Path) -> None:
        self._world = world
        self._directory = directory
        self._folder = receiving_folder(directory)
        self._staging = Staging(world.disk, [self._folder], lambda _: 0)

    def check(self, begin: Begin) -> None:
        if begin.base is not None:
            raise YourMistake(
                f"the stream begins at snapshot {begin.base.name}, and no journal is in "
                f"{self._directory}",
                "Send everything first: without --from.",
            )
        names = self._world.disk.list(self._directory)
        if names:
            raise YourMistake(
                f"{self._directory} is not empty: it holds {', '.join(names[:3])}",
                "Receive into a new directory.",
            )

    def stage(self) -> Staging:
        self._clear()
        self._world.disk.make_directory(self._folder)
        return self._staging

    def commit(self, begin: Begin) -> None:
        disk, snapshot = self._world.disk, begin.target
        self._staging.show()
        disk.make_directory(self._folder / FOLDER)
        disk.replace(self._folder / FOLDER / file_name(snapshot.name), encode_snapshot(snapshot))
        own = self._world.dice.secret(8).hex()
        entries = (Entry(own, str(self._directory.absolute())),)
        label = Label(FORMAT, snapshot.journal, own, 1, entries, replica_at(snapshot))
        write_label(disk, self._folder, label)
        try:
            disk.rename(self._folder, self._directory)
        except OSError as error:
            if (self._directory / LABEL).exists():
                raise uncertain(snapshot, self._directory, error) from error
            raise

    def abandon(self) -> None:
        with suppress(OSError):
            self._staging.clear()
        with suppress(OSError):
            self._clear()

    def _clear(self) -> None:
        disk = self._world.disk
        for folder in (self._folder / FOLDER, self._folder):
            for name in disk.list(folder):
                if name != FOLDER:
                    disk.remove(folder / name)
        if self._folder.exists():
            shutil.rmtree(self._folder)  # what is empty now
