"""A crowd does anything to two gates that share it: nothing is lost, mixed up or left behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import socket
from collections import deque
from collections.abc import Callable

import pytest
import uvloop
from gate_stand import KEY
from hot_stand import HotStand, drain
from hypothesis import example, given, settings
from hypothesis import strategies as st
from raw_http import Reply, take_reply

from hairpin.config import Settings
from hairpin.errors import EngineDown
from hairpin.gate import sweep
from hairpin.gate.admit import answer_text
from hairpin.gate.connection import IDLE_TIMEOUT_MS
from hairpin.ticket import issue

PLACES = 24
CLIENTS_MAX = 40
STEPS = 150
RESET = b"\x01\x00\x00\x00\x00\x00\x00\x00"
HEADERS = (
    b"Host: a\r\n\r\n",
    b"Host: a\r\nUser-Agent: phone\r\n\r\n",
    b"Host: a\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n",
    b"Host: a\r\nX: " + b"y" * 1_500 + b"\r\n\r\n",
)
LINES = {
    b"GET /now HTTP/1.1\r\n": 200,
    b"POST /t/1FR HTTP/1.1\r\n": 201,
    b"OPTIONS /x HTTP/1.1\r\n": 204,
    b"GET /healthz HTTP/1.1\r\n": 200,
    b"GET /nothing HTTP/1.1\r\n": 404,
}
UNWRITTEN = 503


class Client:
    """What it asked for, in order: the status expected and the fan of an answer, -1 else."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.unsent = b""
        self.received = b""
        self.asked: deque[tuple[int, int]] = deque()
        self.counted: set[int] = set()
        self.refused = False
        self.ended = False

    def send(self, most: int) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionError):
            self.unsent = self.unsent[self.sock.send(self.unsent[:most]) :]

    def read(self) -> None:
        self.received += drain(self.sock)
        while taken := take_reply(self.received):
            self.received = taken[1]
            self._check(taken[0])

    def _check(self, reply: Reply) -> None:
        if "connection" in reply.headers:
            assert reply.status == UNWRITTEN, "beyond the limit"
            self.refused = True
            return
        status, fan = self.asked.popleft()
        assert reply.status in (status, UNWRITTEN), "in order"
        assert ("access-control-max-age" in reply.headers) == (status == 204 and fan < 0)
        if fan >= 0 and reply.status == 204:
            self.counted.add(fan)


