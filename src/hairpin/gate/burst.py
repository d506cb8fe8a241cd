"""The hot loop of a gate: compiled sweeps take what is hot, the ordinary server gets the rest.

One turn reads every ready socket once, decides all answers and joins in one batch, replies, and
hands on what it does not take: a `Connection` serves those, and gives them back when they are idle.
"""

from __future__ import annotations

import asyncio
import os
import select
import socket

import numpy as np
import numpy.typing as npt

from hairpin import libc
from hairpin.gate import blocks, slices, sweep
from hairpin.gate.connection import IDLE_TIMEOUT_MS, Connection
from hairpin.gate.doors import Doors
from hairpin.gate.http import Replies
from hairpin.gate.limits import peer_number
from hairpin.ticket import CLAIM_CHARS, TICKET_CHARS, Bytes

EVENTS_MAX = 1024
JOINS_MAX = 4_096
REFUSING_SHARE = 8
"""When more comes than a commit may take, one in so many is read only to be refused: refusing costs
nearly as much as counting, so the rest waits in the kernel's buffers, and its senders with it."""
COLD_MAX = 64
"""Connections handed to the ordinary server in one turn when there is nothing else to do."""
COLD_BUSY = 4
"""The same while answers come: a page costs as much as fifty of them."""
COLD_BYTES = 4 << 20
SHORT_BYTES = 8 << 20
REFUSED_MS = 2_000
"""How long a connection beyond the limit may take to ask for its 503."""


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


