"""Files of a simulated disk: what programs see, and what is on the platter.

A file has two contents. The *cache* is what every read sees and what survives a killed process.
The *platter* is what survives a power cut; a sync carries the *changes* over, in the order in which
they were made. `disk_cut` says what a power cut leaves of changes that were not synced.
"""

from __future__ import annotations

import os
import random
from collections import deque
from pathlib import Path

from sim.disk_cut import SECTOR_BYTES, Change, after_power_cut, resize

OLDER_MAX = 16
"""So many overwritten sectors of a file are remembered, so that one of them can come back."""


def os_error(code: int, place: Path | str = "") -> OSError:
    """As the kernel reports it; Python picks the subclass."""
    if place:
        return OSError(code, os.strerror(code), str(place))
    return OSError(code, os.strerror(code))


class File:
    """An inode."""

    __slots__ = ("cache", "changes", "locks", "mode", "named", "older", "opens", "platter")

    def __init__(self, mode: int, content: bytes = b"") -> None:
        """`content` is on the platter already."""
        self.mode = mode
        self.cache = bytearray(content)
        self.platter = bytearray(content)
        self.changes: list[Change] = []
        self.older: deque[tuple[int, bytes]] = deque(maxlen=OLDER_MAX)
        """Offset and former content of sectors that were overwritten on the platter."""
        self.locks: dict[object, bool] = {}
        """Who holds it, and is that a shared lock?"""
        self.named = False
        self.opens = 0

    def write(self, offset: int, data: bytes) -> None:
        cache = self.cache
        if offset > len(cache):
            resize(cache, offset)
        cache[offset : offset + len(data)] = data
        self.changes.append((offset, data))

    def truncate(self, size_bytes: int) -> None:
        resize(self.cache, size_bytes)
        self.changes.append((size_bytes, None))

    def sync(self) -> None:
        self.land(self.changes)
        self.settle()

    def land(self, changes: list[Change]) -> None:
        """These reach the platter."""
        platter = self.platter
        for offset, data in changes:
            if data is None:
                resize(platter, offset)
                continue
            if offset > len(platter):
                resize(platter, offset)
            sector = offset - offset % SECTOR_BYTES
            before = platter[sector : sector + SECTOR_BYTES]
            if before:
                self.older.append((sector, bytes(before)))
            platter[offset : offset + len(data)] = data

    def settle(self) -> None:
        """All changes count as synced, wherever they went. The size is the file system's own word,
        which its log carries to the platter by itself."""
        self.changes.clear()
        if len(self.platter) != len(self.cache):
            resize(self.platter, len(self.cache))

    def cut(self, dice: random.Random) -> None:
        """The power fails and returns."""
        self.platter = after_power_cut(self.platter, self.changes, dice)
        self.changes.clear()
        self.cache = bytearray(self.platter)

    def evict(self) -> None:
        """The cache forgets what it need not keep; the next read comes from the platter."""
        size_bytes = len(self.cache)
        cache = bytearray(self.platter)
        for offset, data in self.changes:
            if data is None:
                resize(cache, offset)
            else:
                if offset > len(cache):
                    resize(cache, offset)
                cache[offset : offset + len(data)] = data
        resize(cache, size_bytes)
        self.cache = cache