class Crowd:
    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.stands = [HotStand(Settings(connections_max=PLACES, join_burst=10**6)) for _ in "ab"]
        self.clients: list[Client] = []
        self.counted: set[int] = set()
        self.fans = 0

    def connect(self) -> None:
        if len(self.clients) < CLIENTS_MAX:
            receive_bytes = self.dice.choice([None, None, 2_048])
            self.clients.append(Client(self.dice.choice(self.stands).client(receive_bytes)))

    def ask(self) -> None:
        client = self.dice.choice(self.clients)
        if client.ended:
            return
        asked = b""
        for _ in range(self.dice.choice([1, 1, 1, 2, 5, 300])):
            line, status, fan = self._line()
            client.asked.append((status, fan))
            asked += line + self.dice.choice(HEADERS)
        client.unsent += asked
        self.send()

    def _line(self) -> tuple[bytes, int, int]:
        if self.dice.random() < 0.4:
            line = self.dice.choice(list(LINES))
            return line, LINES[line], -1
        self.fans += 1
        text = answer_text(issue(self.fans, 1, 2, KEY), 0, 1, 5)
        return b"POST /a/" + text + b" HTTP/1.1\r\n", 204, self.fans

    def send(self) -> None:
        self.dice.choice(self.clients).send(self.dice.choice([1, 20, 100, 1_000, 1 << 20]))

    def read(self) -> None:
        self.dice.choice(self.clients).read()

    def half_close(self) -> None:
        client = self.dice.choice(self.clients)
        client.send(1 << 20)
        if not client.unsent and not client.ended:
            client.ended = True
            with contextlib.suppress(OSError):
                client.sock.shutdown(socket.SHUT_WR)

    def leave(self) -> None:
        client = self.clients.pop(self.dice.randrange(len(self.clients)))
        client.read()
        self.counted |= client.counted
        if self.dice.random() < 0.5:
            client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        client.sock.close()

    def give(self) -> None:
        giver, taker = self.dice.sample(self.stands, 2)
        for fd in giver.burst.give(self.dice.choice([1, 3, 100])):
            taker.burst.take_back(socket.socket(fileno=fd))

    def tend(self) -> None:
        stand = self.dice.choice(self.stands)
        stand.clock.at_ms += 5
        stand.doors.tick()
        stand.burst.tend()
        for connection in tuple(stand.doors.connections):
            connection.tend(stand.clock.monotonic_ms())

    def break_or_mend(self) -> None:
        writer = self.dice.choice(self.stands).writer
        writer.broken = EngineDown("full") if writer.broken is None else None

    async def live(self) -> None:
        for stand in self.stands:
            await stand.ready()
        actions: list[Callable[[], None]] = [
            *([self.connect] * 4 + [self.ask] * 8 + [self.send] * 8 + [self.read] * 4),
            *(self.half_close, self.leave, self.give, self.give, self.tend, self.break_or_mend),
        ]
        for _ in range(STEPS):
            self.connect() if not self.clients else self.dice.choice(actions)()
            for _ in range(self.dice.choice([0, 0, 1, 3])):
                await asyncio.sleep(0)
        await self._settle()
        self._compare()
        for client in self.clients:
            self.counted |= client.counted
            client.sock.close()
        self.clients.clear()
        while self._here():
            self.tend()
            await asyncio.sleep(0)

    def _here(self) -> int:
        """Connections that the gates believe to have."""
        return sum(
            stand.burst.connections + stand.burst.handing + len(stand.doors.connections)
            for stand in self.stands
        )

    async def _settle(self) -> None:
        """Until all have what they asked for, and those who ended are gone."""
        for stand in self.stands:
            stand.writer.broken = None

        def owed(client: Client) -> bool:
            return not client.refused and bool(client.unsent or client.asked)

        now_ms = self.stands[0].clock.now_ms
        since_ms = now_ms()
        while any(owed(client) for client in self.clients) or self._here() > sum(
            not (client.ended or client.refused) for client in self.clients
        ):
            assert now_ms() < since_ms + IDLE_TIMEOUT_MS / 2, "they wait for each other"
            for client in self.clients:
                client.send(1 << 20)
                client.read()
            self.tend()
            # Not 0: a window that opens again is told of by the kernel's timers, in real time.
            await asyncio.sleep(0.001)

    def _compare(self) -> None:
        inside = sum(not (client.ended or client.refused) for client in self.clients)
        beyond = 0
        for stand in self.stands:
            counts = stand.burst._sweeper._counts
            state = stand.burst._sweeper._state
            assert counts[sweep.HOT] == (state == sweep.SERVED).sum()
            assert counts[sweep.REFUSING] == (state == sweep.REFUSED).sum()
            beyond += int(counts[sweep.REFUSING])
            assert not stand.failed.done()
        assert self._here() <= inside <= self._here() + beyond + CLIENTS_MAX

    def close(self) -> None:
        journalled: set[int] = set()
        for stand in self.stands:
            stand.close()
            journalled |= set(stand.writer.answers()["fan"].tolist())
        assert self.counted <= journalled <= set(range(1, self.fans + 1))


async def life(seed: int) -> None:
    crowd = Crowd(random.Random(seed))
    try:
        await crowd.live()
    finally:
        crowd.close()
        for client in crowd.clients:
            client.sock.close()
    for _ in range(3):
        await asyncio.sleep(0)


def open_files() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop])
@given(seed=st.integers(0, 1 << 32))
@example(seed=3_501_803_757)
@settings(max_examples=25, deadline=None)
def test_whatever_a_crowd_does(
    loop_factory: Callable[[], asyncio.AbstractEventLoop], seed: int
) -> None:
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(asyncio.sleep(0))  # the first loop of a process opens files for all
    before = open_files()
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(life(seed))
    assert open_files() == before
