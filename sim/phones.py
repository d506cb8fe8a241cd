"""A phone: joins with one tap, answers, and sends until the gate has said its word.

It keeps the rules of the web phone and of docs/http-api.md: the choice is locked before the first
send, a retry repeats the same bytes, waits are full jitter from 1 s up to 10 s. Some people have
manners of their own, for which no gate may fall.
"""

from __future__ import annotations

import asyncio
import json
import random
from enum import StrEnum
from itertools import count
from typing import TYPE_CHECKING, NamedTuple

from sim.transport import SimTransport

if TYPE_CHECKING:
    from sim.crowd import Crowd

PUT_AWAY = 0.97
"""Share of those who put the phone away when they have answered; others stay connected."""
PATIENCE_S = 8.0
"""A request without a reply is given up after that."""
BASE_S, CAP_S = 1.0, 10.0
SETTLED = frozenset({204, 400, 401, 404, 410})
"""Replies after which an answer is not sent again."""
HEADERS = b" HTTP/1.1\r\nHost: night.example\r\n\r\n"
JSON = (
    b" HTTP/1.1\r\nHost: night.example\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n%b"
)


class Manner(StrEnum):
    HONEST = "honest"
    DOUBTER = "doubter"
    """Sends another choice after the first one."""
    TWICE = "twice"
    """Sends the same answer over two connections at once."""
    EARLY = "early"
    """Sends before the question opens."""
    LATE = "late"
    """Sends when it is over."""
    FORGER = "forger"
    """Sends answers with a ticket that nobody issued."""


MANNERS = {
    Manner.HONEST: 80,
    Manner.DOUBTER: 6,
    Manner.TWICE: 4,
    Manner.EARLY: 4,
    Manner.LATE: 3,
    Manner.FORGER: 3,
}
"""How many of a hundred have them."""


class Asked(NamedTuple):
    """A question as the phone knows it."""

    number: int
    """From 0."""
    choices: int
    multiple: bool


class Reply(NamedTuple):
    status: int
    body: bytes
    retry_after: bool


def jitter_s(dice: random.Random, n: int) -> float:
    """The wait before try `n` (from 0) is repeated."""
    return dice.uniform(0, min(CAP_S, BASE_S * 2.0 ** min(n, 10)))


class Line(asyncio.Protocol):
    """One connection; one request at a time."""

    transport: SimTransport

    def __init__(self) -> None:
        self.open = True
        self._data = b""
        self._waiting: asyncio.Future[Reply | None] | None = None

    def ask(self, request: bytes, waiting: asyncio.Future[Reply | None]) -> None:
        self._data, self._waiting = b"", waiting
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._data += data
        end = self._data.find(b"\r\n\r\n") + 4
        if end < 4:
            return
        head = self._data[:end].lower()
        at = head.find(b"content-length:")
        size = int(head[at + 15 : head.index(b"\r", at)]) if at >= 0 else 0
        if len(self._data) >= end + size:
            body = self._data[end : end + size]
            if b"\r\nconnection: close" in head:
                self.open = False
            self._settle(Reply(int(head[9:12]), body, b"\r\nretry-after" in head))

    def eof_received(self) -> bool:
        self.open = False
        return False

    def connection_lost(self, _: Exception | None) -> None:
        self.open = False
        self._settle(None)

    def _settle(self, reply: Reply | None) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(reply)


