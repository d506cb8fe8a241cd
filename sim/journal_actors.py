"""The processes of a journal's life: each opens the journal by itself, writes a strand, and dies.

All of them can do the same; the director fences the others' strands, reads, and fills mirrors too.
"""

from __future__ import annotations

import random
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from hairpin.errors import DataDamaged, EngineDown, HairpinError, YourMistake
from hairpin.frame import Kind
from hairpin.journal import Follower, Writer
from hairpin.journal.disk import DiskJournal
from hairpin.journal.resilver import Resilver
from hairpin.journal.scrub import Scrub
from hairpin.journal.snapshots import Snapshots
from sim.checkers import Violation
from sim.journal_checks import Strand, Truth
from sim.process import Killed, Process

if TYPE_CHECKING:
    from sim.universe import Universe

STALL_MS = 1000.0
SIZES = (0, 1, 30, 300, 456, 900, 4040, 9000)
"""Of bodies: frames end within sectors, at their borders and at those of pages."""
FILES_MAX = 8
"""More than four for each mirror, and these, does no process have open."""


class Settings:
    """What the operator told all processes."""

    def __init__(self, directories: list[Path]) -> None:
        self.directories = directories
        self.degraded = False


class Actor:
    def __init__(
        self, universe: Universe, truth: Truth, settings: Settings, name: str, dice: random.Random
    ) -> None:
        self.name = name
        self._universe = universe
        self._truth = truth
        self._settings = settings
        self._dice = dice
        self.process: Process | None = None
        self.journal: DiskJournal | None = None
        self._writer: Writer | None = None
        self._strand: Strand | None = None
        self._followers: dict[int, Follower] = {}
        self._resilvers: dict[str, Resilver] = {}
        self.began_term = False
        self.refusals = 0

    @property
    def alive(self) -> bool:
        return self.process is not None and not self.process.dead

    @property
    def writes(self) -> bool:
        return self.alive and self._strand is not None

    def born(self) -> Process:
        self.process = self._universe.process(self.name)
        self.journal = self._writer = self._strand = None
        self._followers, self._resilvers = {}, {}
        return self.process

    # --- anything it does -------------------------------------------------------------------------

    def doing(self, what: Callable[[], None]) -> Callable[[], None]:
        """In its process: errors that are explained are no mistake of anybody."""

        def act() -> None:
            try:
                what()
            except Killed:
                return
            except DataDamaged as damage:
                self._tell(f"{what.__name__}: {damage}")
                if self._truth.strict:
                    raise Violation("nothing is lost", f"{what.__name__}: {damage}") from damage
            except EngineDown as error:
                self.refusals += 1
                self._tell(f"{what.__name__}: {error}")
            except (Violation, YourMistake):
                raise
            except Exception as error:
                self._tell(traceback.format_exc())
                raise Violation(
                    "every error is explained", f"{what.__name__}: {error!r}"
                ) from error
            self._count_files()

        return act

    def _tell(self, what: str) -> None:
        self._universe.note(self.name, what)

    def _count_files(self) -> None:
        """A mirror that is slow closes its files later."""
        if self.process is None or self.process.dead or not self._truth.quiet:
            return
        disk = self.process.world.disk
        most = 4 * len(self._settings.directories) + FILES_MAX
        assert hasattr(disk, "open_files")
        if disk.open_files > most:
            raise Violation("files are closed", f"{self.name} has {disk.open_files} open")

    # --- opening and writing ----------------------------------------------------------------------

    def open(self) -> None:
        assert self.process is not None
        first, *others = self._settings.directories
        degraded = self._settings.degraded
        try:
            self.journal = DiskJournal.open(
                self.process.world, first, *others, degraded=degraded, stall_ms=STALL_MS
            )
        except DataDamaged as damage:  # of a label: the others may be away
            raise EngineDown(damage.message, damage.remedy) from damage

    def start(self) -> None:
        """A gate begins its strand."""
        if self.journal is None:
            try:
                self.open()
            except YourMistake as mistake:
                self._tell(f"cannot open: {mistake}")
                return
        self.begin()

    def begin(self) -> None:
        assert self.journal is not None and self.process is not None
        process = self.process
        writer = self.journal.writer()
        self._writer = writer
        self._strand = self._truth.born(
            writer.incarnation, lambda: self._writer is writer and not process.dead
        )
        self._tell(f"writes strand {writer.incarnation}")

    def commit(self) -> None:
        for _ in range(self._dice.choice((1, 1, 2, 4, 8))):
            self._commit(Kind.ANSWERS, self._body())

    def _body(self) -> bytes:
        size = self._dice.choice(SIZES) + self._dice.randrange(3)
        return self._dice.randbytes(8) + bytes(self._dice.choice((b"\0", b"x"))) * size

    def _commit(self, kind: Kind, body: bytes) -> None:
        writer, strand = self._writer, self._strand
        assert writer is not None and strand is not None
        if kind is Kind.SEAL:
            frame = self._truth.given(strand, kind, body, 0)
            strand.ending = True
            writer.seal()
        else:
            frame = self._truth.given(strand, kind, body, 1)
            writer.commit(kind, body, 1)
        self._truth.acknowledged(strand, frame)

    def roll(self) -> None:
        assert self._writer is not None and self._strand is not None
        self._strand.burnt += 1
        self._writer.roll()

    def seal(self) -> None:
        """End the strand, whatever comes of it."""
        try:
            self._commit(Kind.SEAL, b"")
        finally:
            if self.alive:
                self._writer = self._strand = None

    def tend(self) -> None:
        assert self._writer is not None
        self._writer.tend()

    # --- what the director does besides -----------------------------------------------------------

    def begin_term(self) -> None:
        """As when it starts: who is a member is written down anew."""
        assert self.journal is not None
        self.began_term = False
        self.journal.begin_term()
        self.began_term = True

    def fence_all(self) -> None:
        """As when it starts: strands that are not known to have ended."""
        assert self.journal is not None
        for incarnation in self.journal.incarnations():
            strand = self._truth.strands.get(incarnation)
            if strand is None or strand.end is None or self._dice.random() < 0.1:
                self._fence(incarnation)

    def fence_one(self) -> None:
        assert self.journal is not None
        numbers = self.journal.incarnations()
        if numbers:
            self._fence(self._dice.choice(numbers))

    def _fence(self, incarnation: int) -> None:
        assert self.journal is not None
        end = self.journal.fence(incarnation)
        if end is not None:
            self._truth.fenced(incarnation, end)
            self._tell(f"fenced strand {incarnation} at {end.frames}")

    def follow(self) -> None:
        """Read each strand as far as its writer has announced."""
        assert self.journal is not None
        for incarnation, strand in list(self._truth.strands.items()):
            follower = self._followers.get(incarnation)
            if follower is None:
                follower = self._followers[incarnation] = self.journal.follow(incarnation)
            upto = strand.end.frames if strand.end else len(strand.acked)
            for frame in follower.read(upto):
                self._truth.read(frame)
            if follower.frames < upto:
                found = f"{follower.frames} of {upto} frames of incarnation {incarnation}"
                raise Violation("what was announced is read", found)

    def recount(self) -> None:
        """Read all that there is of strands that have ended."""
        assert self.journal is not None
        numbers = self.journal.incarnations()
        self._truth.known(numbers)
        for incarnation in numbers:
            strand = self._truth.strands.get(incarnation)
            if strand is None or strand.end is None:
                continue
            follower = self.journal.follow(incarnation)
            for frame in follower.read():
                self._truth.read(frame)
            self._truth.read_to_end(incarnation, follower.frames, follower.chain)

    def fill(self) -> None:
        """Some steps in filling each mirror that is no member."""
        for _ in range(self._dice.choice((1, 4, 20))):
            self._fill()

    def _fill(self) -> None:
        assert self.journal is not None and self.process is not None
        for mirror in self.journal.mirrors.others():
            resilver = self._resilvers.get(mirror.id)
            if resilver is None:
                view = self.journal.mirrors.view()
                resilver = Resilver(self.process.world, view, mirror, step_bytes=3000)
                self._resilvers[mirror.id] = resilver
            try:
                progress = resilver.step()
            except (OSError, HairpinError) as error:
                self._tell(f"cannot fill {mirror.directory}: {error}")
                continue
            if progress.finished:
                self._tell(f"{mirror.directory} is a member")
                del self._resilvers[mirror.id]
                self.journal.mirrors.refresh()

    def scrub(self) -> None:
        """Read all mirrors, and heal what is bad."""
        assert self.journal is not None and self.process is not None
        scrub = Scrub(self.process.world, self.journal.mirrors.view())
        while not scrub.step().finished:
            pass
        assert scrub.result is not None
        self._truth.scrubbed()
        lost = [damage for damage in scrub.result.damages if damage.frames != 0]
        if lost and self._truth.strict and self._truth.quiet:
            raise Violation("nothing is lost", f"scrub: {lost}")

    def snapshot(self) -> None:
        assert self.journal is not None and self.process is not None
        snapshots = Snapshots(self.process.world, self.journal.mirrors)
        taken = snapshots.take(self.journal)
        for incarnation, reach in taken.incarnations.items():
            strand = self._truth.strands.get(incarnation)
            if strand is not None and reach.frames > len(strand.acked) + 1:
                raise Violation("a snapshot holds what was written", f"{incarnation}: {reach}")
