"""The tree of one simulated disk: names that change at once, and become durable by `commit`."""

from __future__ import annotations

import errno
import random
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from sim.disk_files import File, os_error


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


def file_of(directory: Directory, name: str, path: Path) -> File:
    node = directory.entries.get(name)
    if node is None:
        raise os_error(errno.ENOENT, path)
    if isinstance(node, Directory):
        raise os_error(errno.EISDIR, path)
    return node


def check_rename(node: Node, given: Node | None, path: Path, new: Path) -> None:
    """May `node` take the name that means `given`?"""
    if path.is_relative_to(new):
        raise os_error(errno.ENOTEMPTY, new)
    if isinstance(node, File):
        if isinstance(given, Directory):
            raise os_error(errno.EISDIR, new)
        return
    if new.is_relative_to(path):
        raise os_error(errno.EINVAL, new)
    if isinstance(given, File):
        raise os_error(errno.ENOTDIR, new)
    if node.mounted or (given is not None and given.mounted):
        raise os_error(errno.EBUSY, new)
    if given is not None and given.entries:
        raise os_error(errno.ENOTEMPTY, new)
