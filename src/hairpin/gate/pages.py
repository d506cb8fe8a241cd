"""What the public listener serves beside the hot set: the phone's page, the JSON form, health."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any, TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hairpin.bus import Bus
from hairpin.country import CODES
from hairpin.errors import EngineDown
from hairpin.gate.admit import answer_text
from hairpin.gate.doors import Doors, now_document
from hairpin.gate.general import Application
from hairpin.gate.http import ANSWER_TEXT_BYTES, unchanged
from hairpin.messages import TOPIC_CLAIM, ClaimReply, ClaimRequest, Document
from hairpin.show import CHOICES_MAX, QUESTIONS_MAX
from hairpin.ticket import TICKET_CHARS, verify
from hairpin.web import Asset

Body = TypeVar("Body", bound=msgspec.Struct)

CLAIM_TIMEOUT_MS = 5_000
SECURITY_HEADERS = {
    "content-security-policy": "default-src 'self'; img-src 'self' data:; object-src 'none'; "
    "base-uri 'none'; frame-ancestors *",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


class JoinBody(msgspec.Struct, forbid_unknown_fields=True):
    age_band: int
    country: str


class AnswerBody(msgspec.Struct, forbid_unknown_fields=True):
    ticket: str
    question: int
    choices: list[int]
    elapsed_ms: int


class ClaimBody(msgspec.Struct, forbid_unknown_fields=True):
    ticket: str
    claim: str
    name: str
    consent: bool


PREFLIGHT_HEADERS = {
    "access-control-allow-methods": "GET, POST, OPTIONS",
    "access-control-allow-headers": "Content-Type",
    "access-control-max-age": "86400",
}
_WHY = {
    401: ("not a ticket of this show", "join first: POST /api/join"),
    404: ("no such question, or it has no such choice", "GET /now names both"),
    409: ("the question is not open yet", "try again in a moment"),
    410: ("the question is closed", "wait for the next one"),
    429: ("too many tickets for this address", "wait, or ask the venue to be allowed"),
    503: ("not now: overloaded, no numbers left, or the journal cannot write", "try again soon"),
}


class Asker:
    """An answer in JSON form waits here for its verdict."""

    def __init__(self) -> None:
        self.status: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def verdict(self, status: int) -> None:
        if not self.status.done():
            self.status.set_result(status)


class Pages:
    """Endpoints; `doors` is what they share with the hot path."""

    def __init__(self, doors: Doors, bus: Bus) -> None:
        self._doors = doors
        self._bus = bus

    async def healthz(self, _: Request) -> Response:
        if self._doors.order is None:
            return _json(503, {"status": "starting", "error": "the running order is not known yet"})
        if self._doors.answers.error:  # what it says names paths, and anyone may ask here
            return _json(503, {"status": "failing", "error": "the journal cannot write"})
        return _json(200, {"status": "ok"})

    # --- the hot set, for requests that are not plain enough for the hot path --------------------

    async def now(self, request: Request) -> Response:
        self._doors.count("now")
        order = self._doors.order
        if order is None:
            return _bare(503)
        body, etag = now_document(order, self._doors.clock.now_ms())
        headers = {"etag": etag.decode(), "cache-control": "public, max-age=1"}
        if _unchanged(request, etag.decode()):
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        return Response(body, headers=headers | {"content-type": "application/json"})

    async def hot_join(self, request: Request) -> Response:
        who = request.path_params["who"].encode("utf-8")
        if len(who) != 3:
            return _bare(404)
        self._doors.count("join")
        made = self._doors.join(who, *_charged(request))
        if isinstance(made, int):
            return _bare(made)
        return _json(201, {"ticket": made[0], "claim": made[1]})

    async def hot_answer(self, request: Request) -> Response:
        text = request.path_params["text"].encode("utf-8")
        if len(text) != ANSWER_TEXT_BYTES:
            return _bare(404)
        return _bare(await self._verdict(text))

    async def _verdict(self, text: bytes) -> int:
        asker = Asker()
        self._doors.answers.put(text, asker)
        return await asker.status

    # --- the JSON form ----------------------------------------------------------------------------

    async def join(self, request: Request) -> Response:
        body = await _decoded(request, JoinBody)
        if isinstance(body, Response):
            return body
        if not 0 <= body.age_band <= 2:
            return _mistake("age_band", body.age_band, "0, 1 or 2")
        if body.country not in CODES:
            return _mistake("country", body.country, "two capital letters of ISO 3166-1, or ZZ")
        self._doors.count("join")
        who = f"{body.age_band}{body.country}".encode()
        made = self._doors.join(who, *_charged(request))
        if isinstance(made, int):
            return _refusal(made)
        return _json(201, {"ticket": made[0], "claim": made[1]})

    async def answer(self, request: Request) -> Response:
        body = await _decoded(request, AnswerBody)
        if isinstance(body, Response):
            return body
        if len(body.ticket) != TICKET_CHARS or not body.ticket.isascii():
            return _refusal(401)
        if not 0 <= body.question < QUESTIONS_MAX:
            return _mistake("question", body.question, f"0 to {QUESTIONS_MAX - 1}")
        if not body.choices or any(not 0 <= c < CHOICES_MAX for c in body.choices):
            return _mistake("choices", body.choices, f"indices from 0 to {CHOICES_MAX - 1}")
        elapsed_ms = min(max(body.elapsed_ms, 0), (1 << 28) - 1)
        mask = sum(1 << choice for choice in set(body.choices))
        text = answer_text(body.ticket, body.question, mask, elapsed_ms)
        status = await self._verdict(text)
        return _json(200, {"status": "counted"}) if status == 204 else _refusal(status)

    async def claim(self, request: Request) -> Response:
        body = await _decoded(request, ClaimBody)
        if isinstance(body, Response):
            return body
        ticket = verify(body.ticket, self._doors.key)
        if ticket is None:
            return _refusal(401)
        claim = ClaimRequest(
            ticket.fan, ticket.age_band, ticket.country, body.claim, body.name, body.consent
        )
        try:
            reply = await self._bus.request(TOPIC_CLAIM, claim, ClaimReply, CLAIM_TIMEOUT_MS)
        except EngineDown:
            return _refusal(503)
        told = "detail" if reply.status < HTTPStatus.BAD_REQUEST else "error"
        return _json(reply.status, {told: reply.detail})

    async def document(self, request: Request) -> Response:
        document = self._doors.documents.get(request.scope["path"])
        if document is None:
            return _json(404, {"error": "not there yet"})
        return document_response(document, request)


class Preflight:
    """Answers OPTIONS for whatever path; all else is for the application."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._reply = Response(status_code=204, headers=PREFLIGHT_HEADERS)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        app = self._reply if scope["method"] == "OPTIONS" else self._application
        await app(scope, receive, send)


