"""A new TCP connection for each request, as from phones that have not asked for a while.

The generator ends each connection with a reset, so that no port waits to be used again.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bench.load.closed import ANSWERS, BROKEN, DRAIN_NS, ELAPSED_NS, IDLE_NS, UNANSWERED, Found
from bench.load.wire import (
    EVENTS_MAX,
    Bytes,
    Numbers,
    Requests,
    Wire,
    drop,
    join,
    keep,
    latency_bucket,
    listen,
    now_ns,
    read_reply,
    receive,
    write,
)
from hairpin.kernel import compiled
from hairpin.libc import (
    EINPROGRESS,
    EPOLL_CTL_MOD,
    EPOLLIN,
    EPOLLOUT,
    SOCK_NEW,
    address,
    close,
    connect,
    epoll_wait,
    errno,
    setsockopt,
    socket,
)

_AF_INET = 2
_SOCK_STREAM = 1
_SOL_SOCKET = 1
_SO_LINGER = 13
_SOCKADDR_BYTES = 16
_LINGER_BYTES = 8


class Peer(NamedTuple):
    """Where to connect to, as the C library wants it."""

    sockaddr: Bytes
    linger: Bytes


def peer(port: int) -> Peer:
    """The port on 127.0.0.1."""
    family = _AF_INET.to_bytes(2, "little")
    sockaddr = family + port.to_bytes(2, "big") + bytes([127, 0, 0, 1]) + bytes(8)
    linger = (1).to_bytes(4, "little") + bytes(4)
    return Peer(np.frombuffer(sockaddr, np.uint8).copy(), np.frombuffer(linger, np.uint8).copy())


@compiled
def dial(peer: Peer) -> int:
    """A connection that is established or about to be; -1 if that cannot be."""
    fd = socket(_AF_INET, _SOCK_STREAM | SOCK_NEW, 0)
    if fd < 0:
        return -1
    setsockopt(fd, _SOL_SOCKET, _SO_LINGER, address(peer.linger), _LINGER_BYTES)
    refused = connect(fd, address(peer.sockaddr), _SOCKADDR_BYTES) != 0
    if refused and errno() != EINPROGRESS:
        close(fd)
        return -1
    return int(fd)


@compiled
def run_fresh(
    wire: Wire, requests: Requests, peer: Peer, began: Numbers, seconds: float, found: Found
) -> None:
    """Keep as many requests under way as `wire` has places, each on a connection of its own."""
    start = now_ns(wire.time)
    end = start + int(seconds * 1e9)
    active = 0
    for slot in range(wire.fds.size):
        active += _open(wire, requests, peer, began, slot, found)
    before = now_ns(wire.time)
    while active > 0 and before < end + DRAIN_NS:
        count = epoll_wait(wire.epoll, address(wire.events), EVENTS_MAX, 0)
        now = now_ns(wire.time)
        if count <= 0:
            found.totals[IDLE_NS] += now - before
        for i in range(max(count, 0)):
            slot = wire.slot_of_fd[wire.events[i]["fd"]]
            writable = wire.events[i]["events"] & EPOLLOUT
            if writable:
                _speak(wire, requests, slot, found)
            else:
                _hear(wire, slot, began, found)
            if wire.fds[slot] < 0:
                active -= 1
                if now < end:
                    active += _open(wire, requests, peer, began, slot, found)
        before = now
    found.totals[UNANSWERED] += active
    found.totals[ELAPSED_NS] += now_ns(wire.time) - start


@compiled
def _open(
    wire: Wire, requests: Requests, peer: Peer, began: Numbers, slot: int, found: Found
) -> int:
    """Connect, and send if the connection stands already; returns 1, or 0 if there is none."""
    began[slot] = now_ns(wire.time)
    fd = dial(peer)
    if fd < 0:
        found.totals[BROKEN] += 1
        return 0
    # Over loopback the connection mostly stands when `connect` returns.
    join(wire, slot, fd, EPOLLIN if write(requests, fd, 1) else EPOLLOUT)
    return 1


@compiled
def _speak(wire: Wire, requests: Requests, slot: int, found: Found) -> None:
    fd = wire.fds[slot]
    if not write(requests, fd, 1):
        found.totals[BROKEN] += 1
        drop(wire, slot)
        return
    listen(wire, EPOLL_CTL_MOD, fd, EPOLLIN)


@compiled
def _hear(wire: Wire, slot: int, began: Numbers, found: Found) -> None:
    """Take the reply if it is whole, and end the connection."""
    end = receive(wire, slot)
    size, status = read_reply(wire, 0, end) if end > 0 else (end, 0)
    if size > 0:
        found.statuses[status] += 1
        found.totals[ANSWERS] += 1
        found.latencies[latency_bucket(now_ns(wire.time) - began[slot])] += 1
        drop(wire, slot)
    elif size < 0 or not keep(wire, slot, 0, end):
        found.totals[BROKEN] += 1
        drop(wire, slot)
