"""One connection: hot requests go straight to the queues, all others to the general server.

Replies keep the order of the requests. While answers wait for their verdict only more answers are
read ahead; anything else on the same connection waits its turn.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import cast

from hairpin.errors import PeerMistake
from hairpin.gate import general
from hairpin.gate import http as hot
from hairpin.gate.doors import Doors

READ_AHEAD_BYTES_MAX = 64 << 10
PIPELINED_MAX = 256
HEAD_TIMEOUT_MS = 10_000
IDLE_TIMEOUT_MS = 75_000


class Connection(asyncio.Protocol):
    """Bytes of one client; `doors` is what all connections of the process share."""

    def __init__(self, doors: Doors) -> None:
        self._doors = doors
        self._rest = b""
        self._pending = 0
        self._replies: list[bytes] = []
        self._serving: asyncio.Task[None] | None = None
        self._block = b""
        """The plain header block that this connection sent last."""
        self._plain = hot.Plain(b"", b"")
        self._paused = False
        self._closing = False

    # --- from the event loop ----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self._peer = str(peer[0]) if peer else ""
        self._port = int(peer[1]) if peer else 0
        self._heard_ms = self._doors.clock.monotonic_ms()
        if not self._doors.enter(self):
            self._transport.close()

    def connection_lost(self, _: Exception | None) -> None:
        self._closing = True
        self._doors.leave(self)
        if self._serving is not None:
            self._serving.cancel()

    def data_received(self, data: bytes) -> None:
        self._heard_ms = self._doors.clock.monotonic_ms()
        self._read(self._rest + data if self._rest else data)

    def pause_writing(self) -> None:
        """The client does not read its replies: take no more requests from it."""
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        if not self._paused:
            self._transport.resume_reading()

    # --- reading ----------------------------------------------------------------------------------

    def _read(self, data: bytes) -> None:
        """Take as many whole requests as may be taken now; keep the rest."""
        at = 0
        while at < len(data) and self._serving is None and not self._closing:
            taken = self._take(data, at)
            if not taken:
                break
            at += taken
        self._rest = data[at:] if at else data
        paused = len(self._rest) > READ_AHEAD_BYTES_MAX
        if paused != self._paused and not self._closing:
            self._paused = paused
            if paused:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    def _take(self, data: bytes, at: int) -> int:
        """Take the request at `at`; returns its size, 0 if it must wait."""
        if data.startswith(hot.ANSWER, at):
            end = self._plain_end(data, at, hot.ANSWER_LINE_BYTES)
            if end:
                return self._answer(data, at, end)
        elif self._pending:
            return 0
        elif data.startswith(hot.NOW, at):
            end = self._plain_end(data, at, len(hot.NOW))
            if end:
                self._now()
                return end - at
        elif data.startswith(hot.JOIN, at):
            end = self._plain_end(data, at, hot.JOIN_LINE_BYTES)
            if end:
                self._join(data[at + len(hot.JOIN) : at + len(hot.JOIN) + 3])
                return end - at
        elif data.startswith(hot.OPTIONS, at):
            end = self._plain_end(data, at, data.find(b"\r\n", at) + 2 - at)
            if end:
                self._write(self._doors.replies.preflight)
                return end - at
        return 0 if self._pending else self._general(data, at)

    def _plain_end(self, data: bytes, at: int, line_bytes: int) -> int:
        """Where the hot request at `at` ends; 0 if it is not hot, or not whole yet."""
        line_end = at + line_bytes
        if data[line_end - len(hot.LINE_END) : line_end] != hot.LINE_END:
            return 0
        end = data.find(hot.HEAD_END, line_end)
        if end < 0 or end - at > general.HEAD_BYTES_MAX:
            return 0
        end += len(hot.HEAD_END)
        block = data[line_end:end]
        if block != self._block:
            plain = self._doors.blocks.read(block)
            if plain is None:
                return 0
            self._block, self._plain = block, plain
        return end

    # --- the hot set ------------------------------------------------------------------------------

    def _answer(self, data: bytes, at: int, end: int) -> int:
        if self._pending >= PIPELINED_MAX:
            return 0
        start = at + len(hot.ANSWER)
        self._pending += 1
        if not self._doors.answers.put(data[start : start + hot.ANSWER_TEXT_BYTES], self):
            asyncio.get_running_loop().call_soon(self.verdict, HTTPStatus.SERVICE_UNAVAILABLE)
        return end - at

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
        if self._rest:
            self._read(self._rest)

    def _now(self) -> None:
        replies = self._doors.replies
        self._doors.count("now")
        asked = self._plain.none_match
        same = bool(asked) and (asked == b"*" or replies.now_etag in hot.etags(asked))
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
            if b"\n" not in data[at : at + 256] and len(data) - at > 8 << 10:
                self._refuse(HTTPStatus.BAD_REQUEST)
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
        self._serving = asyncio.get_running_loop().create_task(self._serve(request, body))
        return size

    async def _serve(self, request: general.Request, body: bytes) -> None:
        doors = self._doors
        reply = await general.serve(
            doors.pages, request, body, self._peer, self._port, doors.replies.date
        )
        self._serving = None
        self._write(reply)
        if not request.keeps_alive:
            self._close()
        elif self._rest:
            self._read(self._rest)

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
        """Close what was begun and not ended, or is idle for too long."""
        quiet_ms = now_ms - self._heard_ms
        waiting_for_us = self._pending or self._serving is not None
        if self._closing or waiting_for_us:
            return
        if self._rest and quiet_ms > HEAD_TIMEOUT_MS:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)
        elif quiet_ms > IDLE_TIMEOUT_MS:
            self._close()

    def drain(self) -> None:
        """The process ends: close now if nothing is owed to the client."""
        if not self._pending and self._serving is None:
            self._close()
