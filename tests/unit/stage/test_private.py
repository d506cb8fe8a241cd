"""The private listener: who gets in, who may change something, and what comes back."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from hairpin.errors import EngineDown, Finding, PeerMistake, YourMistake
from hairpin.messages import Document
from hairpin.order import IllegalStep, Step
from hairpin.stage.auth import WAITING_MAX, WrongTokens
from hairpin.stage.commands import AnyCommand, Open
from hairpin.stage.documents import cues, now_body
from hairpin.stage.private import private_app
from hairpin.stage.view import StageView
from hairpin.web import Asset

TOKEN = "tEst-token_123"
ORIGIN = "http://127.0.0.1:8001"
COOKIE = {"cookie": f"hairpin-8001={TOKEN}"}
BEARER = {"authorization": f"Bearer {TOKEN}"}
OWN_PAGE = {"origin": ORIGIN, "sec-fetch-site": "same-origin", "x-hairpin": "1"}
STEP = b'{"do": "open", "question": 0}'
PAGE = b"<!doctype html><title>wall</title>" * 20
PAGES = {
    path: Asset(path, PAGE, gzip.compress(PAGE), 'W/"abc"', "text/html; charset=utf-8", 300)
    for path in ("/wall", "/console")
}
IMAGE = Document("/media/aa.png", b"png", '"png"', 3_600, "image/png")


class Director:
    """Stands in for the director: notes each command, or raises."""

    def __init__(self) -> None:
        self.taken: list[AnyCommand] = []
        self.error: Exception | None = None
        self.trouble: str | None = None

    async def __call__(self, command: AnyCommand) -> None:
        if self.error is not None:
            raise self.error
        self.taken.append(command)


@pytest.fixture
def director() -> Director:
    return Director()


@pytest.fixture
def view(make: Any) -> StageView:
    view = StageView(make.show(), make.clock())
    order = make.order(view.show, (0, Step.OPEN), (0, Step.CLOSE), (0, Step.REVEAL))
    view.set_order(
        now_body(view.show, order, {}, None, [], make.media, 1), cues(view.show, order, make.media)
    )
    view.set_tally(make.snapshot())
    return view


@pytest.fixture
async def client(view: StageView, director: Director) -> AsyncIterator[httpx.AsyncClient]:
    app = private_app(
        view, director, TOKEN, PAGES, [IMAGE], "http://127.0.0.1:8000/", lambda: director.trouble
    )
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as client:
        yield client


# --- who gets in ----------------------------------------------------------------------------------

PROTECTED = ["/", "/wall", "/console", "/metrics", "/out/question.json", "/out/join.svg"]


@pytest.mark.parametrize("path", [*PROTECTED, "/events/wall", "/media/aa.png", "/nothing"])
async def test_without_a_token_nothing(client: httpx.AsyncClient, path: str) -> None:
    reply = await client.get(path)
    assert reply.status_code == 401
    assert "bearer" in reply.headers["www-authenticate"].lower()
    assert "printed at start" in reply.text


@pytest.mark.parametrize("path", PROTECTED)
@pytest.mark.parametrize("credential", [COOKIE, BEARER])
async def test_with_a_token_everything(
    client: httpx.AsyncClient, path: str, credential: dict[str, str]
) -> None:
    assert (await client.get(path, headers=credential)).status_code in (200, 303)


@pytest.mark.parametrize(
    "credential",
    [
        {"authorization": "Bearer wrong"},
        {"authorization": "Bearer "},
        {"authorization": f"Bearer {TOKEN}x"},
        {"authorization": f"Basic {TOKEN}"},
        {"cookie": "hairpin-8001=wrong"},
        {"cookie": f"hairpin-8002={TOKEN}"},
        {"cookie": f"hairpin={TOKEN}"},
    ],
)
async def test_with_a_wrong_one_nothing(
    client: httpx.AsyncClient, credential: dict[str, str]
) -> None:
    assert (await client.get("/metrics", headers=credential)).status_code == 401


@pytest.mark.parametrize(
    ("address", "to"),
    [
        (f"/wall?token={TOKEN}", "/wall"),
        (f"/wall?overlay=1&token={TOKEN}&x=a%26b", "/wall?overlay=1&x=a%26b"),
        (f"/console?token={TOKEN}", "/console"),
        (f"/?token={TOKEN}", "/"),
    ],
)
async def test_the_token_moves_from_the_address_into_a_cookie(
    client: httpx.AsyncClient, address: str, to: str
) -> None:
    reply = await client.get(address)
    assert (reply.status_code, reply.headers["location"]) == (303, to)
    cookie = reply.headers["set-cookie"].lower()
    assert all(part in cookie for part in ("httponly", "samesite=strict", "path=/"))
    assert reply.headers["referrer-policy"] == "no-referrer"
    assert TOKEN not in reply.headers["location"]
    assert (await client.get("/wall")).status_code == 200, "the cookie that was set lets in"


async def test_a_wrong_token_in_the_address_sets_nothing(client: httpx.AsyncClient) -> None:
    reply = await client.get("/wall?token=wrong")
    assert reply.status_code == 401
    assert "set-cookie" not in reply.headers
    assert reply.headers["content-type"].startswith("text/plain")


async def test_sources_may_keep_the_token_in_the_address(client: httpx.AsyncClient) -> None:
    assert (await client.get(f"/out/results.csv?token={TOKEN}")).status_code == 200
    assert (await client.head(f"/events/wall?token={TOKEN}")).status_code == 200
    assert (await client.get("/out/results.csv?token=wrong")).status_code == 401
    assert (await client.get(f"/metrics?token={TOKEN}")).status_code == 401


async def test_wrong_tokens_are_counted_and_slowed_and_right_ones_never() -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    wrong = WrongTokens(sleep)
    for _ in range(12):
        assert await wrong.slow()
    assert waits == sorted(waits)
    assert waits[-1] > 10 * waits[0]
    assert waits[-1] == waits[-2], "bounded"
    wrong.forgive()
    await wrong.slow()
    assert waits[-1] == waits[0]
    assert wrong.count == 13


async def test_a_flood_of_wrong_tokens_is_turned_away_at_once() -> None:
    release = asyncio.Event()

    async def sleep(_: float) -> None:
        await release.wait()

    wrong = WrongTokens(sleep)
    waiting = [asyncio.ensure_future(wrong.slow()) for _ in range(WAITING_MAX)]
    await asyncio.sleep(0)
    assert await wrong.slow() is False
    release.set()
    assert await asyncio.gather(*waiting) == [True] * WAITING_MAX
    assert await wrong.slow() is True


async def test_wrong_tokens_show_in_the_metrics(client: httpx.AsyncClient) -> None:
    await client.get("/metrics", headers={"authorization": "Bearer wrong"})
    metrics = await client.get("/metrics", headers=BEARER)
    assert "hairpin_wrong_tokens_total 1.0" in metrics.text


# --- who may change something ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (BEARER, 200),
        (COOKIE | OWN_PAGE, 200),
        (COOKIE | {"x-hairpin": "1", "origin": ORIGIN}, 200),
        (COOKIE | {"x-hairpin": "1", "sec-fetch-site": "same-origin"}, 200),
        (COOKIE, 403),
        (COOKIE | {"x-hairpin": "1"}, 403),
        (COOKIE | {"origin": ORIGIN, "sec-fetch-site": "same-origin"}, 403),
        (COOKIE | OWN_PAGE | {"origin": "http://127.0.0.1:8000"}, 403),
        (COOKIE | OWN_PAGE | {"origin": "https://elsewhere.example"}, 403),
        (COOKIE | OWN_PAGE | {"origin": "null"}, 403),
        (COOKIE | OWN_PAGE | {"sec-fetch-site": "same-site"}, 403),
        (COOKIE | OWN_PAGE | {"sec-fetch-site": "cross-site"}, 403),
        (COOKIE | OWN_PAGE | {"sec-fetch-site": "none"}, 403),
        (OWN_PAGE, 401),
        ({"authorization": "Bearer wrong"} | COOKIE | OWN_PAGE, 401),
    ],
)
async def test_changes_come_from_scripts_or_from_our_own_page(
    client: httpx.AsyncClient, director: Director, headers: dict[str, str], status: int
) -> None:
    reply = await client.post("/api/order", content=STEP, headers=headers)
    assert reply.status_code == status
    assert director.taken == ([Open(0)] if status == 200 else [])


async def test_no_change_by_a_token_in_the_address(
    client: httpx.AsyncClient, director: Director
) -> None:
    for path in ("/api/order", "/wall", "/out/question.json"):
        reply = await client.post(f"{path}?token={TOKEN}", content=STEP, headers=OWN_PAGE)
        assert reply.status_code == 401
    assert director.taken == []


async def test_a_proxy_that_ends_tls_is_the_same_origin(client: httpx.AsyncClient) -> None:
    headers = COOKIE | OWN_PAGE | {"origin": "https://127.0.0.1:8001"}
    assert (await client.post("/api/order", content=STEP, headers=headers)).status_code == 200


# --- what comes back ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "status", "says"),
    [
        (IllegalStep("question 1 is closed; possible: reveal"), 409, "possible: reveal"),
        (PeerMistake(404, "no such fan", "look again"), 404, "no such fan"),  # type: ignore[arg-type]
        (
            YourMistake("wrong", "look", (Finding("right[0]", "7", "0 to 2"),)),
            400,
            "right[0]: found 7; allowed: 0 to 2",
        ),
        (EngineDown("the journal cannot write", "make room"), 503, "journal"),
    ],
)
async def test_errors_of_a_step(
    client: httpx.AsyncClient, director: Director, error: Exception, status: int, says: str
) -> None:
    director.error = error
    reply = await client.post("/api/order", content=STEP, headers=BEARER)
    assert reply.status_code == status
    assert says in reply.json()["error"]
    assert reply.json()["remedy"]
    assert ("retry-after" in reply.headers) is (status == 503)


async def test_mistakes_in_a_step_name_their_place(client: httpx.AsyncClient) -> None:
    reply = await client.post("/api/order", content=b'{"do": "open"}', headers=BEARER)
    assert reply.status_code == 400
    assert "`question`" in reply.json()["error"]
    reply = await client.post("/api/order", content=b" " * 5_000, headers=BEARER)
    assert reply.status_code == 413
    assert (await client.get("/api/order", headers=BEARER)).status_code == 405


async def test_every_reply_carries_the_security_headers(client: httpx.AsyncClient) -> None:
    paths = ["/wall", "/healthz", "/nothing", "/out/question.json", f"/wall?token={TOKEN}"]
    replies = [await client.get(path, headers=BEARER) for path in paths]
    replies.append(await client.get("/console", headers={"cookie": ""}))
    for reply in replies:
        assert reply.headers["content-security-policy"].startswith("default-src 'self';")
        assert reply.headers["referrer-policy"] == "no-referrer"
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in reply.headers


async def test_health_needs_no_token(client: httpx.AsyncClient, director: Director) -> None:
    reply = await client.get("/healthz")
    assert (reply.status_code, reply.json()) == (200, {"status": "ok"})
    director.trouble = "gate 3 cannot write to its journal: disk full"
    reply = await client.get("/healthz")
    assert reply.status_code == 503
    assert reply.json()["error"] == director.trouble


async def test_pages_are_small_and_revalidated(client: httpx.AsyncClient) -> None:
    reply = await client.get("/wall?overlay=1", headers=BEARER)
    assert reply.content == PAGE
    assert reply.headers["content-encoding"] == "gzip"
    plain = await client.get("/wall", headers=BEARER | {"accept-encoding": "identity"})
    assert plain.content == PAGE
    assert "content-encoding" not in plain.headers
    again = await client.get("/wall", headers=BEARER | {"if-none-match": reply.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    console = await client.get("/", headers=BEARER)
    assert console.headers["location"] == "/console"


async def test_images_of_the_show(client: httpx.AsyncClient) -> None:
    reply = await client.get("/media/aa.png", headers=BEARER)
    assert (reply.content, reply.headers["content-type"]) == (b"png", "image/png")
    again = await client.get("/media/aa.png", headers=BEARER | {"if-none-match": '"png"'})
    assert again.status_code == 304


@pytest.mark.parametrize(
    ("path", "content_type", "begins"),
    [
        ("/out/question.json", "application/json", b'[{"show":'),
        ("/out/results.json", "application/json", b'[{"number":1,'),
        ("/out/results.csv", "text/csv; charset=utf-8", b"number,id,state,"),
        ("/out/results.xml", "application/xml", b"<?xml"),
        ("/out/leaderboard.json", "application/json", b'[{"rank":1,'),
        ("/out/leaderboard.csv", "text/csv; charset=utf-8", b"rank,tied,fan,"),
        ("/out/leaderboard.xml", "application/xml", b"<?xml"),
        ("/out/join.svg", "image/svg+xml", b"<svg"),
    ],
)
async def test_outputs(
    client: httpx.AsyncClient, path: str, content_type: str, begins: bytes
) -> None:
    reply = await client.get(path, headers=BEARER)
    assert reply.status_code == 200
    assert reply.headers["content-type"] == content_type
    assert reply.headers["cache-control"] == "no-store"
    assert reply.content.startswith(begins)


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/out/results.json?number=0", 400, "allowed: 1 to 3"),
        ("/out/results.json?number=4", 400, "allowed: 1 to 3"),
        ("/out/results.json?number=²", 400, "allowed: 1 to 3"),
        ("/out/results.json?number=" + "9" * 5_000, 400, "allowed: 1 to 3"),
        ("/out/question.json?lang=de", 400, "allowed: en, fr"),
        ("/out/results.yaml", 404, "allowed: json, csv, xml"),
        ("/events/everything", 404, "/events/wall"),
        ("/nothing", 404, "docs/http-api.md"),
    ],
)
async def test_wrong_addresses(
    client: httpx.AsyncClient, path: str, status: int, says: str
) -> None:
    reply = await client.get(path, headers=BEARER)
    assert reply.status_code == status
    assert says in reply.json()["remedy"]


async def test_another_question_in_another_language(client: httpx.AsyncClient) -> None:
    first = await client.get("/out/results.json?number=1&lang=fr", headers=BEARER)
    assert first.json()[2]["label"] == "Le premier"
    second = await client.get("/out/results.json?number=2", headers=BEARER)
    assert second.json() == []
