"""What lies in a mirror beside the strands that its fellows know, before it becomes a member."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from hairpin.journal.level import PART_SUFFIX
from hairpin.journal.mirrors import Mirror, Mirrors, open_or_create
from hairpin.journal.names import lock_name, parse_name
from hairpin.journal.snapshot import FOLDER, encode_snapshot, file_name, name_of_file
from hairpin.journal.snapshots import Snapshots
from hairpin.world import World

log = structlog.get_logger()

ASIDE_SUFFIX = ".aside"
"""Of files that no member knows: another history's, which nobody reads."""


def tidy(
    world: World, mirrors: Mirrors, mirror: Mirror, incarnations: Callable[[], list[int]]
) -> None:
    """`incarnations`: asks the members for theirs. Raises OSError."""
    _level_snapshots(world, mirrors, mirror)
    known = set(incarnations())
    for name in world.disk.list(mirror.directory):
        parsed = parse_name(name.removesuffix(PART_SUFFIX))
        if parsed is not None and parsed[0] not in known:
            _set_aside(world, mirror, name, parsed[0], incarnations)


def _set_aside(
    world: World,
    mirror: Mirror,
    name: str,
    incarnation: int,
    incarnations: Callable[[], list[int]],
) -> None:
    """Under the strand's lock: who is just creating it finds out then that it is gone."""
    disk, path = world.disk, mirror.directory / name
    fd = open_or_create(disk, mirror.directory / lock_name(incarnation))
    try:
        if not disk.lock(fd) or incarnation in incarnations():
            return
        if disk.size(path) and not name.endswith(PART_SUFFIX):
            log.warning("a file of another history is set aside", file=str(path))
            disk.rename(path, path.with_name(name + ASIDE_SUFFIX))
        else:
            disk.remove(path)
    finally:
        disk.close(fd)


def _level_snapshots(world: World, mirrors: Mirrors, mirror: Mirror) -> None:
    """Those that were deleted meanwhile go; one that no member can read stays as it is."""
    disk, folder = world.disk, mirror.directory / FOLDER
    listed = {name for m in mirrors.members() for name in disk.list(m.directory / FOLDER)}
    for name in filter(name_of_file, disk.list(folder)):
        if name not in listed:
            disk.remove(folder / name)
    found, _ = Snapshots(world, mirrors).all()
    for snapshot in found:
        disk.make_directory(folder)
        disk.replace(folder / file_name(snapshot.name), encode_snapshot(snapshot))
