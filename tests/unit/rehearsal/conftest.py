"""A gate that keeps its books in memory, and can misbehave: drop connections, refuse, hang up."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from hairpin.rehearsal import sockets

QUESTIONS = 2
OPEN_MS = 1_500
PAUSE_MS = 700


def now_ms() -> float:
    return time.time() * 1000


@dataclass
class FakeGate:
    """Serves one show of two questions. `drop_every` and `overload_every` misbehave every so many
    answers; `deaf` hangs up on everything, as a dead node does."""

    drop_every: int = 0
    overload_every: int = 0
    deaf: bool = False
    start_ms: float = field(default_factory=lambda: now_ms() + PAUSE_MS)
    url: str = ""
    tickets: dict[bytes, int] = field(default_factory=dict)
    journal: list[tuple[int, int, int]] = field(default_factory=list)
    refused: Counter[int] = field(default_factory=Counter)
    claims: list[dict[str, object]] = field(default_factory=list)
    answers: int = 0
    asked: int = 0
    heads: list[bytes] = field(default_factory=list)

    def opened_ms(self, question: int) -> float:
        return self.start_ms + question * (OPEN_MS + PAUSE_MS)

    def counted(self, question: int) -> set[int]:
        return {fan for q, fan, _ in self.journal if q == question}

    def now(self) -> dict[str, object]:
        at = now_ms()
        started = [q for q in range(QUESTIONS) if at >= self.opened_ms(q)]
        waiting = [q for q in range(QUESTIONS) if at < self.opened_ms(q)]
        document: dict[str, object] = {
            "state": "waiting",
            "question": None,
            "next_at": self.opened_ms(waiting[0]) if waiting else None,
            "contenders": None,
            "now": at,
            "poll_after_ms": 100,
            "spread_ms": 200,
        }
        if started:
            index = started[-1]
            closes = self.opened_ms(index) + OPEN_MS
            over = at >= closes and not waiting
            document["state"] = "over" if over else "open" if at < closes else "revealed"
            document["question"] = {
                "index": index,
                "choices": [{}, {}, {}, {}],
                "multiple": False,
                "opened_at": self.opened_ms(index),
                "closes_at": closes,
            }
            if over:
                best = sorted(self.counted(0) & self.counted(1))[:3]
                document["contenders"] = {"deadline_at": at + 9e9, "fans": best, "reserves": []}
        return document

    def join(self) -> bytes:
        fan = len(self.tickets) + 100
        raw = fan.to_bytes(4, "little") + bytes([1, 1, 0]) + fan.to_bytes(8, "big")
        ticket = base64.urlsafe_b64encode(raw)
        self.tickets[ticket] = fan
        return json.dumps({"ticket": ticket.decode(), "claim": f"code-{fan}"}).encode()

    def answer(self, path: bytes) -> int:
        self.answers += 1
        if self.overload_every and self.answers % self.overload_every == 0:
            return 503
        _, _, ticket, tail = path.split(b"/")
        fan = self.tickets.get(ticket)
        if fan is None:
            return 401
        question, choice = int(tail[:2], 16), int(tail[2:4], 16)
        if choice == 0 or choice >= 16 or question >= QUESTIONS:
            return 404
        age = now_ms() - self.opened_ms(question)
        if age < 0:
            return 409
        if age > OPEN_MS:
            return 410
        self.journal.append((question, fan, choice))
        return 204

    def reply(self, method: bytes, path: bytes, body: bytes) -> tuple[int, bytes]:
        if path == b"/now":
            self.asked += 1
            return 200, json.dumps(self.now()).encode()
        if path == b"/show.json":
            show = {"show": "fake", "countries": ["FR", "GB", "ZZ"], "questions": QUESTIONS}
            return 200, json.dumps(show).encode()
        if path == b"/api/claim":
            self.claims.append(json.loads(body))
            return 202, b"{}"
        if path.startswith(b"/t/"):
            return 201, self.join()
        status = self.answer(path)
        if status != 204:
            self.refused[status] += 1
        return status, b"" if status == 204 else b'{"error": "as told"}'

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while not self.deaf:
                head = await reader.readuntil(b"\r\n\r\n")
                self.heads.append(head)
                method, path, _ = head.split(b" ", 2)
                length = 0
                for line in head.lower().split(b"\r\n"):
                    if line.startswith(b"content-length:"):
                        length = int(line[15:])
                body = await reader.readexactly(length)
                status, content = self.reply(method, path, body)
                if self.drop_every and self.answers % self.drop_every == self.drop_every - 1:
                    self.answers += 1
                    break
                writer.write(
                    b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (status, len(content))
                )
                writer.write(content)
                if b"\r\nconnection: close" in head.lower():
                    break
        except (EOFError, OSError):
            pass
        finally:
            writer.close()


StartGate = Callable[[FakeGate], Awaitable[FakeGate]]


@pytest.fixture(scope="session", autouse=True)
def _warm() -> None:
    """Compilers must not run while a fake gate's clock does."""
    sockets.warm()


@pytest.fixture
async def start_gate() -> AsyncIterator[Callable[..., Awaitable[FakeGate]]]:
    servers: list[asyncio.Server] = []

    async def start(**how: int) -> FakeGate:
        gate = FakeGate(**how)
        server = await asyncio.start_server(gate.serve, "127.0.0.1", 0)
        servers.append(server)
        gate.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        return gate

    yield start
    for server in servers:
        server.close()
