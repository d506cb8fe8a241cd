"""A file system in memory that knows what was synced, and that breaks in the ways disks do.

Every file and every directory has two states: what programs see, and what would be found after a
power cut. Syncing a file moves its content over, syncing a directory its names, and nothing else
does. `faulty_server` shows it to the kernel. Nothing is ever freed: a test is short.
"""

from __future__ import annotations

import errno
import os
import random
import stat
import time
from dataclasses import dataclass, field

BLOCK_BYTES = 4_096
TORN_BYTES = 512
"""A disk keeps a promise for one sector; a longer write may be cut off after any of them."""
SIZE_BYTES = 1 << 30
"""What it claims to be; it never fills up."""
ROOT = 1

Step = tuple[tuple[str, "int | None"], ...]
"""Names that change together: the inode's number, None if the name goes away."""


@dataclass
class Faults:
    """What goes wrong from now on."""

    write_errno: int = 0
    """Writes fail with it; a part may have been written nevertheless."""
    sync_errno: int = 0
    """Syncs fail with it; what they should have synced counts as clean and is lost in a cut."""
    chance: float = 1.0
    """How often it goes wrong."""
    short_writes: bool = False
    """Writes take only a part and say so, as often as `chance` tells."""
    delay_ms: float = 0.0
    """Every write and every sync takes so much longer, one after the other."""
    hung: bool = False
    """No operation ends until this is over."""


@dataclass
class Inode:
    number: int
    mode: int
    content: bytearray = field(default_factory=bytearray)
    durable: bytearray = field(default_factory=bytearray)
    unsynced: list[tuple[int, bytes | None]] = field(default_factory=list)
    """In order: bytes written at an offset; None: cut off, or filled up, to that size."""
    names: dict[str, int] = field(default_factory=dict)
    durable_names: dict[str, int] = field(default_factory=dict)
    unsynced_names: list[Step] = field(default_factory=list)
    links: int = 1
    changed_ns: int = field(default_factory=time.time_ns)

    @property
    def is_directory(self) -> bool:
        return stat.S_ISDIR(self.mode)


