"""The port that each way of counting implements, and the runner that feeds and checks it."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from bench.counting.answers import Answers, Batch, Counts, Score
from bench.machine import scratch, two_cores
from bench.report import Contender
from bench.rounds import Measured


class WrongTotals(Exception):
    """A scheme counted something else than it was given."""


class Scheme(Protocol):
    """One way of counting. Time passes only in `count` and `finish`."""

    contender: Contender
    forms: frozenset[str]
    """In which further forms batches are wanted: "text", "rows"."""
    batch: int
    """How many answers `count` gets at once."""

    def start(self, directory: Path) -> None:
        """`directory` is its own, empty, and on a disk. Raises Missing if something is not here."""
        ...

    def begin(self, question: int) -> None:
        """The question opens: what may be prepared before its first answer."""
        ...

    def count(self, batch: Batch) -> None:
        """Take up to `batch` answers, to the guarantees that the scheme states."""
        ...

    def finish(self, question: int) -> None:
        """The question is closed: do what is left until its totals can be read."""
        ...

    def server_cpu_s(self) -> float:
        """Of all server processes until now; 0 where there are none."""
        ...

    def counts(self, question: int) -> Counts: ...

    def score(self) -> Score | None:
        """Over all questions; None where fans have no score."""
        ...

    def stop(self) -> None:
        """Also after a `start` that failed. The directory goes away afterwards."""
        ...


class Counting:
    """Runs one scheme in the bench's rounds: each sample is a question, and its answers' start."""

    def __init__(self, scheme: Scheme, answers: Answers) -> None:
        self.contender = scheme.contender
        self._scheme = scheme
        self._answers = answers
        self._sizes: list[int] = []
        """How many answers each question got."""

    def __enter__(self) -> Counting:
        self._directory = scratch("counting")
        try:
            self._scheme.start(self._directory)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop()

    def _stop(self) -> None:
        try:
            self._scheme.stop()
        finally:
            shutil.rmtree(self._directory, ignore_errors=True)

    def measure(self, seconds: float) -> Measured:
        """CPU seconds are those of both ends: this process while it counts, and the server's."""
        allowed = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {two_cores().generator})
        try:
            return self._measure(seconds)
        finally:
            os.sched_setaffinity(0, allowed)

    def _measure(self, seconds: float) -> Measured:
        scheme, question = self._scheme, len(self._sizes)
        scheme.begin(question)
        server_s = scheme.server_cpu_s()
        stopwatch = Stopwatch()
        at = 0
        while at < len(self._answers) and stopwatch.wall_s < seconds:
            part = slice(at, min(at + scheme.batch, len(self._answers)))
            batch = self._answers.batch(question, part, scheme.forms)
            with stopwatch:
                scheme.count(batch)
            at = part.stop
        with stopwatch:
            scheme.finish(question)
        self._sizes.append(at)
        server_s = scheme.server_cpu_s() - server_s
        return Measured(at, stopwatch.cpu_s + server_s, stopwatch.wall_s)

    def verify(self) -> str:
        """Every question's counts, and the score, against numpy. Raises WrongTotals."""
        deduplicated = self.contender.guarantees.deduplicated
        for question, size in enumerate(self._sizes):
            expected = self._answers.counts(size, deduplicated)
            found = self._scheme.counts(question)
            if not np.array_equal(found, expected):
                raise WrongTotals(
                    f"{self.contender.name}: question {question} got {size} answers; counted "
                    f"{found.sum()} instead of {expected.sum()}, or in other cells"
                )
        score = self._scheme.score()
        if score is not None and score != (wanted := self._answers.score(self._sizes)):
            raise WrongTotals(f"{self.contender.name}: {score} instead of {wanted}")
        scored = "" if score is None else ", score included"
        return f"{self.contender.name}: {sum(self._sizes):,} answers verified{scored}"


class Stopwatch:
    """Adds up this process's wall and CPU time over `with` blocks."""

    def __init__(self) -> None:
        self.wall_s = 0.0
        self.cpu_s = 0.0

    def __enter__(self) -> None:
        self._wall_s, self._cpu_s = time.perf_counter(), time.process_time()

    def __exit__(self, *exc: object) -> None:
        self.wall_s += time.perf_counter() - self._wall_s
        self.cpu_s += time.process_time() - self._cpu_s


def cpu_s(pids: Sequence[int]) -> float:
    """CPU time of these processes in all their threads, to the nanosecond.

    Each process has a clock, whose number follows from the process's as in Linux's
    include/linux/posix-timers.h; /proc would say it to the hundredth of a second.
    """
    total = 0.0
    for pid in pids:
        with contextlib.suppress(OSError):  # it has just ended
            total += time.clock_gettime(~pid << 3 | _CLOCK_SCHEDULED)
    return total


_CLOCK_SCHEDULED = 2