class Phone:
    """In the hand of one fan. `ticket` is None until it has joined."""

    def __init__(self, crowd: Crowd, number: int) -> None:
        dice = crowd.dice
        self._crowd = crowd
        self._dice = dice
        self._peer = (f"10.1.{number >> 8}.{number & 255}", 40_000)
        self.manner = dice.choices(list(MANNERS), list(MANNERS.values()))[0]
        self.band = dice.randrange(3)
        self.country = dice.choices(("FR", "GB", "US", "NO", "JP", "ZZ"), (5, 4, 4, 2, 1, 1))[0]
        self.ticket: str | None = None
        self.claim = ""
        self.fan = -1
        self._joining: asyncio.Task[None] | None = None
        self._line: Line | None = None
        self._asking = asyncio.Lock()
        self._answered: set[int] = set()

    # --- joining ----------------------------------------------------------------------------------

    async def join(self) -> None:
        """Until there is a ticket, or the night is over."""
        who = f"/t/{self.band}{self.country}".encode()
        for n in count():
            if self.ticket is not None or self._crowd.over:
                return
            reply = await self._ask(b"POST " + who + HEADERS)
            if reply is not None and reply.status == 201:
                told = json.loads(reply.body)
                self.ticket, self.claim = told["ticket"], told["claim"]
                self.fan = self._crowd.joined(self, told["ticket"])
                return
            await self._rest(n, reply)

    # --- answering --------------------------------------------------------------------------------

    async def answer(self, asked: Asked) -> None:
        """See the question, choose, and send."""
        if self.ticket is None or asked.number in self._answered:
            return
        self._answered.add(asked.number)
        dice = self._dice
        if dice.random() < 0.1:
            self._crowd.seen(await self._ask(b"GET /now" + HEADERS))
        took_ms = int(dice.uniform(300, 4_000))
        await asyncio.sleep(took_ms / 1000)
        await self._crowd.beat()
        choice = self._chosen(asked)
        if self.manner is Manner.FORGER:
            await self._forge(asked.number, choice)
        elif self.manner is Manner.TWICE:
            other = Phone(self._crowd, 0)
            other.ticket, other.fan, other._peer = self.ticket, self.fan, self._peer
            sends = (phone._send(asked.number, choice, took_ms) for phone in (self, other))
            await asyncio.gather(*sends)
            other._hang_up()
        else:
            await self._send(asked.number, choice, took_ms)
            if self.manner is Manner.DOUBTER:
                await self._send(asked.number, self._chosen(asked), took_ms + 1)
        if dice.random() < PUT_AWAY:
            self._hang_up()

    def _chosen(self, asked: Asked) -> int:
        if asked.multiple:
            return self._dice.randrange(1, 1 << asked.choices)
        return 1 << self._dice.randrange(asked.choices)

    async def _send(self, question: int, choice: int, took_ms: int) -> None:
        """The same bytes, again and again."""
        crowd, fan = self._crowd, self.fan
        request = (
            f"POST /a/{self.ticket}/{question:02x}{choice:02x}{took_ms:07x}".encode() + HEADERS
        )
        for n in count():
            crowd.sends(fan, question, choice)
            reply = await self._ask(request)
            status = reply.status if reply else 0
            crowd.hears(fan, question, status)
            if status in SETTLED:
                return
            if crowd.over:
                break
            await self._rest(n, reply)
        crowd.gives_up(fan, question)

    async def _forge(self, question: int, choice: int) -> None:
        """Somebody else's number under one's own signature."""
        assert self.ticket is not None
        flipped = "B" if self.ticket[0] == "A" else "A"
        text = f"{flipped}{self.ticket[1:]}/{question:02x}{choice:02x}{0:07x}"
        reply = await self._ask(b"POST /a/" + text.encode() + HEADERS)
        self._crowd.forged(reply.status if reply else 0)

    # --- the prize --------------------------------------------------------------------------------

    async def claim_prize(self) -> None:
        """A contender gives a name."""
        told = {"ticket": self.ticket, "claim": self.claim, "name": f"Fan {self.fan}"}
        body = json.dumps(told | {"consent": True}).encode()
        for n in range(6):
            reply = await self._ask(b"POST /api/claim" + JSON % (len(body), body))
            if reply is not None and reply.status not in (429, 503):
                return
            await self._rest(n, reply)

    # --- the connection ---------------------------------------------------------------------------

    async def _ask(self, request: bytes) -> Reply | None:
        """None where no reply came in time."""
        # Two questions may be asked at once; a connection carries one request at a time.
        async with self._asking:
            return await self._ask_alone(request)

    async def _ask_alone(self, request: bytes) -> Reply | None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                line = self._line
                if line is None or not line.open:
                    transport, line = await self._crowd.connect(Line, self._peer)
                    line.transport = transport
                    self._line = line
                waiting: asyncio.Future[Reply | None] = self._crowd.loop.create_future()
                line.ask(request, waiting)
                reply = await waiting
        except (OSError, TimeoutError):
            reply = None
        if reply is None:
            self._hang_up()
        return reply

    def _hang_up(self) -> None:
        if self._line is not None:
            self._line.open = False
            self._line.transport.close()
            self._line = None

    async def _rest(self, n: int, reply: Reply | None) -> None:
        least_s = 1.0 if reply is not None and reply.retry_after else 0.0
        await asyncio.sleep(least_s + jitter_s(self._dice, n))
