"""Finding a journal's mirrors, and deciding whether those that are here suffice."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
import structlog

from hairpin.errors import DataDamaged, EngineDown, YourMistake
from hairpin.journal.label import (
    FORMAT,
    LABEL,
    Entry,
    Label,
    State,
    in_force,
)
from hairpin.journal.labels import SPARE, read_label, write_label
from hairpin.journal.mirrors import LABEL_LOCK, Mirror, Mirrors
from hairpin.world import World

log = structlog.get_logger()


ANSWER_MS = 5_000.0
"""A disk that has not read a small file by then hangs."""
NOT_THERE = "no journal is there"
LOST_AND_FOUND = "lost+found"
"""What file systems keep at their root."""


class _Found:
    """What lies in the directories that were named, and in those that labels name."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._alone = True
        """One directory was named, and no other one is known yet."""
        self.labels: dict[Path, Label] = {}
        self.absent: dict[Path, str] = {}
        self.silent: set[Path] = set()
        """Of the absent: those whose disk cannot be read now."""
        self.damage: DataDamaged | None = None

    def look(self, directories: Sequence[Path]) -> None:
        queue = list(directories)
        for directory in queue:
            self._alone = len(queue) == 1
            label = self._label(directory)
            if label is None:
                continue
            self.labels[directory] = label
            self._expect_originals(label)
            here = {known.mirror for known in self.labels.values()}
            for entry in label.mirrors:
                looked = {place.absolute() for place in queue}
                if entry.id not in here and Path(entry.directory) not in looked:
                    queue.append(Path(entry.directory))

    def why_absent(self, entry: Entry) -> str:
        why = self.absent.get(Path(entry.directory), NOT_THERE)
        return f"missing when it was opened: {why}"

    def _expect_originals(self, label: Label) -> None:
        """A copied directory must not be taken for the mirror it was copied from, and then share
        its fellows with it."""
        for directory, known in self.labels.items():
            entry = label.entry(known.mirror)
            original = None if entry is None else Path(entry.directory)
            if known.mirror == label.mirror or original in (None, directory.absolute()):
                continue
            assert original is not None
            there = self._read(original)
            if there is not None and there.mirror == known.mirror:
                raise YourMistake(
                    f"{directory} is a copy of {original}, a mirror that is still there",
                    "Use the original. A copy to keep is made with: hairpin journal send.",
                )

    def _read(self, directory: Path) -> Label | None:
        try:
            return self._ask(directory)
        except (OSError, DataDamaged):
            return None

    def _ask(self, directory: Path) -> Label:
        """Of several mirrors one may hang, which must not keep the others from being used."""
        if self._alone:
            return read_label(self._world.disk, directory)
        answer: list[Label] = []
        lanes = self._world.threads.lanes()
        lane = lanes.open(directory)
        lanes.submit(lane, lambda: answer.append(read_label(self._world.disk, directory)))
        done = lanes.next(ANSWER_MS)
        lanes.close()
        if done is None:
            raise OSError(errno.ETIMEDOUT, f"it does not answer within {ANSWER_MS:.0f} ms")
        if done.error is not None:
            raise done.error
        return answer[0]

    def _label(self, directory: Path) -> Label | None:
        try:
            return self._ask(directory)
        except (FileNotFoundError, NotADirectoryError):
            self.absent[directory] = NOT_THERE
        except OSError as error:
            self.absent[directory] = str(error.strerror)
            self.silent.add(directory)
        except DataDamaged as damage:
            self.absent[directory] = damage.message
            self.damage = damage
        return None


def find_mirrors(world: World, directories: Sequence[Path], degraded: bool = False) -> Mirrors:
    """The journal that lies in these directories, and in those that its labels name.

    Raises YourMistake if there is none, or a member is missing and `degraded` does not say that
    this is accepted; EngineDown if a directory cannot be read; DataDamaged.
    """
    found = _Found(world)
    found.look(directories)
    if not found.labels:
        _explain_nothing(found, directories[0])
    label = in_force(found.labels)
    places = {known.mirror: directory for directory, known in reversed(found.labels.items())}
    missing = [e for e in label.mirrors if e.state is State.MEMBER and e.id not in places]
    if missing and not degraded:
        _refuse(missing, places, found)
    if len(missing) == len(label.members):
        raise YourMistake(
            f"no member of journal {label.id} is here, only stale mirrors",
            "Bring back one of " + ", ".join(entry.directory for entry in missing) + ".",
        )
    lost = [
        msgspec.structs.replace(entry, state=State.STALE, why=found.why_absent(entry))
        for entry in missing
    ]
    entries = {entry.id: entry for entry in lost}
    # The same epoch: nothing is decided before it is written down.
    here = tuple(entries.get(entry.id, entry) for entry in label.mirrors)
    mirrors = Mirrors(world, msgspec.structs.replace(label, mirrors=here), places)
    mirrors.behind = _behind(found.labels.values(), label)
    if lost:
        log.warning("the journal is degraded", missing=[entry.directory for entry in missing])
    return mirrors


