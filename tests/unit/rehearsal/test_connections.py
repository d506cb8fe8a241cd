from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import pytest

from hairpin.rehearsal.connections import (
    Connection,
    Connections,
    browser_headers,
    parse_reply,
)
from hairpin.rehearsal.traffic import forged

WHOLE = b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\nX: y\r\n\r\n{}"


def test_a_reply_has_a_status_a_body_and_an_end() -> None:
    assert parse_reply(WHOLE) == (201, b"{}", len(WHOLE))
    assert parse_reply(WHOLE + b"more") == (201, b"{}", len(WHOLE))


@pytest.mark.parametrize("size", range(len(WHOLE)))
def test_a_reply_that_is_not_whole_yet_is_waited_for(size: int) -> None:
    assert parse_reply(WHOLE[:size]) is None


def test_no_content_needs_no_length() -> None:
    reply = b"HTTP/1.1 304 Not Modified\r\nETag: x\r\nContent-Length: 900\r\n\r\n"
    assert parse_reply(reply) == (304, b"", len(reply))


@pytest.mark.parametrize("reply", [b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n"])
def test_what_is_no_http_counts_as_status_0(reply: bytes) -> None:
    parsed = parse_reply(reply)
    assert parsed is not None
    assert parsed[0] == 0


def test_requests_are_as_long_as_a_browsers_and_an_answer_has_an_empty_body() -> None:
    post = b"POST /a/" + b"x" * 32 + browser_headers("127.0.0.1:8000", "Mozilla/5.0 (X)" * 8, True)
    assert 400 < len(post) < 700
    assert b"\r\nContent-Length: 0\r\n" in post
    assert b"\r\nOrigin: http://127.0.0.1:8000\r\n" in post
    assert post.endswith(b"\r\n\r\n")
    assert b"Content-Length" not in browser_headers("127.0.0.1:8000", "x", False)


def test_cheats_try_four_ways_and_none_is_the_real_answer() -> None:
    real = b"AAAAAAAAAAAAAAAAAAAA"
    tail = b"/02040000c30"
    lines = {forged(real, tail, number) for number in range(4)}
    assert len(lines) == 4
    assert b"POST /a/" + real + tail not in lines


class NoTraffic:
    """Has nothing to send, and counts what was lost."""

    def __init__(self) -> None:
        self.lost_requests = 0

    def next_request(self, connection: Connection) -> bool:
        return False

    def replied(self, connection: Connection, status: int, body: bytes) -> None:
        raise AssertionError("a reply without a request")

    def lost(self, connection: Connection) -> None:
        self.lost_requests += 1


async def test_a_connection_that_breaks_while_it_is_made_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The transport may be there already, and then nobody tells that it is gone again."""
    connections = Connections("127.0.0.1", 1, 1, random.Random(1), NoTraffic())
    connection = Connection(connections, b"", b"")

    async def create(factory: Callable[[], Connection], host: str, port: int) -> None:
        factory().connection_made(asyncio.Transport())
        raise TimeoutError

    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", create)
    assert not await connections._connect(connection)
    assert connection.gone.done()
    assert connections.open == 0


async def test_bytes_that_nobody_asked_for_break_the_connection() -> None:
    class Transport(asyncio.Transport):
        aborted = False

        def abort(self) -> None:
            self.aborted = True

    connections = Connections("127.0.0.1", 1, 1, random.Random(1), NoTraffic())
    connection, transport = Connection(connections, b"", b""), Transport()
    connection.connection_made(transport)
    connection.data_received(WHOLE)
    assert transport.aborted
