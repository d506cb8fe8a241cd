"""A data directory: one show's journal, keys and names.

lock            held while a node runs
keys.json       ticket keys and the private listener's token, mode 600
journal/        truth
winners.json    names of contenders, mode 600
node.json       where the running node is, mode 600
hairpin.toml    settings of this installation, if there are any
results.json    after a purge of the records: what was counted
show-end.json   after that purge: when what is left must go
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from hairpin.config import Settings, read_settings
from hairpin.errors import DataDamaged, EngineDown, YourMistake
from hairpin.journal.disk import DiskJournal
from hairpin.journal.label import LABEL
from hairpin.journal.labels import read_label
from hairpin.journal.opening import LOST_AND_FOUND, attach
from hairpin.journal.writer import STALL_MS
from hairpin.messages import Permission
from hairpin.ticket import KEY_BYTES, TicketKey
from hairpin.world import World, real_world

ORPHANS_MS = 20_000


class Keys(msgspec.Struct, frozen=True):
    """Secrets of one show; hex in the file, never in a log."""

    number: int
    ticket: str
    claim: str
    token: str

    def __post_init__(self) -> None:
        """Raises ValueError, which quotes nothing."""
        sizes = [len(bytes.fromhex(text)) for text in (self.ticket, self.claim)]
        if sizes != [KEY_BYTES, KEY_BYTES] or not 0 <= self.number < 256 or not self.token:
            raise ValueError("a key number has one byte, a key sixteen")

    def __repr__(self) -> str:
        return f"Keys(number={self.number})"

    def ticket_key(self) -> TicketKey:
        return TicketKey(self.number, bytes.fromhex(self.ticket), bytes.fromhex(self.claim))


class NodeFile(msgspec.Struct, frozen=True):
    """Where a running node is: `node.json`."""

    pid: int
    show: str
    public: str
    """Where this node listens for phones."""
    phone: str
    """What phones open: the same, or the proxy in front."""
    private: str
    token: str
    stage: int
    gates: tuple[int, ...]
    configuration: dict[str, str | int | float | bool | None] = {}
    """What bears on capacity, as it is in force; a certificate repeats it."""
    permission: Permission | None = None
    """On what grounds the show is armed."""


class DataDirectory:
    """Paths and files of one show's data."""

    def __init__(self, path: Path, world: World) -> None:
        self.path = path
        self._world = world
        self._lock_fd = -1
        self._mirrors: tuple[Path, ...] = ()
        self._stall_ms = STALL_MS

    @property
    def journal_path(self) -> Path:
        return self.path / "journal"

    @property
    def winners_path(self) -> Path:
        return self.path / "winners.json"

    @property
    def keys_path(self) -> Path:
        return self.path / "keys.json"

    @property
    def node_path(self) -> Path:
        return self.path / "node.json"

    @property
    def results_path(self) -> Path:
        return self.path / "results.json"

    @property
    def end_path(self) -> Path:
        return self.path / "show-end.json"

    @property
    def settings_path(self) -> Path:
        return self.path / "hairpin.toml"

    def prepare(self) -> None:
        """Create and lock the directory. Raises YourMistake if that cannot be done."""
        try:
            self._world.disk.make_directory(self.path)
            fd = os.open(self.path / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise YourMistake(
                f"cannot use {self.path} for data: {error.strerror}",
                "Name a directory that you may write to with --data.",
            ) from error
        if not self._takes(fd):
            os.close(fd)
            raise YourMistake(
                f"another node runs on {self.path}",
                f"End it first; {self.node_path} says where it is.",
            )
        self._lock_fd = fd

    def _takes(self, fd: int) -> bool:
        """Take the lock. The children of a node that was killed hold it until they have drained."""
        until_ms = self._world.clock.monotonic_ms() + ORPHANS_MS
        while not self._world.disk.lock(fd):
            if self._owner_lives() or self._world.clock.monotonic_ms() > until_ms:
                return False
            time.sleep(0.1)
        return True

    def _owner_lives(self) -> bool:
        """Does the node that `node.json` names run? Yes, too, if it has not written it yet."""
        try:
            os.kill(read_node(self.path).pid, 0)
        except ProcessLookupError:
            return False
        except (YourMistake, PermissionError):
            return True
        return True

    def use(self, settings: Settings) -> None:
        """Where the journal's further mirrors lie; a relative directory counts from this one."""
        self._mirrors = tuple(self.path / mirror for mirror in settings.mirrors)
        self._stall_ms = float(settings.stall_ms)

    def journal(
        self, create: bool = False, degraded: bool = False, impatient: bool = False
    ) -> DiskJournal:
        """Raises YourMistake if there is none and `create` is not asked for, or if a mirror is
        missing and `degraded` does not accept that. `impatient`: for a process that serves."""
        places = (self.journal_path, *self._mirrors)
        if create and self._is_new(places):
            self._expect_empty(places)
            with _disk_errors(self.journal_path):
                return DiskJournal.create(self._world, *places, stall_ms=self._stall_ms)
        journal = DiskJournal.open(
            self._world,
            *places,
            degraded=degraded,
            stall_ms=self._stall_ms,
            impatient=impatient,
        )
        if create:
            journal.begin_term()
            self._attach_new(journal)
        return journal

    def mirrors(self) -> list[Path]:
        """Where copies of the journal lie, beside the one in this directory."""
        places = set(self._mirrors)
        if self._is_mirror(self.journal_path):
            entries = read_label(self._world.disk, self.journal_path).mirrors
            places |= {Path(entry.directory) for entry in entries}
        return sorted(places - {self.journal_path.absolute()})

    def _is_new(self, places: Iterable[Path]) -> bool:
        """Is there no journal yet? Raises EngineDown if a disk that cannot be read may hold it."""
        silent: EngineDown | None = None
        for place in places:
            try:
                if self._is_mirror(place):
                    return False
            except EngineDown as error:
                silent = error
        if silent is not None:
            raise silent
        return True

    def _is_mirror(self, place: Path) -> bool:
        try:
            return LABEL in self._world.disk.list(place)
        except OSError as error:
            raise EngineDown(
                f"cannot read {place}: {error.strerror}", "Look at the disk."
            ) from error

    def _expect_empty(self, places: Iterable[Path]) -> None:
        for place in places:
            if set(self._world.disk.list(place)) - {LOST_AND_FOUND}:
                raise DataDamaged(
                    f"{place / LABEL} is missing, but the directory is not empty",
                    "Restore it from a copy.",
                )

    def _attach_new(self, journal: DiskJournal) -> None:
        """Directories that were added to the settings become mirrors, and are filled."""
        known = {mirror.directory.absolute() for mirror in journal.mirrors.all()}
        for place in self._mirrors:
            if place.absolute() not in known:
                attach(self._world, journal.mirrors, place)

    def keys(self) -> Keys:
        """This show's keys; made when they are first asked for."""
        path = self.keys_path
        try:
            return msgspec.json.decode(self._world.disk.read(path, 0, 4096), type=Keys)
        except FileNotFoundError:
            pass
        except msgspec.MsgspecError as error:
            # The reason may quote a key, so it is left out.
            raise DataDamaged(f"{path} cannot be read", "Restore it from a copy.") from error
        secret = self._world.dice.secret
        keys = Keys(
            secret(1)[0], secret(KEY_BYTES).hex(), secret(KEY_BYTES).hex(), secret(24).hex()
        )
        with _disk_errors(path):
            self._world.disk.replace(path, msgspec.json.encode(keys), 0o600)
        return keys

    def tell(self, node: NodeFile) -> None:
        with _disk_errors(self.node_path):
            self._world.disk.replace(self.node_path, msgspec.json.encode(node), 0o600)

    def untell(self) -> None:
        self.node_path.unlink(missing_ok=True)


@contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    """Turns an OSError into an EngineDown that names the path."""
    try:
        yield
    except OSError as error:
        raise EngineDown(
            f"cannot write {path}: {error.strerror}", "Give the disk space and write permission."
        ) from error


def has_journal(data: Path) -> bool:
    """Is there one to count again?"""
    directory = DataDirectory(data, real_world())
    return (directory.journal_path / LABEL).exists()


def open_journal(data: Path, degraded: bool = False) -> DiskJournal:
    """The journal of a data directory, for reading. Raises YourMistake if there is none."""
    directory = DataDirectory(data, real_world())
    directory.use(read_settings_of(directory))
    if directory.end_path.exists():
        raise YourMistake(
            f"the records of the show in {data} were purged",
            f"Its counts are in {directory.results_path}.",
        )
    return directory.journal(degraded=degraded)


def read_settings_of(data: DataDirectory) -> Settings:
    """Those that lie in the data directory, or the defaults. Raises YourMistake."""
    return read_settings(data.settings_path) if data.settings_path.exists() else Settings()


def read_node(data: Path) -> NodeFile:
    """Where the node of a data directory runs. Raises YourMistake if none does."""
    try:
        return msgspec.json.decode((data / "node.json").read_bytes(), type=NodeFile)
    except (OSError, msgspec.MsgspecError):
        raise YourMistake(f"no node runs on {data}", "Start it: hairpin run.") from None
