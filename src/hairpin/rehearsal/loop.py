"""The compiled loop that drives a crowd's connections: plain HTTP over epoll.

Nothing here knows what a request means: it carries bytes out, finds the end of the reply, and says
what became of it. Descriptors are opened only between two waits, so that an event of a closed one
can never be taken for its successor's.
"""

from __future__ import annotations

import numpy as np

from hairpin import libc
from hairpin.kernel import compiled
from hairpin.rehearsal.links import (
    BEGIN,
    BUSY,
    CONNECTING,
    DOWN,
    END,
    EVENTS,
    IDLE,
    IN_FLIGHT,
    N_CONNECTING,
    N_DONE,
    N_DOWN,
    N_IDLE,
    N_LOST,
    N_OPEN,
    REPLY_BYTES,
    TURN_OUTCOMES,
    Links,
)
from hairpin.rehearsal.reply import GARBAGE, PARTIAL, read_head
from hairpin.rehearsal.wire import (
    BODY_BYTES,
    BREATH_MS,
    CONNECT_TIMEOUT_MS,
    LOST,
    RECONNECT_BASE_MS,
    RECONNECT_CAP_MS,
    REPLY_TIMEOUT_MS,
    Flag,
)

OPENINGS = 512
"""Connections begun between two waits."""
TURNS_ON = 1
"""What `epoll_wait` waits at least, in milliseconds."""

_HANG_UP, _FRESH, _KEEP, _ONCE = (
    int(Flag.HANG_UP),
    int(Flag.FRESH),
    int(Flag.KEEP),
    int(Flag.ONCE),
)
_EINPROGRESS = 115
_EPOLLERR, _EPOLLHUP = 0x008, 0x010
_MONOTONIC = 1
_IPPROTO_TCP, _TCP_NODELAY = 6, 1


@compiled
def seed(number: int) -> None:
    """Of the compiled loop's own dice, which only jitter reconnections."""
    np.random.seed(number)


@compiled
def turn(k: Links, longest_ms: float) -> None:
    """Send, receive and reconnect for this long, or until nothing is left to do."""
    now = _now_ms(k)
    until = now + longest_ms
    k.sums[N_DONE] = 0
    while True:
        _open_due(k, now)
        _hand_out(k, now)
        waiting = k.sums[END] - k.sums[BEGIN] + k.sums[IN_FLIGHT] + k.sums[N_CONNECTING]
        left = until - now
        if waiting == 0 or left <= 0.0 or k.sums[N_DONE] >= TURN_OUTCOMES:
            return
        longest = max(TURNS_ON, int(left))
        number = libc.epoll_wait(int(k.epoll[0]), libc.address(k.events), EVENTS, longest)
        now = _now_ms(k)
        for event in range(number):
            _event(k, int(k.events[event]["fd"]), int(k.events[event]["events"]), now)


@compiled
def drop_stuck(k: Links, now: float) -> None:
    """Break connections that wait for a reply, or for a handshake, too long."""
    k.sums[N_DONE] = 0
    for c in range(len(k.fd)):
        if k.asked[c] and now - k.sent_ms[c] > REPLY_TIMEOUT_MS:
            if k.state[c] == DOWN:
                _done(k, c, LOST, now, 0, 0)  # made for it, and never stood
            else:
                _lose(k, c, now)
        elif k.state[c] == CONNECTING and now > k.wake_ms[c]:
            _failed(k, c, now)


@compiled
def close_all(k: Links, now: float) -> None:
    """The end: every descriptor is closed, every request in flight is lost."""
    k.sums[N_DONE] = 0
    for c in range(len(k.fd)):
        if k.asked[c]:
            _done(k, c, LOST, now, 0, 0)
        if k.fd[c] >= 0:
            libc.close(int(k.fd[c]))
            k.fd[c] = -1
        k.state[c] = DOWN
    k.sums[N_OPEN] = 0


@compiled
def _now_ms(k: Links) -> float:
    libc.clock_gettime(_MONOTONIC, libc.address(k.clock))
    return float(k.clock[0] * 1e3 + k.clock[1] / 1e6)


# --- opening and closing ----------------------------------------------------------------------


@compiled
def _open_due(k: Links, now: float) -> None:
    place = opened = 0
    while place < k.sums[N_DOWN] and opened < OPENINGS:
        c = int(k.down[place])
        if k.wake_ms[c] > now:
            place += 1
            continue
        k.sums[N_DOWN] -= 1
        k.down[place] = k.down[k.sums[N_DOWN]]
        opened += 1
        _connect(k, c, now)