def _behind(labels: Iterable[Label], in_force: Label) -> list[Entry]:
    """Members whose own label is older than that of another member."""
    epochs = {known.mirror: known.epoch for known in labels}
    latest = max((epochs.get(member, 0) for member in in_force.members), default=0)
    return [
        entry
        for entry in in_force.mirrors
        if entry.state is State.MEMBER and epochs.get(entry.id, latest) < latest
    ]


def _explain_nothing(found: _Found, directory: Path) -> None:
    if found.damage is not None:
        raise found.damage
    why = found.absent[directory]
    if why != NOT_THERE:
        raise EngineDown(
            f"cannot read {directory / LABEL}: {why}",
            "Give read permission, or look at the disk.",
        )
    raise YourMistake(
        f"there is no journal in {directory}",
        "Name the data directory of a show that has run: the one given to --data.",
    )


def _refuse(missing: list[Entry], places: dict[str, Path], found: _Found) -> None:
    names = ", ".join(entry.directory for entry in missing)
    for entry in missing:
        if Path(entry.directory) in found.silent:
            why = found.absent[Path(entry.directory)]
            raise EngineDown(
                f"a mirror of the journal cannot be read: {entry.directory}: {why}",
                "Look at its disk; if it is lost for good, go on without it: --degraded.",
            )
    here = ", ".join(str(place) for place in places.values())
    raise YourMistake(
        f"a mirror of the journal is missing: {names}; here: {here}",
        "It may hold what the others lack. Bring it back (if it lies elsewhere now, name its "
        "directory in `mirrors` of hairpin.toml); if it is lost for good, go on without it: "
        "--degraded.",
    )


def create_mirrors(world: World, directories: Sequence[Path]) -> Mirrors:
    """A new journal in these directories. Raises OSError."""
    dice, disk = world.dice, world.disk
    places = [directory.absolute() for directory in directories]
    entries = tuple(Entry(dice.secret(8).hex(), str(place)) for place in places)
    label = Label(FORMAT, dice.secret(8).hex(), entries[0].id, 1, entries)
    # The first one last: a journal exists when its first mirror has a label.
    for place, entry in reversed(list(zip(places, entries, strict=True))):
        disk.make_directory(place)
        write_label(disk, place, label.of(entry.id))
    named = {entry.id: place for place, entry in zip(directories, entries, strict=True)}
    return Mirrors(world, label, named)


def attach(world: World, mirrors: Mirrors, directory: Path, replaces: str = "") -> Mirror:
    """Make an empty directory a mirror that is being filled. Raises YourMistake, EngineDown."""
    place = directory.absolute()
    begun = _begun_before(world, mirrors, directory)
    entry = Entry(
        begun or world.dice.secret(8).hex(),
        str(place),
        State.JOINING,
        "being filled",
        replaces=replaces,
    )
    mirror = Mirror(entry.id, place)
    try:
        world.disk.make_directory(place)
        mirrors.locate(mirror)
        while not mirrors.agree(lambda label: label.changed(entry), [mirror]):
            pass
    except OSError as error:
        raise EngineDown(
            f"cannot make {directory} a mirror: {error.strerror}",
            "Give the disks space and write permission.",
        ) from error
    return mirror


def _begun_before(world: World, mirrors: Mirrors, directory: Path) -> str | None:
    """Id of the mirror that an attempt made of the directory before it crashed.

    Raises YourMistake if the directory is in use otherwise.
    """
    place = directory.absolute()
    names = [name for name in world.disk.list(place) if not _is_nobodys(name)]
    if {LABEL, SPARE} & set(names):
        label = read_label(world.disk, place)
        own = label.entry(label.mirror)
        if label.id != mirrors.label.id:
            raise YourMistake(
                f"{directory} holds journal {label.id}; this one is {mirrors.label.id}",
                "Name an empty directory, or one that does not exist yet.",
            )
        if own is None or own.state is not State.JOINING:
            raise YourMistake(
                f"{directory} was a mirror of this journal, and was replaced",
                "Take it out of `mirrors` in hairpin.toml; to use its disk again, empty it first.",
            )
        return label.mirror
    if names:
        raise YourMistake(
            f"{directory} is not empty: it holds {', '.join(names[:3])}",
            "Name an empty directory, or one that does not exist yet.",
        )
    for entry in mirrors.label.mirrors:
        if entry.state is State.JOINING and entry.directory == str(place):
            return entry.id
    return None


def _is_nobodys(name: str) -> bool:
    """What file systems put there, and what a label leaves that was never finished."""
    return name in (LOST_AND_FOUND, LABEL_LOCK) or (name[0] == "." and name.endswith(".part"))
