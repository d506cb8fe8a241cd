"""The wire for TLS, and for systems without epoll: asyncio's own connections.

It costs far more than `sockets`, for Python has its turn with each request, and TLS comes on top:
give a crowd behind TLS its own machine, and more processes.
"""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from collections import deque
from typing import cast

import numpy as np

from hairpin.rehearsal.forms import Forms
from hairpin.rehearsal.reply import PARTIAL, read_head
from hairpin.rehearsal.wire import (
    BODY_BYTES,
    BREATH_MS,
    CONNECT_TIMEOUT_MS,
    LOST,
    RECONNECT_BASE_MS,
    RECONNECT_CAP_MS,
    REPLY_TIMEOUT_MS,
    ROOM,
    Batch,
    Flag,
    Outcomes,
    nothing,
)

REPLY_BYTES_MAX = 1 << 20


class Link(asyncio.Protocol):
    """One connection; `code` is the request in flight."""

    def __init__(self, owner: Streams, browser: int) -> None:
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.busy = False
        self.given_back = False
        """We closed it ourselves, so that it does not count as lost."""
        self.code = 0
        self.flags = 0
        self.at_ms = 0.0
        self.browser = browser
        self._owner = owner
        self._partial = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._owner.opened(self)

    def send(self, request: bytes, code: int, flags: int) -> None:
        """The connection must be idle."""
        self.busy, self.code, self.flags, self.at_ms = True, code, flags, _now_ms()
        if self._transport is not None:
            self._transport.write(request)
        if flags & Flag.HANG_UP:
            self.close()

    def close(self) -> None:
        """What was written is still sent."""
        self.given_back = True
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if self.flags & Flag.HANG_UP:
            return
        data = self._partial + data
        status, head, length, ends = read_head(np.frombuffer(data, dtype=np.uint8), len(data))
        end = head + length
        if (status == PARTIAL or end > len(data)) and len(data) < REPLY_BYTES_MAX and not ends:
            self._partial = data
            return
        self._partial = b""
        if not self.busy or status == PARTIAL or (end < len(data) and not ends):
            self.abort()  # bytes that nobody asked for: this connection cannot be trusted
            return
        self.busy = False
        self._owner.replied(self, status, data[head:end])
        if ends or self.flags & Flag.ONCE:
            self.close()
        else:
            self._owner.rested(self)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, _error: Exception | None) -> None:
        if self.gone.done():
            return
        self._owner.closed(self)
        self.given_back = True
        self.gone.set_result(None)


