"""The group `tally`: this product's counting alone, against fixed goals, over 30 million fans.

Through the tally's own classes and the recount that `hairpin recount` does. The costs are of one
thread; the goals hold per core.
"""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec
import numpy as np

from bench.counting.answers import CLAMP, RIGHT, SEED, TICKETS_PER_FAN, question, records_of
from bench.counting.night import write_night
from bench.counting.scheme import Stopwatch, WrongTotals
from bench.machine import scratch
from bench.report import Contender, Guarantees
from bench.rounds import Measured, Options, Plan
from hairpin.answer import Records
from hairpin.journal.disk import DiskJournal
from hairpin.show import TieBreak
from hairpin.tally.cells import QuestionCount, Scores
from hairpin.tally.leaderboard import leaderboard
from hairpin.tally.recount import Recounter
from hairpin.world import real_world

FANS = 30_000_000
TICKETS = FANS * TICKETS_PER_FAN
MERGED = 15_000_000
"""Answers of random fans, so that about a fifth come from a fan who had answered before."""
BATCHES = (1_000, 10_000, 100_000)
JOURNALLED = 20_000_000
JOURNALLED_FULL = 100_000_000
PLACES = 10
_CHUNK = 250_000
_MERGE = "merge, 1,000 at once"


class Goal(msgspec.Struct, frozen=True):
    """At most so much of something, by the median of the samples after the first."""

    what: str
    at_most: float

    def judged(self, found: Sequence[float]) -> str:
        found = found[1:] or found  # the first sample warms up
        middle = statistics.median(found)
        verdict = "met" if middle <= self.at_most else "missed"
        spread = f"{min(found):.3g} to {max(found):.3g}, n={len(found)}"
        return f"{verdict}: {self.what} at most {self.at_most:g}; found {middle:.3g} ({spread})"


NS_PER_MERGE = Goal("ns of CPU per answer merged", 20.0)
S_PER_100_M = Goal("s of CPU for a recount of 100 M answers", 5.0)
MS_PER_TOP = Goal(f"ms of CPU for the top {PLACES} of {FANS // 10**6} M fans", 20.0)
BYTES_PER_FAN = Goal("bytes of memory per fan, at the highest", 24.0)


class Merge:
    """Each sample merges all answers into a new question. `again`: and then once more, measured."""

    def __init__(self, records: Records, batch: int, again: bool = False) -> None:
        self._records = records
        self._batch = batch
        self._again = again
        self._fans = int((np.bincount(records["fan"]) > 0).sum())
        highest = int(records["fan"].argmax())
        self._highest = records[highest : highest + 1]
        name = f"repeats, {batch:,} at once" if again else f"merge, {batch:,} at once"
        self.contender = Contender(name, Guarantees(deduplicated=True, text="words and cells"))
        self._ns: list[float] = []

    def __enter__(self) -> Merge:
        return self

    def __exit__(self, *exc: object) -> None:
        """Nothing is left."""

    def measure(self, seconds: float) -> Measured:  # noqa: ARG002
        """All answers, whatever `seconds` says: a fraction would touch a fraction of the words."""
        count = QuestionCount(question(0), CLAMP, TICKETS)
        count.add(self._highest)  # memory comes with the first question and stays for all others
        if self._again:
            count.add(self._records)
        stopwatch = Stopwatch()
        with stopwatch:
            for at in range(0, len(self._records), self._batch):
                count.add(self._records[at : at + self._batch])
        passes = 2 if self._again else 1
        if (count.journalled, count.answers) != (passes * len(self._records) + 1, self._fans):
            raise WrongTotals(f"{self.contender.name}: counted {count.answers} of {self._fans}")
        self._ns.append(stopwatch.cpu_s / len(self._records) * 1e9)
        return Measured(len(self._records), stopwatch.cpu_s, stopwatch.wall_s)

    def verify(self) -> str:
        return f"{self.contender.name}: {NS_PER_MERGE.judged(self._ns)}"


