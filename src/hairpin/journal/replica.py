"""Where a stream goes: a place without a journal, or a received one that stands at its base.

Nothing of what is staged is visible before `commit`, which ends with one durable change: a folder
gets the journal's name, or a label is replaced.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import msgspec

from hairpin.errors import DataDamaged, EngineDown, HairpinError, YourMistake
from hairpin.journal.label import (
    FORMAT,
    LABEL,
    LABEL_BYTES_MAX,
    Entry,
    Label,
    Replica,
    decode_label,
    encode_label,
)
from hairpin.journal.mirrors import Mirrors
from hairpin.journal.names import parse_name
from hairpin.journal.reader import StrandReader
from hairpin.journal.sendstream import Begin
from hairpin.journal.snapshot import FOLDER, Snapshot, encode_snapshot, file_name
from hairpin.journal.snapshots import Snapshots
from hairpin.journal.staging import Staging
from hairpin.world import World

RECEIVING = "receiving"


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


def replica_at(snapshot: Snapshot) -> Replica:
    """The label's word for a journal that holds this snapshot and nothing else."""
    return Replica(snapshot.name, {n: reach.frames for n, reach in snapshot.strands.items()})


class NewReplica:
    """A whole journal, built beside its place; then one rename."""

    def __init__(self, world: World, directory: Path) -> None:
        self._world = world
        self._directory = directory
        self._folder = directory.with_name(f"{directory.name}.{RECEIVING}")
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
        disk.replace(self._folder / LABEL, encode_label(label))
        try:
            disk.rename(self._folder, self._directory)
        except OSError as error:
            if (self._directory / LABEL).exists():
                raise _uncertain(snapshot, self._directory, error) from error
            raise

    def abandon(self) -> None:
        with suppress(OSError):
            self._staging.clear()
        with suppress(OSError):
            self._clear()

    def _clear(self) -> None:
        if self._folder.exists():
            shutil.rmtree(self._folder)