class FaultyFiles:
    """One disk. Errors are `OSError`. Not for use by several threads."""

    def __init__(self, seed: int) -> None:
        self.faults = Faults()
        self.powered = True
        self.boots = 0
        """How often the power came back."""
        self.fired = 0
        """How many operations a fault hit."""
        self._dice = random.Random(seed)
        self._inodes = {ROOT: Inode(ROOT, stat.S_IFDIR | 0o700, links=2)}

    def inode(self, number: int) -> Inode:
        return self._inodes[number]

    # --- names ------------------------------------------------------------------------------------

    def lookup(self, parent: Inode, name: str) -> Inode:
        number = parent.names.get(name)
        if number is None:
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT), name)
        return self._inodes[number]

    def make(self, parent: Inode, name: str, mode: int) -> Inode:
        """An empty file or directory."""
        self._expect_free(parent, name)
        number = len(self._inodes) + 1
        inode = Inode(number, mode, links=2 if stat.S_ISDIR(mode) else 1)
        self._inodes[number] = inode
        self._step(parent, ((name, number),))
        return inode

    def link(self, inode: Inode, parent: Inode, name: str) -> None:
        self._expect_free(parent, name)
        inode.links += 1
        self._step(parent, ((name, inode.number),))

    def remove(self, parent: Inode, name: str) -> None:
        inode = self.lookup(parent, name)
        if inode.is_directory and inode.names:
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), name)
        inode.links -= 1
        self._step(parent, ((name, None),))

    def rename(self, parent: Inode, name: str, new_parent: Inode, new: str) -> None:
        """All at once within one directory; between two, a power cut may keep either half."""
        inode = self.lookup(parent, name)
        gone = new_parent.names.get(new)
        if gone == inode.number:
            return
        if gone is not None:
            self._inodes[gone].links -= 1
        if parent is new_parent:
            self._step(parent, ((name, None), (new, inode.number)))
            return
        self._step(new_parent, ((new, inode.number),))
        self._step(parent, ((name, None),))

    def sync_names(self, directory: Inode) -> None:
        if self._fails(self.faults.sync_errno):
            directory.unsynced_names.clear()
            raise OSError(self.faults.sync_errno, os.strerror(self.faults.sync_errno))
        directory.durable_names = dict(directory.names)
        directory.unsynced_names.clear()

    def _expect_free(self, parent: Inode, name: str) -> None:
        if name in parent.names:
            raise OSError(errno.EEXIST, os.strerror(errno.EEXIST), name)

    def _step(self, directory: Inode, step: Step) -> None:
        _take(directory.names, step)
        directory.unsynced_names.append(step)
        directory.changed_ns = time.time_ns()

    # --- content ----------------------------------------------------------------------------------

    def read(self, inode: Inode, offset: int, size_bytes: int) -> bytes:
        return bytes(inode.content[offset : offset + size_bytes])

    def write(self, inode: Inode, offset: int, data: bytes) -> int:
        """Returns how many bytes were taken, which may be fewer."""
        if self._fails(self.faults.write_errno):
            # An error does not say how much of it reached the file.
            self._put(inode, offset, data[: self._dice.randrange(len(data) + 1)])
            raise OSError(self.faults.write_errno, os.strerror(self.faults.write_errno))
        if len(data) > 1 and self._fails(int(self.faults.short_writes)):
            data = data[: self._dice.randrange(1, len(data))]
        self._put(inode, offset, data)
        return len(data)

    def truncate(self, inode: Inode, size_bytes: int) -> None:
        if self._fails(self.faults.write_errno):
            raise OSError(self.faults.write_errno, os.strerror(self.faults.write_errno))
        _resize(inode.content, size_bytes)
        inode.unsynced.append((size_bytes, None))
        inode.changed_ns = time.time_ns()

    def sync(self, inode: Inode) -> None:
        if self._fails(self.faults.sync_errno):
            # As Linux does: the pages are marked clean, and the next sync has nothing to do.
            inode.unsynced.clear()
            raise OSError(self.faults.sync_errno, os.strerror(self.faults.sync_errno))
        for offset, data in inode.unsynced:
            _apply(inode.durable, offset, data)
        inode.unsynced.clear()

    def used_bytes(self) -> int:
        return sum(len(inode.content) for inode in self._inodes.values() if inode.links)

    def _put(self, inode: Inode, offset: int, data: bytes) -> None:
        if data:
            _apply(inode.content, offset, data)
            inode.unsynced.append((offset, data))
            inode.changed_ns = time.time_ns()

    def _fails(self, number: int) -> bool:
        fails = number != 0 and self._dice.random() < self.faults.chance
        self.fired += fails
        return fails

    # --- power ------------------------------------------------------------------------------------

    def cut(self, keep_some: bool) -> None:
        """The power goes. Of what was not synced nothing is kept, or what the dice say.

        Until `restore`, everything fails. Kept are, of each directory, the first so many changes;
        of each file any of the writes, in whole or the first sectors of it.
        """
        self.powered = False
        for inode in self._inodes.values():
            if keep_some:
                self._keep_some(inode)
            inode.content = bytearray(inode.durable)
            inode.names = dict(inode.durable_names)
            inode.unsynced.clear()
            inode.unsynced_names.clear()

    def restore(self) -> None:
        self.powered = True
        self.boots += 1

    def _keep_some(self, inode: Inode) -> None:
        steps = inode.unsynced_names
        for step in steps[: self._dice.randrange(len(steps) + 1)]:
            _take(inode.durable_names, step)
        for offset, data in inode.unsynced:
            if self._dice.random() < 0.5:
                continue
            if data is not None and self._dice.random() < 0.5:
                data = data[: self._dice.randrange(0, len(data) + 1, TORN_BYTES)]
            _apply(inode.durable, offset, data)


def _take(names: dict[str, int], step: Step) -> None:
    for name, number in step:
        if number is None:
            names.pop(name, None)
        else:
            names[name] = number


def _apply(content: bytearray, offset: int, data: bytes | None) -> None:
    if data is None:
        _resize(content, offset)
        return
    if len(content) < offset:
        _resize(content, offset)
    content[offset : offset + len(data)] = data


def _resize(content: bytearray, size_bytes: int) -> None:
    del content[size_bytes:]
    content.extend(bytes(size_bytes - len(content)))
