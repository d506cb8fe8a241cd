"""Making one copy of a segment file like another one; nothing bad is ever copied."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

from hairpin import frame as framing
from hairpin.frame import Broken
from hairpin.world import Disk

_CHUNK_BYTES = 1 << 20
PART_SUFFIX = ".part"


def level_file(
    disk: Disk,
    good: Path,
    copy: Path,
    size_bytes: int,
    start: int = 0,
    rewrite: bool = False,
    torn: bool = False,
) -> int:
    """Make `copy` hold the first `size_bytes` of `good`, and no more; durable on return.

    What lies before `start`, between two frames, is known to be equal. Only what differs is
    written, or with `rewrite` all of it, into a new file: after a failed sync the system may show
    what the disk does not hold. `torn`: what a failed write left at the end is left out. Returns
    the bytes written. Raises OSError, also if `good` is damaged.
    """
    if rewrite:
        return _copy_anew(disk, good, copy, size_bytes, torn)
    try:
        fd = disk.open(copy)
    except FileNotFoundError:
        return _copy_anew(disk, good, copy, size_bytes, torn)
    written, end = 0, start
    try:
        for offset, data in _intact(disk, good, start, size_bytes, torn):
            if data != disk.read(copy, offset, len(data)):
                disk.write(fd, offset, data)
                written += len(data)
            end = offset + len(data)
        if disk.size(copy) != end:
            disk.truncate(fd, end)
        disk.sync(fd)
    finally:
        disk.close(fd)
    return written


def _copy_anew(disk: Disk, good: Path, copy: Path, size_bytes: int, torn: bool) -> int:
    part = copy.with_name(copy.name + PART_SUFFIX)
    disk.remove(part)
    fd = disk.create(part)
    written = 0
    try:
        for offset, data in _intact(disk, good, 0, size_bytes, torn):
            disk.write(fd, offset, data)
            written += len(data)
        disk.sync(fd)
    finally:
        disk.close(fd)
    disk.rename(part, copy)
    return written


def _intact(
    disk: Disk, good: Path, start: int, size_bytes: int, torn: bool
) -> Iterator[tuple[int, bytes]]:
    """Whole frames, some at once, and where they begin."""
    offset, wanted = start, _CHUNK_BYTES
    while offset < size_bytes:
        data = disk.read(good, offset, min(wanted, size_bytes - offset))
        used, why = _whole(data)
        if used:
            yield offset, data[:used]
            offset, wanted = offset + used, _CHUNK_BYTES
        elif wanted < framing.FRAME_BYTES_MAX and len(data) == wanted:
            wanted = framing.FRAME_BYTES_MAX
        elif torn and _is_torn(disk.read(good, offset, framing.FRAME_BYTES_MAX + 1)):
            return
        else:
            raise OSError(errno.EIO, f"damaged at byte {offset}: {why}", str(good))


def _whole(data: bytes) -> tuple[int, str]:
    """How many bytes of it are intact frames, and why no more."""
    used = 0
    try:
        for frame in framing.frames(data):
            used = frame.offset + frame.size_bytes
    except Broken as broken:
        return used, broken.why
    return used, "it ends too early"


def _is_torn(rest: bytes) -> bool:
    """At the end of a file: does it look like one write that failed?"""
    return len(rest) <= framing.FRAME_BYTES_MAX and framing.intact_frame_after(rest, 0) is None
