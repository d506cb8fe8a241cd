"""Documents, mixed connections and the private listener of a real node."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from living_node import LivingNode, wait_until
from raw_http import RawClient, ask
from shows import by_hand

from hairpin.gate.admit import answer_text

SETTINGS = 'join_allow = ["127.0.0.0/8"]\n'
HEAD = "Host: a\r\n\r\n"


@pytest.fixture(scope="module")
def running(module_node: Callable[..., LivingNode]) -> LivingNode:
    """Question 1 is open."""
    node = module_node(by_hand(), settings=SETTINGS)
    node.step("open", 0)
    node.wait_state("open")
    return node


@pytest.fixture
def client(running: LivingNode) -> Iterator[RawClient]:
    with RawClient(running.port) as client:
        yield client


@pytest.mark.parametrize("path", ["/now", "/show.json", "/", "/phone.js"])
def test_documents_are_fetched_once(client: RawClient, path: str) -> None:
    first = ask(client, f"GET {path}")
    assert first.status == 200
    etag = first.headers["etag"]
    strong = etag.removeprefix("W/")
    for asked in (etag, strong, f"W/{strong}", f'"other", {etag}', "*"):
        again = ask(client, f"GET {path}", f"If-None-Match: {asked}\r\n")
        assert (again.status, again.body) == (304, b""), asked
        assert again.headers["etag"] == etag
        assert "max-age" in again.headers["cache-control"]
    assert ask(client, f"GET {path}", 'If-None-Match: "other"\r\n').status == 200


@pytest.mark.parametrize("path", ["/now", "/show.json", "/", "/healthz", "/nothing"])
def test_head_is_get_without_the_body(client: RawClient, path: str) -> None:
    whole, head = ask(client, f"GET {path}"), ask(client, f"HEAD {path}")
    assert head.status == whole.status
    assert head.body == b""
    assert set(head.headers) == set(whole.headers)
    assert abs(int(head.headers["content-length"]) - len(whole.body)) <= 1  # digits of a clock


def test_preflight_for_any_path(client: RawClient) -> None:
    for path in ("/t/1FR", "/api/answer", "/nothing", "*"):
        for extra in ("", "TE: trailers\r\n"):
            reply = ask(
                client, f"OPTIONS {path}", f"Access-Control-Request-Method: POST\r\n{extra}"
            )
            assert reply.status == 204, path
            assert "POST" in reply.headers["access-control-allow-methods"]
            assert "Content-Type" in reply.headers["access-control-allow-headers"]


def test_what_is_not_there(client: RawClient) -> None:
    assert ask(client, "GET /console").status == 404
    assert ask(client, "GET /metrics").status == 404
    assert ask(client, "POST /api/order").status == 404
    assert ask(client, "GET /../keys.json").status == 404
    assert ask(client, "GET /now/").status == 404
    assert ask(client, "DELETE /now").status == 405
    assert json.loads(ask(client, "GET /nothing").body)["remedy"]


def test_one_connection_mixes_everything(running: LivingNode, client: RawClient) -> None:
    ticket = running.join()
    text = answer_text(ticket, 0, 1, 9).decode()
    asked = {"ticket": ticket, "question": 0, "choices": [0], "elapsed_ms": 9}
    body = json.dumps(asked).encode()
    long = f"Content-Length: {len(body)}\r\n"
    client.send(
        f"POST /a/{text} HTTP/1.1\r\n{HEAD}"
        f"GET /healthz HTTP/1.1\r\n{HEAD}"
        f"POST /a/{text} HTTP/1.1\r\nTE: trailers\r\n{HEAD}"
        f"GET /now HTTP/1.1\r\n{HEAD}"
        f"POST /api/answer HTTP/1.1\r\n{long}{HEAD}".encode()
        + body
        + f"POST /a/{text} HTTP/1.1\r\n"
        f"Content-Length: 0\r\n{HEAD}"
        f"GET /nothing HTTP/1.1\r\n{HEAD}"
        f"POST /t/1FR HTTP/1.1\r\n{HEAD}"
        f"GET /now HTTP/1.1\r\nConnection: close\r\n{HEAD}"
        f"GET /now HTTP/1.1\r\n{HEAD}".encode()
    )
    replies = client.rest()
    assert [r.status for r in replies] == [204, 200, 204, 200, 200, 204, 404, 201, 200]
    assert replies[-1].headers["connection"] == "close"


def test_http_1_0_gets_one_reply_and_the_end(client: RawClient) -> None:
    client.send(b"GET /now HTTP/1.0\r\n\r\nGET /now HTTP/1.0\r\n\r\n")
    assert [reply.status for reply in client.rest()] == [200]


# --- the private listener -------------------------------------------------------------------------


def test_the_private_listener_wants_its_token_on_every_call(running: LivingNode) -> None:
    paths = ("/console", "/wall", "/metrics", "/events/console", "/out/results.json", "/console.js")
    with RawClient(running.port + 1) as client:
        for line in (*(f"GET {path}" for path in paths), "POST /api/order", "GET /nothing"):
            client.send(f"{line} HTTP/1.1\r\n{HEAD}".encode())
            reply = client.reply()
            assert reply.status in (401, 403), line
            assert "access-control-allow-origin" not in reply.headers
        client.send(f"GET /metrics HTTP/1.1\r\nAuthorization: Bearer wrong\r\n{HEAD}".encode())
        assert client.reply().status in (401, 403)
    wait_until(lambda: health(running) == 200, "the node's health, which anyone may ask")
    assert running.get("/metrics", private=True)[0] == 200


def health(node: LivingNode) -> int:
    with RawClient(node.port + 1) as client:
        client.send(f"GET /healthz HTTP/1.1\r\n{HEAD}".encode())
        return client.reply().status
