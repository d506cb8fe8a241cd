"""Making one copy of a segment file like another one."""

from __future__ import annotations

from pathlib import Path

from hairpin.world import Disk

_CHUNK_BYTES = 1 << 20
PART_SUFFIX = ".part"


def level_file(
    disk: Disk, good: Path, copy: Path, size_bytes: int, start: int = 0, rewrite: bool = False
) -> int:
    """Make `copy` hold the first `size_bytes` of `good`, and no more; durable on return.

    What lies before `start` is known to be equal. Only what differs is written, or with `rewrite`
    all of it, into a new file: after a failed sync the system may show what the disk does not hold.
    Returns the bytes written. Raises OSError.
    """
    if rewrite:
        return _copy_anew(disk, good, copy, size_bytes)
    try:
        fd = disk.open(copy)
    except FileNotFoundError:
        return _copy_anew(disk, good, copy, size_bytes)
    written = 0
    try:
        for offset in range(start, size_bytes, _CHUNK_BYTES):
            wanted = min(_CHUNK_BYTES, size_bytes - offset)
            data = disk.read(good, offset, wanted)
            if data != disk.read(copy, offset, wanted):
                disk.write(fd, offset, data)
                written += len(data)
        if disk.size(copy) != size_bytes:
            disk.truncate(fd, size_bytes)
        disk.sync(fd)
    finally:
        disk.close(fd)
    return written


def _copy_anew(disk: Disk, good: Path, copy: Path, size_bytes: int) -> int:
    part = copy.with_name(copy.name + PART_SUFFIX)
    disk.remove(part)
    fd = disk.create(part)
    try:
        for offset in range(0, size_bytes, _CHUNK_BYTES):
            disk.write(fd, offset, disk.read(good, offset, min(_CHUNK_BYTES, size_bytes - offset)))
        disk.sync(fd)
    finally:
        disk.close(fd)
    disk.rename(part, copy)
    return size_bytes