@compiled
def _connect(k: Links, c: int, now: float) -> None:
    fd = libc.socket(int(k.family[0]), libc.SOCK_NEW | 1, 0)
    k.fd[c] = fd
    k.state[c] = CONNECTING
    k.sums[N_CONNECTING] += 1
    k.wake_ms[c] = now + CONNECT_TIMEOUT_MS
    if fd < 0:
        _failed(k, c, now)
        return
    libc.setsockopt(fd, _IPPROTO_TCP, _TCP_NODELAY, libc.address(k.one), 4)
    found = libc.connect(fd, libc.address(k.address), len(k.address))
    begun = found == 0 or libc.errno() == _EINPROGRESS
    if not begun or not _watch(k, c, libc.EPOLL_CTL_ADD, libc.EPOLLOUT):
        _failed(k, c, now)


@compiled
def _watch(k: Links, c: int, operation: int, events: int) -> bool:
    """An event names its connection's place, not its descriptor."""
    k.events[0]["events"] = events
    k.events[0]["fd"] = c
    return libc.epoll_ctl(int(k.epoll[0]), operation, int(k.fd[c]), libc.address(k.events)) == 0


@compiled
def _failed(k: Links, c: int, now: float) -> None:
    """A connection that could not be made; the next try waits longer."""
    k.sums[N_CONNECTING] -= 1
    k.state[c] = DOWN
    if k.asked[c]:
        _done(k, c, LOST, now, 0, 0)
    longest = min(RECONNECT_CAP_MS, RECONNECT_BASE_MS * 2.0 ** k.failures[c])
    k.failures[c] = min(k.failures[c] + 1, 8)
    _down(k, c, now + np.random.random() * longest)


@compiled
def _down(k: Links, c: int, wake_ms: float) -> None:
    """Close the descriptor; the place is filled again at `wake_ms`."""
    if k.fd[c] >= 0:
        libc.close(int(k.fd[c]))
        k.fd[c] = -1
    if k.state[c] == IDLE or k.state[c] == BUSY:
        k.sums[N_OPEN] -= 1
    k.state[c] = DOWN
    k.wake_ms[c] = wake_ms
    k.down[k.sums[N_DOWN]] = c
    k.sums[N_DOWN] += 1


@compiled
def _lose(k: Links, c: int, now: float) -> None:
    """The other side is gone, or what it says cannot be trusted."""
    if k.state[c] == CONNECTING:
        _failed(k, c, now)
        return
    if k.asked[c]:  # else it only stood idle too long
        k.sums[N_LOST] += 1
        _done(k, c, LOST, now, 0, 0)
    _down(k, c, now + np.random.random() * BREATH_MS)


# --- requests ---------------------------------------------------------------------------------


@compiled
def _hand_out(k: Links, now: float) -> None:
    """Requests that wait go to connections that are free."""
    while k.sums[N_IDLE] > 0 and k.sums[BEGIN] < k.sums[END]:
        k.sums[N_IDLE] -= 1
        c = int(k.idle[k.sums[N_IDLE]])
        k.in_stack[c] = 0
        if k.state[c] == IDLE:
            _take(k, c, now)


@compiled
def _rest(k: Links, c: int, now: float) -> None:
    """A connection is free: it takes the next request, or waits for one."""
    k.state[c] = IDLE
    if k.sums[BEGIN] < k.sums[END]:
        _take(k, c, now)
    elif not k.in_stack[c]:
        k.in_stack[c] = 1
        k.idle[k.sums[N_IDLE]] = c
        k.sums[N_IDLE] += 1


@compiled
def _take(k: Links, c: int, now: float) -> None:
    row = k.sums[BEGIN]
    k.sums[BEGIN] += 1
    k.code[c] = k.box_code[row]
    k.length[c] = k.box_length[row]
    k.form[c] = k.box_form[row]
    k.flags[c] = k.box_flags[row]
    for place in range(k.length[c]):
        k.line[c, place] = k.box_line[row, place]
    k.sent_ms[c] = now
    k.asked[c] = 1
    k.sums[IN_FLIGHT] += 1
    k.gone[c] = 0
    k.got[c] = 0
    k.skip[c] = 0
    if k.flags[c] & _FRESH:
        _down(k, c, now)
    else:
        k.state[c] = BUSY
        _send(k, c, now)


