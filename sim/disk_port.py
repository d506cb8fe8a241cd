"""The port `Disk` of one simulated process: its open files, its locks, and what befalls them."""

from __future__ import annotations

import errno
from pathlib import Path

from sim.disk_fate import ACKNOWLEDGED, Disk, Fate, Ground, Owner
from sim.disk_faults import Mishap, part_written
from sim.disk_files import File, os_error
from sim.disk_open import OpenFiles
from sim.disk_system import Directory, check_rename, file_of


class SimDisk:
    """Implements `hairpin.world.Disk`. Without an owner it is the port of whoever looks on from
    outside: nothing befalls what it does, no time passes and nothing is counted."""

    def __init__(self, ground: Ground, owner: Owner | None) -> None:
        self._ground = ground
        self._dice = ground.dice
        self._fate = Fate(ground, owner)
        self._number = owner.number if owner else 0
        self._files = OpenFiles()

    @property
    def open_files(self) -> int:
        return len(self._files)

    def die_in(self, operation: str) -> None:
        """The process dies in the middle of its next operation of this name, if not before."""
        self._fate.die_in(operation)

    def close_all(self) -> None:
        """What the kernel does for a dead process; no operation of its own."""
        self._files.close_all()

    # --- the port ---------------------------------------------------------------------------------

    def create(self, path: Path, mode: int = 0o600) -> int:
        disk, directory, name = self._place(path)
        mishap = self._fate.begin("create", disk)
        if name in directory.entries:
            raise os_error(errno.EEXIST, path)
        self._fate.perhaps(mishap, path)
        file = disk.system.make(directory, name, mode)
        self._fate.surely(mishap, path)
        disk.system.commit()
        return self._files.add(disk, file)

    def open(self, path: Path) -> int:
        disk, directory, name = self._place(path)
        mishap = self._fate.begin("open", disk)
        file = file_of(directory, name, path)
        self._fate.surely(mishap, path)
        return self._files.add(disk, file)

    def write(self, fd: int, offset: int, data: bytes) -> None:
        if not data:
            return
        if offset < 0:
            raise os_error(errno.EINVAL)
        self._fate.check()
        opened = self._files.at(fd)
        mishap = self._fate.begin("write", opened.disk)
        if mishap is not None:
            dice = self._dice
            part = data[: part_written(len(data), offset, mishap, dice)]
            opened.disk.system.write(opened.file, offset, part)
            self._fate.surely(mishap)
        if opened.disk.system.write(opened.file, offset, data) < len(data):
            raise os_error(errno.ENOSPC)

    def sync(self, fd: int) -> None:
        self._fate.check()
        opened = self._files.at(fd)
        mishap = self._fate.begin("sync", opened.disk)
        if mishap is None:
            opened.file.sync()
        elif mishap in ACKNOWLEDGED:
            self._fate.sync_wrong(opened.disk, opened.file, mishap)
        else:
            if mishap is Mishap.EIO:
                self._fate.sync_wrong(opened.disk, opened.file, mishap)
            self._fate.surely(mishap)

    def truncate(self, fd: int, size_bytes: int) -> None:
        if size_bytes < 0:
            raise os_error(errno.EINVAL)
        self._fate.check()
        opened = self._files.at(fd)
        mishap = self._fate.begin("truncate", opened.disk)
        if mishap is Mishap.EIO:
            self._fate.surely(mishap)
        self._fate.perhaps(mishap)
        opened.disk.system.truncate(opened.file, size_bytes)
        self._fate.surely(mishap)

    def read(self, path: Path, offset: int, size_bytes: int) -> bytes:
        disk, directory, name = self._place(path)
        mishap = self._fate.begin("read", disk)
        file = file_of(directory, name, path)
        if mishap is Mishap.EVICTED:
            file.evict()
        else:
            self._fate.surely(mishap, path)
        if offset < 0:
            raise os_error(errno.EINVAL)
        return bytes(memoryview(file.cache)[offset : offset + size_bytes])

    def size(self, path: Path) -> int:
        disk, directory, name = self._place(path)
        self._fate.begin("size", disk)
        return len(file_of(directory, name, path).cache)

    def list(self, directory: Path) -> list[str]:
        self._fate.check()
        try:
            disk, found = self._ground.find(str(directory))
        except FileNotFoundError:
            return []
        self._fate.begin("list", disk)
        return sorted(found.entries)

    def make_directory(self, directory: Path) -> None:
        self._fate.check()
        disk = self._ground.disk(directory)
        mishap = self._fate.begin("make_directory", disk)
        self._fate.perhaps(mishap, directory)
        self._ground.make(directory)
        self._fate.surely(mishap, directory)
        disk.system.commit()

    def replace(self, path: Path, data: bytes, mode: int = 0o600) -> None:
        disk, directory, name = self._place(path)
        mishap = self._fate.begin("replace", disk)
        if isinstance(directory.entries.get(name), Directory):
            raise os_error(errno.EISDIR, path)
        file, part = self._part_of(disk, directory, path, data, mode, mishap)
        if mishap in ACKNOWLEDGED:
            self._fate.sync_wrong(disk, file, mishap)
        else:
            file.sync()
        disk.system.move(directory, part, directory, name)
        self._fate.surely(mishap if mishap not in ACKNOWLEDGED else None, path)
        disk.system.commit()

    def rename(self, path: Path, new: Path) -> None:
        disk, source, name = self._place(path)
        other, target, new_name = self._place(new)
        mishap = self._fate.begin("rename", disk)
        if disk is not other:
            raise os_error(errno.EXDEV, path)
        if name not in source.entries:
            raise os_error(errno.ENOENT, path)
        self._fate.perhaps(mishap, path)
        if source is not target or name != new_name:
            check_rename(source.entries[name], target.entries.get(new_name), path, new)
            disk.system.move(source, name, target, new_name)
            self._ground.moved(target.entries[new_name])
        self._fate.surely(mishap, path)
        disk.system.commit()

    def remove(self, path: Path) -> None:
        disk, directory, name = self._place(path)
        mishap = self._fate.begin("remove", disk)
        node = directory.entries.get(name)
        if isinstance(node, Directory):
            raise os_error(errno.EISDIR, path)
        self._fate.perhaps(mishap, path)
        if node is not None:
            disk.system.put(directory, name, None)
        self._fate.surely(mishap, path)
        disk.system.commit()

    def lock(self, fd: int, *, shared: bool = False, wait: bool = False) -> bool:
        """As flock of Linux: whoever asks in vain for another kind has lost the one it had.

        To `wait` is in vain where nobody else runs meanwhile: a RuntimeError.
        """
        self._fate.check()
        opened = self._files.at(fd)
        self._fate.begin("lock", opened.disk)
        locks = opened.file.locks
        if locks.get(opened) is shared:
            return True
        locks.pop(opened, None)
        while locks and not (shared and all(locks.values())):
            if not wait:
                return False
            if not self._fate.stand_aside():
                raise RuntimeError(f"fd {fd} waits for a lock for ever: {len(locks)} hold it")
        locks[opened] = shared
        return True

    def unlock(self, fd: int) -> None:
        self._fate.check()
        opened = self._files.at(fd)
        self._fate.begin("unlock", opened.disk)
        opened.file.locks.pop(opened, None)

    def close(self, fd: int) -> None:
        self._fate.check()
        self._files.close(fd)

    # --- within ---------------------------------------------------------------------------------

    def _place(self, path: Path) -> tuple[Disk, Directory, str]:
        """Disk, directory and name in it. Raises OSError if there is no such directory."""
        self._fate.check()
        directory, _, name = str(path).rpartition("/")
        disk, found = self._ground.find(directory)
        return disk, found, name

    def _part_of(
        self,
        disk: Disk,
        directory: Directory,
        path: Path,
        data: bytes,
        mode: int,
        mishap: Mishap | None,
    ) -> tuple[File, str]:
        """Write what is to replace a file beside it. If that fails nothing is left of it; if the
        process dies, everything. EIO may also come later, from the directory."""
        system, dice = disk.system, self._dice
        part = f".{path.name}.{self._number}.part"
        file = system.make(directory, part, mode)
        stops = mishap is Mishap.ENOSPC or (
            mishap in (Mishap.EIO, Mishap.DEATH) and dice.random() < 0.75
        )
        upto = dice.choice((dice.randint(0, len(data)), len(data))) if stops else len(data)
        full = system.write(file, 0, data[:upto]) < upto
        if not stops and not full:
            return file, part
        if mishap is Mishap.DEATH and upto == len(data) and dice.random() < 0.5:
            file.sync()
        if mishap is not Mishap.DEATH:
            system.put(directory, part, None)
        self._fate.surely(Mishap.ENOSPC if full else mishap, path)
        raise AssertionError("unreachable")
