"""Many nights, one after the other on each core, and what came of all of them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from functools import partial
from itertools import count, islice
from multiprocessing import get_context

import msgspec
import structlog
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from sim.night import Night
from sim.outcome import Outcome
from sim.plan import plan_of, questions_of

FAILURES_SHOWN = 10
AHEAD = 4
"""Nights for each process that wait for their turn."""


def one_night(seed: int, profile: str | None, questions: int | None) -> Outcome:
    """In one of the processes of a series."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    return Night(plan_of(seed, profile, questions or questions_of(seed))).run()


class Series:
    def __init__(self, profile: str | None, questions: int | None, jobs: int) -> None:
        self._night = partial(one_night, profile=profile, questions=questions)
        self._jobs = jobs

    def run(self, seeds: Sequence[int]) -> list[Outcome]:
        """These nights, in order of their seeds."""
        return self._collect(iter(seeds), len(seeds))

    def run_for(self, first: int, seconds: float) -> list[Outcome]:
        """New nights from this seed on, until the time is over."""
        end_s = time.monotonic() + seconds
        return self._collect(_until(end_s, first), None)

    def _collect(self, seeds: Iterator[int], total: int | None) -> list[Outcome]:
        outcomes: list[Outcome] = []
        with _bar() as bar, ProcessPoolExecutor(self._jobs, get_context("spawn")) as pool:
            shown = bar.add_task("nights", total=total, failed="")
            waiting: set[Future[Outcome]] = set()
            while True:
                room = self._jobs * AHEAD - len(waiting)
                waiting |= {pool.submit(self._night, seed) for seed in islice(seeds, room)}
                if not waiting:
                    break
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                outcomes += [night.result() for night in done]
                failed = sum(1 for one in outcomes if one.violation)
                told = f"[red]{failed} failed" if failed else ""
                bar.update(shown, completed=len(outcomes), failed=told)
        return sorted(outcomes, key=lambda outcome: outcome.seed)


def _until(end_s: float, first: int) -> Iterator[int]:
    for seed in count(first):
        if time.monotonic() >= end_s:
            return
        yield seed


def _bar() -> Progress:
    parts = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*parts, TimeElapsedColumn(), TextColumn("{task.fields[failed]}"))


class Summary(msgspec.Struct, frozen=True):
    nights: int
    violated: tuple[Outcome, ...]
    loud: int
    """Nights in which the product refused to count, and had reason to."""
    hours: float
    """Of virtual time."""
    seconds: float
    """Of processor time."""
    questions: int
    requests: int
    acknowledged: int
    journalled: int
    counted: int
    repeats: int
    lives: int
    profiles: dict[str, int]
    faults: dict[str, int]

    def as_json(self) -> bytes:
        return msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n"

    def text(self) -> str:
        troubles = sum(self.faults.values())
        lines = [
            f"{self.nights} nights, {self.hours:,.0f} hours of them in {self.seconds:,.0f} s of "
            f"processor time; {self.questions:,} questions, {troubles:,} faults, "
            f"{self.lives:,} processes",
            f"answers sent {self.requests:,}, acknowledged {self.acknowledged:,}; journalled "
            f"{self.journalled:,} = counted {self.counted:,} + repeats {self.repeats:,}",
        ]
        if self.loud:
            lines.append(f"{self.loud} nights went beyond the promises, and the product said so")
        for outcome in self.violated[:FAILURES_SHOWN]:
            lines.append(f"seed {outcome.seed} ({outcome.profile}): {outcome.violation}")
            lines.append(f"  make sim SEED={outcome.seed}")
        verdict = f"{len(self.violated)} nights VIOLATED an invariant"
        lines.append(verdict if self.violated else "all ledgers hold")
        return "\n".join(lines)


def summary(outcomes: Iterable[Outcome]) -> Summary:
    nights = list(outcomes)
    faults: Counter[str] = Counter()
    for night in nights:
        faults.update(night.faults)

    def total(name: str) -> int:
        return sum(getattr(night, name) for night in nights)

    return Summary(
        nights=len(nights),
        violated=tuple(night for night in nights if night.violation),
        loud=sum(1 for night in nights if night.loud and not night.violation),
        hours=sum(night.hours for night in nights),
        seconds=sum(night.seconds for night in nights),
        questions=total("questions"),
        requests=total("requests"),
        acknowledged=total("acknowledged"),
        journalled=total("journalled"),
        counted=total("counted"),
        repeats=total("repeats"),
        lives=total("lives"),
        profiles=dict(Counter(night.profile for night in nights)),
        faults=dict(faults.most_common()),
    )
