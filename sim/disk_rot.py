"""Decay: durable bytes that change by themselves."""

from __future__ import annotations

import random
from fnmatch import fnmatchcase

import msgspec

from sim.disk_cut import SECTOR_BYTES
from sim.disk_files import File
from sim.disk_system import FileSystem

KINDS = ("flip", "zero", "swap", "stale")
ATTEMPTS = 8
"""At finding a place where such a decay changes something."""


class Rot(msgspec.Struct, frozen=True):
    """What one decay did: `was` became `now`, from `offset` on. They always differ."""

    path: str
    kind: str
    """flip: one bit. zero: a sector. swap: two sectors, and what lies between them is as it was.
    stale: a sector has what it had before it was last written."""
    offset: int
    was: bytes
    now: bytes

    def __str__(self) -> str:
        wrong = [at for at, (a, b) in enumerate(zip(self.was, self.now, strict=True)) if a != b]
        first, last = self.offset + wrong[0], self.offset + wrong[-1]
        return f"{self.kind}: {self.path} bytes {first} to {last}"


def rot(system: FileSystem, dice: random.Random, pattern: str, kind: str | None) -> Rot | None:
    """Spoil one file whose name matches, somewhere; None if there is nothing to be spoilt.

    The cache forgets the file's clean pages, so that the next read sees the damage.
    """
    files = [
        (path, file)
        for path, file in system.files()
        if file.platter and fnmatchcase(path.rpartition("/")[2], pattern)
    ]
    if not files:
        return None
    path, file = dice.choice(files)
    first = kind or dice.choice(KINDS)
    for attempt in [*[first] * ATTEMPTS, *([] if kind else ["flip"])]:
        offset, now = _decayed(file, attempt, dice)
        was = bytes(file.platter[offset : offset + len(now)])
        if was != now:
            file.platter[offset : offset + len(now)] = now
            file.evict()
            return Rot(path, attempt, offset, was, now)
    return None


def _decayed(file: File, kind: str, dice: random.Random) -> tuple[int, bytes]:
    """Where, and what will be there; what is there now, if nothing can be done."""
    platter = file.platter
    sectors = -(-len(platter) // SECTOR_BYTES)
    offset = dice.randrange(sectors) * SECTOR_BYTES
    sector = bytes(platter[offset : offset + SECTOR_BYTES])
    if kind == "flip":
        at = dice.randrange(len(platter))
        return at, bytes([platter[at] ^ 1 << dice.randrange(8)])
    if kind == "zero":
        return offset, bytes(len(sector))
    if kind == "swap" and sectors > 1:
        # The last sector may be a part of one: as much as it has changes places.
        low, high = (n * SECTOR_BYTES for n in sorted(dice.sample(range(sectors), 2)))
        size_bytes = len(platter[high : high + SECTOR_BYTES])
        between = platter[low + size_bytes : high]
        first = platter[low : low + size_bytes]
        return low, bytes(platter[high : high + size_bytes] + between + first)
    stale = _stale(file, dice) if kind == "stale" else None
    return stale or (offset, sector)


def _stale(file: File, dice: random.Random) -> tuple[int, bytes] | None:
    """The part of a sector that was appended last was zeros before."""
    older = [(offset, before) for offset, before in file.older if offset < len(file.platter)]
    if not older:
        return None
    offset, before = dice.choice(older)
    size_bytes = min(SECTOR_BYTES, len(file.platter) - offset)
    return offset, before[:size_bytes].ljust(size_bytes, b"\0")
