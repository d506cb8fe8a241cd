"""The hot loop when connections end, places run out or the process does: nothing is left behind."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import resource
import socket

import pytest
from gate_requests import TICKETS, answer
from hot_stand import HotStand, drain, hot_stand, whole_replies

from hairpin.config import Settings
from hairpin.gate import slices, sweeper
from hairpin.gate.connection import Connection
from hairpin.gate.http import Replies

ANSWER = answer(TICKETS[0], 0, 1)
NOW = b"GET /now HTTP/1.1\r\nHost: a\r\n\r\n"
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"


def show(stand: HotStand, size: int) -> None:
    """`/now` has so many bytes."""
    replies = Replies(b"Thu, 01 Jan 1970 00:00:00 GMT")
    replies.set_now(b"x" * size, b'"1"')
    stand.doors._replies = replies


async def test_an_end_that_comes_with_a_request_is_noticed() -> None:
    with hot_stand() as stand, contextlib.closing(stand.client()) as sock:
        sock.sendall(ANSWER)
        await stand.rest()
        assert len(whole_replies(drain(sock))) == 1
        sock.sendall(ANSWER)
        sock.shutdown(socket.SHUT_WR)
        await stand.rest()
        assert stand.burst.connections == 0
        assert len(whole_replies(drain(sock))) == 1
        assert sock.recv(1) == b""


async def test_replies_do_not_wait_for_acknowledgements_of_earlier_ones() -> None:
    with hot_stand() as stand, contextlib.closing(stand.client()) as sock:
        sock.sendall(ANSWER)
        await stand.rest()
        (fd,) = stand.burst.give(1)
        with socket.socket(fileno=fd) as given:
            assert given.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_documents_that_nobody_reads_are_not_kept_by_the_hundred() -> None:
    with hot_stand(small_buffers=True) as stand:
        show(stand, 5_000)
        with contextlib.closing(stand.client(receive_bytes=2_048)) as sock:
            sock.sendall(NOW * slices.PIPELINED_MAX)
            await stand.rest()
            (cold,) = stand.doors.connections
            assert isinstance(cold, Connection)
            kept = cold._transport.get_write_buffer_size()
            assert 0 < kept < 30 * 5_000
            received = b""
            while len(received) < slices.PIPELINED_MAX * len(stand.doors.replies.now):
                received += drain(sock)
                await asyncio.sleep(0)
            assert len(whole_replies(received)) == slices.PIPELINED_MAX


async def test_a_large_document_is_sent_whole_to_all() -> None:
    with hot_stand() as stand:
        for size in (200_000, 400_000, 10):
            show(stand, size)
            clients = [stand.client() for _ in range(4)]
            for sock in clients:
                sock.sendall(ANSWER + NOW + ANSWER + NOW)
            received = [b""] * 4
            while any(len(data) < 2 * size for data in received):
                received = [
                    data + drain(sock) for data, sock in zip(received, clients, strict=True)
                ]
                await asyncio.sleep(0)
            await stand.rest()
            for data, sock in zip(received, clients, strict=True):
                replies = whole_replies(data + drain(sock))
                assert [r.status for r in replies] == [204, 200, 204, 200]
                assert [len(r.body) for r in replies] == [0, size, 0, size]
                sock.close()


async def test_without_free_descriptors_connections_stay_where_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    troubles: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: troubles.append(context))

    def full(_: int) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with hot_stand() as stand, contextlib.closing(stand.client()) as sock:
        with monkeypatch.context() as patched:
            patched.setattr(os, "dup", full)
            sock.sendall(HEALTH)
            await stand.rest()
            assert (stand.burst.connections, len(stand.doors.connections)) == (0, 1)
        assert len(whole_replies(drain(sock))) == 1
        sock.sendall(ANSWER)
        await stand.rest()
        assert len(whole_replies(drain(sock))) == 1
        assert (stand.burst.connections, len(stand.doors.connections)) == (1, 0)
    assert not troubles


async def test_the_end_answers_all_that_has_arrived_however_much_that_is() -> None:
    stand = HotStand()
    pages = [stand.client() for _ in range(2 * sweeper.COLD_MAX)]
    clients = [stand.client() for _ in range(50)]
    await stand.rest()
    for sock in pages:
        sock.sendall(HEALTH)
    for sock in clients:
        sock.sendall(ANSWER)
    stand.close()
    for sock in clients:
        assert [r.status for r in whole_replies(drain(sock))] == [204]
        assert sock.recv(1) == b""
    while stand.burst.handing or stand.doors.connections:
        for connection in tuple(stand.doors.connections):
            connection.drain()
        await asyncio.sleep(0)
    for sock in pages:
        assert [r.status for r in whole_replies(drain(sock))] == [200]
    for sock in (*pages, *clients):
        sock.close()


async def test_after_the_end_nothing_is_tended_and_nothing_taken_back() -> None:
    stand = HotStand(Settings(connections_max=10))
    stand.close()
    stand.burst.tend()
    left, right = socket.socketpair()
    stand.burst.take_back(left)
    assert right.recv(1) == b""
    right.close()
    assert stand.burst.give(5) == []
    assert stand.burst.connections == 0


async def test_the_end_after_a_turn_that_failed_closes_all() -> None:
    stand = HotStand()
    with contextlib.closing(stand.client()) as sock:
        stand.answers.decide = None
        sock.sendall(ANSWER)
        while not stand.failed.done():
            await asyncio.sleep(0)
        assert isinstance(stand.failed.exception(), TypeError)
        stand.close()
        assert sock.recv(1) == b""


async def test_news_of_a_connection_that_was_given_away_is_forgotten() -> None:
    with hot_stand() as stand:
        clients = [stand.client() for _ in range(20)]
        await stand.rest()
        for sock in clients:
            sock.sendall(HEALTH)
        inner = stand.burst._sweeper
        inner.sweep(1_000, 4, 0, stand.burst._table.etag)
        assert inner.unfinished
        stand.burst._hand_over(inner.reply(stand.burst._table, stand.burst._decide(0)))
        fds = stand.burst.give(100)
        assert len(fds) == 16
        inner.sweep(1_000, 4, 0, stand.burst._table.etag)
        assert not inner.unfinished
        for fd in fds:
            stand.burst.take_back(socket.socket(fileno=fd))
        await stand.rest()
        for sock in clients:
            assert len(whole_replies(drain(sock))) == 1
            sock.close()
        await stand.rest()
        assert stand.burst.connections == 0


async def test_without_free_descriptors_the_crowd_waits_outside() -> None:
    with hot_stand() as stand, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(contextlib.closing(stand.client())) for _ in range(20)]
        stand.burst.tend()  # its kernels are files, too
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        free = os.dup(clients[-1].fileno())
        os.close(free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (free + 5, hard))
        try:
            for sock in clients:
                sock.sendall(ANSWER)
            await stand.rest()
            assert 0 < stand.burst.connections <= 5
            for _ in range(3):
                stand.burst.tend()
                await stand.rest()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        stand.burst.tend()
        await stand.rest()
        assert stand.burst.connections == 20
        for sock in clients:
            assert [r.status for r in whole_replies(drain(sock))] == [204]


async def test_however_much_comes_each_turn_of_the_event_loop_has_one_of_ours() -> None:
    with hot_stand(Settings(queue_max=1)) as stand, contextlib.ExitStack() as stack:
        turns, turn = [0], stand.burst.turn

        def counted() -> None:
            turns[-1] += 1
            turn()

        stand.burst.turn = counted  # type: ignore[method-assign]
        clients = [stack.enter_context(contextlib.closing(stand.client())) for _ in range(200)]
        for _ in range(100):
            for sock in clients:
                sock.sendall(ANSWER)
            await asyncio.sleep(0)
            turns.append(0)
        assert sum(turns) >= 50
        assert max(turns) <= 2
        while sum(turns[-20:]):
            await asyncio.sleep(0)
            turns.append(0)
        for sock in clients:
            assert len(whole_replies(drain(sock))) == 100
