"""What a run of the bench found: samples, ratios within one state of the machine, goals, files.

A ratio is taken between samples of the same round and the same state only. Fewer than
`VERDICT_N` such pairs are no verdict.
"""

from __future__ import annotations

import statistics
from enum import StrEnum
from pathlib import Path

import msgspec

VERDICT_N = 3
NEAR_NS = 100.0
"""Below this a cache line crosses between the two cores quickly; see bench/README.md."""


class Nearness(StrEnum):
    NEAR = "near"
    FAR = "far"
    MOVED = "moved"
    """It changed during the sample, which is compared with nothing."""


class State(msgspec.Struct, frozen=True):
    """The machine while one sample was taken."""

    ping_pong_ns: tuple[float, float]
    """One way between the two cores, before and after."""
    fdatasync_us_p50: float
    foreign_cpu: float
    """Processors' share used by processes that are not the bench's, 0 to 1 of all cores."""

    @property
    def nearness(self) -> Nearness:
        near = {ns < NEAR_NS for ns in self.ping_pong_ns}
        if len(near) > 1:
            return Nearness.MOVED
        return Nearness.NEAR if True in near else Nearness.FAR


class Guarantees(msgspec.Struct, frozen=True):
    """What a contender has done when it says that an answer is taken."""

    durable: bool = False
    """On disk, synced."""
    deduplicated: bool = False
    """One answer for each fan and question."""
    scored: bool = False
    """Counted by choice, and each fan's points and time kept."""
    verified: bool = False
    """The ticket's signature was checked."""
    text: str = ""

    def __str__(self) -> str:
        names = ("durable", "deduplicated", "scored", "verified")
        held = [name for name in names if getattr(self, name)]
        return "; ".join(part for part in (", ".join(held) or "none", self.text) if part)


class Contender(msgspec.Struct, frozen=True):
    name: str
    guarantees: Guarantees


class Sample(msgspec.Struct, frozen=True):
    """One contender, once."""

    contender: str
    round: int
    answers: int
    cpu_us_per_answer: float
    """Of all processes of the contender, or of both ends where the group says so."""
    answers_per_s: float
    p50_ms: float | None
    p99_ms: float | None
    state: State
    extra: dict[str, float] = {}
    """Further figures, such as bytes of memory, by name with its unit; each has a column."""

    def figure(self, name: str) -> float | None:
        """A field or a further figure; None where this sample has none."""
        found: float | None = self.extra.get(name, getattr(self, name, None))
        return found


COST = "cpu_us_per_answer"


class Bound(msgspec.Struct, frozen=True):
    """A goal: a figure of `contender`, divided by that of `base`, is within these."""

    contender: str
    base: str
    """Empty: the figure itself."""
    at_most: float | None = None
    at_least: float | None = None
    figure: str = COST
    """A field of a sample, or one of its further figures."""

    def __str__(self) -> str:
        times = f" x {self.base}" if self.base else ""
        sides = [
            f"at {side} {value:g}{times}"
            for side, value in (("most", self.at_most), ("least", self.at_least))
            if value is not None
        ]
        what = "" if self.figure == COST else f", {self.figure}"
        return f"{self.contender}{what}: {' and '.join(sides)}"

    def holds(self, ratio: float) -> bool:
        low = self.at_least if self.at_least is not None else 0.0
        return low <= ratio and (self.at_most is None or ratio <= self.at_most)


class Absent(msgspec.Struct, frozen=True):
    """A contender that this machine has not, and what would bring it."""

    contender: str
    why: str


class Group(msgspec.Struct, frozen=True):
    """One table: contenders measured in interleaved rounds on the same requests."""

    name: str
    title: str
    base: str
    unit: str
    """What one "answer" is here: an answer, a pair of requests, a join."""
    contenders: tuple[Contender, ...]
    samples: tuple[Sample, ...]
    bounds: tuple[Bound, ...] = ()
    absent: tuple[Absent, ...] = ()
    notes: tuple[str, ...] = ()
    """Such as totals that were verified."""


