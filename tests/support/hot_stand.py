"""The hot loop on real sockets, around the same fake doors as the other gate tests."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import cast

from gate_stand import Stand
from raw_http import Reply, take_reply

from hairpin.config import Settings
from hairpin.gate.burst import Burst

FILES_MAX = 4096


class HotStand(Stand):
    """A stand whose clients are sockets. Use within an event loop, and `close` it."""

    def __init__(self, settings: Settings | None = None, small_buffers: bool = False) -> None:
        """`small_buffers`: the gate can send only a few KiB that nobody reads."""
        settings = settings or Settings(join_burst=1_000)
        super().__init__(settings=settings)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        if small_buffers:
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        self.address = self.listener.getsockname()
        self.burst = Burst(self.doors, self.listener, FILES_MAX, settings.queue_max)
        self.failed = self.burst.start()

    def close(self) -> None:
        self.burst.stop()
        self.failed.cancel()

    def client(self, receive_bytes: int | None = None) -> socket.socket:
        sock = socket.socket()
        if receive_bytes is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.connect(self.address)
        sock.setblocking(False)
        return sock

    async def rest(self, turns: int = 12) -> None:
        """So many turns of the event loop without a task: all that was sent had consequences."""
        idle = 0
        while idle < turns:
            await asyncio.sleep(0)
            idle = idle + 1 if len(asyncio.all_tasks()) == 1 else 0
        if self.failed.done():
            self.failed.result()

    async def exchange(self, *pieces: bytes, ended: bool = False) -> list[Reply]:
        """The replies to these pieces, each sent after all that the last one caused."""
        with contextlib.closing(self.client()) as sock:
            received = b""
            for piece in pieces:
                with contextlib.suppress(ConnectionError):
                    sock.sendall(piece)
                await self.rest()
                received += drain(sock)
            if ended:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_WR)
                await self.rest()
                received += drain(sock)
        await self.rest()
        return whole_replies(received)


def drain(sock: socket.socket) -> bytes:
    """What has arrived; nothing if the connection was reset."""
    received = b""
    with contextlib.suppress(BlockingIOError, ConnectionError):
        while data := sock.recv(1 << 20):
            received += data
    return received


def whole_replies(data: bytes) -> list[Reply]:
    found: list[Reply] = []
    while taken := take_reply(data):
        reply, data = taken
        found.append(reply)
    assert not data, f"not a reply: {data[:200]!r}"
    return found


@contextlib.contextmanager
def hot_stand(settings: Settings | None = None, small_buffers: bool = False) -> Iterator[HotStand]:
    stand = HotStand(settings, small_buffers)
    try:
        yield stand
    finally:
        stand.close()


def hot_connections(stand: HotStand) -> int:
    return cast(int, stand.burst.connections)
