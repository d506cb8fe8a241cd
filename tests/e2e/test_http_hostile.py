"""The public listener of a real node among clients that mean no good, or cannot do better."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from living_node import LivingNode
from raw_http import RawClient, exchange, take_reply
from shows import by_hand

from hairpin.gate.admit import answer_text

SETTINGS = 'join_allow = ["127.0.0.0/8"]\n'
NOW = b"GET /now HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture(scope="module")
def running(module_node: Callable[..., LivingNode]) -> LivingNode:
    """Question 1 is open."""
    node = module_node(by_hand(), settings=SETTINGS)
    node.step("open", 0)
    node.wait_state("open")
    return node


@pytest.fixture(scope="module")
def ticket(running: LivingNode) -> str:
    return running.join()


def refused(node: LivingNode, data: bytes) -> int:
    """The status of the one reply that `data` got before the connection was closed."""
    replies = exchange(node.port, data)
    assert len(replies) == 1, (data, replies)
    assert replies[0].headers["connection"] == "close", data
    assert replies[0].headers["access-control-allow-origin"] == "*", data
    return replies[0].status


# --- one request or none --------------------------------------------------------------------------

HOT = [b"POST /t/1FR", b"POST /a/" + b"A" * 20 + b"/00010000001", b"GET /now", b"OPTIONS /now"]
GENERAL = [b"POST /api/join", b"GET /healthz"]
SMUGGLING = [
    (411, b"Host: a\r\nTransfer-Encoding: chunked"),
    (411, b"Host: a\r\nTransfer-Encoding: identity"),
    (400, b"Host: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked"),
    (400, b"Host: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4"),
    (400, b"Host: a\r\nTransfer-Encoding : chunked"),
    (400, b"Host: a\r\nX: y\nTransfer-Encoding: chunked"),
    (400, b"Host: a\r\nX: y\rTransfer-Encoding: chunked"),
    (400, b"Host: a\r\n Transfer-Encoding: chunked"),
    (400, b"Host: a\r\nTransfer-Encoding:\x0bchunked"),
    (400, b"Host: a\r\nContent-Length: 0\r\nContent-Length: 0"),
    (400, b"Host: a\r\nContent-Length: 0\r\nContent-Length: 36"),
    (400, b"Host: a\r\nContent-Length: 0, 36"),
    (400, b"Host: a\r\nContent-Length: +0"),
    (400, b"Host: a\r\nContent-Length: -1"),
    (400, b"Host: a\r\nContent-Length: 0x0"),
    (400, b"Host: a\r\nContent-Length:"),
    (400, b"Host: a\r\nContent-Length : 36"),
    (400, b"Host: a\r\nContent-Length: 0\r\n 36"),
    (400, b"Host: a\r\nContent-Length: 0\n36: x"),
    (400, b"Host: a\r\nHost: b"),
    (400, b"Host: a\r\nHost: b c"),
    (400, b" Host: a"),
    (400, b"Host: a\r\nX\x00: y"),
    (400, b"Host: a\r\nX: \x00"),
    (400, b"Host: a\r\nnonsense"),
    (400, b"Host: a\r\n: y"),
    (400, b"X: y"),
]


@pytest.mark.parametrize(("status", "headers"), SMUGGLING)
def test_no_header_hides_a_second_request(running: LivingNode, status: int, headers: bytes) -> None:
    for line in HOT + GENERAL:
        data = line + b" HTTP/1.1\r\n" + headers + b"\r\n\r\n" + NOW
        assert refused(running, data) in (status, 400, 411), line


LINES = [
    b"GET /now",
    b"GET /now HTTP/0.9",
    b"GET /now HTTP/2.0",
    b"GET /now http/1.1",
    b"GET /now HTTP/1.1 HTTP/1.1",
    b"GET /now HTTP/3",
    b"GET\t/now\tHTTP/1.1",
    b" GET /now HTTP/1.1",
    b"get /now HTTP/1.1",
    b"GET /no\x00w HTTP/1.1",
    b"GET /now HTTP/1.1\rX: y",
    b"GET /now HTTP/1.1\nX: y",
    b"PRI * HTTP/2.0",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"OPTIONS / HTTP/1.1\nX: y HTTP/1.1",
    b"OPTIONS /a b HTTP/1.1",
    b"POST /t/\r\n\r HTTP/1.1",
    b"POST /t/1F\n HTTP/1.1",
    b"POST /a/x HTTP/1.1\nContent-Length: 36\r\nX: HTTP/1.1",
    b"POST /a/" + b"x" * 31 + b"\n HTTP/1.1",
    b"POST /a/" + b"x" * 31 + b"\x00 HTTP/1.1",
]


@pytest.mark.parametrize("line", LINES)
def test_no_first_line_hides_a_second_request(running: LivingNode, line: bytes) -> None:
    assert refused(running, line + b"\r\nHost: a\r\n\r\n" + NOW) == 400


def test_an_honest_pipeline_is_not_mistaken_for_an_attack(running: LivingNode) -> None:
    assert [r.status for r in exchange(running.port, b"\r\n" + NOW * 3)] == [200] * 3
    # As long as an answer's line, but two requests.
    two = b"POST /a/x HTTP/1.1\r\nHost: a\r\n\r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\n"
    assert [r.status for r in exchange(running.port, two)] == [404, 404]
    body = b"POST /api/join HTTP/1.1\r\nHost: a\r\nContent-Length: 36\r\n\r\n" + NOW[:36].ljust(36)
    assert [r.status for r in exchange(running.port, body + NOW)] == [400, 200]


# --- too large ------------------------------------------------------------------------------------


def test_giant_headers(running: LivingNode) -> None:
    for line, filling in product(HOT + GENERAL, (b"X: " + b"y" * 20_000, b"X: y\r\n" * 4_000)):
        assert refused(running, line + b" HTTP/1.1\r\nHost: a\r\n" + filling + b"\r\n\r\n") == 431
    assert refused(running, b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n") == 431
    assert refused(running, b"x" * 20_000) == 431


def test_giant_bodies(running: LivingNode) -> None:
    for line, size in product(HOT + GENERAL, (4_097, 1 << 40, 10**30)):
        data = line + b" HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size
        assert refused(running, data + b"x" * 100) in (413, 400), (line, size)
    replies = exchange(
        running.port,
        b"POST /api/join HTTP/1.1\r\nHost: a\r\nContent-Length: 4096\r\n\r\n" + b" " * 4_096 + NOW,
    )
    assert [reply.status for reply in replies] == [400, 200]


def test_everything_refused_left_the_gates_as_they_were(running: LivingNode) -> None:
    before = running.facts
    assert exchange(running.port, NOW)[0].status == 200
    assert running.facts == before
    assert "page failed" not in running.errors()
    assert "crashed" not in running.errors()


# --- slow -----------------------------------------------------------------------------------------


def test_a_head_in_single_bytes(running: LivingNode) -> None:
    with RawClient(running.port) as client:
        for at in range(len(NOW)):
            client.send(NOW[at : at + 1])
        assert client.reply().status == 200


def test_a_client_that_does_not_read_waits_and_nobody_waits_for_it(
    running: LivingNode, ticket: str
) -> None:
    """It is sent as much as its socket takes, asked for no more, and gets all of it at last."""
    wanted = 30_000
    with contextlib.closing(socket.create_connection(("127.0.0.1", running.port))) as slow:
        slow.settimeout(60)
        sender = threading.Thread(target=slow.sendall, args=(NOW * wanted,))
        sender.start()
        for _ in range(20):
            assert running.answer(ticket, 0, 1) == 204
        data, replies = b"", 0
        while replies < wanted:
            data += slow.recv(1 << 20)
            while taken := take_reply(data):
                data, replies = taken[1], replies + 1
        sender.join()
    assert not data


# --- anything at all ------------------------------------------------------------------------------

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
KEYS = ("ticket", "question", "choices", "elapsed_ms", "age_band", "country", "claim", "name")


def bodies(ticket: str) -> st.SearchStrategy[object]:
    """Near misses: known keys with values that are right, nearly right or anything."""
    values: list[object] = [ticket, ticket[:-1] + "\n", "\ud800" * 20, "é" * 20, "FR", "\x00"]
    values += [0, 1, -1, 255, 1 << 63, 1 << 70, [0], [0, 0], [-1], [1 << 70], True, "0" * 16]
    known = st.sampled_from(values)
    return JSON | st.dictionaries(st.sampled_from((*KEYS, "consent")), known | JSON, max_size=9)


@pytest.mark.parametrize("path", ["/api/join", "/api/answer", "/api/claim"])
def test_no_json_makes_the_gate_fail(running: LivingNode, ticket: str, path: str) -> None:
    with RawClient(running.port) as client:

        @given(bodies(ticket))
        @settings(max_examples=150, deadline=None)
        def check(body: object) -> None:
            post(client, path, json.dumps(body).encode())

        @given(st.binary(max_size=80))
        @settings(max_examples=80, deadline=None)
        def check_bytes(body: bytes) -> None:
            post(client, path, body)

        check()
        check_bytes()


def post(client: RawClient, path: str, body: bytes) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n"
    client.send(head.encode() + body)
    reply = client.reply()
    told: Any = json.loads(reply.body)
    if reply.status in (200, 201):
        assert told.get("status") == "counted" or set(told) == {"ticket", "claim"}
    else:
        assert reply.status in (400, 401, 403, 404, 409, 410, 413), (body, reply)
        assert set(told) in ({"error", "remedy"}, {"error"})


def test_no_host_and_no_path_makes_a_page_fail(running: LivingNode) -> None:
    for path, host in product(
        ("/show.json", "/now", "/", "/now/", "//", "/%", "/%00", "/%ff", "/a/%0d%0a", "/t/%", "*"),
        ("a", "[", "[::1", "a:b:c", "]", "%", "@", "\\", "é"),
    ):
        data = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nTE: trailers\r\nConnection: close\r\n\r\n"
        replies = exchange(running.port, data.encode("latin-1"))
        assert [reply.status in (200, 400, 404, 405) for reply in replies] == [True], (path, host)
        assert "location" not in replies[0].headers


def test_mutated_requests_get_at_most_one_reply_each(running: LivingNode, ticket: str) -> None:
    text = answer_text(ticket, 0, 1, 5)
    whole = b"POST /a/" + text + b" HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"

    @given(
        st.sampled_from([whole, NOW, whole + NOW, NOW + whole]),
        st.lists(st.tuples(st.integers(0, 140), st.integers(0, 255)), max_size=3),
    )
    @settings(max_examples=150, deadline=None)
    def check(request: bytes, changes: list[tuple[int, int]]) -> None:
        data = bytearray(request)
        for at, byte in changes:
            data[at % len(data)] = byte
        replies = exchange(running.port, bytes(data))
        assert len(replies) <= max(bytes(data).count(b"\r\n\r\n"), 1)
        for reply in replies:
            assert reply.status < 500, (bytes(data), reply)

    check()
