"""Open loop: requests are due at times of their own, whatever has become of those before.

A latency counts from when its request was due, so that a server that stalls is not spared the
requests that would have come meanwhile. Several streams share the loop: honest answers at their
rate, a flood at its own.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bench.load.closed import DRAIN_NS
from bench.load.fresh import Peer, dial
from bench.load.wire import (
    EVENTS_MAX,
    LATENCIES,
    NOT_HTTP,
    STATUSES,
    Numbers,
    Requests,
    Wire,
    drop,
    join,
    keep,
    latency_bucket,
    now_ns,
    read_reply,
    receive,
    write,
)
from hairpin.kernel import compiled
from hairpin.libc import EPOLLIN, address, epoll_wait

AT_ONCE = 64
"""Requests sent before replies are looked at again."""
TRIED_MAX = 32
"""Connections tried for one request before it waits."""
OK = 204
_NEVER = 1 << 60
SENT, DUE, ANSWERED, ENDED, UNANSWERED = range(5)
"""Places in `Stream.totals`."""


class Stream(NamedTuple):
    """One kind of request on connections of its own."""

    requests: Requests
    gap_ns: float
    """Mean time between two requests that are due, the gaps being exponential; 0: silent."""
    first: int
    last: int
    """Its connections are those from `first` to before `last`."""
    statuses: Numbers
    taken: Numbers
    """Latencies of 204s."""
    refused: Numbers
    """Latencies of all others."""
    totals: Numbers
    next_at: Numbers
    """When the next request is due, and the connection to be tried first."""


class Outstanding(NamedTuple):
    """When each request that waits for its reply was due: a ring by connection."""

    due: Numbers
    """Shape (connections, depth)."""
    oldest: Numbers
    held: Numbers


def stream(requests: Requests, per_s: float, first: int, last: int) -> Stream:
    return Stream(
        requests,
        1e9 / per_s if per_s else 0.0,
        first,
        last,
        np.zeros(STATUSES, np.int64),
        np.zeros(LATENCIES, np.int64),
        np.zeros(LATENCIES, np.int64),
        np.zeros(5, np.int64),
        np.zeros(2, np.int64),
    )


def none_outstanding(connections: int, depth: int) -> Outstanding:
    return Outstanding(
        np.zeros((connections, depth), np.int64),
        np.zeros(connections, np.int64),
        np.zeros(connections, np.int64),
    )


@compiled
def run_paced(
    wire: Wire,
    honest: Stream,
    flood: Stream,
    peer: Peer,
    waiting: Outstanding,
    seconds: float,
    seed: int,
) -> tuple[int, int]:
    """Send what becomes due within `seconds`, and wait for the replies.

    Returns the ns that it took, and of these the ns in which there was something to do.
    """
    np.random.seed(seed)
    start = now_ns(wire.time)
    end = start + int(seconds * 1e9)
    for each in (honest, flood):
        wait = int(np.random.exponential(each.gap_ns)) if each.gap_ns else _NEVER
        each.next_at[0] = start + wait
        each.next_at[1] = each.first
    now = start
    owed = 1
    busy = 0
    while now < end or (owed > 0 and now < end + DRAIN_NS):
        now = now_ns(wire.time)
        worked = 0
        if now < end:
            worked += _send_due(wire, honest, peer, waiting, now)
            worked += _send_due(wire, flood, peer, waiting, now)
        count = epoll_wait(wire.epoll, address(wire.events), EVENTS_MAX, 0)
        for i in range(max(count, 0)):
            slot = wire.slot_of_fd[wire.events[i]["fd"]]
            _hear(wire, flood if slot >= flood.first else honest, waiting, slot)
        if worked + count > 0:
            busy += now_ns(wire.time) - now
        owed = honest.totals[SENT] + flood.totals[SENT] - _settled(honest) - _settled(flood)
    took = now_ns(wire.time) - start
    for each in (honest, flood):
        each.totals[DUE] = each.totals[SENT] + _overdue(each, end)
        each.totals[UNANSWERED] = each.totals[SENT] - each.totals[ANSWERED]
    return took, busy


@compiled
def _settled(each: Stream) -> int:
    """Requests that were answered or whose connection broke."""
    return int(each.totals[ANSWERED] + each.totals[UNANSWERED])


@compiled
def _overdue(each: Stream, end: int) -> int:
    """Requests that were due and could not be sent, as no connection took one more."""
    return int(max(end - each.next_at[0], 0) / each.gap_ns) if each.gap_ns else 0


@compiled
def _send_due(wire: Wire, each: Stream, peer: Peer, waiting: Outstanding, now: int) -> int:
    """Returns how many were sent."""
    for sent in range(AT_ONCE):
        if each.next_at[0] > now:
            return sent
        slot = _room(wire, each, peer, waiting)
        if slot < 0:
            return sent
        if not write(each.requests, wire.fds[slot], 1):
            each.totals[ENDED] += 1
            _lose(wire, each, waiting, slot)
            return sent
        depth = waiting.due.shape[1]
        place = (waiting.oldest[slot] + waiting.held[slot]) % depth
        waiting.due[slot, place] = each.next_at[0]
        waiting.held[slot] += 1
        each.totals[SENT] += 1
        each.next_at[0] += int(np.random.exponential(each.gap_ns))
    return AT_ONCE


@compiled
def _room(wire: Wire, each: Stream, peer: Peer, waiting: Outstanding) -> int:
    """A connection that takes one more request, opened anew if need be; -1 if none does."""
    depth = waiting.due.shape[1]
    for _ in range(min(TRIED_MAX, each.last - each.first)):
        slot = each.next_at[1]
        each.next_at[1] = slot + 1 if slot + 1 < each.last else each.first
        if wire.fds[slot] < 0:
            fd = dial(peer)
            if fd < 0:
                return -1
            join(wire, slot, fd, EPOLLIN)
        if waiting.held[slot] < depth:
            return int(slot)
    return -1


@compiled
def _hear(wire: Wire, each: Stream, waiting: Outstanding, slot: int) -> None:
    end = receive(wire, slot)
    now = now_ns(wire.time)
    at = 0
    while at < end:
        size, status = read_reply(wire, at, end)
        if size == 0:
            break
        if size == NOT_HTTP or waiting.held[slot] == 0:
            end = -1
            break
        place = waiting.oldest[slot]
        took = latency_bucket(now - waiting.due[slot, place])
        waiting.oldest[slot] = (place + 1) % waiting.due.shape[1]
        waiting.held[slot] -= 1
        each.statuses[status] += 1
        each.totals[ANSWERED] += 1
        if status == OK:
            each.taken[took] += 1
        else:
            each.refused[took] += 1
        at += size
    if end < 0 or not keep(wire, slot, at, end):
        each.totals[ENDED] += 1
        _lose(wire, each, waiting, slot)


@compiled
def _lose(wire: Wire, each: Stream, waiting: Outstanding, slot: int) -> None:
    """A connection that the server ended: what it owed will not come."""
    each.totals[UNANSWERED] += waiting.held[slot]
    waiting.held[slot] = 0
    drop(wire, slot)
