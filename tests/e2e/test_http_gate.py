"""The public listener of a real node, asked byte by byte: every reply of docs/http-api.md."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from living_node import LivingNode
from raw_http import RawClient, ask
from shows import by_hand, question

from hairpin.gate.admit import answer_text
from hairpin.ticket import TicketKey, issue

SETTINGS = """
trusted_proxies = ["127.0.0.1"]
join_allow = ["127.0.0.0/8", "198.51.100.0/24"]
join_burst = 20
join_per_s = 0.001
"""
CLOSED, OPEN, WAITING = 0, 1, 2


@pytest.fixture(scope="module")
def running(module_node: Callable[..., LivingNode]) -> LivingNode:
    """Question 1 is over, question 2 is open, question 3 waits."""
    node = module_node(by_hand([question()] * 3), settings=SETTINGS)
    node.step("open", CLOSED)
    node.step("close", CLOSED)
    node.step("open", OPEN)
    node.wait_state("open")
    return node


@pytest.fixture
def client(running: LivingNode) -> Iterator[RawClient]:
    with RawClient(running.port) as client:
        yield client


def ask_json(client: RawClient, path: str, body: object) -> tuple[int, Any]:
    reply = ask(client, f"POST {path}", "Content-Type: application/json\r\n", json_bytes(body))
    assert reply.headers["content-type"] == "application/json"
    return reply.status, json.loads(reply.body)


def json_bytes(body: object) -> bytes:
    return json.dumps(body).encode()


def answer(client: RawClient, ticket: str, question: int, choice: int) -> int:
    return ask(client, f"POST /a/{answer_text(ticket, question, choice, 700).decode()}").status


@pytest.fixture
def ticket(client: RawClient) -> str:
    text: str = json.loads(ask(client, "POST /t/1FR").body)["ticket"]
    return text


# --- answers --------------------------------------------------------------------------------------


def test_an_answer_is_counted_and_so_is_its_repeat(client: RawClient, ticket: str) -> None:
    assert answer(client, ticket, OPEN, 2) == 204
    assert answer(client, ticket, OPEN, 2) == 204
    assert answer(client, ticket, OPEN, 1) == 204, "the first one counts, whatever this says"


def test_too_early_and_too_late(client: RawClient, ticket: str) -> None:
    assert answer(client, ticket, WAITING, 1) == 409
    assert answer(client, ticket, CLOSED, 1) == 410


def test_no_such_question_or_choice(client: RawClient, ticket: str) -> None:
    assert answer(client, ticket, 3, 1) == 404
    assert answer(client, ticket, 255, 1) == 404
    assert answer(client, ticket, OPEN, 0) == 404
    assert answer(client, ticket, OPEN, 0b1000) == 404
    assert answer(client, ticket, OPEN, 0b011) == 404, "one choice only"


def test_malformed_answers(client: RawClient, ticket: str) -> None:
    for text in (f"{ticket}/0101000004", f"{ticket}/01010000040f", f"{ticket}/010100000FF", ""):
        assert ask(client, f"POST /a/{text}").status == 404, text
    assert ask(client, f"POST /a/{ticket}_01010000040").status == 404
    assert ask(client, f"GET /a/{ticket}/01010000040").status == 405


def test_tickets_of_nobody(client: RawClient, ticket: str) -> None:
    other_show = issue(3, 1, 1, TicketKey(1, bytes(16), bytes(16)))
    forged = ("B" if ticket[0] == "A" else "A") + ticket[1:]
    for wrong in (other_show, forged, "A" * 20, ticket[:19], ticket.swapcase()):
        assert answer(client, wrong, OPEN, 1) == 401, wrong


def test_every_single_changed_character_breaks_a_ticket(client: RawClient, ticket: str) -> None:
    for at in range(20):
        changed = "_" if ticket[at] != "_" else "-"
        assert answer(client, ticket[:at] + changed + ticket[at + 1 :], OPEN, 1) == 401, at


# --- the JSON form --------------------------------------------------------------------------------


def test_the_json_form_of_an_answer(client: RawClient, ticket: str) -> None:
    def give(**changes: object) -> tuple[int, Any]:
        body = {"ticket": ticket, "question": OPEN, "choices": [1], "elapsed_ms": 900}
        return ask_json(client, "/api/answer", body | changes)

    assert give() == (200, {"status": "counted"})
    for changes, status in (
        ({"ticket": "A" * 20}, 401),
        ({"ticket": "short"}, 401),
        ({"question": 3}, 404),
        ({"choices": [3]}, 404),
        ({"choices": [0, 1]}, 404),
        ({"question": WAITING}, 409),
        ({"question": CLOSED}, 410),
        ({"question": -1}, 400),
        ({"question": 256}, 400),
        ({"choices": []}, 400),
        ({"choices": [8]}, 400),
        ({"choices": "1"}, 400),
        ({"more": 1}, 400),
        ({"elapsed_ms": -5}, 200),
        ({"elapsed_ms": 1 << 80}, 200),
        ({"elapsed_ms": 1.5}, 400),
    ):
        found, body = give(**changes)
        assert found == status, (changes, body)
        if status != 200:
            assert set(body) == {"error", "remedy"}, changes


def test_the_json_form_of_a_join(client: RawClient) -> None:
    status, body = ask_json(client, "/api/join", {"age_band": 2, "country": "GB"})
    assert status == 201
    assert len(body["ticket"]) == 20
    assert len(body["claim"]) == 16
    for wrong, place in (
        ({"age_band": 3, "country": "GB"}, "age_band"),
        ({"age_band": -1, "country": "GB"}, "age_band"),
        ({"age_band": 1, "country": "gb"}, "country"),
        ({"age_band": 1, "country": "QQ"}, "country"),
        ({"age_band": "1", "country": "GB"}, "age_band"),
        ({"age_band": 1}, "country"),
    ):
        status, body = ask_json(client, "/api/join", wrong)
        assert status == 400
        assert place in body["error"]
    for nonsense in (b"", b"[]", b"null", b"{", b"\xff", b'{"age_band":1,"age_band":'):
        reply = ask(client, "POST /api/join", "", nonsense)
        assert reply.status == 400, nonsense
        assert json.loads(reply.body)["remedy"]


def test_nobody_claims_before_the_end(client: RawClient, ticket: str) -> None:
    body = {"ticket": ticket, "claim": "0" * 16, "name": "Ada", "consent": True}
    status, reply = ask_json(client, "/api/claim", body)
    assert (status, set(reply)) == (403, {"error"})
    assert ask_json(client, "/api/claim", body | {"ticket": "A" * 20})[0] == 401
    assert ask_json(client, "/api/claim", body | {"consent": "yes"})[0] == 400


# --- joining --------------------------------------------------------------------------------------


def test_where_nobody_comes_from(client: RawClient) -> None:
    for who in ("3FR", "1QQ", "1fr", "1", "1FRA", "aFR", ""):
        assert ask(client, f"POST /t/{who}").status == 404, who


def test_ticket_farming_from_one_address(running: LivingNode) -> None:
    """Twenty at once for each address; gates share that out, and a connection is one gate's."""

    def farm(address: str) -> list[int]:
        with RawClient(running.port) as client:
            headers = f"X-Forwarded-For: 127.0.0.1, {address}\r\n"
            return [ask(client, "POST /t/1FR", headers).status for _ in range(25)]

    assert farm("203.0.113.5") == [201] * 10 + [429] * 15
    assert farm("198.51.100.5") == [201] * 25, "the venue may"
    assert 429 in farm("2001:db8:1:2::1")


def test_one_customer_of_ipv6_is_one_address(running: LivingNode) -> None:
    with RawClient(running.port) as client:
        taken = [
            ask(client, "POST /t/1FR", f"X-Forwarded-For: 2001:db8:9:9::{n:x}\r\n").status
            for n in range(25)
        ]
    assert taken == [201] * 10 + [429] * 15


def test_the_json_form_is_charged_as_well(running: LivingNode) -> None:
    body = json_bytes({"age_band": 1, "country": "FR"})
    headers = "X-Forwarded-For: 203.0.113.77\r\n"
    with RawClient(running.port) as client:
        replies = [ask(client, "POST /api/join", headers, body) for _ in range(12)]
    assert [reply.status for reply in replies] == [201] * 10 + [429] * 2
    assert json.loads(replies[-1].body)["remedy"]
