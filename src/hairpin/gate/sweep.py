"""One sweep over the sockets that are ready, and the replies to what it found: compiled code.

Between two sweeps a hot connection owes nothing and holds no bytes here, so it can be handed on at
any time. Descriptors are closed only after the replies of the sweep: no number means two clients.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hairpin import libc
from hairpin.gate.blocks import Blocks
from hairpin.gate.slices import (
    ENTRIES,
    FORWARDED,
    FORWARDED_BYTES_MAX,
    JOINS,
    PIPELINED_MAX,
    Entries,
    Joiners,
    slice_requests,
)
from hairpin.kernel import compiled
from hairpin.ticket import Bytes

READ_BYTES = 64 << 10
ACCEPTS_MAX = 64
"""New connections in one sweep: the others wait their turn, and other gates may take them."""
REFUSALS_MAX = 16
"""The same of those beyond the limit: refusing must not cost more than a tenth of a sweep."""
REFUSING_MAX = 64
"""Connections beyond the limit that wait for their 503."""

COLD = np.dtype([("fd", np.int32), ("at", np.int32), ("size", np.int32)])
"""A connection for the ordinary server, and where its bytes lie."""
Cold = npt.NDArray[np.void]

# Counters of a sweep, after those of the slices; those from HOT on live from sweep to sweep.
COLDS, COLD_BYTES, CLOSINGS, CROWDED = 4, 5, 6, 7
HOT, REFUSING, READY, NEXT = 8, 9, 10, 11
COUNTERS = 12

WATCHED = libc.EPOLLIN | libc.EPOLLRDHUP | libc.EPOLLET

FREE, SERVED, REFUSED = 0, 1, 2
"""What a descriptor is to the sweep."""

JOINED = 201
"""The reply with ticket and claim code in it."""
# Codes of replies beyond the status codes.
NOW_WHOLE, NOW_UNCHANGED, PREFLIGHT_OK, NO_ROOM = 600, 601, 602, 603
CODES = 604
BY_KIND = np.array([NO_ROOM, 0, NOW_WHOLE, NOW_UNCHANGED, PREFLIGHT_OK], np.int64)
"""Replies that the kind of an entry alone decides."""


@compiled
def _numbers(address: Bytes, peers: npt.NDArray[np.uint64], fd: int) -> None:
    """The peer's address as an IPv6 number of two halves; IPv4 as its mapped form."""
    high = low = np.uint64(0)
    if address[0] == 2:  # AF_INET
        low = np.uint64(0xFFFF)
        for i in range(4, 8):
            low = (low << np.uint64(8)) | np.uint64(address[i])
    else:
        for i in range(8, 16):
            high = (high << np.uint64(8)) | np.uint64(address[i])
            low = (low << np.uint64(8)) | np.uint64(address[i + 8])
    peers[fd, 0] = high
    peers[fd, 1] = low


@compiled
def _control(epoll: int, operation: int, fd: int, event: npt.NDArray[np.void]) -> int:
    """Watch `fd` for bytes; -1 if that fails. Bytes that are there already are told of, too.

    Each arrival is told of once, which saves the kernel asking every socket again after a sweep.
    """
    event["events"][0] = WATCHED
    event["fd"][0] = fd
    return libc.epoll_ctl(epoll, operation, fd, libc.address(event))


@compiled
def _accept(
    listener: int,
    room: int,
    now_ms: int,
    address: Bytes,
    address_size: npt.NDArray[np.int32],
    state: npt.NDArray[np.uint8],
    heard_ms: npt.NDArray[np.int64],
    peers: npt.NDArray[np.uint64],
    counts: npt.NDArray[np.int64],
) -> int:
    """The next new connection, not watched yet; -1 if there is none now."""
    if counts[HOT] >= room and counts[REFUSING] >= REFUSING_MAX:
        counts[CROWDED] = 1
        return -1
    address_size[0] = len(address)
    fd = libc.accept4(listener, libc.address(address), libc.address(address_size), libc.SOCK_NEW)
    if fd < 0:
        error = libc.errno()
        # Not "nobody is there" or "gone already", but: no more descriptors, no more memory.
        if error not in (libc.EAGAIN, libc.EINTR, libc.ECONNABORTED):
            counts[CROWDED] = 1
        return -1
    if fd >= len(state):
        libc.close(fd)
        counts[CROWDED] = 1
        return -1
    if counts[HOT] < room:
        state[fd] = SERVED
        counts[HOT] += 1
    else:
        state[fd] = REFUSED
        counts[REFUSING] += 1
    heard_ms[fd] = now_ms
    _numbers(address, peers, fd)
    return fd