class StandingReplica:
    """More frames for a received journal, in segments of their own; then its label changes."""

    def __init__(self, world: World, directory: Path, mirrors: Mirrors) -> None:
        self._world = world
        self._directory = directory
        self._mirrors = mirrors
        self._places = [mirror.directory for mirror in mirrors.members()]
        self._last_segments: dict[int, int] = {}
        """Of the strands that go on: the last segment that belongs to the base."""
        self._staging = Staging(world.disk, self._places, self._next_segment)
        self._snapshots = Snapshots(world, mirrors)
        self._invisible = True
        """Whatever was renamed here, no label shows it."""

    def check(self, begin: Begin) -> None:
        self._check_base(begin)
        if self._mirrors.others():
            names = ", ".join(str(mirror.directory) for mirror in self._mirrors.others())
            raise YourMistake(
                f"mirrors of {self._directory} lack something: {names}",
                "Wait until they are whole, or take them out; then receive.",
            )
        self._check_name(begin.target.name)
        assert begin.base is not None
        for incarnation, reach in begin.base.incarnations.items():
            self._check_strand(incarnation, reach.frames, reach.chain)

    def _check_base(self, begin: Begin) -> None:
        label = self._mirrors.label
        if label.id != begin.target.journal:
            raise YourMistake(
                f"the stream is of journal {begin.target.journal}; {self._directory} holds "
                f"{label.id}",
                "Receive into the directory that its base was received into, or into a new one.",
            )
        if label.replica is None:
            raise YourMistake(
                f"the journal in {self._directory} was not received, or was written to since",
                "Receive everything into a new directory.",
            )
        stands = label.replica.snapshot
        if begin.base is None or begin.base.name != stands:
            asked = f"at snapshot {begin.base.name}" if begin.base else "with nothing"
            already = " already" if begin.target.name == stands else ""
            raise YourMistake(
                f"the stream begins {asked}; the journal in {self._directory} stands at snapshot "
                f"{stands}{already}",
                f"Send what came since: --from {stands}; or all of it into a new directory.",
            )
        here = self._snapshots.read(stands)
        if replica_at(here) != label.replica:
            raise DataDamaged(
                f"{self._directory}: its label does not say what its snapshot {stands} says",
                "Receive everything into a new directory.",
            )
        if here.head != begin.base.head or here.strands != begin.base.strands:
            raise YourMistake(
                f"snapshot {stands} has head {begin.base.head} in the stream and {here.head} in "
                f"{self._directory}: two snapshots of one name",
                "Receive everything into a new directory.",
            )

    def _check_name(self, name: str) -> None:
        known, _ = self._snapshots.all()
        if name in [snapshot.name for snapshot in known]:
            raise YourMistake(
                f"{self._directory} has a snapshot {name} of its own",
                f"Delete it: hairpin journal snapshot DIR {name} --delete; then receive.",
            )

    def _check_strand(self, incarnation: int, frames: int, chain: str) -> None:
        """Are the base's frames there and intact? And where do they end?"""
        strand = StrandReader(self._mirrors, incarnation, frames)
        for _ in strand.read(frames):
            pass
        if strand.chain.hex() != chain:
            raise DataDamaged(
                f"journal damaged: incarnation {incarnation} in {self._directory} has chain "
                f"{strand.chain.hex()} after {frames} frames; its snapshot says {chain}",
                "Receive everything into a new directory.",
            )
        self._last_segments[incarnation] = strand.segment

    def _next_segment(self, incarnation: int) -> int:
        return self._last_segments.get(incarnation, -1) + 1

    def stage(self) -> Staging:
        self._staging.clear()
        self._sweep()
        return self._staging

    def commit(self, begin: Begin) -> None:
        snapshot = begin.target
        self._staging.show()
        self._mirrors.write_everywhere(
            f"{FOLDER}/{file_name(snapshot.name)}", encode_snapshot(snapshot)
        )
        self._replace_label(snapshot)

    def _replace_label(self, snapshot: Snapshot) -> None:
        """The one change that makes visible what was renamed before."""
        old, new = self._mirrors.label.replica, replica_at(snapshot)

        def stand(label: Label) -> Label:
            return msgspec.structs.replace(label, epoch=label.epoch + 1, replica=new)

        self._invisible = False
        try:
            agreed = self._mirrors.agree(stand)
        except OSError as error:
            self._invisible = all(self._stands_at(old, place) for place in self._places)
            if self._invisible:
                raise
            raise _uncertain(snapshot, self._directory, error) from error
        if not agreed:
            raise EngineDown(
                f"somebody else changed the label of {self._directory} meanwhile",
                "Nothing was received. End what else uses the journal, then try again.",
            )

    def _stands_at(self, replica: Replica | None, place: Path) -> bool:
        try:
            data = self._world.disk.read(place / LABEL, 0, LABEL_BYTES_MAX)
            return decode_label(data, place).replica == replica
        except (OSError, HairpinError):
            return False

    def abandon(self) -> None:
        with suppress(OSError):
            self._staging.clear()
        if self._invisible:
            with suppress(OSError):
                self._sweep()

    def _sweep(self) -> None:
        """Nobody wrote here since the base: what lies beyond it is of an attempt that failed."""
        disk = self._world.disk
        for place in self._places:
            for name in disk.list(place):
                parsed = parse_name(name)
                if parsed is not None and parsed[1] > self._last_segments.get(parsed[0], -1):
                    disk.remove(place / name)
        self._snapshots.sweep()


def _uncertain(snapshot: Snapshot, directory: Path, error: OSError) -> EngineDown:
    return EngineDown(
        f"snapshot {snapshot.name} was received into {directory}, but may not outlive a power cut: "
        f"{error.strerror}",
        "Look at the disk; `hairpin journal snapshots DIR` lists it if it stayed.",
    )