class Ratio(msgspec.Struct, frozen=True):
    """Cost of a contender divided by that of a base, over pairs of one state."""

    nearness: Nearness
    n: int
    median: float
    low: float
    high: float

    @property
    def verdict(self) -> bool:
        return self.n >= VERDICT_N

    def __str__(self) -> str:
        spread = f" ({self.low:.3g} to {self.high:.3g})" if self.n > 1 else ""
        return f"{self.median:.3g}{spread}"


class BoundVerdict(StrEnum):
    MET = "met"
    MISSED = "missed"
    NONE = "no verdict"


class Judged(msgspec.Struct, frozen=True):
    bound: Bound
    verdict: BoundVerdict
    ratios: tuple[Ratio, ...]

    def __str__(self) -> str:
        found = ", ".join(f"{ratio} n={ratio.n} {ratio.nearness}" for ratio in self.ratios)
        return f"{self.verdict}: {self.bound}; found {found or 'no pair in one state'}"


def ratios(
    samples: tuple[Sample, ...], contender: str, base: str, figure: str = COST
) -> tuple[Ratio, ...]:
    """One per state in which there are pairs, `near` first; without a base, the figure itself."""
    found = []
    for nearness in (Nearness.NEAR, Nearness.FAR):
        of_state = [sample for sample in samples if sample.state.nearness is nearness]
        mine = _by_round(of_state, contender, figure)
        bases = _by_round(of_state, base, figure) if base else dict.fromkeys(mine, 1.0)
        pairs = [value / bases[number] for number, value in mine.items() if bases.get(number)]
        if pairs:
            middle = statistics.median(pairs)
            found.append(Ratio(nearness, len(pairs), middle, min(pairs), max(pairs)))
    return tuple(found)


def across_states(samples: tuple[Sample, ...], bound: Bound) -> float | None:
    """The median ratio of all rounds, whatever state each sample was taken in. Only for goals so
    loose that a change of state, which moves ratios by a third, cannot decide them."""
    every = list(samples)
    mine = _by_round(every, bound.contender, bound.figure)
    bases = _by_round(every, bound.base, bound.figure) if bound.base else dict.fromkeys(mine, 1.0)
    pairs = [value / bases[number] for number, value in mine.items() if bases.get(number)]
    return statistics.median(pairs) if pairs else None


def _by_round(samples: list[Sample], contender: str, figure: str) -> dict[int, float]:
    values = {
        sample.round: sample.figure(figure) for sample in samples if sample.contender == contender
    }
    return {number: value for number, value in values.items() if value is not None}


def judge(group: Group) -> tuple[Judged, ...]:
    """Each bound of the group; it is met when it holds in every state that allows a verdict."""
    return tuple(_judge(bound, group.samples) for bound in group.bounds)


def _judge(bound: Bound, samples: tuple[Sample, ...]) -> Judged:
    found = ratios(samples, bound.contender, bound.base, bound.figure)
    firm = [ratio for ratio in found if ratio.verdict]
    if not firm:
        return Judged(bound, BoundVerdict.NONE, found)
    holds = all(bound.holds(ratio.median) for ratio in firm)
    return Judged(bound, BoundVerdict.MET if holds else BoundVerdict.MISSED, found)


class Run(msgspec.Struct, frozen=True):
    """What `bench/results/<date>-<group>.json` holds."""

    at: str
    """ISO 8601, UTC."""
    machine: dict[str, str]
    versions: dict[str, str]
    options: dict[str, str | int | float | bool | None]
    group: Group
    judged: tuple[Judged, ...]


def write(run: Run, directory: Path) -> Path:
    """Write the run's file; the newest of a day and group replaces older ones."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{run.at[:10]}-{run.group.name}.json"
    unfinished = path.with_suffix(".tmp")
    unfinished.write_bytes(msgspec.json.format(msgspec.json.encode(run)) + b"\n")
    unfinished.replace(path)
    return path