@compiled
def _watch(
    epoll: int,
    fd: int,
    event: npt.NDArray[np.void],
    counts: npt.NDArray[np.int64],
    closing: npt.NDArray[np.int32],
) -> None:
    """Watch a new connection, after its first bytes: often they come with it."""
    if _control(epoll, libc.EPOLL_CTL_ADD, fd, event) < 0:
        closing[counts[CLOSINGS]] = fd
        counts[CLOSINGS] += 1
        counts[CROWDED] = 1


@compiled
def release(
    epoll: int, fd: int, state: npt.NDArray[np.uint8], counts: npt.NDArray[np.int64]
) -> None:
    """Stop watching a connection."""
    libc.epoll_ctl(epoll, libc.EPOLL_CTL_DEL, fd, 0)
    if state[fd] == REFUSED:
        counts[REFUSING] -= 1
    elif state[fd] == SERVED:
        counts[HOT] -= 1
    state[fd] = FREE


@compiled
def _hand_over(
    fd: int,
    text: Bytes,
    at: int,
    size: int,
    cold: Cold,
    bytes_: Bytes,
    counts: npt.NDArray[np.int64],
) -> None:
    number, place = counts[COLDS], counts[COLD_BYTES]
    cold["fd"][number] = fd
    cold["at"][number] = place
    cold["size"][number] = size
    libc.memcpy(libc.address(bytes_) + place, libc.address(text) + at, size)
    counts[COLDS], counts[COLD_BYTES] = number + 1, place + size


@compiled
def _refuse(fd: int, counts: npt.NDArray[np.int64], entries: Entries) -> None:
    """A connection beyond the limit asks for something: 503, and goodbye."""
    entry = counts[ENTRIES]
    entries["fd"][entry] = fd
    entries["kind"][entry] = 0
    counts[ENTRIES] = entry + 1


@compiled
def sweep(
    epoll: int,
    listener: int,
    room: int,
    cold_room: int,
    now_ms: int,
    events: npt.NDArray[np.void],
    event: npt.NDArray[np.void],
    address: Bytes,
    address_size: npt.NDArray[np.int32],
    state: npt.NDArray[np.uint8],
    heard_ms: npt.NDArray[np.int64],
    peers: npt.NDArray[np.uint64],
    last: npt.NDArray[np.int32],
    text: Bytes,
    etag: Bytes,
    blocks: Blocks,
    block_texts: Bytes,
    counts: npt.NDArray[np.int64],
    entries: Entries,
    answers: Bytes,
    joiners: Joiners,
    forwarded: Bytes,
    cold: Cold,
    cold_bytes: Bytes,
    closing: npt.NDArray[np.int32],
) -> None:
    """Read what is ready once. `counts` says how much was found of what.

    `room`: connections that may be served; `cold_room`: how many may be handed over. What finds no
    room stays in the kernel's buffers until the next sweep, which goes on where this one stopped.
    """
    counts[:HOT] = 0
    if counts[NEXT] >= counts[READY]:
        counts[READY] = libc.epoll_wait(epoll, libc.address(events), len(events), 0)
        counts[NEXT] = 0
    accepts = 0
    while counts[NEXT] < counts[READY]:
        if (
            counts[ENTRIES] + PIPELINED_MAX > len(entries)
            or counts[JOINS] + PIPELINED_MAX > len(joiners)
            or counts[FORWARDED] + PIPELINED_MAX * FORWARDED_BYTES_MAX > len(forwarded)
            or counts[COLD_BYTES] + READ_BYTES > len(cold_bytes)
            or counts[COLDS] >= cold_room
        ):
            return
        fd = int(events["fd"][counts[NEXT]])
        ended = events["events"][counts[NEXT]] & libc.EPOLLRDHUP != 0
        fresh = fd == listener
        if fresh:
            fd = -1
            if accepts < (ACCEPTS_MAX if counts[HOT] < room else REFUSALS_MAX):
                fd = _accept(
                    listener, room, now_ms, address, address_size, state, heard_ms, peers, counts,
                )  # fmt: skip
                accepts += 1
        if not fresh or fd < 0:
            counts[NEXT] += 1
        if fd < 0 or state[fd] == FREE:  # given away, or closed meanwhile
            continue
        size = libc.recv(fd, libc.address(text), READ_BYTES, libc.MSG_RECV)
        if size < 0 and (libc.errno() == libc.EAGAIN or libc.errno() == libc.EINTR):
            if fresh:
                _watch(epoll, fd, event, counts, closing)
            continue
        heard_ms[fd] = now_ms
        if size > 0 and state[fd] == REFUSED:
            _refuse(fd, counts, entries)
        if size <= 0 or state[fd] == REFUSED:
            closing[counts[CLOSINGS]] = fd
            counts[CLOSINGS] += 1
            continue
        at = slice_requests(
            text, 0, size, fd, last[fd], etag,
            blocks, block_texts, counts, entries, answers, joiners, forwarded,
        )  # fmt: skip
        if at < size:
            release(epoll, fd, state, counts)
            _hand_over(fd, text, at, size - at, cold, cold_bytes, counts)
        elif fresh:
            _watch(epoll, fd, event, counts, closing)
        elif ended or size == READ_BYTES:  # there is or may be more, which nobody would tell of
            _control(epoll, libc.EPOLL_CTL_MOD, fd, event)


