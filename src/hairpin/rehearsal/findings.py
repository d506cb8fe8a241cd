"""What a rehearsal was asked for and what it measured: the body of a certificate.

Plain types only, so that the file that holds them can be read and checked with any JSON tool.
Counts are requests unless a name says otherwise; times count from the rehearsal's first second.
"""

from __future__ import annotations

import msgspec

Option = str | int | float | bool | None


class Rate(msgspec.Struct, frozen=True):
    """Requests of one kind in the busiest second."""

    kind: str
    """answers | joins | now"""
    target_per_s: float
    """What the plan put into that second; for `now`, less the share of the CDN."""
    reached_per_s: float
    """What was answered with success in the best second."""


class Latency(msgspec.Struct, frozen=True):
    """From the first byte of a request to the last of its reply, as phones saw it; milliseconds."""

    kind: str
    """answers | joins | now"""
    requests: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float


class Series(msgspec.Struct, frozen=True):
    """One entry per second with traffic, all columns of one length; what the charts draw."""

    at_s: tuple[int, ...] = ()
    """Seconds since the rehearsal began, ascending; quiet seconds are left out."""
    offered: tuple[int, ...] = ()
    """Answers that the plan sent in this second."""
    acknowledged: tuple[int, ...] = ()
    refused: tuple[int, ...] = ()
    """Honest answers refused."""
    joins: tuple[int, ...] = ()
    now_requests: tuple[int, ...] = ()
    wall_lag_ms: tuple[float | None, ...] = ()
    """The oldest picture that the wall showed in this second; None: no new picture."""
    gate_cores: tuple[float | None, ...] = ()
    """CPU seconds that all gates used in this second; None where the node could not be asked."""

    def __post_init__(self) -> None:
        """Raises ValueError where the columns differ in length."""
        lengths = {name: len(getattr(self, name)) for name in self.__struct_fields__}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"the columns of a series differ in length: {lengths}")


class LedgerTotals(msgspec.Struct, frozen=True):
    """Section "the ledger" of docs/concepts.md, over the whole rehearsal."""

    balanced: bool
    checked: str
    """full: journal and crowd compared as sets | crowd: the crowd's own side only, where the
    journal could not be read."""
    problems: tuple[str, ...]
    sent: int
    acknowledged: int
    refused: int
    unanswered: int
    journalled: int | None
    counted: int | None
    repeats: int | None


class GateFindings(msgspec.Struct, frozen=True):
    """What the gates spent; None where the node could not be asked."""

    gates: int
    cpu_us_per_answer: float | None
    """CPU microseconds of all gates over all that they served, per acknowledged answer."""
    capacity_answers_per_s_per_core: float | None
    """What planning uses: answers that one core of this machine takes."""
    connections_peak: int
    memory_peak_bytes: int | None
    """Resident memory of the whole node."""


class GeneratorFindings(msgspec.Struct, frozen=True):
    """The crowd itself: a slow one would make a fast node look slow, or an idle one good."""

    processes: int
    same_machine: bool
    """Did crowd and node share their cores?"""
    behind_ms_p99: float
    """How much later than planned requests left."""
    cores_peak: float
    """CPU seconds that the whole crowd used in its busiest second."""


class Findings(msgspec.Struct, frozen=True):
    """All of one rehearsal."""

    started_ms: int
    """Milliseconds since 1970."""
    ended_ms: int
    fans: int
    """How many joined."""
    window_s: float
    """In which the fans of one question answer."""
    seed: int
    options: dict[str, Option]
    """Every option as it was in force, by its name on the command line without `--`."""
    url: str
    """The front door, as the crowd used it."""
    tls: bool
    questions: int
    """How many were rehearsed."""
    rates: tuple[Rate, ...]
    latencies: tuple[Latency, ...]
    series: Series
    refused: dict[str, int]
    """All refused answers by reason, those of late and hostile fans among them."""
    refused_honest: dict[str, int]
    """Of these, what an honest and timely phone was told, retries that succeeded not counted."""
    joins_refused: dict[str, int]
    retries: int
    duplicates: int
    dropped: int
    """Connections that the crowd broke on purpose, as bad networks do."""
    given_up: int
    """Answers of honest fans that never got through."""
    forged: int
    forged_accepted: int
    wall_lag_p50_ms: float | None
    """None: nobody watched a wall."""
    wall_lag_p99_ms: float | None
    ledger: LedgerTotals
    gate: GateFindings
    generator: GeneratorFindings

    def rate(self, kind: str) -> Rate | None:
        return next((rate for rate in self.rates if rate.kind == kind), None)

    def latency(self, kind: str) -> Latency | None:
        return next((latency for latency in self.latencies if latency.kind == kind), None)
