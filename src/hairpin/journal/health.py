"""What each mirror was found guilty of, kept with the journal until somebody clears it."""

from __future__ import annotations

from pathlib import Path

import msgspec

from hairpin.world import Disk, World

HEALTH = "health.json"
_BYTES_MAX = 1 << 20


class Scrubbed(msgspec.Struct, frozen=True):
    """What the last scrub found in one mirror."""

    at_ms: int
    bytes: int
    """Read there."""
    healed: int
    """Frames."""
    errors: int
    """Ranges that are bad in all mirrors, or could not be healed in this one."""


class Health(msgspec.Struct, frozen=True):
    """Counts since the mirror joined."""

    read_errors: int = 0
    """Frames that could not be read there, or were not what had been written."""
    healed: int = 0
    """Of these, written anew from a good copy."""
    write_errors: int = 0
    ejected: int = 0
    last_ms: int | None = None
    last: str = ""
    scrubbed: Scrubbed | None = None

    def plus(self, other: Health) -> Health:
        return Health(
            self.read_errors + other.read_errors,
            self.healed + other.healed,
            self.write_errors + other.write_errors,
            self.ejected + other.ejected,
            other.last_ms or self.last_ms,
            other.last or self.last,
            max(self.scrubbed, other.scrubbed, key=_when),
        )


def _when(scrubbed: Scrubbed | None) -> int:
    return scrubbed.at_ms if scrubbed is not None else -1


def read_health(disk: Disk, directory: Path) -> dict[str, Health]:
    """By id of the mirror; empty if nothing was ever noted or it cannot be read."""
    try:
        data = disk.read(directory / HEALTH, 0, _BYTES_MAX)
        return msgspec.json.decode(data, type=dict[str, Health])
    except (OSError, msgspec.MsgspecError):
        return {}


class HealthBook:
    """Notes of one process; `flush` adds them to what others noted."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._news: dict[str, Health] = {}

    def note(
        self, mirror: str, why: str, *, read: int = 0, healed: int = 0, write: int = 0, out: int = 0
    ) -> None:
        news = Health(read, healed, write, out, self._world.clock.now_ms(), why)
        self._news[mirror] = self._news.get(mirror, Health()).plus(news)

    def note_scrub(self, mirror: str, found: Scrubbed) -> None:
        self._news[mirror] = self._news.get(mirror, Health()).plus(Health(scrubbed=found))

    @property
    def waiting(self) -> bool:
        return bool(self._news)

    def flush(self, disk: Disk, directory: Path) -> None:
        """Add the notes to the file there, whose lock the caller holds. Raises OSError."""
        if not self._news:
            return
        news, self._news = self._news, {}
        known = read_health(disk, directory)
        for mirror, health in news.items():
            known[mirror] = known.get(mirror, Health()).plus(health)
        disk.replace(directory / HEALTH, msgspec.json.encode(known))
