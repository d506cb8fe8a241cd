"""The port between what a crowd wants to say and how its bytes travel.

Two engines: `sockets`, a compiled loop for plain HTTP, and `streams`, for TLS and for systems
without epoll. Both carry whole batches, keep one request in flight on each connection, and open
connections again whenever they are lost, so that the crowd outlives any gate.
"""

from __future__ import annotations

from enum import IntFlag
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Codes = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]

LINE_BYTES = 64
"""Room for method and path of a request."""
BODY_BYTES = 160
"""Room for the body of a reply that is kept."""
LOST = -1
"""In place of a status: the connection broke, or no reply came in time."""

ROOM = 8_192
"""Requests that wait for a free connection inside a wire; all others wait with the traffic."""
CONNECT_TIMEOUT_MS = 5_000.0
REPLY_TIMEOUT_MS = 10_000.0
RECONNECT_CAP_MS = 2_000.0
"""Less than a phone's 10 s, since one connection stands for many phones that each try."""
RECONNECT_BASE_MS = 250.0
BREATH_MS = 50.0
"""A connection that was lost is opened again within this time."""


class Flag(IntFlag):
    """How a request travels."""

    HANG_UP = 1
    """Close right after sending, as a phone that loses its network."""
    FRESH = 2
    """On a connection that is made for it."""
    KEEP = 4
    """The reply's body is wanted."""
    ONCE = 8
    """The connection is not used after its reply."""


class Batch(NamedTuple):
    """Requests to send; all of one length n."""

    code: Codes
    """What the traffic knows the request by."""
    line: Bytes
    """Method and path, shape (n, LINE_BYTES)."""
    length: Bytes
    form: Bytes
    """Which rest of a request follows the line; see `forms`."""
    flags: Bytes


class Outcomes(NamedTuple):
    """What became of requests; all of one length n."""

    code: Codes
    status: npt.NDArray[np.int16]
    """HTTP status, 0 for what is no HTTP, or LOST."""
    sent_ms: Reals
    latency_ms: Reals
    body: Bytes
    """Shape (n, BODY_BYTES)."""
    length: Bytes
    """Bytes of a body that was wanted and had room; else 0."""


def pick(outcomes: Outcomes, which: npt.NDArray[np.bool_] | Codes) -> Outcomes:
    """Some of them, by a mask or by their places."""
    return Outcomes(
        outcomes.code[which],
        outcomes.status[which],
        outcomes.sent_ms[which],
        outcomes.latency_ms[which],
        outcomes.body[which],
        outcomes.length[which],
    )


class Wire(Protocol):
    """An engine. Times are of the monotonic clock, in milliseconds."""

    @property
    def lost(self) -> int:
        """Connections that broke, or timed out, while a request was under way."""
        ...

    @property
    def open(self) -> int:
        """Connections that stand."""
        ...

    @property
    def in_flight(self) -> int:
        """Requests that were taken and have no outcome yet."""
        ...

    @property
    def room(self) -> int:
        """How many more requests it takes now."""
        ...

    def submit(self, batch: Batch) -> None:
        """Send these as connections become free; at most `room`."""
        ...

    async def turn(self, longest_ms: float) -> Outcomes:
        """Work for this long, or until nothing is left to do."""
        ...

    def drop_stuck(self, now_ms: float) -> Outcomes:
        """Break connections that wait too long, as a browser's timeout does."""
        ...

    async def stop(self) -> Outcomes:
        """Close everything; what was in flight is lost."""
        ...


def nothing() -> Outcomes:
    """No outcomes."""
    return Outcomes(
        np.zeros(0, np.int64),
        np.zeros(0, np.int16),
        np.zeros(0),
        np.zeros(0),
        np.zeros((0, BODY_BYTES), np.uint8),
        np.zeros(0, np.uint8),
    )
