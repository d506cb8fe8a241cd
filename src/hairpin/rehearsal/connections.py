"""The crowd's TCP connections: keep-alive HTTP/1.1, one request in flight on each.

A connection stands for hundreds of phones. It is opened again whenever it is lost, so that the
crowd outlives any gate. Only what the crowd needs of a reply is parsed: status, length, body.
"""

from __future__ import annotations

import asyncio
import random
import re
from typing import Protocol, cast

USER_AGENTS = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/142.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Android 15; Mobile; rv:145.0) Gecko/145.0 Firefox/145.0",
)
REPLY_BYTES_MAX = 1 << 20
RECONNECT_CAP_S = 2.0
"""Less than a phone's 10 s, since one connection stands for many phones that each try."""
CONNECT_TIMEOUT_S = 5.0
REPLY_TIMEOUT_MS = 10_000.0

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Traffic(Protocol):
    """Where requests come from and replies go to."""

    def next_request(self, connection: Connection) -> bool:
        """Send one request on the idle `connection`, or say False if none is due."""
        ...

    def replied(self, connection: Connection, status: int, body: bytes) -> None: ...

    def lost(self, connection: Connection) -> None:
        """The request in flight will get no reply."""
        ...


def browser_headers(host: str, user_agent: str, of_post: bool) -> bytes:
    """The rest of a request after its method and path, as a phone's browser sends it."""
    origin = f"http://{host}"
    lines = (
        " HTTP/1.1",
        f"Host: {host}",
        "Connection: keep-alive",
        *(("Content-Length: 0", f"Origin: {origin}") if of_post else ()),
        f"User-Agent: {user_agent}",
        "Accept: */*",
        "Sec-Fetch-Site: same-origin",
        "Sec-Fetch-Mode: cors",
        "Sec-Fetch-Dest: empty",
        f"Referer: {origin}/",
        "Accept-Encoding: gzip, deflate, br, zstd",
        "Accept-Language: fr-FR,fr;q=0.9,en;q=0.8",
        "Priority: u=1, i",
    )
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


class Connection(asyncio.Protocol):
    """One TCP connection. `task` is what the traffic wants to remember of the request in flight."""

    __slots__ = (
        "_get",
        "_owner",
        "_partial",
        "_post",
        "_transport",
        "at_ms",
        "busy",
        "event",
        "gone",
        "hanging_up",
        "task",
    )

    def __init__(self, owner: Connections, post: bytes, get: bytes) -> None:
        self._owner = owner
        self._post = post
        self._get = get
        self._partial = b""
        self._transport: asyncio.Transport | None = None
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.busy = False
        self.hanging_up = False
        self.task: object = None
        self.event = 0
        self.at_ms = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._owner.opened(self)

    def post(self, line: bytes, at_ms: float) -> None:
        """Send the request that begins with `line`; the connection must be idle."""
        self.busy = True
        self.at_ms = at_ms
        if self._transport is not None:
            self._transport.write(line + self._post)

    def get(self, line: bytes, at_ms: float) -> None:
        self.busy = True
        self.at_ms = at_ms
        if self._transport is not None:
            self._transport.write(line + self._get)

    def hang_up(self) -> None:
        """Close in good order: what was written is still sent, no reply is read."""
        self.hanging_up = True
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._partial:
            data = self._partial + data
        # Nearly all replies are a whole 204, which has no body.
        if data.startswith(b"HTTP/1.1 204 ") and data.endswith(b"\r\n\r\n"):
            status, body, end = 204, b"", len(data)
        else:
            parsed = parse_reply(data)
            if parsed is None:
                self._partial = data
                return
            status, body, end = parsed
        self._partial = b""
        if not self.busy or end != len(data):
            self.abort()  # bytes that nobody asked for: this connection cannot be trusted
            return
        self.busy = False
        self._owner.traffic.replied(self, status, body)
        if b"onnection: close" in data:
            self.hang_up()
        else:
            self._owner.rested(self)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, _error: Exception | None) -> None:
        if self.gone.done():
            return
        if self.busy:
            self.busy = False
            self._owner.traffic.lost(self)
        self._owner.closed(self)
        self.hanging_up = True
        self.gone.set_result(None)


