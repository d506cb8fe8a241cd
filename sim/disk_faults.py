"""What goes wrong with a simulated disk, by chance or on demand, and what it then does."""

from __future__ import annotations

import random
from collections import Counter, deque
from enum import Enum

import msgspec

from sim.disk_cut import PAGE_BYTES, SECTOR_BYTES, after_power_cut, resize
from sim.disk_files import File

CHANGING = ("create", "write", "sync", "truncate", "make_directory", "replace", "rename", "remove")
"""Operations in the middle of which a process can die to some effect."""


class Mishap(Enum):
    """How one operation goes wrong."""

    EIO = "input/output error"
    ENOSPC = "no space"
    DEATH = "the process dies in the middle"
    LOST = "a write is acknowledged and lost"
    TORN = "a write is acknowledged and only some of its sectors are written"
    MISDIRECTED = "a write is acknowledged and went elsewhere"
    EVICTED = "the cache is dropped"


class DiskFaults(msgspec.Struct, frozen=True):
    """Probabilities, each for one operation of that kind on one disk."""

    write_eio: float = 0.0
    """Some of the bytes may have been written."""
    write_enospc: float = 0.0
    """As a disk that is full for a moment: some of the bytes were written. A replacement too."""
    sync_eio: float = 0.0
    """Pages count as clean, written or not: the next sync succeeds and writes nothing of them."""
    sync_lost: float = 0.0
    sync_torn: float = 0.0
    sync_misdirected: float = 0.0
    read_eio: float = 0.0
    read_evicted: float = 0.0
    """Before a read the file's cache is dropped, so that what is on the platter shows."""
    open_eio: float = 0.0
    create_eio: float = 0.0
    """The name may be there nevertheless."""
    create_enospc: float = 0.0
    rename_eio: float = 0.0
    """Also of replacing and removing; it may have happened nevertheless."""
    truncate_eio: float = 0.0
    death: float = 0.0
    """In the middle of any operation that changes something."""


_KINDS: dict[str, tuple[tuple[str, ...], Mishap]] = {
    "write_eio": (("write",), Mishap.EIO),
    "write_enospc": (("write", "replace"), Mishap.ENOSPC),
    "sync_eio": (("sync",), Mishap.EIO),
    "sync_lost": (("sync", "replace"), Mishap.LOST),
    "sync_torn": (("sync", "replace"), Mishap.TORN),
    "sync_misdirected": (("sync",), Mishap.MISDIRECTED),
    "read_eio": (("read",), Mishap.EIO),
    "read_evicted": (("read",), Mishap.EVICTED),
    "open_eio": (("open",), Mishap.EIO),
    "create_eio": (("create", "make_directory"), Mishap.EIO),
    "create_enospc": (("create", "make_directory"), Mishap.ENOSPC),
    "rename_eio": (("rename", "replace", "remove"), Mishap.EIO),
    "truncate_eio": (("truncate",), Mishap.EIO),
    "death": (CHANGING, Mishap.DEATH),
}


_POSSIBLE = {
    (operation, mishap) for operations, mishap in _KINDS.values() for operation in operations
}


class Trouble:
    """What is wrong with one disk. `active` is False while nothing is."""

    def __init__(self) -> None:
        self.faults = DiskFaults()
        self.hang_until_ms = 0.0
        self.latency_ms = 0.0
        self.gone: int | None = None
        """The errno of every operation, while the disk is not there."""
        self.active = False
        self._armed: deque[tuple[str, Mishap, int]] = deque()
        self._chances: dict[str, list[tuple[float, Mishap]]] = {}

    def set_faults(self, faults: DiskFaults) -> None:
        self.faults = faults
        self._chances = {}
        for name, (operations, mishap) in _KINDS.items():
            chance = getattr(faults, name)
            for operation in operations if chance else ():
                table = self._chances.setdefault(operation, [])
                table.append((table[-1][0] + chance if table else chance, mishap))
        self.judge()

    def arm(self, operation: str, mishap: Mishap, skip: int) -> None:
        if (operation, mishap) not in _POSSIBLE:
            allowed = sorted(other.name for name, other in _POSSIBLE if name == operation)
            raise ValueError(f"{operation}: found {mishap.name}, allowed: {', '.join(allowed)}")
        self._armed.append((operation, mishap, skip))
        self.judge()

    def judge(self) -> None:
        """To be called after every change."""
        self.active = bool(
            self._chances
            or self._armed
            or self.gone is not None
            or self.latency_ms
            or self.hang_until_ms
        )

    def draw(self, operation: str, dice: random.Random) -> Mishap | None:
        """How this operation goes wrong, if it does."""
        for at, (armed, mishap, skip) in enumerate(self._armed):
            if armed != operation:
                continue
            if skip:
                self._armed[at] = (armed, mishap, skip - 1)
                break
            del self._armed[at]
            self.judge()
            return mishap
        table = self._chances.get(operation)
        if table is None:
            return None
        chance = dice.random()
        return next((mishap for upto, mishap in table if chance < upto), None)


def sync_wrong(file: File, mishap: Mishap, victims: list[File], dice: random.Random) -> str:
    """The disk does not do what a sync asks for. Returns what it did; `victims` may be hit."""
    if mishap is Mishap.EIO:
        return _fail(file, dice)
    if not file.changes:
        file.settle()
        return "nothing was to be written"
    at = dice.randrange(len(file.changes))
    offset, data = file.changes[at]
    file.land(file.changes[:at])
    told = f"{len(data or b'')} bytes at {offset}"
    if mishap is Mishap.TORN:
        file.platter = after_power_cut(file.platter, [file.changes[at]], dice)
        told += ": some sectors of it"
    elif mishap is Mishap.MISDIRECTED and data is not None:
        start = offset - offset % SECTOR_BYTES
        end = -(-(offset + len(data)) // SECTOR_BYTES) * SECTOR_BYTES
        sectors = bytes(file.cache[start:end]).ljust(end - start, b"\0")
        told += _misdirect(sectors, dice.choice(victims), dice)
    file.land(file.changes[at + 1 :])
    file.settle()
    return told


def _fail(file: File, dice: random.Random) -> str:
    """Linux marks the pages clean. ext4 and xfs go on showing them; btrfs shows the old ones."""
    file.platter = after_power_cut(file.platter, file.changes, dice)
    told = f"{len(file.changes)} changes, written in part or not at all, count as clean"
    file.changes.clear()
    if dice.random() < 0.25:
        file.evict()
        told += "; the cache dropped them"
    return told


def _misdirect(sectors: bytes, victim: File, dice: random.Random) -> str:
    """They are written over others of the victim, as far as it has any."""
    size_bytes = len(victim.platter)
    if not size_bytes:
        return " went to a place that no file has"
    at = dice.randrange(-(-size_bytes // SECTOR_BYTES)) * SECTOR_BYTES
    victim.platter[at : at + len(sectors)] = sectors
    resize(victim.platter, size_bytes)
    return f" went to byte {at} of a file of {size_bytes} bytes"


def part_written(size_bytes: int, offset: int, mishap: Mishap, dice: random.Random) -> int:
    """How many bytes of a write that went wrong are in the file. A kill stops it between pages."""
    part = dice.choice((0, size_bytes, dice.randint(0, size_bytes)))
    if mishap is Mishap.DEATH and part < size_bytes:
        part = max((offset + part) // PAGE_BYTES * PAGE_BYTES - offset, 0)
    return part


class Tally:
    """Operations and injected faults of all disks of a machine."""

    def __init__(self) -> None:
        self.operations: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
