"""A crowd's connections as arrays: every connection is one place in all of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hairpin import libc
from hairpin.rehearsal.wire import BODY_BYTES, LINE_BYTES, ROOM, Bytes, Codes, Reals

REPLY_BYTES = 4_096
"""A longer body is read and forgotten; a longer head is refused."""
EVENTS = 512
TURN_OUTCOMES = 8_192

DOWN, CONNECTING, IDLE, BUSY = 0, 1, 2, 3

# Places in `sums`.
N_IDLE, N_DOWN, IN_FLIGHT, N_LOST, N_OPEN, BEGIN, END, N_DONE, N_CONNECTING = range(9)
COUNTS = 9

Ints = npt.NDArray[np.int32]


class Links(NamedTuple):
    """Arrays with one place per connection unless a comment says otherwise."""

    fd: Ints
    state: Bytes
    asked: Bytes
    """1: a request was taken and has no outcome yet."""
    in_stack: Bytes
    failures: Bytes
    row: Ints
    """Which request of the outbox this connection carries."""
    gone: Ints
    """Bytes of the request that were sent."""
    got: Ints
    """Bytes in the buffer."""
    skip: Codes
    """Bytes of a long body that are still to come."""
    status: Ints
    """Of the reply whose body is being skipped."""
    ends: Bytes
    sent_ms: Reals
    wake_ms: Reals
    """When a connection that is down is opened again, or a connecting one is given up."""
    buffer: Bytes
    """(connections, REPLY_BYTES)"""
    idle: Ints
    """A stack; entries may be out of date."""
    down: Ints
    sums: Codes
    """(COUNTS,): N_IDLE and so on."""
    # The request that each connection carries, kept until its outcome.
    code: Codes
    line: Bytes
    """(connections, LINE_BYTES)"""
    length: Bytes
    form: Bytes
    flags: Bytes
    # Requests that wait: (ROOM, ...), from BEGIN to END.
    box_code: Codes
    box_line: Bytes
    box_length: Bytes
    box_form: Bytes
    box_flags: Bytes
    # Outcomes of this turn: the first N_DONE.
    done_code: Codes
    done_status: npt.NDArray[np.int16]
    done_sent_ms: Reals
    done_latency_ms: Reals
    done_body: Bytes
    done_length: Bytes
    # Scratch and what never changes.
    text: Bytes
    begin: Codes
    end: Codes
    address: Bytes
    family: Ints
    scratch: Bytes
    events: npt.NDArray[np.void]
    clock: Codes
    one: Ints
    epoll: Ints


def make(
    number: int, text: Bytes, begin: Codes, end: Codes, address: Bytes, family: int, epoll: int
) -> Links:
    """`number` connections, all down, to the socket address `address` (bytes of its C struct)."""
    longest = int((end - begin).max()) + LINE_BYTES
    outcomes = TURN_OUTCOMES + 2 * EVENTS + 2 * number
    byte, i4, i8, f8 = np.uint8, np.int32, np.int64, np.float64
    links = Links(
        fd=np.full(number, -1, i4),
        state=np.zeros(number, byte),
        asked=np.zeros(number, byte),
        in_stack=np.zeros(number, byte),
        failures=np.zeros(number, byte),
        row=np.zeros(number, i4),
        gone=np.zeros(number, i4),
        got=np.zeros(number, i4),
        skip=np.zeros(number, i8),
        status=np.zeros(number, i4),
        ends=np.zeros(number, byte),
        sent_ms=np.zeros(number, f8),
        wake_ms=np.zeros(number, f8),
        buffer=np.zeros((number, REPLY_BYTES), byte),
        idle=np.zeros(number, i4),
        down=np.arange(number, dtype=i4),
        sums=np.zeros(COUNTS, i8),
        code=np.zeros(number, i8),
        line=np.zeros((number, LINE_BYTES), byte),
        length=np.zeros(number, byte),
        form=np.zeros(number, byte),
        flags=np.zeros(number, byte),
        box_code=np.zeros(ROOM, i8),
        box_line=np.zeros((ROOM, LINE_BYTES), byte),
        box_length=np.zeros(ROOM, byte),
        box_form=np.zeros(ROOM, byte),
        box_flags=np.zeros(ROOM, byte),
        done_code=np.zeros(outcomes, i8),
        done_status=np.zeros(outcomes, np.int16),
        done_sent_ms=np.zeros(outcomes, f8),
        done_latency_ms=np.zeros(outcomes, f8),
        done_body=np.zeros((outcomes, BODY_BYTES), byte),
        done_length=np.zeros(outcomes, byte),
        text=np.array(text),
        begin=np.array(begin),
        end=np.array(end),
        address=np.array(address),
        family=np.array([family], i4),
        scratch=np.zeros(longest, byte),
        events=np.zeros(EVENTS, libc.EPOLL_EVENT),
        clock=np.zeros(2, i8),
        one=np.ones(1, i4),
        epoll=np.array([epoll], i4),
    )
    links.sums[N_DOWN] = number
    return links
