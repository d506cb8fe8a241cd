"""The group `journal`: acknowledging with two mirrors beside one, and scrubbing two.

Writers commit frames as gates do in a burst; processor time is that of the process with its lanes.
A scrub reads what is in the page cache, through the product's own `Scrub`.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from bench.machine import scratch
from bench.report import Bound, Contender, Guarantees
from bench.rounds import Measured, Options, Plan
from hairpin.answer import RECORD
from hairpin.errors import DataDamaged
from hairpin.frame import Kind
from hairpin.journal import Writer
from hairpin.journal.disk import DiskJournal
from hairpin.journal.scrub import Scrub
from hairpin.world import real_world

ANSWERS_PER_FRAME = 1_000
"""What a gate commits at once when 100,000 answers per second arrive and a sync takes 10 ms."""
SCRUBBED_FRAMES = 8_000
ONE, TWO, SCRUB = "1 mirror", "2 mirrors", "scrub of 2 mirrors"
GB_PER_CPU_S = "gb_per_cpu_s"
STALL_MS = 60_000.0
"""No disk of the bench is ejected for being slow."""


class Writing:
    """Commits one frame after the other."""

    def __init__(self, mirrors: int) -> None:
        self._mirrors = mirrors
        text = f"synced in {mirrors} directories of one disk"
        self.contender = Contender(TWO if mirrors > 1 else ONE, Guarantees(durable=True, text=text))
        self._body = bytes(range(256)) * (ANSWERS_PER_FRAME * RECORD.itemsize // 256)

    def __enter__(self) -> Writing:
        self._directory, self._journal = _journal(f"mirrors-{self._mirrors}", self._mirrors)
        self._writer: Writer = self._journal.writer()
        return self

    def __exit__(self, *exc: object) -> None:
        self._writer.seal()
        shutil.rmtree(self._directory, ignore_errors=True)

    def measure(self, seconds: float) -> Measured:
        began_s, began_cpu_s, frames = time.perf_counter(), time.process_time(), 0
        while time.perf_counter() - began_s < seconds:
            self._writer.commit(Kind.ANSWERS, self._body, ANSWERS_PER_FRAME)
            frames += 1
        cpu_s = time.process_time() - began_cpu_s
        if self._writer.degraded:
            raise DataDamaged(f"ejected: {self._writer.degraded}", "Use a disk that keeps up.")
        wall_s = time.perf_counter() - began_s
        return Measured(frames * ANSWERS_PER_FRAME, cpu_s, wall_s)

    def verify(self) -> str:
        """Every mirror has every frame."""
        frames = self._writer.synced.frames
        found = sum(1 for _ in self._journal.follow(self._writer.incarnation).read(frames))
        return f"{self.contender.name}: {found:,} frames of {ANSWERS_PER_FRAME:,} answers read back"


class Scrubbing:
    """Two mirrors, read in full from the page cache, as often as there is time."""

    def __init__(self) -> None:
        self.contender = Contender(
            SCRUB, Guarantees(verified=True, text="every frame's checksum, identity and sequence")
        )
        self._scrubs = 0

    def __enter__(self) -> Scrubbing:
        self._directory, self._journal = _journal("scrub", 2)
        writer = self._journal.writer()
        body = bytes(range(256)) * (ANSWERS_PER_FRAME * RECORD.itemsize // 256)
        for _ in range(SCRUBBED_FRAMES):
            writer.commit(Kind.ANSWERS, body, ANSWERS_PER_FRAME)
        writer.seal()
        return self

    def __exit__(self, *exc: object) -> None:
        shutil.rmtree(self._directory, ignore_errors=True)

    def measure(self, seconds: float) -> Measured:
        began_s, began_cpu_s, read_bytes, answers = time.perf_counter(), time.process_time(), 0, 0
        while not read_bytes or time.perf_counter() - began_s < seconds:
            work = Scrub(real_world(), self._journal.mirrors)
            while not work.step().finished:
                continue
            assert work.result is not None
            if not work.result.clean or work.result.healed:
                raise DataDamaged(f"the scrub found {work.result}", "Look at the bench's disk.")
            read_bytes += work.result.bytes
            answers += SCRUBBED_FRAMES * ANSWERS_PER_FRAME
            self._scrubs += 1
        cpu_s = time.process_time() - began_cpu_s
        extra = {GB_PER_CPU_S: read_bytes / cpu_s / 1e9}
        return Measured(answers, cpu_s, time.perf_counter() - began_s, extra=extra)

    def verify(self) -> str:
        return f"{self.contender.name}: {self._scrubs} times, nothing bad, nothing healed"


def _journal(name: str, mirrors: int) -> tuple[Path, DiskJournal]:
    directory = scratch(name)
    places = [directory / str(number) for number in range(mirrors)]
    return directory, DiskJournal.create(real_world(), *places, stall_ms=STALL_MS)


def runners(options: Options) -> Sequence[Writing | Scrubbing]:  # noqa: ARG001
    return [Writing(1), Writing(2), Scrubbing()]


PLAN = Plan(
    name="journal",
    title=f"frames of {ANSWERS_PER_FRAME:,} answers, journal alone",
    base=ONE,
    unit="answer",
    runners=runners,
    bounds=(
        Bound(TWO, ONE, at_most=2.2),
        Bound(SCRUB, "", at_least=1.0, figure=GB_PER_CPU_S),
    ),
)
