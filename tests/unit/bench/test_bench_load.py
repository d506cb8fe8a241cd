"""The generator: each reply is checked and counted once, whatever parts it comes in."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from bench.load import generator, requests, wire
from bench.load.jobs import PLACE, Fans, Flood, Job, Load, Result
from hairpin.libc import AVAILABLE
from hairpin.ticket import TicketKey, verify

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="the generator needs Linux")

KEY = bytes(range(16))
FANS = Fans(first=1000, count=5000, key_number=3, key=KEY.hex(), choices=4, countries=3)
HEAD_END = b"\r\n\r\n"
EMPTY = b"HTTP/1.1 204 No Content\r\nServer: x\r\n\r\n"
BUSY = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 4\r\n\r\nwait"

Reply = Callable[[bytes], list[bytes]]
"""A request in, the parts of its reply out."""


class Plain:
    """A server with a thread for each connection; keeps every request line."""

    def __init__(self, reply: Reply, turns: int = 1 << 30) -> None:
        """`turns`: requests of one connection, which is closed then."""
        self.lines: list[bytes] = []
        self._reply = reply
        self._turns = turns
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection = self._listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        rest, turns = b"", 0
        with connection:
            try:
                while turns < self._turns:
                    while HEAD_END not in rest:
                        got = connection.recv(65_536)
                        if not got:
                            return
                        rest += got
                    head, _, rest = rest.partition(HEAD_END)
                    self.lines.append(head.partition(b"\r\n")[0])
                    for part in self._reply(head):
                        connection.sendall(part)
                    turns += 1
            except OSError:
                return

    def close(self) -> None:
        self._listener.close()


@contextmanager
def server(reply: Reply, turns: int = 1 << 30) -> Iterator[Plain]:
    plain = Plain(reply, turns)
    try:
        yield plain
    finally:
        plain.close()


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin without being told to."""
    monkeypatch.setattr(generator, "_go", lambda: None)


def job(port: int, **more: object) -> Job:
    settings: dict[str, object] = {
        "load": Load.CLOSED,
        "port": port,
        "request": requests.answer(requests.BROWSER),
        "fans": FANS,
        "connections": 4,
        "seconds": 0.2,
        "warm_s": 0.05,
    }
    return Job(**(settings | more))  # type: ignore[arg-type]


def count(lines: list[bytes]) -> int:
    return sum(line.startswith(b"POST /a/") for line in lines)


def assert_balanced(result: Result, plain: Plain) -> None:
    """What the server took is what the generator knows of."""
    assert result.broken == result.unanswered == 0
    assert result.replies > 0
    assert count(plain.lines) == result.sent


def test_every_answer_is_of_another_fan_and_signed() -> None:
    text = requests.answers(FANS)
    assert text.shape == (FANS.count, len(PLACE))
    key = TicketKey(FANS.key_number, KEY, KEY)
    tickets = [verify(row[:20].tobytes().decode(), key) for row in text[:200]]
    assert [ticket.fan for ticket in tickets if ticket] == list(range(1000, 1200))
    rest = {row[20:].tobytes() for row in text}
    assert {part[:3] for part in rest} == {b"/00"}
    assert {part[3:5] for part in rest} == {b"01", b"02", b"04", b"08"}
    assert all(800 <= int(part[5:], 16) < 9000 for part in rest)


def test_closed_loop_counts_each_reply_once() -> None:
    with server(lambda _: [EMPTY]) as plain:
        result = generator.work(job(plain.port))
        assert_balanced(result, plain)
    assert set(result.statuses) == {204}
    assert result.acknowledged == result.sent
    assert len(set(plain.lines)) == min(result.sent, FANS.count)


def test_replies_may_come_in_parts_and_in_several_lengths() -> None:
    turn = iter(range(1 << 30))

    def reply(_: bytes) -> list[bytes]:
        number = next(turn)
        if number % 3 == 0:
            return [BUSY[:10], BUSY[10:70], BUSY[70:]]
        body = b"x" * (number % 50)
        whole = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        return [whole[:-1], whole[-1:]] if number % 2 else [whole]

    with server(reply) as plain:
        result = generator.work(job(plain.port, depth=3))
        assert_balanced(result, plain)
    assert set(result.statuses) == {200, 503}
    assert result.acknowledged == 0


def test_a_lead_goes_before_each_answer() -> None:
    with server(lambda _: [EMPTY]) as plain:
        result = generator.work(job(plain.port, lead=requests.now(requests.BROWSER_GET)))
    answers = count(plain.lines)
    assert answers == result.sent
    assert len(plain.lines) == 2 * answers


def test_a_connection_for_each_answer() -> None:
    with server(lambda _: [EMPTY[:5], EMPTY[5:]]) as plain:
        result = generator.work(job(plain.port, load=Load.FRESH))
        assert_balanced(result, plain)
    assert result.acknowledged == result.sent


def test_what_is_not_http_breaks_the_connection() -> None:
    with server(lambda _: [b"SSH-2.0-OpenSSH_9.2p1 Debian"]) as plain:
        result = generator.work(job(plain.port))
    assert result.replies == 0


def test_open_loop_sends_at_its_rate_whatever_comes_back() -> None:
    with server(lambda _: [BUSY]) as plain:
        result = generator.work(job(plain.port, load=Load.PACED, per_s=2000.0, depth=8))
        assert_balanced(result, plain)
    assert set(result.statuses) == {503}
    assert result.p50_ms is None
    assert result.refused_p99_ms is not None
    assert 0.5 < result.due / (2000 * 0.2) < 1.5


def test_a_flood_is_counted_apart_and_comes_again_when_thrown_out() -> None:
    def reply(head: bytes) -> list[bytes]:
        return [EMPTY] if head.startswith(b"POST /a/") else [BUSY]

    flood = Flood(requests.junk(requests.SHORT), 1000.0)
    with server(reply, turns=5) as plain:
        result = generator.work(
            job(plain.port, load=Load.PACED, per_s=1000.0, depth=4, flood=flood)
        )
    assert set(result.statuses) <= {204}
    assert set(result.flood_statuses) == {503}
    assert sum(result.flood_statuses.values()) > 5 * 2


@pytest.mark.parametrize("took_us", [0, 1, 999, 1024, 5_000, 250_000, 30_000_000])
def test_latencies_are_kept_within_a_fifth_of_a_percent(took_us: int) -> None:
    counts = np.zeros(wire.LATENCIES, np.int64)
    counts[wire.latency_bucket(took_us * 1000)] += 1
    kept_ms = wire.quantile_ms(counts, 0.99)
    assert kept_ms is not None
    assert kept_ms * 1000 == pytest.approx(took_us + 0.5, rel=2e-3)
