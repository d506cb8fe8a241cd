"""The snapshots of one journal: taken, listed, read and deleted on all of its mirrors."""

from __future__ import annotations

from pathlib import Path

import structlog

from hairpin.errors import DataDamaged, EngineDown, HairpinError, YourMistake
from hairpin.journal import Readable
from hairpin.journal.cut import Progress, cut
from hairpin.journal.mirrors import Mirror, Mirrors
from hairpin.journal.names import parse_name, segment_name
from hairpin.journal.snapshot import (
    FOLDER,
    SNAPSHOT_BYTES_MAX,
    Reach,
    Snapshot,
    check_name,
    decode_snapshot,
    encode_snapshot,
    file_name,
    make_snapshot,
    name_by_time,
    name_of_file,
)
from hairpin.world import World

log = structlog.get_logger()

WAIT_MS = 2_000
ROUNDS_MAX = 10_000
"""So long another mirror may be behind the one that was read: its writer is at it."""
REMEDY = "Delete it with `hairpin journal snapshot DIR NAME --delete`, and take another."


class Snapshots:
    def __init__(self, world: World, mirrors: Mirrors) -> None:
        self._world = world
        self._mirrors = mirrors

    def take(
        self, journal: Readable, name: str | None = None, progress: Progress | None = None
    ) -> Snapshot:
        """Of all that is durable now; durable itself on return. Without a name: the time, in UTC.

        Frames that were synced and not acknowledged yet may be in it, as after a crash. Raises
        YourMistake if the name is taken or none; EngineDown; DataDamaged.
        """
        at_ms = self._world.clock.now_ms()
        if name is None:
            name = self._free_name(name_by_time(at_ms))
        check_name(name)
        if name in self._files():
            raise YourMistake(
                f"there is a snapshot {name} already",
                "Snapshots never change: choose another name, or delete that one first.",
            )
        reached = {n: Reach.of(extent) for n, extent in cut(journal, progress).items()}
        self._mirrors.refresh()
        for incarnation, reach in reached.items():
            self._sync(incarnation, reach.bytes)
        snapshot = make_snapshot(name, journal.id, at_ms, reached)
        self._mirrors.write_everywhere(f"{FOLDER}/{file_name(name)}", encode_snapshot(snapshot))
        return snapshot

    def read(self, name: str) -> Snapshot:
        """From any mirror; a bad copy elsewhere is written anew.

        Raises YourMistake if there is none, DataDamaged if no mirror has a good copy.
        """
        good: Snapshot | None = None
        damages: dict[str, DataDamaged] = {}
        lacking: list[Mirror] = []
        for mirror in self._mirrors.members():
            try:
                found = self._read(mirror, name)
            except DataDamaged as damage:
                damages[mirror.id] = damage
                found = None
            good = good or found
            if found is None:
                lacking.append(mirror)
        if good is not None and self._reached(good):
            for mirror in lacking:
                self._heal(mirror, good, damages.get(mirror.id))
            return good
        if damages:
            raise next(iter(damages.values()))
        others = ", ".join(n for n in self._files() if n != name) or "none"
        raise YourMistake(f"there is no snapshot {name}", f"There are: {others}.")

    def latest(self) -> Snapshot:
        """Raises YourMistake if there is none, DataDamaged if it may be one that is damaged."""
        found, damages = self.all()
        if damages:
            raise damages[0]
        if not found:
            raise YourMistake(
                "the journal has no snapshot", "Take one: hairpin journal snapshot DIR"
            )
        return found[-1]

    def all(self) -> tuple[list[Snapshot], list[DataDamaged]]:
        """Oldest first; and what is to be said of those that cannot be read."""
        found, damages = [], []
        for name in self._files():
            try:
                found.append(self.read(name))
            except DataDamaged as damage:
                damages.append(damage)
            except YourMistake:
                continue  # of a stream that was never received to its end
        return sorted(found, key=lambda snapshot: (snapshot.at_ms, snapshot.name)), damages

    def remove(self, name: str) -> None:
        """On every mirror that knows it. Raises YourMistake if none does, EngineDown."""
        check_name(name)
        replica = self._mirrors.label.replica
        if replica is not None and replica.snapshot == name:
            raise YourMistake(
                f"this journal was received, and stands at snapshot {name}",
                "The next incremental stream begins there: receive that first.",
            )
        if name not in self._files():
            self.read(name)
        for mirror in self._mirrors.members():
            path = mirror.directory / FOLDER / file_name(name)
            try:
                self._world.disk.remove(path)
            except OSError as error:
                raise EngineDown(
                    f"cannot delete {path}: {error.strerror}", "Give write permission."
                ) from error

    def sweep(self) -> None:
        """Remove those that reach beyond a received journal: nobody took them. Raises OSError."""
        for mirror in self._mirrors.members():
            folder = mirror.directory / FOLDER
            for name in filter(None, map(name_of_file, self._world.disk.list(folder))):
                try:
                    found = self._read(mirror, name)
                except HairpinError:
                    continue  # nobody can tell what it was
                if found is not None and not self._reached(found):
                    self._world.disk.remove(folder / file_name(name))

    def _files(self) -> list[str]:
        """Names on any of the members, sorted."""
        found: set[str] = set()
        failures = []
        for mirror in self._mirrors.members():
            try:
                names = map(name_of_file, self._world.disk.list(mirror.directory / FOLDER))
            except OSError as error:
                failures.append(f"{mirror.directory / FOLDER}: {error.strerror}")
                continue
            found.update(name for name in names if name is not None)
        if failures and not found:
            raise EngineDown(f"cannot read {'; '.join(failures)}", "Look at the disk.")
        return sorted(found)

    def _free_name(self, name: str) -> str:
        taken = self._files()
        numbered = (f"{name}-{number}" for number in range(2, len(taken) + 3))
        return name if name not in taken else next(n for n in numbered if n not in taken)

    def _read(self, mirror: Mirror, name: str) -> Snapshot | None:
        path = mirror.directory / FOLDER / file_name(name)
        try:
            data = self._world.disk.read(path, 0, SNAPSHOT_BYTES_MAX)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise DataDamaged(f"cannot read {path}: {error.strerror}", REMEDY) from error
        found = decode_snapshot(data, str(path), REMEDY)
        if found.name != name or int(found.journal, 16) != self._mirrors.journal:
            raise DataDamaged(
                f"{path} is damaged: it is snapshot {found.name} of journal {found.journal}", REMEDY
            )
        return found

    def _heal(self, mirror: Mirror, good: Snapshot, damage: DataDamaged | None) -> None:
        """A member that has joined since has none yet; that is no fault of its disk."""
        path = mirror.directory / FOLDER / file_name(good.name)
        try:
            self._world.disk.make_directory(path.parent)
            self._world.disk.replace(path, encode_snapshot(good))
        except OSError as error:
            log.warning("a snapshot cannot be healed", file=str(path), why=error.strerror)
            return
        if damage is not None:
            log.warning("a bad copy was found and healed", file=str(path), why=damage.message)
            self._mirrors.health.note(mirror.id, damage.message, read=1, healed=1)
            self._mirrors.flush_health()

    def _reached(self, snapshot: Snapshot) -> bool:
        """Does a received journal hold all of it? It stands there before its frames are visible."""
        replica = self._mirrors.label.replica
        return replica is None or all(
            incarnation in replica.strands and reach.frames <= replica.strands[incarnation]
            for incarnation, reach in snapshot.strands.items()
        )

    def _sync(self, incarnation: int, size_bytes: int) -> None:
        """Make what was read as durable as an acknowledged frame.

        What a reader finds in one mirror may not be synced yet, nor written in the others.
        """
        members = self._mirrors.members()
        enough = len(members) if len(members) <= 2 else len(members) // 2 + 1
        failures = []
        for mirror in members:
            why = self._sync_mirror(mirror.directory, incarnation, size_bytes)
            if why is not None:
                log.warning("cannot sync a mirror", mirror=str(mirror.directory), why=why)
                failures.append(f"{mirror.directory}: {why}")
        if len(members) - len(failures) < enough:
            raise EngineDown(
                f"cannot make the journal durable: {'; '.join(failures)}",
                "Look at the disk, then try again; a mirror that fails while a show runs is left "
                "soon.",
            )

    def _sync_mirror(self, directory: Path, incarnation: int, size_bytes: int) -> str | None:
        """None if so many bytes of a strand are durable there, else why not.

        Only the end can lack that: a writer goes on when a frame is durable, and a segment before
        the last but one was left long ago.
        """
        disk, clock = self._world.disk, self._world.clock
        until_ms = clock.monotonic_ms() + WAIT_MS
        try:
            for _ in range(ROUNDS_MAX):
                parsed = map(parse_name, disk.list(directory))
                segments = sorted(n[1] for n in parsed if n is not None and n[0] == incarnation)
                paths = [directory / segment_name(incarnation, segment) for segment in segments]
                there = sum(disk.size(path) for path in paths)
                for path in paths[-2:]:
                    self._sync_file(path)
                if there >= size_bytes:
                    return None
                if clock.monotonic_ms() > until_ms:
                    break
        except OSError as error:
            return str(error.strerror)
        return f"it lacks frames of incarnation {incarnation} that another one has"

    def _sync_file(self, path: Path) -> None:
        fd = self._world.disk.open(path)
        try:
            self._world.disk.sync(fd)
        finally:
            self._world.disk.close(fd)
