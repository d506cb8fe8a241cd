"""One end of a simulated connection, as an asyncio transport."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

from sim.process import Process

if TYPE_CHECKING:
    from contextvars import Context

    from sim.net import SimNet

KERNEL_BYTES = 256 << 10
"""So much is on its way before the sender notices that nobody reads."""
HIGH_WATER_BYTES = 64 << 10
PIECES_MAX = 4
Address = tuple[str, int]


class SimTransport(asyncio.Transport):
    """One end of a connection. What it sends is on its way in `_way`, in order."""

    other: SimTransport

    def __init__(
        self,
        net: SimNet,
        process: Process | None,
        outside: Context,
        peer: Address,
        own: Address,
        serves: bool,
    ) -> None:
        super().__init__({"peername": peer, "sockname": own})
        self._net = net
        self._loop = net.loop
        self._process = process
        self._context = process.context if process else outside
        self._serves = serves
        self._protocol: Any = None
        self._way: deque[bytes | None] = deque()
        """Pieces that were sent and did not arrive; None is the end of what is sent."""
        self._way_bytes = 0
        self._way_clear_s = 0.0
        """When the last piece on its way arrives."""
        self._inbox: deque[bytes | None] = deque()
        """What arrived while nobody read, or before the protocol was there."""
        self._inbox_bytes = 0
        self._reading = True
        self._closing = False
        """Nothing is sent or received any more by this end."""
        self._eof_sent = False
        self._lost = False
        self._swallows = False
        self._high, self._low = HIGH_WATER_BYTES, HIGH_WATER_BYTES // 4
        self._blocked = False
        if process is not None:
            process.at_death(self.vanish)

    # --- asyncio.Transport ------------------------------------------------------------------------

    def get_protocol(self) -> asyncio.BaseProtocol:
        return cast(asyncio.BaseProtocol, self._protocol)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def is_closing(self) -> bool:
        return self._closing

    def is_reading(self) -> bool:
        return self._reading and not self._closing

    def pause_reading(self) -> None:
        self._reading = False

    def resume_reading(self) -> None:
        if not self._reading:
            self._reading = True
            self._soon(self._take)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._check()
        if self._closing or self._eof_sent or not data:
            return
        data = bytes(data)
        net, faults = self._net, self._net.faults
        if self._serves and net.chance(faults.lose_reply):
            self._break()
            return
        if net.chance(faults.reset):
            self._send(data[: net.dice.randrange(len(data) + 1)])
            self._break()
            return
        if net.chance(faults.black_hole):
            self._swallows = self.other._swallows = True
        for piece in self._pieces(data):
            self._send(piece)
        if not self._blocked and self.get_write_buffer_size() > self._high:
            self._blocked = True
            self._protocol.pause_writing()

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def write_eof(self) -> None:
        if not self._eof_sent and not self._closing:
            self._eof_sent = True
            self._send(None)

    def can_write_eof(self) -> bool:
        return True

    def get_write_buffer_size(self) -> int:
        """Of what the kernel did not take, since the other end does not read."""
        if self._lost:
            return 0
        return max(self._way_bytes + self.other._inbox_bytes - KERNEL_BYTES, 0)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._low, self._high

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        if high is None:
            high = HIGH_WATER_BYTES if low is None else 4 * low
        self._high, self._low = high, high // 4 if low is None else low

    def close(self) -> None:
        """What was written still leaves; then both ends are over."""
        self._check()
        if self._closing:
            return
        self.write_eof()
        self._closing = True
        if not self.get_write_buffer_size():
            self._soon(self._lose, None)

    def abort(self) -> None:
        self._check()
        self._abort(None)

    # --- life -------------------------------------------------------------------------------------

    def begin(self, protocol: asyncio.BaseProtocol) -> None:
        """Run by the process at this end."""
        if self._lost:
            return
        self._protocol = protocol
        self._protocol.connection_made(self)
        self._take()

    def vanish(self) -> None:
        """The process is gone: what is on its way may arrive, then the other end is reset."""
        if self._lost:
            return
        self._closing = self._lost = True
        if self._process is not None:
            self._process.no_longer(self.vanish)
        if self._net.chance(0.5):
            self._forget_way()
        self._reset_other()

    def _abort(self, error: Exception | None) -> None:
        if not self._lost:
            self._closing = True
            self._soon(self._lose, error)
            self._forget_way()
            self._reset_other()

    def _break(self) -> None:
        """A network in between resets both ends, each when it hears of it; no more bytes pass."""
        for end in (self, self.other):
            end._reset_other()
            end._swallows = True

    def _reset_other(self) -> None:
        """The other end hears of a reset behind what is still on its way, if it hears at all."""
        if self._swallows or self._is_cut():
            return
        at_s = max(self._loop.now_s + self._net.delay_ms() / 1000, self._way_clear_s)
        other = self.other
        self._loop.call_at(at_s, other._be_reset, context=other._context)

    def _be_reset(self) -> None:
        """In a turn of its own: who just got the last bytes is to see them before."""
        self._closing = True
        self._soon(self._lose, ConnectionResetError(104, "connection reset by peer"))

    def _lose(self, error: Exception | None) -> None:
        if self._lost:
            return
        self._closing = self._lost = True
        self._inbox.clear()
        self._inbox_bytes = 0
        if self._process is not None:
            self._process.no_longer(self.vanish)
        if self._protocol is not None:
            self._protocol.connection_lost(error)

    def _forget_way(self) -> None:
        """What is on its way is lost."""
        self._way.clear()
        self._way_bytes = 0

    def _check(self) -> None:
        if self._process is not None and self._process.dead:
            self._process.check()

    def _soon(self, call: Callable[..., object], *args: object) -> None:
        self._loop.call_soon(call, *args, context=self._context)

    # --- bytes on their way -----------------------------------------------------------------------

    def _pieces(self, data: bytes) -> list[bytes]:
        if len(data) < 2 or not self._net.chance(self._net.faults.split):
            return [data]
        dice = self._net.dice
        cuts = sorted(dice.randrange(1, len(data)) for _ in range(dice.randint(1, PIECES_MAX - 1)))
        edges = [0, *cuts, len(data)]
        return [data[a:b] for a, b in pairwise(edges) if a < b]

    def _send(self, piece: bytes | None) -> None:
        """None: the end. Where one piece was swallowed, all that follow it are, as in TCP."""
        self._swallows = self._swallows or self._is_cut()
        if self._swallows or piece == b"":
            return
        at_s = max(self._loop.now_s + self._net.delay_ms() / 1000, self._way_clear_s)
        self._way_clear_s = at_s
        self._way.append(piece)
        self._way_bytes += len(piece or b"")
        self._loop.call_at(at_s, self.other._arrive, context=self.other._context)

    def _is_cut(self) -> bool:
        cut = self._net.cut
        ends = (self._process, self.other._process)
        return bool(cut) and any(end is not None and end.name in cut for end in ends)

    def _arrive(self) -> None:
        """The oldest piece that the other end sent is here."""
        sender = self.other
        if not sender._way:
            return  # it was lost
        piece = sender._way.popleft()
        size = len(piece or b"")
        sender._way_bytes -= size
        if self._closing:
            # Whoever sends to a closed end is told so.
            if piece is not None and not sender._lost:
                self._reset_other()
            return
        self._inbox.append(piece)
        self._inbox_bytes += size
        self._take()

    def _take(self) -> None:
        """Give the protocol what is here, as long as it reads."""
        while self._inbox and self._reading and not self._closing and self._protocol is not None:
            piece = self._inbox.popleft()
            if piece is None:
                self._take_eof()
                break
            self._inbox_bytes -= len(piece)
            try:
                self._protocol.data_received(piece)
            except Exception as error:
                self._loop.call_exception_handler({"message": "of a protocol", "exception": error})
                self._abort(error)
                return
        if self.other._blocked or self.other._closing:
            self._loop.call_soon(self.other._drained, context=self.other._context)

    def _take_eof(self) -> None:
        if not self._protocol.eof_received():
            self.close()

    def _drained(self) -> None:
        """The other end read something."""
        left = self.get_write_buffer_size()
        if self._closing and not self._lost and not left:
            self._lose(None)
        elif self._blocked and left <= self._low:
            self._blocked = False
            if not self._closing:
                self._protocol.resume_writing()
