"""Where the journal lies that a command of `hairpin journal` is given."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from hairpin.errors import YourMistake
from hairpin.journal.disk import DiskJournal
from hairpin.journal.label import LABEL
from hairpin.journal.mirrors import Mirror, Mirrors
from hairpin.node.data import open_journal
from hairpin.world import World

Told = Callable[[str, int, int], None]
"""What is being done, bytes done, bytes in all."""


def journal_at(place: Path, world: World) -> DiskJournal:
    """Of a data directory, or of a mirror; without those of its mirrors that are missing."""
    if (place / LABEL).exists():
        return DiskJournal.open(world, place, degraded=True)
    return open_journal(place, degraded=True)


def many(count: int, what: str) -> str:
    """Such as `1 frame` and `2 frames`."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def mirror_called(mirrors: Mirrors, text: str) -> Mirror:
    """By id or directory. Raises YourMistake if there is none."""
    wanted = Path(text).absolute()
    for mirror in mirrors.all():
        entry = mirrors.entry(mirror)
        places = {mirror.directory.absolute(), Path(entry.directory) if entry else wanted}
        if mirror.id == text or wanted in places:
            return mirror
    known = ", ".join(str(mirror.directory) for mirror in mirrors.all())
    raise YourMistake(
        f"{text} is no mirror of this journal", f"Its mirrors are {known}; their ids will do, too."
    )


@contextmanager
def progress_bar() -> Iterator[Told]:
    """On stderr, if that is a terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    hidden = not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=hidden) as bar:
        task = bar.add_task("reading", total=None)

        def told(what: str, done: int, all_: int) -> None:
            bar.update(task, description=what, completed=done, total=all_ or None)

        yield told
