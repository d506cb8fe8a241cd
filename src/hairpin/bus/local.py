"""Engine `local`: within one process. Also the hub to which `unix` connects other processes."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable

import msgspec
import structlog

from hairpin.bus import M, R, encode
from hairpin.errors import EngineDown

log = structlog.get_logger()

RawHandler = Callable[[bytes], None]
RawServer = Callable[[bytes], Awaitable[bytes]]


class LocalBus:
    """Messages travel as bytes here too, so that nobody can share what they mean to send."""

    def __init__(self) -> None:
        self._handlers: dict[str, list[RawHandler]] = defaultdict(list)
        self._servers: dict[str, RawServer] = {}

    def publish(self, topic: str, message: msgspec.Struct) -> None:
        self.publish_raw(topic, encode(message))

    def publish_raw(self, topic: str, data: bytes) -> None:
        for handler in tuple(self._handlers.get(topic, ())):
            handler(data)

    def subscribe(self, topic: str, kind: type[M], handler: Callable[[M], None]) -> None:
        decoder = msgspec.msgpack.Decoder(kind)
        self.subscribe_raw(topic, lambda data: handler(decoder.decode(data)))

    def subscribe_raw(self, topic: str, handler: RawHandler) -> Callable[[], None]:
        """Returns a function that ends the subscription."""
        self._handlers[topic].append(handler)
        return lambda: self._handlers[topic].remove(handler)

    def serve(self, topic: str, kind: type[M], handler: Callable[[M], Awaitable[R]]) -> None:
        decoder = msgspec.msgpack.Decoder(kind)

        async def answer(data: bytes) -> bytes:
            return encode(await handler(decoder.decode(data)))

        self._servers[topic] = answer

    async def request(
        self, topic: str, message: msgspec.Struct, reply: type[R], timeout_ms: int
    ) -> R:
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                data = await self.request_raw(topic, encode(message))
        except TimeoutError:
            raise EngineDown(f"no reply on {topic!r} within {timeout_ms} ms") from None
        return msgspec.msgpack.decode(data, type=reply)

    async def request_raw(self, topic: str, data: bytes) -> bytes:
        server = self._servers.get(topic)
        if server is None:
            raise EngineDown(f"nobody serves {topic!r}")
        return await server(data)