def parse_reply(data: bytes) -> tuple[int, bytes, int] | None:
    """Status, body and length in bytes of the first reply in `data`; None while it is not whole.

    A reply that is no HTTP/1.1 counts as status 0, so that it is refused and seen.
    """
    head_end = data.find(b"\r\n\r\n")
    if head_end < 0:
        return None if len(data) < REPLY_BYTES_MAX else (0, b"", len(data))
    if not data.startswith(b"HTTP/1.1 ") or not data[9:12].isdigit():
        return 0, b"", len(data)
    status = int(data[9:12])
    start = head_end + 4
    found = _LENGTH.search(data, 0, head_end)
    if found is None or status in (204, 304):
        return status, b"", start
    end = start + int(found[1])
    return (status, data[start:end], end) if len(data) >= end else None


class Connections:
    """Keeps `number` connections open to one address and hands idle ones to the traffic."""

    def __init__(
        self, host: str, port: int, number: int, dice: random.Random, traffic: Traffic
    ) -> None:
        self.traffic = traffic
        self.lost = 0
        """Broken by the other side, or timed out."""
        self._host = host
        self._port = port
        self._number = number
        self._dice = dice
        self._idle: list[Connection] = []
        self._open: set[Connection] = set()
        self._keepers: list[asyncio.Task[None]] = []

    @property
    def open(self) -> int:
        return len(self._open)

    @property
    def in_flight(self) -> int:
        return sum(connection.busy for connection in self._open)

    def start(self) -> None:
        name = f"[{self._host}]" if ":" in self._host else self._host
        address = name if self._port == 80 else f"{name}:{self._port}"
        for number in range(self._number):
            agent = USER_AGENTS[number % len(USER_AGENTS)]
            post = browser_headers(address, agent, of_post=True)
            get = browser_headers(address, agent, of_post=False)
            self._keepers.append(asyncio.ensure_future(self._keep(post, get)))

    async def stop(self) -> None:
        """Close all; requests in flight are reported to the traffic as lost."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        for connection in tuple(self._open):
            connection.hanging_up = True
            connection.abort()
            await connection.gone

    def opened(self, connection: Connection) -> None:
        self._open.add(connection)
        self.rested(connection)

    def closed(self, connection: Connection) -> None:
        if connection in self._open and not connection.hanging_up:
            self.lost += 1
        self._open.discard(connection)

    def rested(self, connection: Connection) -> None:
        """`connection` is free: it takes the next request that is due, or waits for one."""
        if not self.traffic.next_request(connection):
            self._idle.append(connection)

    def wake(self) -> None:
        """Requests became due: give them to idle connections."""
        idle = self._idle
        while idle:
            connection = idle.pop()
            if connection.hanging_up:
                continue
            if not self.traffic.next_request(connection):
                idle.append(connection)
                return

    def drop_stuck(self, now_ms: float) -> None:
        """Break connections that wait for a reply too long, as a browser's timeout does."""
        for connection in tuple(self._open):
            if connection.busy and now_ms - connection.at_ms > REPLY_TIMEOUT_MS:
                connection.abort()

    async def _keep(self, post: bytes, get: bytes) -> None:
        """One place in the crowd's set of connections, filled again whenever it falls empty."""
        failures = 0
        while True:
            connection = Connection(self, post, get)
            if not await self._connect(connection):
                longest = min(RECONNECT_CAP_S, 0.25 * 2.0**failures)
                failures = min(failures + 1, 8)
                await asyncio.sleep(self._dice.uniform(0.0, longest))
                continue
            failures = 0
            await asyncio.shield(connection.gone)  # `stop` waits for it too
            await asyncio.sleep(self._dice.uniform(0.0, 0.05))

    async def _connect(self, connection: Connection) -> bool:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                loop = asyncio.get_running_loop()
                await loop.create_connection(lambda: connection, self._host, self._port)
        except BaseException as error:
            # A cancellation may hit a transport that was just made; uvloop then closes it silently.
            connection.connection_lost(None)
            if not isinstance(error, OSError):  # TimeoutError is one
                raise
            return False
        return True
