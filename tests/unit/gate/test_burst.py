"""The hot loop on real sockets: what it takes, what it hands over, and what it never does."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket

import pytest
from gate_stand import KEY
from hot_stand import HotStand, drain, hot_stand, whole_replies

from hairpin.config import Settings
from hairpin.errors import EngineDown
from hairpin.gate import slices, sweep, sweeper, turnstile
from hairpin.gate.admit import answer_text
from hairpin.gate.connection import IDLE_TIMEOUT_MS
from hairpin.ticket import issue

HEADERS = b"Host: a\r\n\r\n"
NOW = b"GET /now HTTP/1.1\r\n" + HEADERS
JOIN = b"POST /t/1FR HTTP/1.1\r\n" + HEADERS
HEALTH = b"GET /healthz HTTP/1.1\r\n" + HEADERS


def answer(fan: int, headers: bytes = HEADERS) -> bytes:
    text = answer_text(issue(fan, 1, 2, KEY), 0, 1, 500)
    return b"POST /a/" + text + b" HTTP/1.1\r\n" + headers


async def test_what_came_together_is_journalled_together_and_answered_in_order() -> None:
    with hot_stand() as stand:
        await stand.ready()
        replies = await stand.exchange(answer(1) + NOW + JOIN + answer(2))
        assert [reply.status for reply in replies] == [204, 200, 201, 204]
        assert len(stand.writer.frames) == 1
        assert stand.writer.answers()["fan"].tolist() == [1, 2]
        assert stand.doors.requests["general"] == 0


async def test_many_connections_in_one_turn() -> None:
    with hot_stand() as stand:
        clients = [stand.client() for _ in range(200)]
        for fan, sock in enumerate(clients):
            sock.sendall(answer(fan))
        await stand.rest(30)
        assert all(drain(sock).startswith(b"HTTP/1.1 204") for sock in clients)
        assert sorted(stand.writer.answers()["fan"].tolist()) == list(range(200))
        assert stand.burst.connections == 200
        for sock in clients:
            sock.close()
        await stand.rest(30)
        assert stand.burst.connections == 0


async def test_a_torn_request_is_finished_by_the_ordinary_server_which_gives_it_back() -> None:
    with hot_stand() as stand, contextlib.closing(stand.client()) as sock:
        whole = answer(1)
        for at in (1, 8, 30, 45, len(whole) - 1):
            sock.sendall(whole[:at])
            await stand.rest()
            assert not drain(sock)
            assert (stand.burst.connections, len(stand.doors.connections)) == (0, 1)
            sock.sendall(whole[at:] + whole)
            await stand.rest()
            assert len(whole_replies(drain(sock))) == 2
            assert (stand.burst.connections, len(stand.doors.connections)) == (1, 0)


async def test_a_page_between_answers_keeps_the_order() -> None:
    with hot_stand() as stand:
        replies = await stand.exchange(answer(1) + HEALTH + answer(2), answer(3))
        assert [(reply.status, reply.body[:2]) for reply in replies] == [
            (204, b""),
            (200, b'{"'),
            (204, b""),
            (204, b""),
        ]


async def test_only_so_many_requests_of_one_connection_in_a_turn() -> None:
    with hot_stand() as stand:
        many = slices.PIPELINED_MAX * 2 + 7
        replies = await stand.exchange(answer(1) * many)
        assert [reply.status for reply in replies] == [204] * many


async def test_a_client_that_does_not_read_is_kept_and_gets_all_of_it_later() -> None:
    with (
        hot_stand(small_buffers=True) as stand,
        contextlib.closing(stand.client(receive_bytes=2_048)) as sock,
        contextlib.closing(stand.client()) as other,
    ):
        for _ in range(8):
            sock.sendall(NOW * 200)
            await stand.rest()
        assert len(stand.doors.connections) == 1, "handed over with what it did not take"
        other.sendall(answer(5))
        await stand.rest()
        assert drain(other).startswith(b"HTTP/1.1 204"), "the others do not wait"
        received = b""
        for _ in range(20_000):
            received += drain(sock)
            await stand.rest(1)
            if received.count(b"HTTP/1.1 200 OK") == 1_600 and received.endswith(b"}"):
                break
        assert len(whole_replies(received)) == 1_600


async def test_a_client_that_goes_away_before_its_reply() -> None:
    with hot_stand() as stand:
        for _ in range(20):
            sock = stand.client()
            sock.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00"
            )
            sock.sendall(answer(1) * 3)
            sock.close()  # with a reset
        await stand.rest(30)
        assert stand.burst.connections == 0
        assert not stand.doors.connections
        assert [r.status for r in await stand.exchange(answer(2))] == [204]


async def test_a_descriptor_that_is_used_again_belongs_to_the_new_client_alone() -> None:
    with hot_stand() as stand:
        for fan in range(50):
            with contextlib.closing(stand.client()) as sock:
                sock.sendall(answer(fan) if fan % 3 else answer(fan)[:-5])
                sock.shutdown(socket.SHUT_WR)
                await stand.rest()
                replies = whole_replies(drain(sock))
            assert [reply.status for reply in replies] == ([204] if fan % 3 else [])
        expected = [fan for fan in range(50) if fan % 3]
        assert stand.writer.answers()["fan"].tolist() == expected


async def test_half_closed_connections_get_their_replies() -> None:
    with hot_stand() as stand:
        for request, status in ((answer(1), 204), (HEALTH, 200), (answer(2)[:-4], None)):
            replies = await stand.exchange(request, ended=True)
            assert [reply.status for reply in replies] == ([status] if status else [])


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (b"Host: a\r\nContent-Length: 0\r\n\r\n", 204),
        (b"Host: a\r\nContent-Length: 1\r\n\r\nx", 204),
        (b"Host: a\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n", 400),
        (b"Host: a\r\nContent-Length: 0, 0\r\n\r\n", 400),
        (b"Host: a\r\nContent-Length: +0\r\n\r\n", 400),
        (b"Host: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
        (b"Host: a\r\nTransfer-Encoding : chunked\r\n\r\n", 400),
        (b"Host: a\r\nX: y\rTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"Host: a\nX: y\r\n\r\n", 400),
        (b"Host: a\r\nHost: b\r\n\r\n", 400),
        (b"\r\n\r\n", 400),
        (b"Host: a\r\nX: " + b"y" * 5_000 + b"\r\n\r\n", 204),
        (b"Host: a\r\nX: " + b"y" * 17_000 + b"\r\n\r\n", 431),
        (b"Host: a\r\n" + b"X: y\r\n" * 150 + b"\r\n", 204),
    ],
)
async def test_hostile_headers_are_judged_by_the_ordinary_server(
    headers: bytes, status: int
) -> None:
    with hot_stand() as stand:
        replies = await stand.exchange(answer(1, headers))
        assert [reply.status for reply in replies][:1] == [status]
        counted = stand.writer.answers()
        assert len(counted) == (1 if status == 204 else 0)


async def test_an_answer_is_acknowledged_only_when_it_is_durable() -> None:
    with hot_stand() as stand:
        stand.writer.broken = EngineDown("the disk is full")
        replies = await stand.exchange(answer(1) + NOW)
        assert [reply.status for reply in replies] == [503, 200]
        assert replies[0].headers["retry-after"] == "1"
        stand.writer.broken = None
        assert [r.status for r in await stand.exchange(answer(1))] == [204]


async def test_what_is_beyond_a_commit_gets_503_and_the_rest_waits() -> None:
    with hot_stand(Settings(queue_max=100)) as stand:
        clients = [stand.client() for _ in range(4)]
        for sock in clients:
            sock.sendall(b"".join(answer(fan) for fan in range(200)))
        for _ in range(40):
            await stand.rest(2)
        replies = [reply.status for sock in clients for reply in whole_replies(drain(sock))]
        assert len(replies) == 800
        assert set(replies) == {204, 503}
        assert all(count <= 100 for _, _, count in stand.writer.frames), "no commit takes more"
        for sock in clients:
            sock.close()


async def test_connections_beyond_the_limit_get_503_and_their_places_are_free_again() -> None:
    with hot_stand(Settings(connections_max=10)) as stand:
        inside = [stand.client() for _ in range(10)]
        await stand.rest()
        for _ in range(3):
            (reply,) = await stand.exchange(answer(1))
            assert (reply.status, reply.headers["connection"]) == (503, "close")
            assert reply.headers["retry-after"] == "1"
        assert stand.doors.refused["connections"] == 3
        for sock in inside:
            sock.close()
        await stand.rest()
        assert [r.status for r in await stand.exchange(answer(1))] == [204]


async def test_a_crowd_beyond_the_limit_waits_outside_and_is_let_in_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with hot_stand(Settings(connections_max=10)) as stand:
        first = [stand.client() for _ in range(10 + sweep.REFUSING_MAX + 30)]
        await stand.rest(30)
        assert stand.burst.connections == 10
        for sock in first[10:]:
            with contextlib.suppress(ConnectionError):
                sock.sendall(answer(1))
        for _ in range(20):
            await stand.rest(4)
        refused = [whole_replies(drain(sock)) for sock in first[10:]]
        assert all([r.status for r in replies] == [503] for replies in refused)
        for sock in first:
            sock.close()
        await stand.rest(20)
        assert [r.status for r in await stand.exchange(answer(1))] == [204]


async def test_who_says_nothing_for_too_long_is_let_go() -> None:
    with hot_stand() as stand, contextlib.closing(stand.client()) as sock:
        sock.sendall(answer(1))
        await stand.rest()
        stand.clock.at_ms += IDLE_TIMEOUT_MS - 1
        stand.burst.tend()
        assert stand.burst.connections == 1
        stand.clock.at_ms += 2
        stand.burst.tend()
        assert stand.burst.connections == 0
        await stand.rest()
        assert drain(sock).startswith(b"HTTP/1.1 204")
        assert sock.recv(1) == b""


async def test_a_connection_given_away_is_served_by_whoever_takes_it() -> None:
    with hot_stand() as one, hot_stand() as other, contextlib.closing(one.client()) as sock:
        sock.sendall(answer(1))
        await one.rest()
        sock.sendall(answer(2))  # unread bytes go along
        fds = one.burst.give(5)
        assert len(fds) == 1
        assert one.burst.connections == 0
        other.burst.take_back(socket.socket(fileno=fds[0]))
        await other.rest()
        assert len(whole_replies(drain(sock))) == 2
        assert other.writer.answers()["fan"].tolist() == [2]


async def test_a_flood_of_junk_leaves_every_turn_to_the_answers() -> None:
    with hot_stand() as stand:
        junk = [stand.client() for _ in range(60)]
        for sock in junk:
            sock.sendall(b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n" * 20)
        with contextlib.closing(stand.client()) as honest:
            for fan in range(10):
                before = stand.doors.requests["general"]
                honest.sendall(answer(fan))
                while not (received := drain(honest)):
                    await asyncio.sleep(0)
                assert received.startswith(b"HTTP/1.1 204")
                passed = stand.doors.requests["general"] - before
                assert passed <= 4 * (turnstile.PER_TURN + sweeper.COLD_MAX)
        await stand.rest()
        for sock in junk:
            assert len(whole_replies(drain(sock))) == 20, "in the end junk is answered, too"
            sock.close()


async def test_the_end_answers_what_has_arrived() -> None:
    stand = HotStand()
    with contextlib.closing(stand.client()) as sock:
        await stand.rest()
        sock.sendall(answer(1))
        stand.close()
        assert drain(sock).startswith(b"HTTP/1.1 204")
        assert sock.recv(1) == b""
    await asyncio.sleep(0)


async def test_a_turn_that_fails_says_so_and_serves_no_more() -> None:
    with hot_stand() as stand, contextlib.closing(stand.client()) as sock:
        stand.answers.decide = None  # type: ignore[assignment, method-assign]
        sock.sendall(answer(1))
        while not stand.failed.done():
            await asyncio.sleep(0)
        assert isinstance(stand.failed.exception(), TypeError)
        assert not drain(sock)
        del stand.answers.decide


async def test_a_descriptor_too_high_for_the_tables_is_closed() -> None:
    with hot_stand() as stand:
        left, right = socket.socketpair()
        high = os.dup2(left.fileno(), 4_097 + 200, inheritable=False)
        left.close()
        stand.burst.take_back(socket.socket(fileno=high))
        assert stand.burst.connections == 0
        assert right.recv(1) == b""
        right.close()