def pages(
    doors: Doors, bus: Bus, assets: Mapping[str, Asset], media: Iterable[Document]
) -> Application:
    """The application behind the hot set. `media`: images of the show."""
    own = Pages(doors, bus)
    application = Starlette(
        routes=[
            Route("/now", own.now),
            Route("/t/{who}", own.hot_join, methods=["POST"]),
            Route("/a/{text:path}", own.hot_answer, methods=["POST"]),
            Route("/healthz", own.healthz),
            Route("/api/join", own.join, methods=["POST"]),
            Route("/api/answer", own.answer, methods=["POST"]),
            Route("/api/claim", own.claim, methods=["POST"]),
            Route("/show.json", own.document),
            Route("/ranks", own.document),
            *(Route(path, _asset_endpoint(asset)) for path, asset in assets.items()),
            *(Route(document.path, _media_endpoint(document)) for document in media),
        ],
        exception_handlers={404: _no_such_page},
    )
    # A redirect would repeat whatever the client wrote in Host.
    application.router.redirect_slashes = False
    return Preflight(application)


def document_response(document: Document, request: Request) -> Response:
    headers = {
        "etag": document.etag,
        "cache-control": f"public, max-age={document.max_age_s}",
        "content-type": document.content_type,
        **SECURITY_HEADERS,
    }
    if _unchanged(request, document.etag):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(document.body, headers=headers)


def _asset_endpoint(asset: Asset) -> Callable[[Request], Awaitable[Response]]:
    plain = Document(asset.path, asset.body, asset.etag, asset.max_age_s, asset.content_type)
    packed = msgspec.structs.replace(plain, body=asset.gzip)

    async def endpoint(request: Request) -> Response:
        gzipped = "gzip" in request.headers.get("accept-encoding", "")
        response = document_response(packed if gzipped else plain, request)
        response.headers["vary"] = "accept-encoding"
        if gzipped and response.status_code == HTTPStatus.OK:
            response.headers["content-encoding"] = "gzip"
        return response

    return endpoint


def _media_endpoint(document: Document) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        return document_response(document, request)

    return endpoint


async def _no_such_page(request: Request, _: Exception) -> Response:
    error = f"{request.scope['path']} does not exist"
    return _json(404, {"error": error, "remedy": "docs/http-api.md lists what does"})


async def _decoded(request: Request, kind: type[Body]) -> Body | Response:
    """The request's JSON, or the reply that names the mistake."""
    try:
        return msgspec.json.decode(await request.body(), type=kind)
    except msgspec.MsgspecError as error:
        return _json(400, {"error": str(error), "remedy": "docs/http-api.md shows the body"})


def _unchanged(request: Request, etag: str) -> bool:
    return unchanged(_joined(request, "if-none-match"), etag.encode())


def _charged(request: Request) -> tuple[str, bytes]:
    """Whom a ticket is charged to: the peer, and what proxies say."""
    peer = request.client.host if request.client else ""
    return peer, _joined(request, "x-forwarded-for")


def _joined(request: Request, name: str) -> bytes:
    """All values of a header that may come several times."""
    return ",".join(request.headers.getlist(name)).encode("latin-1")


def _bare(status: int) -> Response:
    headers = {"retry-after": "1"} if status in (429, 503) else {}
    if status != 204:
        headers["content-length"] = "0"
    return Response(status_code=status, headers=headers)


def _mistake(place: str, found: object, allowed: str) -> Response:
    return _json(400, {"error": f"{place}: found {found!r}", "remedy": f"allowed: {allowed}"})


def _refusal(status: int) -> Response:
    error, remedy = _WHY[status]
    response = _json(status, {"error": error, "remedy": remedy})
    if status in (429, 503):
        response.headers["retry-after"] = "1"
    return response


def _json(status: int, body: Mapping[str, object]) -> Response:
    return Response(
        msgspec.json.encode(body),
        status_code=status,
        headers={"content-type": "application/json", "cache-control": "no-store"},
    )