class Recounting:
    """`hairpin recount` of a journal in the page cache: checksums, chains, words, cells, scores."""

    def __init__(self, size: int) -> None:
        self._size = size
        self.contender = Contender(
            f"recount of {size // 10**6} M", Guarantees(True, True, True, text="every chain")
        )
        self._s: list[float] = []

    def __enter__(self) -> Recounting:
        with ExitStack() as unfinished:
            self._directory = scratch("recount")
            unfinished.callback(self._remove)
            self._counted = write_night(self._directory, self._size, FANS)
            unfinished.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._remove()

    def _remove(self) -> None:
        shutil.rmtree(self._directory, ignore_errors=True)

    def measure(self, seconds: float) -> Measured:  # noqa: ARG002
        """Once, whatever `seconds` says."""
        stopwatch = Stopwatch()
        with stopwatch:
            found = Recounter(DiskJournal.open(real_world(), self._directory)).run()
        if (found.journalled, found.counted) != (self._size, self._counted):
            raise WrongTotals(f"recounted {found.counted} of {found.journalled}")
        self._s.append(stopwatch.cpu_s / self._size * 100e6)
        return Measured(self._size, stopwatch.cpu_s, stopwatch.wall_s)

    def verify(self) -> str:
        return f"{self.contender.name}: {S_PER_100_M.judged(self._s)}"


class Top:
    """The leaderboard over all fans, after two questions that all of them answered."""

    def __init__(self) -> None:
        self.contender = Contender(
            f"top {PLACES}", Guarantees(scored=True, text="one record is one fan looked at")
        )
        self._bytes: list[float] = []
        self._ms: list[float] = []

    def __enter__(self) -> Top:
        """Also finds out what the tally takes for each fan."""
        before = _memory_bytes("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # the high-water mark begins anew
        self._scores = Scores(TICKETS)
        for number in range(2):
            count = QuestionCount(question(number), CLAMP, TICKETS)
            self._answered_by_all(count, np.random.default_rng(SEED + number))
            self._scores.fold(count.words, question(number), RIGHT)
            count.forget_words()
        self._bytes.append((_memory_bytes("VmHWM") - before) / FANS)
        return self

    def _answered_by_all(self, count: QuestionCount, chance: np.random.Generator) -> None:
        for first in range(0, FANS, _CHUNK):
            count.add(records_of(np.arange(first, min(first + _CHUNK, FANS)), chance))

    def __exit__(self, *exc: object) -> None:
        del self._scores

    def measure(self, seconds: float) -> Measured:
        stopwatch = Stopwatch()
        looked = 0
        while stopwatch.wall_s < seconds:
            before_s = stopwatch.cpu_s
            with stopwatch:
                self._places()
            self._ms.append((stopwatch.cpu_s - before_s) * 1e3)
            looked += FANS
        return Measured(looked, stopwatch.cpu_s, stopwatch.wall_s)

    def _places(self) -> list[tuple[int, int]]:
        """Points and time of the first fans."""
        scores = self._scores
        struck: frozenset[int] = frozenset()
        places, _ = leaderboard(scores.correct, scores.total_ms, struck, PLACES, TieBreak.SHARE, "")
        return [(place.right, place.total_ms) for place in places]

    def verify(self) -> str:
        right, total = self._scores.correct[:FANS], self._scores.total_ms[:FANS]
        best = right == right.max()
        times = np.sort(total[best])[:PLACES].tolist()
        if self._places() != [(int(right.max()), time) for time in times]:
            raise WrongTotals("the leaderboard is not the one that sorting gives")
        judged = (MS_PER_TOP.judged(self._ms), BYTES_PER_FAN.judged(self._bytes))
        return "\n".join(f"{self.contender.name}: {each}" for each in judged)


def _memory_bytes(name: str) -> int:
    """A line of /proc/self/status."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) << 10
    raise LookupError(name)


def runners(options: Options) -> Sequence[Merge | Recounting | Top]:
    """The top first: it measures memory, of which others leave some in the process."""
    chance = np.random.default_rng(SEED)
    top = Top()
    records = records_of(chance.integers(0, FANS, MERGED), chance)
    merges = [Merge(records, batch) for batch in BATCHES]
    recounting = Recounting(JOURNALLED_FULL if options.full else JOURNALLED)
    return [top, *merges, Merge(records, BATCHES[1], again=True), recounting]


PLAN = Plan(
    name="tally",
    title=f"one thread, {FANS // 10**6} M fans, against the goals below",
    base=_MERGE,
    unit="record",
    runners=runners,
)