class Streams:
    """Keeps `number` connections open to one address."""

    def __init__(
        self,
        host: str,
        port: int,
        number: int,
        forms: Forms,
        seed: int,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.lost = 0
        self._host = host
        self._port = port
        self._number = number
        self._forms = forms
        self._dice = random.Random(seed)
        self._tls = tls
        self._box: deque[tuple[int, bytes, int]] = deque()
        self._fresh: deque[tuple[bytes, int, int]] = deque()
        """They go first over connections that are opened next."""
        self._idle: deque[Link] = deque()
        self._links: set[Link] = set()
        self._keepers: list[asyncio.Task[None]] = []
        self._done: list[tuple[int, int, float, float, bytes]] = []

    @property
    def open(self) -> int:
        return len(self._links)

    @property
    def in_flight(self) -> int:
        return sum(link.busy for link in self._links) + len(self._box) + len(self._fresh)

    @property
    def room(self) -> int:
        return ROOM - len(self._box) - len(self._fresh)

    def submit(self, batch: Batch) -> None:
        lines, lengths = batch.line, batch.length.tolist()
        for row, (code, form, flags) in enumerate(
            zip(batch.code.tolist(), batch.form.tolist(), batch.flags.tolist(), strict=True)
        ):
            line = lines[row, : lengths[row]].tobytes()
            self._box.append((code, line + self._forms.of(form, row), flags))

    async def turn(self, longest_ms: float) -> Outcomes:
        if not self._keepers:
            self._keepers = [asyncio.ensure_future(self._keep(n)) for n in range(self._number)]
        while self._box and self._idle:
            link = self._idle.popleft()
            if not link.given_back and not link.busy:
                self._take(link)
        await asyncio.sleep(longest_ms / 1000)
        return self._outcomes()

    def drop_stuck(self, now_ms: float) -> Outcomes:
        for link in tuple(self._links):
            if link.busy and now_ms - link.at_ms > REPLY_TIMEOUT_MS:
                link.abort()
        return self._outcomes()

    async def stop(self) -> Outcomes:
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        for link in tuple(self._links):
            link.given_back = True
            link.abort()
            await link.gone
        return self._outcomes()

    # --- what links say ---------------------------------------------------------------------------

    def opened(self, link: Link) -> None:
        self._links.add(link)
        if self._fresh:
            link.send(*self._fresh.popleft())
        else:
            self.rested(link)

    def closed(self, link: Link) -> None:
        if link.busy and not link.given_back:
            self.lost += 1
        self._links.discard(link)
        if link.busy:
            link.busy = False
            self.replied(link, LOST, b"")

    def rested(self, link: Link) -> None:
        """`link` is free: it takes the next request, or waits for one."""
        if self._box:
            self._take(link)
        else:
            self._idle.append(link)

    def replied(self, link: Link, status: int, body: bytes) -> None:
        kept = body if link.flags & Flag.KEEP and len(body) <= BODY_BYTES else b""
        self._done.append((link.code, status, link.at_ms, _now_ms() - link.at_ms, kept))

    # ----------------------------------------------------------------------------------------------

    def _take(self, link: Link) -> None:
        code, request, flags = self._box.popleft()
        if flags & Flag.FRESH:
            self._fresh.append((request, code, flags))
            link.close()  # it makes room for the fresh one
            return
        link.send(request, code, flags)

    def _outcomes(self) -> Outcomes:
        if not self._done:
            return nothing()
        done, self._done = self._done, []
        body = np.zeros((len(done), BODY_BYTES), np.uint8)
        for row, found in enumerate(done):
            body[row, : len(found[4])] = np.frombuffer(found[4], dtype=np.uint8)
        code, status, sent_ms, latency_ms, _ = zip(*done, strict=True)
        return Outcomes(
            np.array(code, dtype=np.int64),
            np.array(status, dtype=np.int16),
            np.array(sent_ms, dtype=np.float64),
            np.array(latency_ms, dtype=np.float64),
            body,
            np.array([len(found[4]) for found in done], dtype=np.uint8),
        )

    async def _keep(self, browser: int) -> None:
        """One place in the set of connections, filled again whenever it falls empty."""
        failures = 0
        while True:
            link = Link(self, browser)
            if not await self._connect(link):
                longest = min(RECONNECT_CAP_MS, RECONNECT_BASE_MS * 2.0**failures)
                failures = min(failures + 1, 8)
                await asyncio.sleep(self._dice.uniform(0.0, longest) / 1000)
                continue
            failures = 0
            await asyncio.shield(link.gone)  # `stop` waits for it too
            if not link.given_back:
                await asyncio.sleep(self._dice.uniform(0.0, BREATH_MS) / 1000)

    async def _connect(self, link: Link) -> bool:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_MS / 1000):
                loop = asyncio.get_running_loop()
                await loop.create_connection(
                    lambda: link,
                    self._host,
                    self._port,
                    ssl=self._tls,
                    server_hostname=self._host if self._tls else None,
                )
        except BaseException as error:
            # A cancellation may hit a transport that was just made; uvloop then closes it silently.
            link.connection_lost(None)
            if not isinstance(error, OSError):  # TimeoutError and SSLError are ones
                raise
            return False
        return True


def _now_ms() -> float:
    return time.monotonic_ns() / 1e6
