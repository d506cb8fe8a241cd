"""Who writes where, told by locks, without leaving a trace."""

from __future__ import annotations

from pathlib import Path

from hairpin.journal.mirrors import Mirrors
from hairpin.journal.names import lock_name
from hairpin.world import Disk


def holds(disk: Disk, directory: Path, incarnation: int) -> bool:
    """Does a living writer write every frame of this strand there? Raises OSError."""
    try:
        fd = disk.open(directory / lock_name(incarnation))
    except FileNotFoundError:
        return False
    try:
        return not disk.lock(fd)
    finally:
        disk.close(fd)


def is_alive(mirrors: Mirrors, incarnation: int) -> bool:
    """As far as can be told; for showing. Whoever acts upon it asks `strand_locks`."""
    for mirror in mirrors.members():
        try:
            if holds(mirrors.disk, mirror.directory, incarnation):
                return True
        except OSError:
            continue
    return False