@compiled
def _send(k: Links, c: int, now: float) -> None:
    """The rest of the request, as much as the socket takes."""
    form, browser = int(k.form[c]), c % k.begin.shape[1]
    size = int(k.length[c])
    for place in range(size):
        k.scratch[place] = k.line[c, place]
    begin, end = k.begin[form, browser], k.end[form, browser]
    libc.memcpy(libc.address(k.scratch) + size, libc.address(k.text) + begin, end - begin)
    size += end - begin
    first = int(k.gone[c])
    sent = libc.send(int(k.fd[c]), libc.address(k.scratch) + first, size - first, libc.MSG_SEND)
    if sent < 0:
        if libc.errno() != libc.EAGAIN:
            _lose(k, c, now)
            return
        sent = 0
    k.gone[c] = first + sent
    if first + sent < size:
        _watch(k, c, libc.EPOLL_CTL_MOD, libc.EPOLLIN | libc.EPOLLOUT)
    elif k.flags[c] & _HANG_UP:
        _done(k, c, LOST, now, 0, 0)
        _down(k, c, now + np.random.random() * BREATH_MS)
    elif first > 0:
        _watch(k, c, libc.EPOLL_CTL_MOD, libc.EPOLLIN)


@compiled
def _done(k: Links, c: int, status: int, now: float, begin: int, length: int) -> None:
    """What became of the request; a body that is wanted begins at `begin` of the buffer."""
    row = k.sums[N_DONE]
    k.sums[N_DONE] += 1
    k.done_code[row] = k.code[c]
    k.done_status[row] = status
    k.done_sent_ms[row] = k.sent_ms[c]
    k.done_latency_ms[row] = now - k.sent_ms[c]
    kept = length if k.flags[c] & _KEEP and length <= BODY_BYTES else 0
    k.done_length[row] = kept
    for place in range(kept):
        k.done_body[row, place] = k.buffer[c, begin + place]
    k.asked[c] = 0
    k.sums[IN_FLIGHT] -= 1


# --- replies ----------------------------------------------------------------------------------


@compiled
def _event(k: Links, c: int, events: int, now: float) -> None:
    state = k.state[c]
    if state == CONNECTING:
        _connected(k, c, events, now)
    elif state == BUSY and events & libc.EPOLLOUT:
        _send(k, c, now)
    elif state != DOWN:
        _receive(k, c, now)


@compiled
def _connected(k: Links, c: int, events: int, now: float) -> None:
    if events & (_EPOLLERR | _EPOLLHUP) or not _watch(k, c, libc.EPOLL_CTL_MOD, libc.EPOLLIN):
        _failed(k, c, now)
        return
    k.sums[N_CONNECTING] -= 1
    k.sums[N_OPEN] += 1
    k.failures[c] = 0
    if k.asked[c]:
        k.state[c] = BUSY
        _send(k, c, now)
    else:
        _rest(k, c, now)


@compiled
def _receive(k: Links, c: int, now: float) -> None:
    got = int(k.got[c])
    into = libc.address(k.buffer) + c * REPLY_BYTES + got
    number = libc.recv(int(k.fd[c]), into, REPLY_BYTES - got, libc.MSG_RECV)
    if number < 0 and libc.errno() == libc.EAGAIN:
        return
    if number <= 0 or not k.asked[c]:  # gone, or bytes that nobody asked for
        _lose(k, c, now)
        return
    if k.skip[c] > 0:
        k.skip[c] -= number
        if k.skip[c] == 0:
            _finish(k, c, now, int(k.status[c]), k.ends[c] == 1, 0, 0)
        elif k.skip[c] < 0:
            _lose(k, c, now)
        return
    k.got[c] = got + number
    _read(k, c, now)


@compiled
def _read(k: Links, c: int, now: float) -> None:
    got = int(k.got[c])
    status, head, body, ends = read_head(k.buffer[c], got)
    if status == PARTIAL:
        if got < REPLY_BYTES:
            return
        status, head, body, ends = GARBAGE, got, 0, True
    if head + body < got and not ends:
        _lose(k, c, now)  # more than one reply: this connection cannot be trusted
    elif head + body <= got or ends:
        _finish(k, c, now, status, ends, head, body)
    elif head + body > REPLY_BYTES:
        k.skip[c] = head + body - got
        k.status[c] = status
        k.ends[c] = 0
        k.got[c] = 0


@compiled
def _finish(k: Links, c: int, now: float, status: int, ends: bool, begin: int, length: int) -> None:
    once = k.flags[c] & _ONCE
    _done(k, c, status, now, begin, min(length, int(k.got[c]) - begin))
    k.got[c] = 0
    if ends or once:
        _down(k, c, now)
    else:
        _rest(k, c, now)
