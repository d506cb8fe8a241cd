"""A received journal that stands at the base of a stream, and is to stand at its target."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import msgspec

from hairpin.errors import DataDamaged, EngineDown, HairpinError, YourMistake
from hairpin.journal.label import Label, Replica
from hairpin.journal.labels import read_label
from hairpin.journal.mirrors import Mirrors
from hairpin.journal.names import parse_name
from hairpin.journal.reader import StrandReader
from hairpin.journal.replica import forget_attempts, replica_at, uncertain
from hairpin.journal.sendstream import Begin
from hairpin.journal.snapshot import FOLDER, Snapshot, encode_snapshot, file_name
from hairpin.journal.snapshots import Snapshots
from hairpin.journal.staging import Staging
from hairpin.world import World


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
            raise uncertain(snapshot, self._directory, error) from error
        if not agreed:
            raise EngineDown(
                f"somebody else changed the label of {self._directory} meanwhile",
                "Nothing was received. End what else uses the journal, then try again.",
            )

    def _stands_at(self, replica: Replica | None, place: Path) -> bool:
        try:
            return read_label(self._world.disk, place).replica == replica
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
                if parsed is not None and parsed[1] > self._last_segments.get(parsed[0], parsed[1]):
                    disk.remove(place / name)
        forget_attempts(self._world, self._mirrors)
