"""A few hundred fans in a thread of their own: they answer, retry, repeat, and remember.

What they remember are sets of (fan, question): sent, and acknowledged. They outlive every gate.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import threading
from collections import Counter
from collections.abc import Coroutine
from typing import Any

from living_node import wait_until
from raw_http import Reply, take_reply

from hairpin.gate.admit import answer_text
from hairpin.ticket import TICKET_CHARS

REPLY_TIMEOUT_S = 5.0
RETRY_BASE_S = 0.05
RETRY_CAP_S = 1.0
BURST_S = 0.8
"""Answers come at random within this time after the question was asked, if nobody says else."""
REPEATS = 0.15
"""Share of fans who send the same again after it was acknowledged, or something else."""

Answers = set[tuple[int, int]]
"""(fan number, question index)."""


class SmallCrowd:
    """Ask it one question at a time, from any thread."""

    def __init__(
        self, port: int, fans: int, seed: int, choices: int = 3, burst_s: float = BURST_S
    ) -> None:
        self.port = port
        self.choices = choices
        self.burst_s = burst_s
        self.random = random.Random(seed)
        self.numbers: list[int] = []
        """Of all tickets that were received, in order."""
        self.sent: Answers = set()
        self.acknowledged: Answers = set()
        self.statuses: Counter[int] = Counter()
        """Of all replies to answers; 0 for none."""
        self.question: int | None = None
        self._fans = fans
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._tasks: list[asyncio.Task[None]] = []

    # --- from the test's thread -------------------------------------------------------------------

    def start(self) -> None:
        """On return every fan has a ticket."""
        self._thread.start()
        self._call(self._begin())
        wait_until(lambda: len(self.numbers) == self._fans, "tickets for everyone")

    def ask(self, question: int) -> None:
        """From now on everyone tries to answer this one, and nothing else."""
        self._call(self._ask(question))

    def wait_answered(self) -> None:
        """Until everyone has an acknowledgement for the question that was asked."""
        wait_until(
            lambda: sum(1 for _, q in tuple(self.acknowledged) if q == self.question) == self._fans,
            f"answers to question {self.question}; replies so far: {dict(self.statuses)}",
        )

    def stop(self) -> None:
        """Everyone goes home; what was not acknowledged by now never will be."""
        if self._thread.is_alive():
            self._call(self._end())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
        self._loop.close()

    def _call(self, what: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(what, self._loop).result(60)

    # --- in the crowd's thread --------------------------------------------------------------------

    async def _begin(self) -> None:
        self._asked = asyncio.Event()
        fans = [_Fan(self) for _ in range(self._fans)]
        self._tasks = [asyncio.create_task(fan.live()) for fan in fans]

    async def _ask(self, question: int) -> None:
        self.question = question
        asked, self._asked = self._asked, asyncio.Event()
        asked.set()

    async def next_question(self, last: int | None) -> int:
        while self.question is None or self.question == last:
            await self._asked.wait()
        return self.question

    async def _end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class _Fan:
    def __init__(self, crowd: SmallCrowd) -> None:
        self._crowd = crowd
        self._dice = random.Random(crowd.random.random())
        self._writer: asyncio.StreamWriter | None = None
        self._data = b""

    async def live(self) -> None:
        try:
            ticket, fan = await self._join()
            question: int | None = None
            while True:
                question = await self._crowd.next_question(question)
                await asyncio.sleep(self._dice.uniform(0, self._crowd.burst_s))
                await self._answer(ticket, fan, question)
        finally:
            self._hang_up()

    async def _join(self) -> tuple[str, int]:
        tries = 0
        while True:
            reply = await self._request(f"/t/{self._dice.randrange(3)}FR")
            if reply is not None and reply.status == 201:
                ticket: str = json.loads(reply.body)["ticket"]
                assert len(ticket) == TICKET_CHARS
                number = fan_number(ticket)
                self._crowd.numbers.append(number)
                return ticket, number
            tries = await self._wait(tries)

    async def _answer(self, ticket: str, fan: int, question: int) -> None:
        """Until it is acknowledged, or too late, or the crowd is asked something else."""
        crowd = self._crowd
        path = self._path(ticket, question)
        tries = 0
        while crowd.question == question:
            crowd.sent.add((fan, question))
            reply = await self._request(path)
            crowd.statuses[reply.status if reply else 0] += 1
            if reply is not None and reply.status == 204:
                crowd.acknowledged.add((fan, question))
                if self._dice.random() < REPEATS:
                    await self._request(self._dice.choice([path, self._path(ticket, question)]))
                return
            if reply is not None and reply.status == 410:
                return
            tries = await self._wait(tries)

    def _path(self, ticket: str, question: int) -> str:
        choice = 1 << self._dice.randrange(self._crowd.choices)
        return "/a/" + answer_text(ticket, question, choice, self._dice.randrange(9_999)).decode()

    async def _wait(self, tries: int) -> int:
        """Full jitter, as phones do, only faster."""
        await asyncio.sleep(self._dice.uniform(0, min(RETRY_CAP_S, RETRY_BASE_S * 2**tries)))
        return tries + 1

    # --- HTTP -------------------------------------------------------------------------------------

    async def _request(self, path: str) -> Reply | None:
        """None if no reply came, whatever became of the request."""
        try:
            async with asyncio.timeout(REPLY_TIMEOUT_S):
                return await self._exchange(path)
        except (OSError, EOFError, TimeoutError):
            self._hang_up()
            return None

    async def _exchange(self, path: str) -> Reply:
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(
                "127.0.0.1", self._crowd.port
            )
            self._data = b""
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n"
        self._writer.write(head.encode())
        while (taken := take_reply(self._data)) is None:
            data = await self._reader.read(65_536)
            if not data:
                raise EOFError
            self._data += data
        reply, self._data = taken
        if reply.headers.get("connection") == "close":
            self._hang_up()
        return reply

    def _hang_up(self) -> None:
        if self._writer is not None:
            with contextlib.suppress(OSError):
                self._writer.transport.abort()
            self._writer = None


def fan_number(ticket: str) -> int:
    """The first four bytes, as docs/http-api.md tells phones."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    bits = "".join(f"{alphabet.index(character):06b}" for character in ticket[:8])
    return int.from_bytes(int(bits[:32], 2).to_bytes(4, "big"), "little")
