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

from hairpin.bus import MESSAGE_BYTES_MAX, M, R, encode
from hairpin.bus.local import LocalBus
from hairpin.errors import EngineDown, HairpinError
from hairpin.world import Dice

log = structlog.get_logger()

_BACKLOG_BYTES_MAX = 4 * MESSAGE_BYTES_MAX
_ENVELOPE_BYTES_MAX = MESSAGE_BYTES_MAX + 1024


class Envelope(msgspec.Struct, array_like=True):
    """What travels: `what` is publish, subscribe, request, reply or failure."""

    what: str
    topic: str
    number: int
    data: bytes


class Rubbish(Exception):
    """What came over the socket is no envelope."""


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Envelope)


async def _read(reader: asyncio.StreamReader) -> Envelope:
    """Raises Rubbish, IncompleteReadError at the end, or ConnectionError."""
    size = int.from_bytes(await reader.readexactly(4), "little")
    if size > _ENVELOPE_BYTES_MAX:
        raise Rubbish(f"{size} bytes; at most {_ENVELOPE_BYTES_MAX}")
    try:
        return _DECODER.decode(await reader.readexactly(size))
    except msgspec.MsgspecError as error:
        raise Rubbish(str(error)) from error


def _write(writer: asyncio.StreamWriter, envelope: Envelope) -> None:
    """News to somebody who does not read, or is gone, is dropped rather than kept."""
    if writer.is_closing():
        return
    data = _ENCODER.encode(envelope)
    if writer.transport.get_write_buffer_size() < _BACKLOG_BYTES_MAX:
        writer.write(len(data).to_bytes(4, "little") + data)


class UnixHub:
    """Lets other processes take part in this process's `LocalBus`."""

    def __init__(self, bus: LocalBus) -> None:
        self._bus = bus
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._fellows: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def start(self, path: Path) -> None:
        self._server = await asyncio.start_unix_server(self._fellow, path)

    async def stop(self) -> None:
        """Cut all fellows off, at once."""
        if self._server is not None:
            self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        for writer in self._fellows.values():
            writer.transport.abort()
        await asyncio.gather(*self._tasks, *self._fellows, return_exceptions=True)

    async def _fellow(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends: list[Callable[[], None]] = []
        own = asyncio.current_task()
        assert own is not None
        self._fellows[own] = writer
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
        except (Rubbish, msgspec.MsgspecError) as error:
            log.warning("a fellow on the bus is cut off", why=str(error))
        finally:
            for end in ends:
                end()
            writer.close()
            del self._fellows[own]

    def _subscribe(self, topic: str, writer: asyncio.StreamWriter) -> Callable[[], None]:
        return self._bus.subscribe_raw(
            topic, lambda data: _write(writer, Envelope("publish", topic, 0, data))
        )

    async def _answer(self, envelope: Envelope, writer: asyncio.StreamWriter) -> None:
        what = "reply"
        try:
            data = await self._bus.request_raw(envelope.topic, envelope.data)
        except HairpinError as error:
            what, data = "failure", error.message.encode()
        except Exception:
            log.exception("a request failed", topic=envelope.topic)
            what, data = "failure", f"the server of {envelope.topic!r} failed".encode()
        _write(writer, Envelope(what, envelope.topic, envelope.number, data))


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
                pass
            else:
                await self._stay(reader, self._writer, connected)
            await asyncio.sleep(self._dice.uniform(0.02, 0.2))

    async def _stay(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        connected: Callable[[], None],
    ) -> None:
        """Take what comes, until the connection ends."""
        try:
            for topic in self._handlers:
                _write(writer, Envelope("subscribe", topic, 0, b""))
            connected()
            while True:
                self._take(await _read(reader))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except Rubbish as rubbish:
            log.warning("the bus sent rubbish; connecting again", why=str(rubbish))
        finally:
            writer.close()
            self._writer = None
            self._fail_all()

    def publish(self, topic: str, message: msgspec.Struct) -> None:
        if self._writer is not None:
            _write(self._writer, Envelope("publish", topic, 0, encode(message)))

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
        _write(self._writer, Envelope("request", topic, number, encode(message)))
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
