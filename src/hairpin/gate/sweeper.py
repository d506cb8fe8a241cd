"""The memory of the hot loop: sockets that are watched, and what one sweep found of them."""

from __future__ import annotations

import os
import select
import socket

import numpy as np
import numpy.typing as npt

from hairpin import libc
from hairpin.gate import blocks, slices, sweep
from hairpin.gate.http import Replies
from hairpin.gate.limits import peer_number
from hairpin.ticket import CLAIM_CHARS, TICKET_CHARS, Bytes

EVENTS_MAX = 1024
JOINS_MAX = 4_096
COLD_MAX = 64
"""Connections handed to the ordinary server after one sweep."""
COLD_BYTES = 4 << 20
SHORT_BYTES = 8 << 20
REFUSING_SHARE = 8
"""When more comes than a commit may take, one in so many is read only to be refused: refusing costs
nearly as much as counting, so the rest waits in the kernel's buffers, and its senders with it."""

Verdicts = npt.NDArray[np.int64]


class ReplyTable:
    """Whole replies as one array, as kernels send them."""

    def __init__(self, replies: Replies) -> None:
        self.replies = replies
        joined, holes = replies.joined_holes()
        self.holes = np.array(holes, np.int64)
        by_code = {
            **replies.by_status,
            sweep.NOW_WHOLE: replies.now,
            sweep.NOW_UNCHANGED: replies.now_unchanged,
            sweep.PREFLIGHT_OK: replies.preflight,
            sweep.JOINED: joined,
            sweep.NO_ROOM: replies.closing[503],
        }
        self.texts: Bytes = np.frombuffer(b"".join(by_code.values()), np.uint8)
        self.place = np.zeros((sweep.CODES, 2), np.int64)
        at = 0
        for code, text in by_code.items():
            self.place[code] = at, len(text)
            at += len(text)
        self.etag: Bytes = np.frombuffer(replies.now_etag, np.uint8)
        self.size_max = int(self.place[:, 1].max())


