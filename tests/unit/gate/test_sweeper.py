"""The memory of the hot loop at its limits, and what it reads of clients' addresses."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import numpy as np
import pytest
from gate_requests import TICKETS, answer
from hot_stand import drain, hot_stand, whole_replies

from hairpin.config import Settings
from hairpin.gate import slices, sweeper
from hairpin.gate.limits import parsed
from hairpin.gate.sweeper import Sweeper

NO_TAG = np.zeros(0, np.uint8)
NO_TAG.flags.writeable = False


def join(forwarded: bytes) -> bytes:
    return b"POST /t/1FR HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: %b\r\n\r\n" % forwarded


@contextlib.contextmanager
def swept(host: str, family: int, dual: bool = False) -> Iterator[Sweeper]:
    try:
        listener = socket.create_server((host, 0), family=family, dualstack_ipv6=dual)
    except OSError:
        pytest.skip("this machine has no IPv6")
    found = Sweeper(listener, 4_096, 100)
    found.listen(True)
    yield found
    found.end()


@pytest.mark.parametrize(
    ("host", "family", "client"),
    [
        ("127.0.0.1", socket.AF_INET, "127.0.0.1"),
        ("::1", socket.AF_INET6, "::1"),
        ("::", socket.AF_INET6, "127.0.0.1"),
        ("::", socket.AF_INET6, "::1"),
    ],
)
def test_who_joins_is_known_by_the_same_number_on_every_way(
    host: str, family: int, client: str
) -> None:
    with swept(host, family, dual=host == "::") as found:
        port = found.address[1]
        with socket.create_connection((client, port)) as sock:
            sock.sendall(join(b"192.0.2.1"))
            while not found.found:
                found.sweep(10, 10, 0, NO_TAG)
            assert found.joins() == ([b"1FR"], [parsed(client)], [b"192.0.2.1"])
            (fd,) = found.give(1)
            found.adopt(socket.socket(fileno=fd), 0)
            sock.sendall(join(b"192.0.2.1"))
            found.sweep(10, 10, 0, NO_TAG)
            assert found.joins()[1] == [parsed(client)], "after it was adopted, too"


async def test_joins_through_a_trusted_proxy_are_charged_to_its_clients() -> None:
    settings = Settings(trusted_proxies=("127.0.0.0/8",), join_burst=1, join_per_s=0.001)
    with hot_stand(settings) as stand:
        await stand.ready()
        replies = await stand.exchange(
            b"".join(join(b"192.0.2.%d" % host) for host in (1, 2, 1))
            + join(b"2001:db8::1, 127.0.0.1")
            + join(b"2001:db8::2")
            + join(b"2001:db8:0:1::2")
        )
        assert [reply.status for reply in replies] == [201, 201, 429, 201, 429, 201]
        assert stand.doors.requests["general"] == 0


async def test_more_joins_than_a_sweep_holds() -> None:
    """Each with as long a list of proxies as is remembered: all arrays of a join are full."""
    fill = b"192.0.2.1" + b" " * (slices.FORWARDED_BYTES_MAX - 18) + b",10.0.0.1"
    assert len(fill) == slices.FORWARDED_BYTES_MAX
    short = sweeper.JOINS_MAX // slices.PIPELINED_MAX + 4
    with hot_stand(Settings(join_burst=10**6)) as stand:
        await stand.ready()
        tickets: list[bytes] = []
        for asked in (join(fill), join(b"a")):
            clients = [stand.client() for _ in range(short)]
            for sock in clients:
                sock.sendall(asked * 200)
            for _ in range(30):
                await stand.rest(2)
            for sock in clients:
                replies = whole_replies(drain(sock))
                assert len(replies) == 200
                assert {reply.status for reply in replies} <= {201, 503}, "503: no lease yet"
                tickets += [reply.body for reply in replies if reply.status == 201]
                sock.close()
        assert len(set(tickets)) == len(tickets) == stand.doors.tickets > 0
        assert stand.doors.requests["general"] == 0


async def test_more_events_than_a_sweep_holds() -> None:
    with hot_stand() as stand, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(contextlib.closing(stand.client())) for _ in range(300)]
        stand.burst._sweeper._events = stand.burst._sweeper._events[:64]
        await stand.rest(40)
        for _ in range(3):
            for sock in clients:
                sock.sendall(answer(TICKETS[0], 0, 1))
            await stand.rest(60)
            for sock in clients:
                assert [r.status for r in whole_replies(drain(sock))] == [204]
