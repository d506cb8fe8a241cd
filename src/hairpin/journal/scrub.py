"""Reading everything in every mirror, while the show goes on; what is bad is healed.

`step` until it is finished. Strands that are born meanwhile are new enough.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import msgspec

from hairpin.errors import DataDamaged, EngineDown, YourMistake
from hairpin.journal.fence import strand_locks
from hairpin.journal.health import Scrubbed
from hairpin.journal.label import LABEL, LABEL_BYTES_MAX, decode_label
from hairpin.journal.labels import SPARE, read_label, write_label
from hairpin.journal.mirrors import Mirror, Mirrors, label_lock
from hairpin.journal.names import parse_name
from hairpin.journal.scan import Damage, StrandScan
from hairpin.journal.snapshots import Snapshots
from hairpin.world import World


class ScrubProgress(msgspec.Struct, frozen=True):
    done_bytes: int
    """Of all mirrors together."""
    all_bytes: int
    finished: bool = False


class ScrubResult(msgspec.Struct, frozen=True):
    """What a scrub found."""

    bytes: int
    """Read, of all mirrors together."""
    frames: int
    mirrors: tuple[str, ...]
    """Directories that were read."""
    healed: dict[str, int]
    """Frames, and labels and snapshots, that were written anew, by directory."""
    damages: tuple[Damage, ...]
    """What is lost, or cannot be written."""
    others: tuple[str, ...]
    """What is wrong beside that: in words."""
    unread: tuple[str, ...]
    """Mirrors that were not read, and why."""
    unfinished_bytes: int
    """Frames that crashes cut short; fencing cuts them off."""

    @property
    def clean(self) -> bool:
        return not self.damages and not self.others and not self.unread


class Scrub:
    def __init__(self, world: World, mirrors: Mirrors) -> None:
        self._world = world
        self._disk = world.disk
        self._mirrors = mirrors
        self._members: list[Mirror] = []
        self._others: list[str] = []
        self._unread: list[str] = []
        self._healed: Counter[str] = Counter()
        self._damages: list[Damage] = []
        self._frames = 0
        self._unfinished_bytes = 0
        self._done_bytes = 0
        self._all_bytes = 0
        self._sizes: Counter[str] = Counter()
        self._work = self._run()
        self.result: ScrubResult | None = None

    def step(self) -> ScrubProgress:
        """A bounded piece of the work. Raises EngineDown if no mirror can be read."""
        finished = next(self._work, None) is None
        return ScrubProgress(self._done_bytes, self._all_bytes, finished)

    def _run(self) -> Iterator[int]:
        self._mirrors.refresh()
        strands = self._survey()
        yield 0
        for incarnation in strands:
            before = self._done_bytes
            yield from self._strand(incarnation)
            # A file that grew or was cut meanwhile changes nothing about how much there was.
            self._done_bytes = before + strands[incarnation]
        self._labels()
        self._snapshots()
        self._note()

    def _survey(self) -> dict[int, int]:
        """Strands, and how many bytes all mirrors together have of each."""
        found: Counter[int] = Counter()
        for mirror in self._mirrors.members():
            try:
                names = filter(parse_name, self._disk.list(mirror.directory))
                sizes = {name: self._disk.size(mirror.directory / name) for name in names}
            except OSError as error:
                self._unread.append(f"{mirror.directory} cannot be read: {error.strerror}")
                continue
            self._members.append(mirror)
            for name, size_bytes in sizes.items():
                parsed = parse_name(name)
                if parsed is not None:
                    found[parsed[0]] += size_bytes
                    self._sizes[mirror.id] += size_bytes
        if not self._members:
            raise EngineDown("; ".join(self._unread), "Look at the disks.")
        for mirror in self._mirrors.others():
            entry = self._mirrors.entry(mirror)
            why = f" ({entry.why})" if entry is not None and entry.why else ""
            self._unread.append(f"{mirror.directory} is no member{why}, and was not read")
        self._all_bytes = found.total()
        return dict(sorted(found.items()))

    def _strand(self, incarnation: int) -> Iterator[int]:
        replica = self._mirrors.label.replica
        end = None
        if replica is not None:
            end = replica.strands.get(str(incarnation), 0)
        dead = replica is not None or self._is_dead(incarnation)
        scan = StrandScan(self._mirrors, self._members, incarnation, dead, end)
        for read in scan.run():
            self._done_bytes += read
            yield read
        self._frames += scan.frames
        self._damages += scan.damages
        self._unfinished_bytes += scan.unfinished_bytes
        self._healed.update(scan.healed)

    def _is_dead(self, incarnation: int) -> bool:
        try:
            with strand_locks(self._disk, self._mirrors, incarnation) as dead:
                return dead
        except DataDamaged:
            return True  # its first segment is nowhere
        except EngineDown as error:
            self._others.append(error.message)
            return False

    # --- small files ------------------------------------------------------------------------------

    def _labels(self) -> None:
        """Each mirror has two; one that cannot be read is written anew."""
        for mirror in self._members:
            bad = [name for name in (LABEL, SPARE) if not self._label_holds(mirror, name)]
            if not bad:
                continue
            try:
                with label_lock(self._disk, mirror.directory):
                    label = read_label(self._disk, mirror.directory)
                    write_label(self._disk, mirror.directory, label)
            except (OSError, DataDamaged, YourMistake) as error:
                self._others.append(f"{mirror.directory}: its label cannot be written: {error}")
                continue
            why = f"{', '.join(bad)} was damaged"
            self._healed[str(mirror.directory)] += len(bad)
            self._mirrors.health.note(mirror.id, why, read=len(bad), healed=len(bad))

    def _label_holds(self, mirror: Mirror, name: str) -> bool:
        path = mirror.directory / name
        try:
            decode_label(self._disk.read(path, 0, LABEL_BYTES_MAX), path)
        except FileNotFoundError:
            return name == SPARE  # older journals have none
        except (OSError, DataDamaged):
            return False
        return True

    def _snapshots(self) -> None:
        """Reading them heals them."""
        _, damages = Snapshots(self._world, self._mirrors).all()
        self._others += [damage.message for damage in damages]

    def _note(self) -> None:
        self.result = ScrubResult(
            bytes=self._all_bytes,
            frames=self._frames,
            mirrors=tuple(str(mirror.directory) for mirror in self._members),
            healed=dict(self._healed),
            damages=tuple(self._damages),
            others=tuple(self._others),
            unread=tuple(self._unread),
            unfinished_bytes=self._unfinished_bytes,
        )
        at_ms = self._world.clock.now_ms()
        for mirror in self._members:
            found = Scrubbed(
                at_ms,
                self._sizes[mirror.id],
                self._healed[str(mirror.directory)],
                len(self._damages),
            )
            self._mirrors.health.note_scrub(mirror.id, found)
        self._mirrors.flush_health()
