"""Fan numbers to hand out: leased in blocks from the owner, who journals each before it replies."""

from __future__ import annotations

import asyncio

import structlog

from hairpin.bus import Bus
from hairpin.errors import EngineDown
from hairpin.messages import TOPIC_LEASE, LeaseReply, LeaseRequest

log = structlog.get_logger()

_BLOCK_FIRST = 256
_BLOCK_MAX = 65_536
_TIMEOUT_MS = 2_000


class Leases:
    """Numbers in hand, and a new block ahead of need. What is left at the end is burnt."""

    def __init__(self, bus: Bus, incarnation: int) -> None:
        self._bus = bus
        self._incarnation = incarnation
        self._ranges: list[range] = []
        self._left = 0
        self._block = _BLOCK_FIRST
        self._asking: asyncio.Task[None] | None = None
        self.exhausted = False
        """The show's cap is reached."""

    def take(self, wanted: int) -> list[int]:
        """Up to `wanted` numbers; fewer if there are no more now."""
        taken: list[int] = []
        while self._ranges and len(taken) < wanted:
            head = self._ranges[0]
            part = head[: wanted - len(taken)]
            taken.extend(part)
            rest = head[len(part) :]
            if rest:
                self._ranges[0] = rest
            else:
                self._ranges.pop(0)
        self._left -= len(taken)
        self.refill()
        return taken

    def refill(self) -> None:
        """Ask for a block if less than half of one is left."""
        if self._left < self._block // 2 and self._asking is None and not self.exhausted:
            self._asking = asyncio.get_running_loop().create_task(self._ask())

    async def _ask(self) -> None:
        request = LeaseRequest(self._incarnation, self._block)
        try:
            reply = await self._bus.request(TOPIC_LEASE, request, LeaseReply, _TIMEOUT_MS)
        except EngineDown as error:
            log.warning("no fan numbers leased", why=str(error))
        else:
            self.exhausted = reply.count == 0
            if reply.count:
                self._ranges.append(range(reply.first, reply.first + reply.count))
                self._left += reply.count
                # Grow from what was granted: near the cap the owner grants less.
                self._block = min(reply.count * 2, _BLOCK_MAX)
        finally:
            self._asking = None
