"""`hairpin journal replace`, `attach` and `detach`: which disks the journal lies on."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from hairpin.cli.journal_places import journal_at, mirror_called, progress_bar
from hairpin.errors import EngineDown, YourMistake
from hairpin.journal.label import Label, State
from hairpin.journal.mirrors import Mirror, Mirrors
from hairpin.journal.opening import attach
from hairpin.journal.resilver import Progress, Resilver
from hairpin.world import World, real_world

REPLACE_EPILOG = "Example: hairpin journal replace ./my-show /mnt/b/journal /mnt/c/journal"
ATTACH_EPILOG = "Example: hairpin journal attach ./my-show /mnt/b/journal"
DETACH_EPILOG = "Example: hairpin journal detach ./my-show /mnt/b/journal"
LOOK_S = 0.5
"""How often it is looked whether those that we wait for have done their part."""

Data = Annotated[Path, typer.Argument(help="Data directory of a show, or a mirror.", metavar="DIR")]
Which = Annotated[str, typer.Argument(help="Directory of the mirror, or its id.", metavar="MIRROR")]
NewDirectory = Annotated[
    Path, typer.Argument(help="Empty, or to be made; on another disk.", metavar="NEWDIR")
]


def replace_command(data: Data, mirror: Which, directory: NewDirectory) -> None:
    """Put another disk in the place of a mirror, while the show goes on or not.

    Given once more after a crash, it goes on where it was.
    """
    world = real_world()
    mirrors = journal_at(data, world).mirrors
    known = _at(mirrors, directory)
    entry = mirrors.entry(known) if known is not None else None
    if known is not None and entry is not None and entry.replaces:
        new = known
    elif entry is not None and entry.state is State.MEMBER and _is_gone(mirrors, mirror):
        typer.echo(f"{directory} is a member already, and {mirror} is no mirror any more")
        return
    else:
        old = mirror_called(mirrors, mirror)
        if known is not None and known.id != old.id:
            raise YourMistake(
                f"{directory} is a mirror already", "Name an empty directory on another disk."
            )
        _expect_others(mirrors, old)
        new = attach(world, mirrors, directory, replaces=old.id)
    _fill(world, mirrors, new)
    typer.echo(f"{new.directory} holds everything, in the place of {mirror}")
    _say_settings(mirrors)


def attach_command(data: Data, directory: NewDirectory) -> None:
    """Add a mirror, or fill one that lacks something; no node needs to run."""
    world = real_world()
    mirrors = journal_at(data, world).mirrors
    known = _at(mirrors, directory)
    if known is None:
        _expect_others(mirrors, None)
        known = attach(world, mirrors, directory)
    _fill(world, mirrors, known)
    typer.echo(f"{known.directory} holds everything")
    _say_settings(mirrors)


def detach_command(data: Data, mirror: Which) -> None:
    """Take a mirror out. Its files stay, and are nobody's mirror any more."""
    mirrors = journal_at(data, real_world()).mirrors
    leaves = mirror_called(mirrors, mirror)
    if [member.id for member in mirrors.members()] == [leaves.id]:
        raise YourMistake(
            f"{leaves.directory} is the only mirror that holds everything",
            "Attach another one first, and wait until it does.",
        )
    _expect_others(mirrors, leaves)

    def without(label: Label) -> Label:
        return label.without(leaves.id)

    try:
        while not mirrors.agree(without):
            pass
    except OSError as error:
        raise EngineDown(
            f"cannot write a label: {error.filename}: {error.strerror}", "Look at the disk."
        ) from error
    typer.echo(f"{leaves.directory} is no mirror any more")
    _say_settings(mirrors)


def _at(mirrors: Mirrors, directory: Path) -> Mirror | None:
    """The mirror that lies there; one that should but is not does not count."""
    for mirror in mirrors.all():
        if mirror.directory.absolute() == directory.absolute() and mirrors.is_found(mirror):
            return mirror
    return None


def _is_gone(mirrors: Mirrors, text: str) -> bool:
    try:
        mirror_called(mirrors, text)
    except YourMistake:
        return True
    return False


def _expect_others(mirrors: Mirrors, leaves: Mirror | None) -> None:
    """Members that are missing may hold what the others lack. Raises YourMistake."""
    missing = [
        str(mirror.directory)
        for mirror in mirrors.others()
        if not mirrors.is_found(mirror)
        and (leaves is None or mirror.id != leaves.id)
        and _was_member(mirrors, mirror)
    ]
    if missing:
        raise YourMistake(
            f"a mirror of the journal is missing: {', '.join(missing)}",
            "It may hold what the others lack: bring it back, or replace or detach it first.",
        )


def _was_member(mirrors: Mirrors, mirror: Mirror) -> bool:
    """As labels say, which opening without it has not changed."""
    for member in mirrors.members():
        label = mirrors.read(member)
        entry = None if label is None else label.entry(mirror.id)
        if entry is not None and entry.state is State.MEMBER:
            return True
    return False


def _fill(world: World, mirrors: Mirrors, mirror: Mirror) -> None:
    """Until it is a member. Whoever does the work, a node or this process, shows as progress."""
    resilver = Resilver(world, mirrors.view(), mirror)
    try:
        with progress_bar() as told:
            while not (progress := resilver.step()).finished:
                told(_doing(progress), progress.done_bytes, progress.all_bytes)
                if progress.elsewhere or progress.waiting:
                    time.sleep(LOOK_S)
    except OSError as error:
        raise EngineDown(
            f"cannot fill {mirror.directory}: {error.filename or ''} {error.strerror}",
            "Look at the disk; given once more, the command goes on where it was.",
        ) from error
    finally:
        resilver.close()
    mirrors.refresh()


def _doing(progress: Progress) -> str:
    if progress.elsewhere:
        return "the node fills it"
    if progress.waiting:
        numbers = ", ".join(map(str, progress.waiting))
        return f"waiting for the writers of strands {numbers}"
    return "filling"


def _say_settings(mirrors: Mirrors) -> None:
    """What must stand in hairpin.toml for the node to find all of them, whichever disk dies."""
    places = ", ".join(f'"{mirror.directory.absolute()}"' for mirror in mirrors.all())
    typer.echo(f"mirrors now: {places}")
    typer.echo("Let `mirrors` in hairpin.toml name those outside of the data directory.")
