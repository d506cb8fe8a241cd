"""nginx from its wheel, as `hairpin front nginx` configures it, between phones and a real node."""

from __future__ import annotations

import http.client
import json
import re
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from living_front import NAME, LivingFront, ask_on
from living_node import LivingNode, free_ports, wait_until
from playwright.sync_api import Browser, expect
from shows import by_hand, question

pytestmark = pytest.mark.e2e

JOIN_BURST = 20
SETTINGS = f"""
trusted_proxies = ["127.0.0.1"]
join_allow = ["127.0.9.0/24"]
join_burst = {JOIN_BURST}
join_per_s = 0.001
"""
VENUE = "127.0.9.9"
"""Addresses of ours that nginx sees; gates see only what it says of them."""
MakeFront = Callable[..., LivingFront]


@pytest.fixture(scope="module")
def running(module_node: Callable[..., LivingNode]) -> LivingNode:
    """Two gates; question 1 is open."""
    node = module_node(by_hand([question()] * 3), settings=SETTINGS)
    node.step("open", 0)
    node.wait_state("open")
    return node


@pytest.fixture(scope="module")
def make_front(
    running: LivingNode, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MakeFront]:
    with ExitStack() as ends:

        def make(*gates: str, options: tuple[str, ...] = ()) -> LivingFront:
            """Before these gates; none: before the node."""
            config = tmp_path_factory.mktemp("config") / "hairpin.toml"
            config.write_text(SETTINGS)
            front = LivingFront(
                tmp_path_factory.mktemp("front"),
                [*gates] or [f"127.0.0.1:{running.port}"],
                *("--config", str(config)),
                *options,
            )
            ends.callback(front.end)
            front.start()
            return front

        yield make


@pytest.fixture(scope="module")
def front(make_front: MakeFront) -> LivingFront:
    return make_front()


def join(front: LivingFront) -> str:
    reply = front.ask("POST", "/t/1FR", VENUE)
    assert reply.status == 201, reply
    ticket: str = json.loads(reply.body)["ticket"]
    return ticket


def answer_path(ticket: str, choice: int = 2, elapsed_ms: int = 900) -> str:
    return f"/a/{ticket}/00{choice:02x}{elapsed_ms:07x}"


def requests_at_gates(node: LivingNode, kind: str) -> int:
    status, text = node.get("/metrics", private=True)
    assert status == 200
    found = re.search(rf'^hairpin_requests_total{{kind="{kind}"}} ([0-9.]+)$', text.decode(), re.M)
    return round(float(found[1])) if found else 0


def dead_gate() -> str:
    """An address where nobody listens."""
    return f"127.0.0.1:{free_ports()}"


# --- TLS ------------------------------------------------------------------------------------------


def test_phones_get_http_2(front: LivingFront) -> None:
    context = front.context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    with (
        socket.create_connection(("127.0.0.1", front.port)) as plain,
        context.wrap_socket(plain, server_hostname=NAME) as tls,
    ):
        assert tls.selected_alpn_protocol() == "h2"
        assert tls.version() == "TLSv1.3"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_second_handshake_is_resumed(front: LivingFront, version: ssl.TLSVersion) -> None:
    context = front.context()
    context.minimum_version = context.maximum_version = version
    session, resumed = None, []
    for _ in range(3):
        with (
            socket.create_connection(("127.0.0.1", front.port)) as plain,
            context.wrap_socket(plain, server_hostname=NAME, session=session) as tls,
        ):
            tls.sendall(f"GET /now HTTP/1.1\r\nHost: {NAME}\r\n\r\n".encode())
            assert tls.recv(12) == b"HTTP/1.1 200"
            resumed.append(tls.session_reused)
            session = tls.session
    assert resumed == [False, True, True]


def test_whoever_asks_for_another_name_gets_no_signature(front: LivingFront) -> None:
    context = front.context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    for name in ("other.example.org", None):
        with (
            socket.create_connection(("127.0.0.1", front.port)) as plain,
            pytest.raises(ssl.SSLError, match=r"(?i)unrecognized.name"),
        ):
            context.wrap_socket(plain, server_hostname=name)
    assert front.ask("GET", "/now", Host="other.example.org").status == 421


def test_without_tls_there_is_only_the_way_to_the_page(front: LivingFront) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", front.plain_port)
    for method, path in (("GET", "/"), ("POST", answer_path("A" * 20)), ("GET", "/now")):
        connection.request(method, path, headers={"Host": "evil.example.com"})
        reply = connection.getresponse()
        reply.read()
        assert reply.status == 301
        assert reply.headers["location"] == f"https://{NAME}:{front.port}/"
    connection.close()


# --- the whole way --------------------------------------------------------------------------------


def test_a_fan_in_a_browser_joins_and_answers(
    front: LivingFront, running: LivingNode, browser: Browser
) -> None:
    before = running.tally()["acknowledged"]
    context = browser.new_context(ignore_https_errors=True, locale="en-GB")
    page = context.new_page()
    page.goto(f"https://{NAME}:{front.port}/")
    protocol = "performance.getEntriesByType('navigation')[0].nextHopProtocol"
    assert page.evaluate(protocol) == "h2"
    page.locator(".band").nth(1).click()
    page.locator('[data-choice="1"]').click()
    expect(page.locator(".status")).to_have_attribute("data-tone", "counted")
    context.close()
    wait_until(lambda: running.tally()["acknowledged"] == before + 1, "the answer to be counted")


