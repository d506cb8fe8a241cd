"""Closed loop: a connection sends its next requests when it has all replies to the last ones.

The loops poll and never sleep: waking a sleeping generator would be charged to the contender,
whose real clients are on other machines.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bench.load.wire import (
    EVENTS_MAX,
    LATENCIES,
    NOT_HTTP,
    STATUSES,
    Numbers,
    Requests,
    Wire,
    drop,
    keep,
    latency_bucket,
    now_ns,
    read_reply,
    receive,
    write,
)
from hairpin.kernel import compiled
from hairpin.libc import address, epoll_wait

DRAIN_NS = 30_000_000_000
"""For the last replies: every acknowledgement is to be known."""
ANSWERS, BROKEN, IDLE_NS, ELAPSED_NS, UNANSWERED = range(5)
"""Places in `Found.totals`."""


class Found(NamedTuple):
    statuses: Numbers
    """Replies by status."""
    latencies: Numbers
    totals: Numbers


class Turns(NamedTuple):
    """Where each connection is; by connection."""

    owed: Numbers
    """Replies that are to come."""
    began: Numbers
    leading: npt.NDArray[np.bool]
    """The lead was sent, and the request not yet."""


def no_found() -> Found:
    return Found(np.zeros(STATUSES, np.int64), np.zeros(LATENCIES, np.int64), np.zeros(5, np.int64))


def no_turns(connections: int) -> Turns:
    return Turns(
        np.zeros(connections, np.int64),
        np.zeros(connections, np.int64),
        np.zeros(connections, np.bool),
    )


@compiled
def run_closed(
    wire: Wire,
    requests: Requests,
    lead: Requests,
    depth: int,
    turns: Turns,
    seconds: float,
    found: Found,
) -> None:
    """Work for `seconds`, then until all that was sent is answered.

    Where `lead` has a length, each turn is the lead, its reply, then the request and its reply.
    """
    start = now_ns(wire.time)
    end = start + int(seconds * 1e9)
    active = 0
    for slot in range(wire.fds.size):
        if wire.fds[slot] >= 0:
            active += _begin(wire, requests, lead, depth, turns, slot, start, found)
    before = now_ns(wire.time)
    while active > 0 and before < end + DRAIN_NS:
        count = epoll_wait(wire.epoll, address(wire.events), EVENTS_MAX, 0)
        now = now_ns(wire.time)
        if count <= 0:
            found.totals[IDLE_NS] += now - before
        for i in range(max(count, 0)):
            slot = wire.slot_of_fd[wire.events[i]["fd"]]
            if not _hear(wire, slot, turns, found):
                active -= 1
            elif turns.owed[slot] == 0:
                active -= 1
                if turns.leading[slot]:
                    turns.leading[slot] = False
                    active += _send(wire, requests, depth, turns, slot, found)
                else:
                    ended = now_ns(wire.time)
                    found.totals[ANSWERS] += depth
                    found.latencies[latency_bucket(ended - turns.began[slot])] += 1
                    if now < end:
                        active += _begin(wire, requests, lead, depth, turns, slot, ended, found)
        before = now
    found.totals[UNANSWERED] += active
    found.totals[ELAPSED_NS] += now_ns(wire.time) - start


@compiled
def _begin(
    wire: Wire,
    requests: Requests,
    lead: Requests,
    depth: int,
    turns: Turns,
    slot: int,
    now: int,
    found: Found,
) -> int:
    """Begin a turn; returns how many connections that makes active: 0 or 1."""
    turns.began[slot] = now
    turns.leading[slot] = lead.length > 0
    if lead.length > 0:
        return _send(wire, lead, 1, turns, slot, found)
    return _send(wire, requests, depth, turns, slot, found)


@compiled
def _send(wire: Wire, requests: Requests, count: int, turns: Turns, slot: int, found: Found) -> int:
    if not write(requests, wire.fds[slot], count):
        found.totals[BROKEN] += 1
        drop(wire, slot)
        return 0
    turns.owed[slot] = count
    return 1


@compiled
def _hear(wire: Wire, slot: int, turns: Turns, found: Found) -> bool:
    """Take the replies that came; false if the connection is of no more use."""
    end = receive(wire, slot)
    at = 0
    while at < end:
        size, status = read_reply(wire, at, end)
        if size == 0:
            break
        if size == NOT_HTTP or turns.owed[slot] == 0:
            end = -1
            break
        found.statuses[status] += 1
        turns.owed[slot] -= 1
        at += size
    if end < 0 or not keep(wire, slot, at, end):
        found.totals[BROKEN] += 1
        drop(wire, slot)
        return False
    return True
