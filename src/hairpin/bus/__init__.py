"""The bus: news between processes. This is the port; `local` and `unix` are engines.

News may be lost and says so nowhere; who needs the latest state asks for it with a request.
Handlers run on the event loop of their process and must not block.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

import msgspec

M = TypeVar("M", bound=msgspec.Struct)
R = TypeVar("R", bound=msgspec.Struct)

MESSAGE_BYTES_MAX = 8 << 20


class Bus(Protocol):
    def publish(self, topic: str, message: msgspec.Struct) -> None:
        """Tell all subscribers, now or never. Raises ValueError: over MESSAGE_BYTES_MAX."""
        ...

    def subscribe(self, topic: str, kind: type[M], handler: Callable[[M], None]) -> None: ...

    async def request(
        self, topic: str, message: msgspec.Struct, reply: type[R], timeout_ms: int
    ) -> R:
        """Ask the topic's server.

        Raises EngineDown: nobody serves it, the server failed, or no reply in time; ValueError:
        the message is over MESSAGE_BYTES_MAX.
        """
        ...


_ENCODER = msgspec.msgpack.Encoder()


def encode(message: msgspec.Struct) -> bytes:
    """Raises ValueError if the message is larger than MESSAGE_BYTES_MAX."""
    data = _ENCODER.encode(message)
    if len(data) > MESSAGE_BYTES_MAX:
        name = type(message).__name__
        raise ValueError(f"a {name} of {len(data)} bytes; at most {MESSAGE_BYTES_MAX}")
    return data