def test_join_answer_and_now_on_one_connection(front: LivingFront, running: LivingNode) -> None:
    before = running.tally()["questions"][0]["answers"]
    with front.connection(VENUE) as connection:
        joined = ask_on(connection, "POST", "/t/0GB")
        ticket = json.loads(joined.body)["ticket"]
        now = json.loads(ask_on(connection, "GET", "/now").body)
        assert (now["state"], now["question"]["index"]) == ("open", 0)
        assert [ask_on(connection, "POST", answer_path(ticket)).status for _ in range(3)] == [
            204
        ] * 3
        assert ask_on(connection, "POST", answer_path("A" * 20)).status == 401
    wait_until(
        lambda: running.tally()["questions"][0]["answers"] == before + 1,
        "one answer, though it was sent three times",
    )


def test_a_page_may_read_every_reply(front: LivingFront) -> None:
    for method, path in (("GET", "/now"), ("POST", answer_path("A" * 20)), ("OPTIONS", "/t/1FR")):
        reply = front.ask(method, path, Origin="https://site.example")
        assert reply.headers["access-control-allow-origin"] == "*", path


def test_the_page_says_to_stay_with_tls_and_keeps_the_gates_headers(front: LivingFront) -> None:
    headers = front.ask("GET", "/").headers
    assert headers["strict-transport-security"].startswith("max-age=")
    assert headers["content-security-policy"].startswith("default-src 'self'")
    assert "server" in headers and "/" not in headers["server"], "no version"


# --- caches ---------------------------------------------------------------------------------------


def test_gates_hear_of_few_of_many_looks_at_now(front: LivingFront, running: LivingNode) -> None:
    many = 400
    before = requests_at_gates(running, "now")
    with front.connection(VENUE) as connection:
        for number in range(many):
            assert ask_on(connection, "GET", f"/now?dodge={number}").status == 200
    wait_until(lambda: requests_at_gates(running, "now") > before, "the gates' own count")
    assert (requests_at_gates(running, "now") - before) * 10 < many


def test_a_kept_now_answers_304_to_its_own_tag(front: LivingFront) -> None:
    first = front.ask("GET", "/now")
    again = front.ask("GET", "/now", If_None_Match=first.headers["etag"])
    assert (again.status, again.body) == (304, b"")
    assert first.headers["cache-control"] == again.headers["cache-control"] == "public, max-age=1"


def test_now_is_never_much_older_than_a_second(front: LivingFront) -> None:
    told = json.loads(front.ask("GET", "/now").body)["now"]
    wait_until(
        lambda: json.loads(front.ask("GET", "/now").body)["now"] >= told + 2_500,
        "a document made two and a half seconds after the first",
    )


def test_pages_come_in_two_forms_whatever_is_asked(front: LivingFront) -> None:
    forms = ("gzip, deflate, br", "br;q=1, gzip;q=0.5", "identity", "")
    replies = [front.ask("GET", "/phone.js", Accept_Encoding=form) for form in forms]
    encodings = [reply.headers.get("content-encoding") for reply in replies]
    assert encodings == ["gzip", "gzip", None, None]
    assert replies[0].body == replies[1].body != replies[2].body == replies[3].body


# --- limits per address ---------------------------------------------------------------------------


def test_one_address_joins_so_often_and_no_more(front: LivingFront) -> None:
    source = "127.0.7.1"
    statuses = Counter(front.ask("POST", "/t/1FR", source).status for _ in range(JOIN_BURST * 2))
    assert statuses[201] <= JOIN_BURST + 1
    assert statuses[201] + statuses[429] == JOIN_BURST * 2
    refused = front.ask("POST", "/t/1FR", source)
    assert refused.status == 429
    assert refused.headers["retry-after"] == "1"
    assert refused.headers["access-control-allow-origin"] == "*"
    assert front.ask("POST", "/t/1FR", "127.0.7.2").status == 201, "another address"


def test_the_json_form_is_no_way_around_the_limit(front: LivingFront) -> None:
    source = "127.0.7.3"
    body = json.dumps({"age_band": 1, "country": "FR"})
    with front.connection(source) as connection:
        for _ in range(JOIN_BURST * 2):
            connection.request("POST", "/api/join", body)
            reply = connection.getresponse()
            reply.read()
    assert reply.status == 429


def test_a_venue_joins_without_limit(front: LivingFront) -> None:
    statuses = {front.ask("POST", "/t/1FR", VENUE).status for _ in range(JOIN_BURST * 2)}
    assert statuses == {201}


def test_a_phone_cannot_say_that_it_is_somebody_else(make_front: MakeFront) -> None:
    """nginx counts generously here, so that the gates' own limit is what is met."""
    front = make_front(options=("--join-burst", "1000", "--join-per-s", "1000"))
    statuses = Counter(
        front.ask("POST", "/t/1FR", "127.0.7.4", X_Forwarded_For=f"198.51.100.{i}").status
        for i in range(JOIN_BURST * 2)
    )
    assert statuses[201] <= JOIN_BURST
    assert statuses[201] + statuses[429] == JOIN_BURST * 2
    assert front.ask("POST", "/t/1FR", "127.0.7.5").status == 201, "gates know who asks"


def test_a_flood_of_requests_from_one_address_is_cut(make_front: MakeFront) -> None:
    front = make_front(options=("--requests-per-s", "1"))
    with front.connection("127.0.7.6") as connection:
        statuses = Counter(ask_on(connection, "GET", "/now").status for _ in range(40))
    assert statuses[200] >= 6 and statuses[429] >= 10
    assert front.ask("GET", "/now", "127.0.7.7").status == 200


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
