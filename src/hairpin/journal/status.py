"""How the journal and its mirrors are, as labels, files and notes say: nothing is verified."""

from __future__ import annotations

from contextlib import suppress
from enum import StrEnum

import msgspec

from hairpin import frame as framing
from hairpin.errors import HairpinError
from hairpin.journal.disk import DiskJournal
from hairpin.journal.filesystem import Room, room
from hairpin.journal.health import Health, read_health
from hairpin.journal.holders import is_alive
from hairpin.journal.label import Entry, State
from hairpin.journal.labels import read_label
from hairpin.journal.mirrors import Mirror
from hairpin.journal.names import parse_name
from hairpin.journal.snapshots import Snapshots
from hairpin.world import World

ANSWER_MS = 3_000.0
"""A disk that says nothing by then hangs."""
_WINDOW_BYTES = 2 * framing.FRAME_BYTES_MAX


class Degraded(HairpinError):
    """The journal can be read and written, but with fewer copies than it should have."""

    exit_code = 8


class Condition(StrEnum):
    ONLINE = "ONLINE"
    """Holds everything."""
    FILLING = "FILLING"
    """New: it holds everything when the resilver ends."""
    STALE = "STALE"
    """Was away; what came since is missing."""
    UNAVAILABLE = "UNAVAILABLE"
    """Not there, or its disk does not answer."""


class MirrorStatus(msgspec.Struct, frozen=True):
    id: str
    directory: str
    condition: Condition
    why: str
    """Why it is not online."""
    replaces: str | None
    """Directory of the mirror that leaves when this one holds everything."""
    room: Room | None
    lacks_bytes: int
    lacks_frames: int
    health: Health


class JournalStatus(msgspec.Struct, frozen=True):
    journal: str
    state: str
    """ONLINE, or DEGRADED: a mirror is not online, or a snapshot is damaged."""
    mirrors: tuple[MirrorStatus, ...]
    strands: int
    living: tuple[int, ...]
    bytes: int
    """Of one copy."""
    snapshots: tuple[str, ...]
    damaged_snapshots: tuple[str, ...]
    received: str | None
    """The snapshot that this journal stands at, if it was received and never written to."""

    @property
    def problems(self) -> list[str]:
        found = [
            f"{mirror.directory} is {mirror.condition}: {mirror.why}"
            for mirror in self.mirrors
            if mirror.condition is not Condition.ONLINE
        ]
        return [*found, *self.damaged_snapshots]


class _Facts:
    """What one mirror's disk says; a lane fills it in."""

    def __init__(self) -> None:
        self.id: str | None = None
        self.room: Room | None = None
        self.sizes: dict[str, int] = {}
        self.health: dict[str, Health] = {}


def status(world: World, journal: DiskJournal) -> JournalStatus:
    """`journal`: opened although mirrors may be missing. Raises EngineDown, DataDamaged."""
    mirrors = journal.mirrors
    facts, silent = _ask(world, [m for m in mirrors.all() if mirrors.is_found(m)])
    mirrors.leave_out(silent)
    noted: dict[str, Health] = {}
    for fact in facts.values():
        for mirror_id, health in fact.health.items():
            noted[mirror_id] = noted.get(mirror_id, Health()).plus(health)
    members = [facts[m.id] for m in mirrors.members() if m.id in facts]
    wanted: dict[str, int] = {}
    for fact in members:
        for name, size_bytes in fact.sizes.items():
            wanted[name] = max(wanted.get(name, 0), size_bytes)
    told = []
    for mirror in mirrors.all():
        fact = facts.get(mirror.id, _Facts())
        told.append(_tell(journal, mirror, fact, silent.get(mirror.id), wanted, noted))
    found, damages = Snapshots(world, mirrors).all()
    replica = mirrors.label.replica
    healthy = all(one.condition is Condition.ONLINE for one in told) and not damages
    strands = journal.incarnations()
    return JournalStatus(
        journal=f"{journal.id:016x}",
        state="ONLINE" if healthy else "DEGRADED",
        mirrors=tuple(told),
        strands=len(strands),
        living=tuple(n for n in strands if replica is None and is_alive(mirrors, n)),
        bytes=sum(wanted.values()),
        snapshots=tuple(snapshot.name for snapshot in found),
        damaged_snapshots=tuple(damage.message for damage in damages),
        received=None if replica is None else replica.snapshot,
    )


