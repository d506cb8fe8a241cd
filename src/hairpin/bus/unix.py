"""Engine `unix`: a hub in one process, its fellows over a Unix socket on the same machine.

The socket lies in a directory that only its owner may enter; that is its access control. A fellow
connects again, with jitter, for as long as it lives; subscriptions are told anew each time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec
import structlog

from hairpin.bus import ENCODER, MESSAGE_BYTES_MAX, M, R
from hairpin.bus.local import LocalBus
from hairpin.errors import EngineDown
from hairpin.world import Dice

log = structlog.get_logger()

_BACKLOG_BYTES_MAX = 4 * MESSAGE_BYTES_MAX


class Envelope(msgspec.Struct, array_like=True):
    """What travels: `what` is publish, subscribe, request, reply or failure."""

    what: str
    topic: str
    number: int
    data: bytes


_DECODER = msgspec.msgpack.Decoder(Envelope)


async def _read(reader: asyncio.StreamReader) -> Envelope:
    size = int.from_bytes(await reader.readexactly(4), "little")
    if size > MESSAGE_BYTES_MAX:
        raise ValueError(f"a message of {size} bytes; at most {MESSAGE_BYTES_MAX}")
    return _DECODER.decode(await reader.readexactly(size))


def _write(writer: asyncio.StreamWriter, envelope: Envelope) -> None:
    """News to somebody who does not read, or is gone, is dropped rather than kept."""
    if writer.is_closing():
        return
    data = ENCODER.encode(envelope)
    if writer.transport.get_write_buffer_size() < _BACKLOG_BYTES_MAX:
        writer.write(len(data).to_bytes(4, "little") + data)


class UnixHub:
    """Lets other processes take part in this process's `LocalBus`."""

    def __init__(self, bus: LocalBus) -> None:
        self._bus = bus
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, path: Path) -> None:
        self._server = await asyncio.start_unix_server(self._fellow, path)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in tuple(self._tasks):
            task.cancel()

    async def _fellow(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends: list[Callable[[], None]] = []
        try:
            while True:
                envelope = await _read(reader)
                if envelope.what == "publish":
                    self._bus.publish_raw(envelope.topic, envelope.data)
                elif envelope.what == "subscribe":
                    ends.append(self._subscribe(envelope.topic, writer))
                elif envelope.what == "request":
                    task = asyncio.create_task(self._answer(envelope, writer))
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except (ValueError, msgspec.MsgspecError) as error:
            log.warning("a fellow on the bus is cut off", why=str(error))
        finally:
            for end in ends:
                end()
            writer.close()

    def _subscribe(self, topic: str, writer: asyncio.StreamWriter) -> Callable[[], None]:
        return self._bus.subscribe_raw(
            topic, lambda data: _write(writer, Envelope("publish", topic, 0, data))
        )

    async def _answer(self, envelope: Envelope, writer: asyncio.StreamWriter) -> None:
        try:
            data = await self._bus.request_raw(envelope.topic, envelope.data)
        except EngineDown as error:
            reply = Envelope("failure", envelope.topic, envelope.number, error.message.encode())
        else:
            reply = Envelope("reply", envelope.topic, envelope.number, data)
        _write(writer, reply)


class UnixBus:
    """A fellow's end. `run` keeps the connection; `connected` is called after each new one."""

    def __init__(self, path: Path, dice: Dice) -> None:
        self._path = path
        self._dice = dice
        self._writer: asyncio.StreamWriter | None = None
        self._handlers: dict[str, list[Callable[[bytes], None]]] = {}
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self._number = 0

    async def run(self, connected: Callable[[], None]) -> None:
        """Connect, and connect again. Ends only by cancellation."""
        while True:
            try:
                reader, self._writer = await asyncio.open_unix_connection(self._path)
            except OSError:
                await asyncio.sleep(self._dice.uniform(0.02, 0.2))
                continue
            for topic in self._handlers:
                _write(self._writer, Envelope("subscribe", topic, 0, b""))
            connected()
            try:
                while True:
                    self._take(await _read(reader))
            except (asyncio.IncompleteReadError, ConnectionError):
                pass
            finally:
                self._writer.close()
                self._writer = None
                self._fail_all()

    def publish(self, topic: str, message: msgspec.Struct) -> None:
        if self._writer is not None:
            _write(self._writer, Envelope("publish", topic, 0, ENCODER.encode(message)))

    def subscribe(self, topic: str, kind: type[M], handler: Callable[[M], None]) -> None:
        decoder = msgspec.msgpack.Decoder(kind)
        known = topic in self._handlers
        self._handlers.setdefault(topic, []).append(lambda data: handler(decoder.decode(data)))
        if self._writer is not None and not known:
            _write(self._writer, Envelope("subscribe", topic, 0, b""))

    async def request(
        self, topic: str, message: msgspec.Struct, reply: type[R], timeout_ms: int
    ) -> R:
        if self._writer is None:
            raise EngineDown("the bus is not connected")
        self._number += 1
        number = self._number
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        _write(self._writer, Envelope("request", topic, number, ENCODER.encode(message)))
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                data = await future
        except TimeoutError:
            raise EngineDown(f"no reply on {topic!r} within {timeout_ms} ms") from None
        finally:
            self._waiting.pop(number, None)
        return msgspec.msgpack.decode(data, type=reply)

    def _take(self, envelope: Envelope) -> None:
        if envelope.what == "publish":
            for handler in self._handlers.get(envelope.topic, ()):
                handler(envelope.data)
            return
        future = self._waiting.pop(envelope.number, None)
        if future is None or future.done():
            return
        if envelope.what == "reply":
            future.set_result(envelope.data)
        else:
            future.set_exception(EngineDown(envelope.data.decode()))

    def _fail_all(self) -> None:
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(EngineDown("the bus connection broke"))
        self._waiting.clear()
