"""nginx from its wheel, as `hairpin front nginx` configures it, between phones and a real node."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from front_hand import (
    JOIN_BURST,
    VENUE,
    MakeFront,
    answer_path,
    fronts,
    open_node,
    requests_at_gates,
)
from living_front import NAME, LivingFront, ask_on
from living_node import LivingNode, wait_until
from playwright.sync_api import Browser, expect

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

    def heard() -> bool:
        """What was kept from the test before may have answered all of them: look once more."""
        front.ask("GET", "/now")
        return requests_at_gates(running, "now") > before

    wait_until(heard, "the gates' own count")
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