def _ask(world: World, mirrors: list[Mirror]) -> tuple[dict[str, _Facts], dict[str, str]]:
    """Each mirror in a lane of its own; returns facts, and why others are silent, by id."""
    lanes = world.threads.lanes()
    asked: dict[int, tuple[Mirror, _Facts]] = {}
    for mirror in mirrors:
        facts = _Facts()
        lane = lanes.open(mirror.directory)
        asked[lane] = (mirror, facts)
        lanes.submit(lane, lambda m=mirror, f=facts: _look(world, m, f))  # type: ignore[misc]
    found: dict[str, _Facts] = {}
    silent = {mirror.id: f"no answer within {ANSWER_MS:.0f} ms" for mirror in mirrors}
    until_ms = world.clock.monotonic_ms() + ANSWER_MS
    for _ in mirrors:
        done = lanes.next(max(until_ms - world.clock.monotonic_ms(), 0.0))
        if done is None:
            break
        mirror, facts = asked[done.lane]
        if done.error is None:
            found[mirror.id] = facts
            del silent[mirror.id]
        elif isinstance(done.error, OSError | HairpinError):
            silent[mirror.id] = str(getattr(done.error, "strerror", None) or done.error)
        else:
            raise done.error
    lanes.close()
    return found, silent


def _look(world: World, mirror: Mirror, facts: _Facts) -> None:
    disk, directory = world.disk, mirror.directory
    facts.id = read_label(disk, directory).mirror
    facts.room = room(directory)
    names = [name for name in disk.list(directory) if parse_name(name) is not None]
    facts.sizes = {name: disk.size(directory / name) for name in names}
    facts.health = read_health(world.disk, directory)


def _tell(
    journal: DiskJournal,
    mirror: Mirror,
    facts: _Facts,
    silent: str | None,
    wanted: dict[str, int],
    noted: dict[str, Health],
) -> MirrorStatus:
    mirrors = journal.mirrors
    entry = mirrors.entry(mirror) or Entry(mirror.id, str(mirror.directory))
    condition, why = _condition(entry, facts, silent)
    lacks_bytes = lacks_frames = 0
    if facts.room is not None and condition is not Condition.ONLINE:
        for name, size_bytes in wanted.items():
            have = 0 if entry.distrusted else min(facts.sizes.get(name, 0), size_bytes)
            if have < size_bytes:
                lacks_bytes += size_bytes - have
                lacks_frames += _frames_behind(journal, name, have)
    replaced = mirrors.label.entry(entry.replaces) if entry.replaces else None
    return MirrorStatus(
        id=mirror.id,
        directory=str(mirror.directory),
        condition=condition,
        why=why,
        replaces=None if replaced is None else replaced.directory,
        room=facts.room,
        lacks_bytes=lacks_bytes,
        lacks_frames=lacks_frames,
        health=noted.get(mirror.id, Health()),
    )


def _condition(entry: Entry, facts: _Facts, silent: str | None) -> tuple[Condition, str]:
    if facts.id is None:
        return Condition.UNAVAILABLE, silent or entry.why or "no journal is there"
    if facts.id != entry.id:
        return Condition.UNAVAILABLE, f"mirror {facts.id} lies there"
    if entry.state is State.MEMBER:
        return Condition.ONLINE, ""
    if entry.state is State.JOINING:
        return Condition.FILLING, entry.why
    return Condition.STALE, entry.why or "it was away"


def _frames_behind(journal: DiskJournal, name: str, have_bytes: int) -> int:
    """How many frames of a file end behind this byte, in the member that has most of it."""
    disk = journal.mirrors.disk
    copies = {m.directory / name: 0 for m in journal.mirrors.members()}
    for path in copies:
        with suppress(OSError):
            copies[path] = disk.size(path)
    good = max(copies, key=lambda path: copies[path])
    parsed = parse_name(name)
    assert parsed is not None
    at = frames = 0
    while at < copies[good]:
        data = disk.read(good, at, _WINDOW_BYTES)
        try:
            first = framing.unpack(data)
        except framing.Broken:
            break
        place = 0
        sequence = first.sequence
        while True:
            end, following, last = framing.walk(
                data, first.journal, first.incarnation, sequence, sequence + 1, place
            )
            if last < 0:
                break
            frames += at + end > have_bytes
            place, sequence = end, following
        at += place
    return frames
