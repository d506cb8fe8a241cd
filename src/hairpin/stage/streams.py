"""Event streams: the same bytes for every browser, and never a queue.

An event is encoded once and written to all browsers in one round. A round goes in slices, so that
the running order, which lives in the same loop, waits for a few hundred writes at most. News may be
skipped: a browser that has not taken what it was sent is sent nothing; when it has, it gets the
latest of each kind. So a slow browser costs a few numbers, and nobody waits for it.

The body of a stream ends with its connection (RFC 9112, 6.3), without chunk sizes: one form of the
bytes for every version of HTTP.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from itertools import islice
from typing import Protocol

from hairpin.errors import EngineDown
from hairpin.stage.events import Audience

STREAMS_MAX = 20_000
"""Browsers that listen at once, unless the settings say otherwise."""
HEARTBEAT_S = 10.0
STALL_S = 60.0
"""A browser that took too little for so long is cut off; it may connect again."""
SLICE = 250
"""Browsers written to in one go: about two milliseconds."""
UNREAD_BYTES_MAX = 64 << 10
"""What the kernel may keep for a browser that does not read (it counts its own overhead twice)."""
AWAKE = b": awake\n\n"

Seen = tuple[int, ...]
"""A version of each kind of event."""


class Source(Protocol):
    """Where the events come from: the latest of each kind, by audience."""

    def versions(self, audience: Audience) -> Seen:
        """What a browser of this audience has seen when it has seen everything."""
        ...

    def nothing_seen(self) -> Seen: ...

    def news(self, audience: Audience, seen: Seen) -> bytes:
        """Server-sent events: the latest of each kind that is newer than `seen`."""
        ...


class Stream(asyncio.Protocol):
    """One browser: what it has seen, and whether it takes more."""

    __slots__ = ("_streams", "audience", "blocked_since_s", "seen", "transport")

    def __init__(
        self, streams: Streams, audience: Audience, seen: Seen, transport: asyncio.Transport
    ) -> None:
        self._streams = streams
        self.audience = audience
        self.seen = seen
        self.transport = transport
        self.blocked_since_s: float | None = None
        """Since when something waits that it did not take; None while nothing does."""

    def pause_writing(self) -> None:
        self.blocked_since_s = asyncio.get_running_loop().time()

    def resume_writing(self) -> None:
        self.blocked_since_s = None
        self._streams.drained(self)

    def connection_lost(self, _: Exception | None) -> None:
        self._streams.leave(self)


class Streams:
    """All browsers that listen. Use from one event loop."""

    def __init__(
        self,
        source: Source,
        streams_max: int = STREAMS_MAX,
        heartbeat_s: float = HEARTBEAT_S,
        stall_s: float = STALL_S,
    ) -> None:
        self._source = source
        self._streams_max = streams_max
        self._heartbeat_s = heartbeat_s
        self._stall_s = stall_s
        self._listening: dict[Audience, set[Stream]] = {audience: set() for audience in Audience}
        self._due: set[Audience] = set()
        """Whose news the next round brings."""
        self._beat_due = False
        self._beating = False
        self._round: Iterator[Stream] | None = None
        """Who is still to be served in the round that is under way."""
        self._heart: asyncio.TimerHandle | None = None
        self._closed = False

    def count(self, audience: Audience) -> int:
        return len(self._listening[audience])

    def check_room(self) -> None:
        """Raises EngineDown where one more browser would be too many."""
        if self._closed:
            raise EngineDown("the stage is stopping", "connect again in a moment")
        if sum(map(len, self._listening.values())) >= self._streams_max:
            raise EngineDown(
                f"{self._streams_max} browsers listen already",
                "close walls and consoles that nobody looks at, or raise streams_max",
            )

    def enter(self, audience: Audience, transport: asyncio.Transport, head: bytes) -> None:
        """From now on the connection is a stream: `head`, the latest of each kind, then news.

        Raises EngineDown as `check_room` does; nothing was sent then.
        """
        self.check_room()
        nothing = self._source.nothing_seen()
        stream = Stream(self, audience, nothing, transport)
        stream.seen = self._source.versions(audience)
        # Blocked at the first byte that the kernel does not take, free when it has them all.
        transport.set_write_buffer_limits(high=0)
        transport.set_protocol(stream)
        connection: socket.socket | None = transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, UNREAD_BYTES_MAX)
        self._listening[audience].add(stream)
        transport.write(head + self._source.news(audience, nothing))
        if self._heart is None:
            self._wait_for_heartbeat()

    def leave(self, stream: Stream) -> None:
        self._listening[stream.audience].discard(stream)

    def changed(self, *audiences: Audience) -> None:
        """There is news for these; what changes before it is sent goes along."""
        self._due.update(audience for audience in audiences if self._listening[audience])
        self._go_round()

    def drained(self, stream: Stream) -> None:
        """It took all that it was sent: it gets what it missed meanwhile."""
        self._send(stream, {})

    def close(self) -> None:
        """End every stream; whoever has not read all by now will not."""
        self._closed = True
        if self._heart is not None:
            self._heart.cancel()
        for stream in self._all():
            if stream.blocked_since_s is None:
                stream.transport.close()
            else:
                stream.transport.abort()

    # --- rounds -----------------------------------------------------------------------------------

    def _go_round(self) -> None:
        """Begin a round, if there is anything to tell and none is under way."""
        if self._round is not None or not (self._due or self._beat_due):
            return
        self._beating, self._beat_due = self._beat_due, False
        due = Audience if self._beating else self._due
        self._round = iter([stream for audience in due for stream in self._listening[audience]])
        self._due.clear()
        asyncio.get_running_loop().call_soon(self._serve_slice)

    def _serve_slice(self) -> None:
        assert self._round is not None
        made: dict[tuple[Audience, Seen], bytes] = {}
        served = 0
        for stream in islice(self._round, SLICE):
            served += 1
            self._send(stream, made)
        if served == SLICE and not self._closed:
            asyncio.get_running_loop().call_soon(self._serve_slice)
            return
        self._round = None
        if not self._closed:
            self._go_round()

    def _send(self, stream: Stream, made: dict[tuple[Audience, Seen], bytes]) -> None:
        """What it has not seen, if it takes anything now. `made`: what others of this moment got,
        by what they had seen."""
        transport = stream.transport
        if stream.blocked_since_s is not None or transport.is_closing():
            return
        audience, seen = stream.audience, stream.seen
        news = made.get((audience, seen))
        if news is None:
            news = made[audience, seen] = self._source.news(audience, seen)
        if news:
            stream.seen = self._source.versions(audience)
            transport.write(news)
        elif self._beating:
            transport.write(AWAKE)

    def _all(self) -> list[Stream]:
        return [stream for listening in self._listening.values() for stream in listening]

    # --- time -------------------------------------------------------------------------------------

    def _wait_for_heartbeat(self) -> None:
        loop = asyncio.get_running_loop()
        self._heart = loop.call_later(self._heartbeat_s, self._heartbeat)

    def _heartbeat(self) -> None:
        """Something for everyone, so that no proxy takes the silence for the end."""
        self._heart = None
        everyone = self._all()
        if not everyone:
            return
        self._wait_for_heartbeat()
        stalled_s = asyncio.get_running_loop().time() - self._stall_s
        for stream in everyone:
            if stream.blocked_since_s is not None and stream.blocked_since_s < stalled_s:
                stream.transport.abort()
        self._beat_due = True
        self._go_round()
