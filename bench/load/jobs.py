"""What the bench asks of its generator, and what the generator found: one JSON line each."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Fans(msgspec.Struct, frozen=True):
    """Fresh answers: one for each fan, with a ticket of this key, to question 0.

    Written where the request holds `PLACE`. Numbers go on from `first`, so that no fan answers
    twice in a run.
    """

    first: int
    count: int
    key_number: int
    key: str
    """16 bytes in hex."""
    choices: int
    countries: int


PLACE = b"?" * 32
"""A ticket, a question's index is `/00`, then choice and elapsed time in hex."""


class Load(StrEnum):
    CLOSED = "closed"
    FRESH = "fresh"
    PACED = "paced"


class Flood(msgspec.Struct, frozen=True):
    """A second stream beside the answers, on half as many connections."""

    request: bytes
    per_s: float


class Job(msgspec.Struct, frozen=True):
    load: Load
    port: int
    request: bytes
    """One request, which may hold `PLACE`."""
    fans: Fans | None = None
    connections: int = 1000
    seconds: float = 3.0
    warm_s: float = 0.3
    """The same before the sample, so that all connections stand and are known."""
    depth: int = 1
    """Closed: requests sent at once. Paced: requests that may wait on one connection."""
    lead: bytes = b""
    """Closed: sent before each request; each turn is both."""
    per_s: float = 0.0
    """Paced: how many requests become due."""
    flood: Flood | None = None


class Result(msgspec.Struct, frozen=True):
    """Of the sample; `acknowledged` counts the warming, too."""

    seconds: float
    statuses: dict[int, int]
    p50_ms: float | None
    p99_ms: float | None
    p999_ms: float | None
    generator_us: float
    """The generator's own processor time per reply, polling in vain left out."""
    sent: int
    """Requests sent in all, so that the next job begins with fans that have not answered."""
    acknowledged: int
    """Every 204, also while warming and draining."""
    broken: int
    """Connections that ended too early or replied something that is not HTTP."""
    unanswered: int
    due: int = 0
    """Paced: requests that became due, sent or not."""
    refused_p99_ms: float | None = None
    """Paced: latency of the replies that are no 204."""
    flood_statuses: dict[int, int] = {}
    flood_sent: int = 0
    flood_due: int = 0

    @property
    def replies(self) -> int:
        return sum(self.statuses.values())


class Ready(msgspec.Struct, frozen=True):
    """All connections stand; the sample begins with the next line that comes."""

    ready: bool = True
