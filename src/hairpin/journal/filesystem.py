"""What a mirror lies on: kind of file system, and how much room it has."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

MOUNTS = Path("/proc/self/mounts")

SELF_HEALING = {
    "zfs": "ZFS checksums every block below, and heals where its pool is redundant",
    "fuse.zfs": "ZFS checksums every block below, and heals where its pool is redundant",
    "btrfs": "btrfs checksums every block below, and heals where its profile is redundant",
    "bcachefs": "bcachefs checksums every block below, and heals where it has replicas",
}
"""File systems that do by themselves some of what the journal does; see docs/journal.md."""


class Room(msgspec.Struct, frozen=True):
    kind: str | None
    """As mounts name it; None if the system does not tell."""
    mounted_at: str | None
    free_bytes: int
    all_bytes: int

    @property
    def note(self) -> str | None:
        """What the file system does by itself."""
        return SELF_HEALING.get(self.kind or "")


def room(directory: Path, mounts: Path = MOUNTS) -> Room:
    """Raises OSError."""
    told = os.statvfs(directory)
    at, kind = _mount(directory.resolve(), mounts)
    return Room(kind, at, told.f_bavail * told.f_frsize, told.f_blocks * told.f_frsize)


def _mount(directory: Path, mounts: Path) -> tuple[str | None, str | None]:
    """The mount that a directory lies on: the longest one above it, the last one if they repeat."""
    try:
        lines = mounts.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return None, None
    best: tuple[str | None, str | None] = (None, None)
    for line in lines:
        fields = line.split()
        if len(fields) < 3:
            continue
        place = _unescaped(fields[1])
        above = directory == Path(place) or Path(place) in directory.parents
        if above and len(place) >= len(best[0] or ""):
            best = (place, fields[2])
    return best


def _unescaped(text: str) -> str:
    """Blanks and backslashes are written as three octal digits."""
    for code in (" ", "\t", "\n", "\\"):
        text = text.replace(f"\\{ord(code):03o}", code)
    return text