@compiled
def _compose(
    kind: int,
    number: int,
    verdicts: npt.NDArray[np.int64],
    joined: npt.NDArray[np.int64],
    codes: npt.NDArray[np.int64],
) -> int:
    """The code of the reply to an entry; `codes` holds those that its kind alone decides."""
    if kind == 1:
        return int(verdicts[number])
    if kind == 5:
        return int(joined[number])
    return int(codes[kind])


@compiled
def reply(
    epoll: int,
    counts: npt.NDArray[np.int64],
    entries: Entries,
    verdicts: npt.NDArray[np.int64],
    joined: npt.NDArray[np.int64],
    codes: npt.NDArray[np.int64],
    tickets: Bytes,
    claims: Bytes,
    holes: npt.NDArray[np.int64],
    texts: Bytes,
    place: npt.NDArray[np.int64],
    out: Bytes,
    state: npt.NDArray[np.uint8],
    short: Cold,
    short_bytes: Bytes,
) -> int:
    """Send all replies of a sweep, those of one connection together and in order.

    `texts` holds whole replies, `place` where and how long the one of a code is: shape (CODES, 2).
    `holes`: where ticket and claim code stand in the reply with code JOINED. What a client did not
    take goes to `short`; returns how many did not.
    """
    source, target = libc.address(texts), libc.address(out)
    total = counts[ENTRIES]
    shorts = kept = 0
    i = 0
    while i < total:
        fd = int(entries["fd"][i])
        size = 0
        alone = True
        start = source
        while i < total and entries["fd"][i] == fd:
            kind, number = int(entries["kind"][i]), int(entries["number"][i])
            code = _compose(kind, number, verdicts, joined, codes)
            at, long = place[code, 0], place[code, 1]
            follows = i + 1 < total and entries["fd"][i + 1] == fd
            if alone and not follows and code != JOINED:
                start, size = source + at, long
            else:
                alone = False
                start = target
                libc.memcpy(target + size, source + at, long)
                if code == JOINED:
                    libc.memcpy(target + size + holes[0], libc.address(tickets) + number * 20, 20)
                    libc.memcpy(target + size + holes[1], libc.address(claims) + number * 16, 16)
                size += long
            i += 1
        sent = max(libc.send(fd, start, size, libc.MSG_SEND), 0)
        if sent < size and state[fd] != REFUSED:
            # Either the client does not read, or it is gone: the ordinary server finds out.
            if state[fd] == SERVED:
                release(epoll, fd, state, counts)
            if kept + size - sent > len(short_bytes):
                size = sent  # megabytes that nobody reads: this one is cut off
            short["fd"][shorts] = fd
            short["at"][shorts] = kept
            short["size"][shorts] = size - sent
            libc.memcpy(libc.address(short_bytes) + kept, start + sent, size - sent)
            shorts += 1
            kept += size - sent
    return shorts


@compiled
def close_all(
    epoll: int,
    closing: npt.NDArray[np.int32],
    count: int,
    state: npt.NDArray[np.uint8],
    counts: npt.NDArray[np.int64],
) -> None:
    for i in range(count):
        fd = int(closing[i])
        if state[fd] != FREE:  # else its replies were not taken, and it was handed over
            release(epoll, fd, state, counts)
            libc.close(fd)


@compiled
def idle(
    state: npt.NDArray[np.uint8],
    heard_ms: npt.NDArray[np.int64],
    before_ms: int,
    refused_before_ms: int,
    closing: npt.NDArray[np.int32],
) -> int:
    """Connections that said nothing since then, into `closing`; returns how many."""
    found = 0
    for fd in range(len(state)):
        limit_ms = refused_before_ms if state[fd] == REFUSED else before_ms
        if state[fd] != FREE and heard_ms[fd] < limit_ms:
            closing[found] = fd
            found += 1
    return found
