"""One connection: hot requests go straight to the queues, all others to the general server.

Replies keep the order of the requests. While answers wait for their verdict only more answers are
read ahead; anything else on the same connection waits its turn.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from http import HTTPStatus
from typing import cast

from hairpin.errors import PeerMistake
from hairpin.gate import general
from hairpin.gate import http as hot
from hairpin.gate.doors import Doors

READ_AHEAD_BYTES_MAX = 64 << 10
PIPELINED_MAX = 256
REQUEST_TIMEOUT_MS = 10_000
"""From a request's first byte to its last, however busily they trickle."""
IDLE_TIMEOUT_MS = 75_000
STALL_TIMEOUT_MS = 30_000
"""A client that takes nothing of its replies for so long is cut off."""


class Connection(asyncio.Protocol):
    """Bytes of one client; `doors` is what all connections of the process share."""

    def __init__(
        self,
        doors: Doors,
        home: Callable[[socket.socket], None] | None = None,
        rest: bytes = b"",
    ) -> None:
        """`home` takes the connection back when it is idle, if it was handed over by the hot loop
        with `rest`; then `begin` must follow."""
        self._doors = doors
        self._home = home
        self._begun = home is None
        self._rest = rest
        self._pending = 0
        self._replies: list[bytes] = []
        self._in_line = False
        """Waiting at the turnstile of the ordinary server."""
        self._serving: asyncio.Task[None] | None = None
        self._block = b""
        """The plain header block that this connection sent last."""
        self._plain = hot.Plain(b"", b"")
        self._begun_ms = 0.0
        """When the first byte of the request that is not whole yet came."""
        self._unsent = (0, 0.0)
        """Bytes that the client did not take yet, and since when it took nothing of them."""
        self._blocked = False
        """The client does not read its replies."""
        self._paused = False
        """We do not read its requests."""
        self._ended = False
        """The client will send no more."""
        self._closing = False

    # --- from the event loop ----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self._peer = str(peer[0]) if peer else ""
        self._port = int(peer[1]) if peer else 0
        self._heard_ms = self._doors.clock.monotonic_ms()
        self._begun_ms = self._heard_ms
        if not self._doors.enter(self, handed=self._home is not None):
            self._transport.close()

    def begin(self, unsent: bytes) -> None:
        """Go on where the hot loop stopped: with replies that the client did not take yet."""
        self._begun = True
        if unsent:
            self._write(unsent)
        self._proceed()

    def connection_lost(self, _: Exception | None) -> None:
        self._closing = True
        self._doors.leave(self)
        if self._serving is not None:
            self._serving.cancel()

    def data_received(self, data: bytes) -> None:
        self._heard_ms = self._doors.clock.monotonic_ms()
        self._doors.stirred.set()
        if self._begun:
            self._read(self._rest + data if self._rest else data)
            self._settle()
        else:
            self._rest += data

    def eof_received(self) -> bool:
        """The client sends no more, but reads: what it asked for is still answered."""
        self._ended = True
        return self._owes()

    def pause_writing(self) -> None:
        """The client does not read its replies: take no more requests from it."""
        self._blocked = True
        self._pause_reading()

    def resume_writing(self) -> None:
        self._blocked = False
        self._proceed()

    # --- reading ----------------------------------------------------------------------------------

    def _read(self, data: bytes) -> None:
        """Take as many whole requests as may be taken now; keep the rest."""
        at = 0
        while at < len(data) and not (self._at_work() or self._blocked or self._closing):
            taken = self._take(data, at)
            if not taken:
                break
            at += taken
        if at or not self._rest:
            self._begun_ms = self._heard_ms
        self._rest = data[at:] if at else data
        self._pause_reading()

    def _pause_reading(self) -> None:
        """Or read again; the transport hears of changes only."""
        paused = self._blocked or len(self._rest) > READ_AHEAD_BYTES_MAX
        if paused != self._paused and not self._closing:
            self._paused = paused
            if paused:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    def _proceed(self) -> None:
        """After a reply: take what waits; close when the client has ended and has it all."""
        if self._rest or self._paused:
            self._read(self._rest)
        if self._ended and not self._closing and not self._owes():
            self._close()
        self._settle()

    def _settle(self) -> None:
        """Idle again? Then go home, once the replies have left: they do after this turn."""
        if self._home is not None and self._is_idle():
            asyncio.get_running_loop().call_soon(self._go_home)

    def _is_idle(self) -> bool:
        return not (self._rest or self._owes() or self._closing or self._ended or self._paused)

    def _go_home(self) -> None:
        if self._home is None or not self._is_idle() or self._transport.get_write_buffer_size():
            return
        sock = self._transport.get_extra_info("socket")
        try:
            # A descriptor of our own: closing the transport leaves the connection open.
            copy = socket.socket(fileno=os.dup(sock.fileno()))
        except OSError:  # there are no more just now: it stays, and `tend` tries again
            return
        self._close()
        self._home(copy)

    def _owes(self) -> bool:
        """Is the client waiting for us, and not we for it?"""
        waits = bool(self._pending) or self._at_work() or self._blocked
        return waits or not self._begun

    def _at_work(self) -> bool:
        """Is the ordinary server busy with a request of this connection, or soon will be?"""
        return self._in_line or self._serving is not None

    def _take(self, data: bytes, at: int) -> int:
        """Take the request at `at`; returns its size, 0 if it must wait."""
        if line := hot.ANSWER.match(data, at):
            end = self._plain_end(data, at, line.end())
            if end:
                return self._answer(line[1], end - at)
        elif self._pending:
            return 0
        elif data.startswith(hot.NOW, at):
            end = self._plain_end(data, at, at + len(hot.NOW))
            if end:
                self._now()
                return end - at
        elif line := hot.JOIN.match(data, at):
            end = self._plain_end(data, at, line.end())
            if end:
                self._join(line[1])
                return end - at
        elif line := hot.OPTIONS.match(data, at):
            end = self._plain_end(data, at, line.end())
            if end:
                self._write(self._doors.replies.preflight)
                return end - at
        return 0 if self._pending else self._general(data, at)

    def _plain_end(self, data: bytes, at: int, line_end: int) -> int:
        """Where the hot request at `at` ends; 0 if it is not hot, or not whole yet."""
        end = data.find(hot.HEAD_END, line_end)
        if end < 0:
            return 0
        end += len(hot.HEAD_END)
        if end - at > general.HEAD_BYTES_MAX:
            return 0
        block = data[line_end:end]
        if block != self._block:
            plain = self._doors.blocks.read(block)
            if plain is None:
                return 0
            self._block, self._plain = block, plain
        return end

    # --- the hot set ------------------------------------------------------------------------------

    def _answer(self, text: bytes, size_bytes: int) -> int:
        if self._pending >= PIPELINED_MAX:
            return 0
        self._pending += 1
        self._doors.answers.put(text, self)
        return size_bytes

    def verdict(self, status: int) -> None:
        """The verdict on the oldest answer that waits; written together with those behind it."""
        self._pending -= 1
        reply = self._doors.replies.by_status[status]
        if self._pending:
            self._replies.append(reply)
            return
        if self._replies:
            reply = b"".join([*self._replies, reply])
            self._replies.clear()
        self._write(reply)
        self._proceed()

    def _now(self) -> None:
        replies = self._doors.replies
        self._doors.count("now")
        asked = self._plain.none_match
        same = bool(asked) and hot.unchanged(asked, replies.now_etag)
        self._write(replies.now_unchanged if same else replies.now)

    def _join(self, who: bytes) -> None:
        self._doors.count("join")
        made = self._doors.join(who, self._peer, self._plain.forwarded_for)
        if isinstance(made, int):
            self._write(self._doors.replies.by_status[made])
        else:
            self._write(self._doors.replies.joined(*made))

    # --- the general server -----------------------------------------------------------------------

    def _general(self, data: bytes, at: int) -> int:
        """Serve the request at `at` if it is whole; returns its size."""
        end = data.find(hot.HEAD_END, at)
        head_bytes = end + len(hot.HEAD_END) - at if end >= 0 else len(data) - at
        if head_bytes > general.HEAD_BYTES_MAX:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
            return 0
        if end < 0:
            return 0
        try:
            request = general.Request(data[at : at + head_bytes])
        except PeerMistake as mistake:
            self._refuse(mistake.status)
            return 0
        size = head_bytes + request.body_bytes
        if len(data) - at < size:
            return 0
        self._doors.count("general")
        body = data[at + head_bytes : at + size]
        self._in_line = True
        self._doors.turnstile.enter(lambda: self._start(request, body))
        return size

    def _start(self, request: general.Request, body: bytes) -> None:
        self._in_line = False
        if not self._closing:
            self._serving = asyncio.get_running_loop().create_task(self._serve(request, body))

    async def _serve(self, request: general.Request, body: bytes) -> None:
        doors = self._doors
        reply = await general.serve(
            doors.pages, request, body, self._peer, self._port, doors.replies.date
        )
        self._serving = None
        self._write(reply)
        if not request.keeps_alive:
            self._close()
        else:
            self._proceed()

    # --- writing and ending -----------------------------------------------------------------------

    def _write(self, reply: bytes) -> None:
        if not self._closing:
            self._transport.write(reply)

    def _refuse(self, status: HTTPStatus) -> None:
        self._doors.refuse(status)
        self._write(self._doors.replies.closing[status])
        self._close()

    def _close(self) -> None:
        self._closing = True
        self._rest = b""
        self._transport.close()

    def tend(self, now_ms: float) -> None:
        """Now and then: end what was begun and not ended, is idle or is stuck for too long."""
        if self._stalled(now_ms):
            self._transport.abort()
        elif self._closing:
            return
        elif self._owes():
            self._begun_ms = self._heard_ms = now_ms
        elif self._rest and now_ms - self._begun_ms > REQUEST_TIMEOUT_MS:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)
        elif now_ms - self._heard_ms > IDLE_TIMEOUT_MS:
            self._close()
        else:
            self._settle()

    def _stalled(self, now_ms: float) -> bool:
        unsent = self._transport.get_write_buffer_size()
        size, since_ms = self._unsent
        if not unsent or unsent != size:
            self._unsent = (unsent, now_ms)
            return False
        return now_ms - since_ms > STALL_TIMEOUT_MS

    def drain(self) -> None:
        """The process ends: close now if nothing is owed to the client."""
        if not self._owes() and not self._closing:
            self._close()
