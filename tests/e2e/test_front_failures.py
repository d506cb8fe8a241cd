"""What the front does when gates fail, and what its logs may not say."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from front_hand import (
    SETTINGS,
    VENUE,
    MakeFront,
    answer_path,
    dead_gate,
    fronts,
    join,
    open_node,
)
from living_front import NAME, LivingFront, ask_on
from living_node import LivingNode, wait_until
from shows import by_hand

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def running(module_node: Callable[..., LivingNode]) -> LivingNode:
    return open_node(module_node)


@pytest.fixture(scope="module")
def make_front(
    running: LivingNode, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MakeFront]:
    with fronts(running, tmp_path_factory) as make:
        yield make


@pytest.fixture(scope="module")
def front(make_front: MakeFront) -> LivingFront:
    return make_front()


# --- gates that fail ------------------------------------------------------------------------------


class Refusing(BaseHTTPRequestHandler):
    """A gate that sheds all load, and counts it."""

    protocol_version = "HTTP/1.1"
    asked: Counter[str]

    def do_POST(self) -> None:
        self.asked[self.path[:3]] += 1
        self.send_response(503)
        self.send_header("Content-Length", "0")
        self.send_header("Retry-After", "1")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def refusing() -> Iterator[tuple[str, Counter[str]]]:
    asked: Counter[str] = Counter()
    kind = type("RefusingHere", (Refusing,), {"asked": asked})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever).start()
    yield f"127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


def test_an_answer_is_tried_at_the_next_gate(make_front: MakeFront, running: LivingNode) -> None:
    front = make_front(dead_gate(), f"127.0.0.1:{running.port}")
    tickets = [join(front) for _ in range(20)]
    assert {front.ask("POST", answer_path(ticket)).status for ticket in tickets} == {204}


def test_503_is_tried_elsewhere_and_takes_no_gate_out(
    make_front: MakeFront, running: LivingNode, refusing: tuple[str, Counter[str]]
) -> None:
    address, asked = refusing
    front = make_front(address, f"127.0.0.1:{running.port}")
    ticket = running.join()
    assert {front.ask("POST", answer_path(ticket)).status for _ in range(40)} == {204}
    assert asked["/a/"] >= 10, "it is asked again and again"


def test_a_503_to_a_join_is_passed_on(
    make_front: MakeFront, running: LivingNode, refusing: tuple[str, Counter[str]]
) -> None:
    front = make_front(refusing[0], f"127.0.0.1:{running.port}")
    statuses = Counter(front.ask("POST", "/t/1FR", VENUE).status for _ in range(20))
    assert set(statuses) == {201, 503}


def test_with_no_gate_at_all_phones_hear_when_to_try_again(make_front: MakeFront) -> None:
    front = make_front(dead_gate())
    for method, path in (("GET", "/now"), ("POST", answer_path("A" * 20)), ("POST", "/t/1FR")):
        reply = front.ask(method, path)
        assert (reply.status, reply.headers["retry-after"]) == (503, "1"), path
        assert reply.headers["access-control-allow-origin"] == "*"


def test_the_page_outlives_the_gates(
    make_front: MakeFront, node: Callable[..., LivingNode]
) -> None:
    mortal = node(by_hand(), settings=SETTINGS)
    front = make_front(f"127.0.0.1:{mortal.port}")
    page = front.ask("GET", "/").body
    assert front.ask("GET", "/now").status == 200
    mortal.end()
    wait_until(lambda: front.ask("GET", "/now").status == 503, "the kept /now to be too old")
    assert front.ask("GET", "/").body == page


def test_no_answer_fails_while_a_gate_is_killed(front: LivingFront, running: LivingNode) -> None:
    ticket = running.join()
    statuses: Counter[int] = Counter()
    stop = threading.Event()

    def stream() -> None:
        with front.connection(VENUE) as connection:
            while not stop.is_set():
                statuses[ask_on(connection, "POST", answer_path(ticket)).status] += 1

    threads = [threading.Thread(target=stream) for _ in range(6)]
    for thread in threads:
        thread.start()
    try:
        for gate in running.facts.gates:
            so_far = statuses.total()
            wait_until(lambda so_far=so_far: statuses.total() > so_far + 300, "answers to flow")
            running.kill(gate)
            running.wait_replaced(gate)
        so_far = statuses.total()
        wait_until(lambda: statuses.total() > so_far + 300, "answers to flow on")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert set(statuses) == {204}, statuses


# --- logs -----------------------------------------------------------------------------------------


def test_no_log_holds_a_ticket(make_front: MakeFront, running: LivingNode) -> None:
    """Whatever goes wrong with an answer, at the client, here, or at the gates."""
    front = make_front(f"127.0.0.1:{running.port}", options=("--requests-per-s", "2"))
    gone = make_front(dead_gate())
    ticket = running.join()
    path = answer_path(ticket)
    for place in (front, gone):
        for _ in range(30):  # far above the limit
            place.ask("POST", path)
        for request in _troubles(path):
            _send(place, request)
            with socket.create_connection(("127.0.0.1", place.plain_port)) as plain:
                plain.sendall(request)
                plain.recv(1_024)
        place.ask("GET", "/now")
        place.end()
    assert "GET /now" in gone.log("error"), "what goes wrong elsewhere is logged"
    assert " 503 GET /now " in gone.log("access"), "and no failure is missing"
    for file in (*front.logs.iterdir(), *gone.logs.iterdir()):
        text = file.read_text()
        assert ticket not in text, file
        assert "/a/" not in text and "/t/" not in text, file
        assert "127.0.0.1," not in text or file.name == "hairpin-error.log", "no fan's address"


def _troubles(path: str) -> tuple[bytes, ...]:
    head = f"POST {path} HTTP/1.1\r\nHost: {NAME}\r\n".encode()
    return (
        head + b"Content-Length: 99999\r\n\r\n",
        head + b"Content-Length: nonsense\r\n\r\n",
        head + b"Transfer-Encoding: gzip\r\n\r\n",
        head + b"X: " + b"x" * 40_000 + b"\r\n\r\n",
        head + b"no colon\r\n\r\n",
        head + b"Host: twice\r\n\r\n",
        f"POST {path} HTTP/7.7\r\n\r\n".encode(),
        f"POST {path}{'x' * 20_000} HTTP/1.1\r\n\r\n".encode(),
        f"GET //.{path} HTTP/1.0\r\n\r\n".encode(),
    )


def _send(front: LivingFront, request: bytes) -> None:
    """Over TLS; once more in the clear to the port of TLS."""
    with (
        socket.create_connection(("127.0.0.1", front.port)) as plain,
        front.context().wrap_socket(plain, server_hostname=NAME) as tls,
    ):
        tls.sendall(request)
        tls.recv(1_024)
    with socket.create_connection(("127.0.0.1", front.port)) as plain:
        plain.sendall(request)
        plain.recv(1_024)