class Sweeper:
    """Sweeps, and replies to what it found. Owns the descriptors that it watches."""

    def __init__(self, listener: socket.socket, files_max: int, queue_max: int) -> None:
        """`files_max`: how many descriptors this process may have open; `queue_max`: how many
        answers a commit may take."""
        listener.setblocking(False)  # a sweep must never wait
        # Connections inherit it: replies are small and must not wait for each other.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._listener = listener
        self.address = listener.getsockname()
        self._epoll = select.epoll()
        # Per descriptor.
        self._state = np.zeros(files_max, np.uint8)
        self._heard_ms = np.zeros(files_max, np.int64)
        self._peers = np.zeros((files_max, 2), np.uint64)
        self._last = np.zeros((files_max, 2), np.int32)
        self._closing = np.zeros(files_max, np.int32)
        # Of one sweep.
        self._counts = np.zeros(sweep.COUNTERS, np.int64)
        self._events = np.zeros(EVENTS_MAX, libc.EPOLL_EVENT)
        self._event = np.zeros(1, libc.EPOLL_EVENT)
        self._address = np.zeros(32, np.uint8)
        self._address_size = np.zeros(1, np.int32)
        self._text = np.zeros(sweep.READ_BYTES, np.uint8)
        self._blocks = np.zeros(blocks.BLOCKS + 1, blocks.BLOCK)
        self._block_texts = np.zeros((blocks.BLOCKS, blocks.BLOCK_BYTES_MAX), np.uint8)
        entries = queue_max + queue_max // REFUSING_SHARE + slices.PIPELINED_MAX
        self._entries = np.zeros(entries, slices.ENTRY)
        self._answers = np.zeros((entries, slices.TEXT_BYTES), np.uint8)
        self._joiners = np.zeros(JOINS_MAX, slices.JOINER)
        self._forwarded = np.zeros(2 * slices.PIPELINED_MAX * slices.FORWARDED_BYTES_MAX, np.uint8)
        self._cold = np.zeros(COLD_MAX, sweep.COLD)
        self._cold_bytes = np.zeros(COLD_BYTES, np.uint8)
        self._short = np.zeros(EVENTS_MAX + sweep.ACCEPTS_MAX, sweep.COLD)
        self._short_bytes = np.zeros(SHORT_BYTES, np.uint8)
        self._out = np.zeros(0, np.uint8)
        self.joined: Verdicts = np.zeros(JOINS_MAX, np.int64)
        """Status of each join of the sweep, to be filled; where it is 201, these rows, too:"""
        self.tickets: Bytes = np.zeros((JOINS_MAX, TICKET_CHARS), np.uint8)
        self.claims: Bytes = np.zeros((JOINS_MAX, CLAIM_CHARS), np.uint8)

    def fileno(self) -> int:
        """Readable when there is something to sweep."""
        return self._epoll.fileno()

    @property
    def closed(self) -> bool:
        return self._epoll.closed

    # --- what the last sweep found ----------------------------------------------------------------

    @property
    def connections(self) -> int:
        return int(self._counts[sweep.HOT])

    @property
    def found(self) -> int:
        """Requests of the last sweep."""
        return int(self._counts[slices.ENTRIES])

    @property
    def unfinished(self) -> bool:
        """Something is ready that nobody will tell of again: sweep once more."""
        return bool(self._counts[sweep.NEXT] < self._counts[sweep.READY])

    @property
    def quiet(self) -> bool:
        """The last sweep found no socket ready."""
        return bool(self._counts[sweep.READY] <= 0)

    @property
    def crowded(self) -> bool:
        """There was no room for another connection."""
        return bool(self._counts[sweep.CROWDED])

    @property
    def ended(self) -> int:
        """How many connections ended with the last sweep."""
        return int(self._counts[sweep.CLOSINGS])

    def answers(self) -> Bytes:
        """TEXT_BYTES of each answer, flat."""
        return self._answers.reshape(-1)[: self._counts[slices.ANSWERS] * slices.TEXT_BYTES]

    def joins(self) -> tuple[list[bytes], list[int], list[bytes]]:
        """Of each join `<band><country>`, the peer's address as a number, X-Forwarded-For."""
        count = int(self._counts[slices.JOINS])
        joiners = self._joiners[:count]
        held = self._forwarded[: self._counts[slices.FORWARDED]].tobytes()
        places = zip(
            joiners["forwarded_at"].tolist(), joiners["forwarded_size"].tolist(), strict=True
        )
        who = joiners["who"].tobytes()
        return (
            [who[at : at + 3] for at in range(0, 3 * count, 3)],
            [high << 64 | low for high, low in self._peers[joiners["fd"]].tolist()],
            [held[at : at + size] for at, size in places],
        )

    def kinds(self) -> list[int]:
        """How many requests of each kind."""
        counts: list[int] = np.bincount(
            self._entries["kind"][: self.found], minlength=slices.JOIN + 1
        ).tolist()
        return counts

    # --- sweeping ---------------------------------------------------------------------------------

    def sweep(self, room: int, cold_room: int, now_ms: int, etag: Bytes) -> None:
        """Read what is ready once. `room`: for how many connections; `cold_room`: how many may be
        handed over; `etag`: of `/now`, with its quotes."""
        sweep.sweep(
            self._epoll.fileno(),
            self._listener.fileno(),
            room,
            min(cold_room, COLD_MAX),
            now_ms,
            self._events,
            self._event,
            self._address,
            self._address_size,
            self._state,
            self._heard_ms,
            self._peers,
            self._last,
            self._text,
            etag,
            self._blocks,
            self._block_texts,
            self._counts,
            self._entries,
            self._answers,
            self._joiners,
            self._forwarded,
            self._cold,
            self._cold_bytes,
            self._closing,
        )

    def reply(self, table: ReplyTable, verdicts: Verdicts) -> dict[int, tuple[bytes, bytes]]:
        """Reply to what was found and close what ended; `verdicts`: the status of each answer.

        Returns the connections for the ordinary server, which owns them now: by descriptor what
        they sent that is not hot, and what they did not take of their replies.
        """
        shorts = self._send(table, verdicts) if self.found else 0
        self.close(self._closing[: self._counts[sweep.CLOSINGS]])
        handed: dict[int, tuple[bytes, bytes]] = {}
        for fd, at, size in self._cold[: self._counts[sweep.COLDS]].tolist():
            handed[fd] = self._cold_bytes[at : at + size].tobytes(), b""
        for fd, at, size in self._short[:shorts].tolist():
            rest, _ = handed.pop(fd, (b"", b""))
            if size:
                handed[fd] = rest, self._short_bytes[at : at + size].tobytes()
            else:
                os.close(fd)
        return handed

    def _send(self, table: ReplyTable, verdicts: Verdicts) -> int:
        if len(self._out) < table.size_max * slices.PIPELINED_MAX:
            self._out = np.zeros(2 * table.size_max * slices.PIPELINED_MAX, np.uint8)
        return sweep.reply(
            self._epoll.fileno(),
            self._counts,
            self._entries,
            verdicts,
            self.joined,
            sweep.BY_KIND,
            self.tickets,
            self.claims,
            table.holes,
            table.texts,
            table.place,
            self._out,
            self._state,
            self._short,
            self._short_bytes,
        )

    # --- connections ------------------------------------------------------------------------------

    def listen(self, wanted: bool) -> None:
        """Accept new connections, or leave them to the others."""
        if wanted:
            self._epoll.register(self._listener, select.EPOLLIN)
        else:
            self._epoll.unregister(self._listener)

    def adopt(self, sock: socket.socket, now_ms: int) -> None:
        """Watch an idle connection; owns it from now on. It is closed if that cannot be."""
        fd = sock.fileno()
        with sock:
            if fd >= len(self._state) or self.closed:
                return
            try:
                peer = peer_number(sock)
                self._epoll.register(fd, sweep.WATCHED)
            except OSError:  # the client is gone
                return
            sock.detach()
        self._peers[fd] = peer >> 64, peer & 0xFFFF_FFFF_FFFF_FFFF
        self._state[fd] = sweep.SERVED
        self._heard_ms[fd] = now_ms
        self._counts[sweep.HOT] += 1

    def give(self, count: int) -> list[int]:
        """Up to `count` connections, not watched any more; the caller owns their descriptors."""
        fds: list[int] = np.flatnonzero(self._state == sweep.SERVED)[:count].tolist()
        for fd in fds:
            sweep.release(self._epoll.fileno(), fd, self._state, self._counts)
        self._forget(np.array(fds, np.int32))
        return fds

    def _forget(self, fds: npt.NDArray[np.int32]) -> None:
        """What was told of them and not read: the numbers may soon be somebody else's."""
        told = self._events["fd"][self._counts[sweep.NEXT] : max(self._counts[sweep.READY], 0)]
        told[np.isin(told, fds)] = -1

    def close(self, fds: npt.NDArray[np.int32]) -> None:
        sweep.close_all(self._epoll.fileno(), fds, len(fds), self._state, self._counts)

    def close_idle(self, before_ms: int, refused_before_ms: int) -> None:
        """Those that said nothing since then; the latter for those beyond the limit."""
        found = sweep.idle(self._state, self._heard_ms, before_ms, refused_before_ms, self._closing)
        self._forget(self._closing[:found])
        self.close(self._closing[:found])

    def end(self) -> None:
        """Close all of them, and the listener."""
        self.close(np.flatnonzero(self._state).astype(np.int32))
        self._epoll.close()
        self._listener.close()