class Burst:
    """All hot connections of one gate process."""

    def __init__(
        self, doors: Doors, listener: socket.socket, files_max: int, queue_max: int
    ) -> None:
        """`files_max`: how many descriptors this process may have open; `queue_max`: how many
        answers a commit may take."""
        self._doors = doors
        self._listener = listener
        listener.setblocking(False)  # a sweep must never wait
        self._epoll = select.epoll()
        self._listening = False
        self._crowded = False
        self._cold_tasks: set[asyncio.Task[None]] = set()
        self._table = ReplyTable(doors.replies)
        self.turns = 0
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
        self._answers = np.zeros((entries, 32), np.uint8)
        self._joiners = np.zeros(JOINS_MAX, slices.JOINER)
        self._forwarded = np.zeros(2 * slices.PIPELINED_MAX * slices.FORWARDED_BYTES_MAX, np.uint8)
        self._cold = np.zeros(COLD_MAX, sweep.COLD)
        self._cold_bytes = np.zeros(COLD_BYTES, np.uint8)
        self._short = np.zeros(EVENTS_MAX + sweep.ACCEPTS_MAX, sweep.COLD)
        self._short_bytes = np.zeros(SHORT_BYTES, np.uint8)
        self._out = np.zeros(0, np.uint8)
        self._joined = np.zeros(JOINS_MAX, np.int64)
        self._tickets = np.zeros((JOINS_MAX, TICKET_CHARS), np.uint8)
        self._claims = np.zeros((JOINS_MAX, CLAIM_CHARS), np.uint8)

    @property
    def connections(self) -> int:
        return int(self._counts[sweep.HOT])

    def start(self) -> asyncio.Future[None]:
        """Serve until `stop`. The future fails if a turn does, after which nothing is served."""
        loop = asyncio.get_running_loop()
        failed: asyncio.Future[None] = loop.create_future()

        def turn() -> None:
            if failed.done() or self._epoll.closed:
                return
            try:
                self.turn()
            except Exception as error:
                loop.remove_reader(self._epoll.fileno())
                failed.set_exception(error)
            else:
                if self._counts[sweep.NEXT] < self._counts[sweep.READY]:
                    loop.call_soon(turn)  # nobody tells of what was told already

        self.listen(True)
        loop.add_reader(self._epoll.fileno(), turn)
        return failed

    def listen(self, wanted: bool) -> None:
        """Accept new connections, or leave them to the others."""
        if wanted and not self._listening:
            self._epoll.register(self._listener, select.EPOLLIN)
        elif self._listening and not wanted:
            self._epoll.unregister(self._listener)
        self._listening = wanted

    def stop(self) -> None:
        """Answer what has arrived, and close all hot connections."""
        self.listen(False)
        self.turn()
        self._crowded = False
        asyncio.get_running_loop().remove_reader(self._epoll.fileno())
        served = np.flatnonzero(self._state).astype(np.int32)
        self._close(served)
        self._epoll.close()
        self._listener.close()

    # --- one turn ---------------------------------------------------------------------------------

    def turn(self) -> None:
        """Read every socket that is ready once, decide, reply, hand on."""
        self.turns += 1
        doors, counts = self._doors, self._counts
        if self._table.replies is not doors.replies:
            self._table = ReplyTable(doors.replies)
        table = self._table
        if len(self._out) < table.size_max * slices.PIPELINED_MAX:
            self._out = np.zeros(2 * table.size_max * slices.PIPELINED_MAX, np.uint8)
        busy = counts[slices.ENTRIES] > COLD_MAX
        now_ms = doors.clock.now_ms()
        sweep.sweep(
            self._epoll.fileno(),
            self._listener.fileno(),
            doors.room(),
            COLD_BUSY if busy else COLD_MAX,
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
            table.etag,
            slices.WORDS,
            slices.PATH_BYTE,
            blocks.HEAD_END,
            blocks.CLASSES,
            blocks.NAMES,
            blocks.NAME_AT,
            self._blocks,
            self._block_texts,
            counts,
            self._entries,
            self._answers,
            self._joiners,
            self._forwarded,
            self._cold,
            self._cold_bytes,
            self._closing,
        )
        shorts = self._reply(table, now_ms) if counts[slices.ENTRIES] else 0
        if counts[sweep.CLOSINGS]:
            self._close(self._closing[: counts[sweep.CLOSINGS]])
        if counts[sweep.COLDS] or shorts:
            self._hand_over(shorts)
        if counts[sweep.CROWDED]:
            self._crowded = True
            self.listen(False)  # until somebody leaves, or `tend` comes by

    def _reply(self, table: ReplyTable, now_ms: int) -> int:
        counts, doors = self._counts, self._doors
        answers = int(counts[slices.ANSWERS])
        verdicts = _NONE
        if answers:
            text = self._answers.reshape(-1)[: answers * 32]
            verdicts = doors.answers.decide(text, np.full(answers, now_ms, np.int64))
        if counts[slices.JOINS]:
            self._join(int(counts[slices.JOINS]))
        if counts[slices.ENTRIES] > answers:
            self._count()
        return sweep.reply(
            self._epoll.fileno(),
            counts,
            self._entries,
            verdicts,
            self._joined,
            sweep.BY_KIND,
            self._tickets,
            self._claims,
            table.holes,
            table.texts,
            table.place,
            self._out,
            self._state,
            self._short,
            self._short_bytes,
        )

    def _count(self) -> None:
        kinds = np.bincount(
            self._entries["kind"][: self._counts[slices.ENTRIES]], minlength=slices.JOIN + 1
        ).tolist()
        requests = self._doors.requests
        requests["now"] += kinds[slices.NOW] + kinds[slices.NOW_SAME]
        requests["join"] += kinds[slices.JOIN]
        if kinds[0]:
            self._doors.refused["connections"] += kinds[0]

    def _join(self, count: int) -> None:
        joiners = self._joiners[:count]
        sizes = joiners["forwarded_size"].tolist()
        peers = self._peers[joiners["fd"]].tolist()
        forwarded = [b""] * count
        if any(sizes):
            held = self._forwarded.tobytes()
            places = zip(joiners["forwarded_at"].tolist(), sizes, strict=True)
            forwarded = [held[at : at + size] for at, size in places]
        who = joiners["who"].tobytes()
        self._joined[:count] = self._doors.join_many(
            [who[at : at + 3] for at in range(0, 3 * count, 3)],
            [high << 64 | low for high, low in peers],
            forwarded,
            self._tickets,
            self._claims,
        )

    def _close(self, fds: npt.NDArray[np.int32]) -> None:
        epoll = self._epoll.fileno()
        sweep.close_all(epoll, fds, len(fds), self._state, self._counts)
        if self._crowded:
            self._crowded = False
            self.listen(True)

    # --- to the ordinary server and back ----------------------------------------------------------

    def _hand_over(self, shorts: int) -> None:
        """Connections with bytes that are not hot, or with replies that they did not take."""
        handed: dict[int, tuple[bytes, bytes]] = {}
        for fd, at, size in self._cold[: self._counts[sweep.COLDS]].tolist():
            handed[fd] = self._cold_bytes[at : at + size].tobytes(), b""
        for fd, at, size in self._short[:shorts].tolist():
            rest = handed[fd][0] if fd in handed else b""
            if size:
                handed[fd] = rest, self._short_bytes[at : at + size].tobytes()
            else:
                handed.pop(fd, None)
                os.close(fd)
        loop = asyncio.get_running_loop()
        for fd, (rest, unsent) in handed.items():
            task = loop.create_task(self._serve(socket.socket(fileno=fd), rest, unsent))
            self._cold_tasks.add(task)
            task.add_done_callback(self._cold_tasks.discard)

    async def _serve(self, sock: socket.socket, rest: bytes, unsent: bytes) -> None:
        connection = Connection(self._doors, self.take_back, rest)
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(lambda: connection, sock)
        except OSError:  # the client is gone
            sock.close()
        else:
            connection.begin(unsent)

    def take_back(self, sock: socket.socket) -> None:
        """Serve this idle connection again; owns it from now on."""
        fd = sock.fileno()
        with sock:  # which closes it, if it cannot be served
            if fd >= len(self._state) or self._epoll.closed:
                return
            try:
                peer = peer_number(sock)
                self._epoll.register(fd, select.EPOLLIN | select.EPOLLET)
            except OSError:  # the client is gone
                return
            sock.detach()
        self._peers[fd] = peer >> 64, peer & 0xFFFF_FFFF_FFFF_FFFF
        self._state[fd] = sweep.SERVED
        self._heard_ms[fd] = self._doors.clock.now_ms()
        self._counts[sweep.HOT] += 1

    def give(self, count: int) -> list[int]:
        """Up to `count` idle connections to pass on; the caller owns their descriptors."""
        fds: list[int] = np.flatnonzero(self._state == sweep.SERVED)[:count].tolist()
        for fd in fds:
            sweep.release(self._epoll.fileno(), fd, self._state, self._counts)
        return fds

    def tend(self) -> None:
        """Now and then: end what says nothing for too long, and accept again."""
        now_ms = self._doors.clock.now_ms()
        found = sweep.idle(
            self._state,
            self._heard_ms,
            now_ms - IDLE_TIMEOUT_MS,
            now_ms - REFUSED_MS,
            self._closing,
        )
        self._close(self._closing[:found])


_NONE: npt.NDArray[np.int64] = np.zeros(0, np.int64)
