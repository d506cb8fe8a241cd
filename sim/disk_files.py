"""Files of a simulated disk: what programs see, and what is on the platter.

A file has two contents. The *cache* is what every read sees and what survives a killed process.
The *platter* is what survives a power cut; a sync carries the *changes* over, in the order in which
they were made. `disk_cut` says what a power cut leaves of changes that were not synced.
"""

from __future__ import annotations

import os
import random
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

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


class Directory:
    __slots__ = ("entries", "mounted")

    def __init__(self) -> None:
        self.entries: dict[str, File | Directory] = {}
        self.mounted = False
        """Another disk hides what is in it; its name stays as it is."""


Node = File | Directory


class FileSystem:
    """The tree of one disk. Names change at once; `commit` makes them durable.

    As ext4 and xfs log names in their order, a power cut takes back the latest ones.
    """

    def __init__(self, where: str, capacity_bytes: int | None = None) -> None:
        self.where = where
        self.capacity_bytes = capacity_bytes
        self.used_bytes = 0
        self.root = Directory()
        self.generation = 0
        """Files opened in an earlier one are dead: the disk was pulled or the power failed."""
        self._uncommitted: list[list[tuple[Directory, str, Node | None]]] = []
        """The names that each step of the log changed, with what they meant before."""

    # --- names ------------------------------------------------------------------------------------

    def put(self, directory: Directory, name: str, node: Node | None) -> None:
        """Let this name mean `node`, or nothing. Not durable before `commit`."""
        self._uncommitted.append([self._set(directory, name, node)])

    def move(self, source: Directory, name: str, target: Directory, new: str) -> None:
        """Rename, over what `new` was. There is no state in between."""
        node = source.entries[name]
        step = [self._set(target, new, node)]
        step.append((source, name, source.entries.pop(name)))
        self._uncommitted.append(step)

    def _set(
        self, directory: Directory, name: str, node: Node | None
    ) -> tuple[Directory, str, Node | None]:
        entries = directory.entries
        before = entries.get(name)
        if node is None:
            del entries[name]
        else:
            entries[name] = node
        if isinstance(node, File):
            node.named = True
        if isinstance(before, File):
            before.named = False
            self._forget(before)
        return directory, name, before

    def commit(self) -> None:
        self._uncommitted.clear()

    def make(self, directory: Directory, name: str, mode: int) -> File:
        file = File(mode)
        self.put(directory, name, file)
        return file

    def files(self) -> Iterator[tuple[str, File]]:
        """Path and file, in the order in which the names came to be."""
        yield from _walk(self.where.rstrip("/"), self.root)

    # --- content ----------------------------------------------------------------------------------

    def write(self, file: File, offset: int, data: bytes) -> int:
        """Returns how many bytes found room."""
        growth = offset + len(data) - len(file.cache)
        if growth > 0:
            if self.capacity_bytes is not None:
                short = growth - max(self.capacity_bytes - self.used_bytes, 0)
                if short > 0:
                    data = data[: max(len(data) - short, 0)]
                    growth -= short
            self.used_bytes += max(growth, 0)
        if data:
            file.write(offset, data)
        return len(data)

    def truncate(self, file: File, size_bytes: int) -> None:
        self.used_bytes += size_bytes - len(file.cache)
        file.truncate(size_bytes)

    def closed(self, file: File) -> None:
        file.opens -= 1
        self._forget(file)

    def _forget(self, file: File) -> None:
        if not file.named and not file.opens:
            self.used_bytes -= len(file.cache)

    # --- the whole disk ---------------------------------------------------------------------------

    def power_cut(self, dice: random.Random) -> None:
        """Only what is on the platter is left, and what was on its way there by chance."""
        keep = dice.randint(0, len(self._uncommitted))
        for step in reversed(self._uncommitted[keep:]):
            for directory, name, before in reversed(step):
                if before is None:
                    directory.entries.pop(name, None)
                else:
                    directory.entries[name] = before
        for _, file in self.files():
            file.cut(dice)
        self._begin_generation()

    def image(self) -> Image:
        """A copy of the platter: directories, and files with their modes."""
        files = {path: (file.mode, bytes(file.platter)) for path, file in self.files()}
        return Image(tuple(_directories(self.where.rstrip("/"), self.root)), files)

    def load(self, image: Image) -> None:
        """The whole disk is what it was when the image was made."""
        self.root = Directory()
        for path in image.directories:
            self._parent(path).entries[path.rpartition("/")[2]] = Directory()
        for path, (mode, content) in image.files.items():
            self._parent(path).entries[path.rpartition("/")[2]] = File(mode, content)
        self._begin_generation()

    def _parent(self, path: str) -> Directory:
        directory = self.root
        for name in path[len(self.where.rstrip("/")) + 1 :].split("/")[:-1]:
            inner = directory.entries[name]
            assert isinstance(inner, Directory), f"an image has {path} in a file"
            directory = inner
        return directory

    def _begin_generation(self) -> None:
        self.generation += 1
        self._uncommitted.clear()
        self.used_bytes = 0
        for _, file in self.files():
            file.named, file.opens = True, 0
            file.locks.clear()
            self.used_bytes += len(file.cache)


class Image(NamedTuple):
    directories: tuple[str, ...]
    files: dict[str, tuple[int, bytes]]


def _walk(where: str, directory: Directory) -> Iterator[tuple[str, File]]:
    for name, node in directory.entries.items():
        if isinstance(node, File):
            yield f"{where}/{name}", node
        else:
            yield from _walk(f"{where}/{name}", node)


def _directories(where: str, directory: Directory) -> Iterator[str]:
    for name, node in directory.entries.items():
        if isinstance(node, Directory):
            yield f"{where}/{name}"
            yield from _directories(f"{where}/{name}", node)
