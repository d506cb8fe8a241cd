"""What the loops share: requests that are written in place, replies that are checked, time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hairpin.kernel import compiled
from hairpin.libc import (
    EAGAIN,
    EPOLL_CTL_ADD,
    EPOLL_EVENT,
    MSG_RECV,
    MSG_SEND,
    address,
    clock_gettime,
    close,
    epoll_ctl,
    errno,
    recv,
    send,
)

Bytes = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int64]

EVENTS_MAX = 512
BUFFER_BYTES = 1 << 20
CARRY_BYTES = 8192
"""The longest reply that may come in parts."""
STATUSES = 600
FILES_MAX = 1 << 16
PER_DOUBLING = 512
LATENCIES = 24 * PER_DOUBLING
"""Buckets of a histogram: exact below 1,024 us, then within 0.2 %, up to hours."""
GONE = -1
"""The connection has ended."""
NOT_HTTP = -2

_EVENT_BYTES = EPOLL_EVENT.itemsize
_CLOCK_MONOTONIC = 1
_LINE_MIN = 12
_HTTP = 0x48


class Wire(NamedTuple):
    """Connections and what came in on them; all arrays are indexed by connection."""

    epoll: int
    fds: npt.NDArray[np.int32]
    slot_of_fd: npt.NDArray[np.int32]
    events: npt.NDArray[np.void]
    """What epoll tells, and one place more to tell it."""
    buffer: Bytes
    carries: Bytes
    """Beginnings of replies, shape (connections, CARRY_BYTES)."""
    carried: Numbers
    learned: Numbers
    """By status: size of the head, and where in it the value of Content-Length begins; 0: none."""
    time: Numbers
    """A timespec, to be filled by the C library."""


class Requests(NamedTuple):
    """Requests of one length that differ in one place."""

    text: Bytes
    """As many copies of the request as are sent at once."""
    length: int
    patch_at: int
    patches: Bytes
    """What stands there, shape (n, width)."""
    cursor: Numbers
    """How many were sent; more than n are sent again from the first."""


def wire(epoll: int, connections: int) -> Wire:
    return Wire(
        epoll,
        np.full(connections, -1, np.int32),
        np.full(FILES_MAX, -1, np.int32),
        np.zeros(EVENTS_MAX + 1, EPOLL_EVENT),
        np.zeros(BUFFER_BYTES, np.uint8),
        np.zeros((connections, CARRY_BYTES), np.uint8),
        np.zeros(connections, np.int64),
        np.zeros((STATUSES, 2), np.int64),
        np.zeros(2, np.int64),
    )


@compiled
def now_ns(time: Numbers) -> int:
    clock_gettime(_CLOCK_MONOTONIC, address(time))
    return int(time[0] * 1_000_000_000 + time[1])


@compiled
def latency_bucket(took_ns: int) -> int:
    value = max(took_ns, 0) // 1000
    shift = 0
    while value >> shift >= 2 * PER_DOUBLING:
        shift += 1
    return min(shift * PER_DOUBLING + (value >> shift), LATENCIES - 1)


def latency_us(bucket: int) -> float:
    """The middle of a bucket."""
    shift = max(bucket // PER_DOUBLING - 1, 0)
    return float((bucket - shift * PER_DOUBLING + 0.5) * (1 << shift))


def quantile_ms(counts: Numbers, share: float) -> float | None:
    """None if nothing was counted."""
    total = int(counts.sum())
    if not total:
        return None
    bucket = int(np.searchsorted(np.cumsum(counts), max(share * total, 1)))
    return latency_us(bucket) / 1000


@compiled
def write(requests: Requests, fd: int, count: int) -> bool:
    """Send the next `count` requests at once; false if the socket did not take them all."""
    patches = requests.patches
    rows, width = patches.shape
    for i in range(count):
        row = (requests.cursor[0] + i) % rows
        at = i * requests.length + requests.patch_at
        for j in range(width):
            requests.text[at + j] = patches[row, j]
    size = count * requests.length
    if send(fd, address(requests.text), size, MSG_SEND) != size:
        return False
    requests.cursor[0] += count
    return True


@compiled
def receive(wire: Wire, slot: int) -> int:
    """Read what came; returns the bytes in `buffer`, what was carried over first, or GONE."""
    carried = wire.carried[slot]
    for i in range(carried):
        wire.buffer[i] = wire.carries[slot, i]
    room = wire.buffer.size - carried
    got = recv(wire.fds[slot], address(wire.buffer) + carried, room, MSG_RECV)
    if got > 0:
        return int(carried + got)
    if got < 0 and errno() == EAGAIN:
        return int(carried)
    return GONE


@compiled
def keep(wire: Wire, slot: int, at: int, end: int) -> bool:
    """Carry the beginning of a reply over to the next read; false if it is too long."""
    size = end - at
    if size > CARRY_BYTES:
        return False
    for i in range(size):
        wire.carries[slot, i] = wire.buffer[at + i]
    wire.carried[slot] = size
    return True


@compiled
def drop(wire: Wire, slot: int) -> None:
    """Close a connection."""
    fd = wire.fds[slot]
    wire.slot_of_fd[fd] = -1
    wire.fds[slot] = -1
    wire.carried[slot] = 0
    close(fd)


@compiled
def listen(wire: Wire, operation: int, fd: int, events: int) -> None:
    """Say what is to be heard of a connection."""
    wire.events[EVENTS_MAX]["events"] = events
    wire.events[EVENTS_MAX]["fd"] = fd
    epoll_ctl(wire.epoll, operation, fd, address(wire.events) + EVENTS_MAX * _EVENT_BYTES)


@compiled
def join(wire: Wire, slot: int, fd: int, events: int) -> None:
    """Take up a new connection and listen to it."""
    wire.fds[slot] = fd
    wire.slot_of_fd[fd] = slot
    wire.carried[slot] = 0
    listen(wire, EPOLL_CTL_ADD, fd, events)


@compiled
def read_reply(wire: Wire, at: int, end: int) -> tuple[int, int]:
    """(bytes, status) of the reply at `at`; 0 bytes if it is not whole, or NOT_HTTP."""
    buffer = wire.buffer
    if end - at < _LINE_MIN:
        return 0, 0
    status = 0
    for i in range(9, 12):
        status = status * 10 + int(buffer[at + i]) - 48
    if buffer[at] != _HTTP or not 100 <= status < STATUSES:
        return NOT_HTTP, 0
    if not _head_fits(wire, at, end, status) and not _learn(wire, at, end, status):
        return 0, status
    size = wire.learned[status, 0]
    value_at = wire.learned[status, 1]
    if value_at:
        body = 0
        i = at + value_at
        while 48 <= buffer[i] <= 57:
            body = body * 10 + int(buffer[i]) - 48
            i += 1
        size += body
    return (int(size), status) if at + size <= end else (0, status)


@compiled
def _head_fits(wire: Wire, at: int, end: int, status: int) -> bool:
    """Is this head laid out as the last one of its status? Else it is read anew."""
    head = wire.learned[status, 0]
    if head == 0 or at + head > end or not _ends_head(wire.buffer, at + head - 4):
        return False
    value_at = wire.learned[status, 1]
    return bool(value_at == 0 or wire.buffer[at + value_at - 1] == 32)


@compiled
def _ends_head(buffer: Bytes, at: int) -> bool:
    return bool(
        buffer[at] == 13 and buffer[at + 1] == 10 and buffer[at + 2] == 13 and buffer[at + 3] == 10
    )


@compiled
def _learn(wire: Wire, at: int, end: int, status: int) -> bool:
    """Read a head's layout; false if it is not whole."""
    buffer = wire.buffer
    name = b"content-length: "
    value_at = 0
    for i in range(at, end - 3):
        if _ends_head(buffer, i):
            bodiless = status in (204, 304)
            wire.learned[status, 0] = i + 4 - at
            wire.learned[status, 1] = 0 if bodiless else value_at
            return True
        if buffer[i] == 10 and i + 1 + len(name) < end:
            same = True
            for j in range(len(name)):
                same = same and (buffer[i + 1 + j] | 32) == name[j]
            if same:
                value_at = i + 1 + len(name) - at
    return False
