"""The private listener: pages, events, the producer's steps, outputs and metrics behind a token."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from http import HTTPStatus

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from hairpin.errors import EngineDown, HairpinError, PeerMistake, YourMistake
from hairpin.messages import Document
from hairpin.order import IllegalStep
from hairpin.stage import outputs
from hairpin.stage.auth import TokenDoor, WrongTokens
from hairpin.stage.commands import AnyCommand, decode
from hairpin.stage.documents import Cue, last_told
from hairpin.stage.events import Audience
from hairpin.stage.listener import EventStream
from hairpin.stage.metrics import registry
from hairpin.stage.view import StageView
from hairpin.web import Asset

Commands = Callable[[AnyCommand], Awaitable[None]]
"""Takes one step; raises `IllegalStep` or a `HairpinError` and has then changed nothing."""
Health = Callable[[], str | None]
"""None while all is well, else why not."""

COMMAND_BYTES_MAX = 4096
NO_STORE = {"cache-control": "no-store"}


def private_app(
    view: StageView,
    commands: Commands,
    token: str,
    assets: Mapping[str, Asset],
    media: Iterable[Document],
    public_address: str,
    health: Health,
) -> Starlette:
    """`assets` by address, as `web.load_assets("stage")` gives them; `media` as gates serve it.

    `public_address` is what phones open: the QR code holds it. Serve it by `PrivateServer`; whoever
    stops that calls `view.streams.close()` first, since event streams never end by themselves.
    """
    wrong = WrongTokens()
    room = _Room(view, commands, public_address, health)
    own_registry = registry(view, lambda: wrong.count)

    async def metrics(_: Request) -> Response:
        return Response(
            generate_latest(own_registry), headers={"content-type": CONTENT_TYPE_LATEST}
        )

    return Starlette(
        routes=[
            Route("/", _to_console),
            Route("/healthz", room.healthz),
            Route("/metrics", metrics),
            Route("/events/{audience}", room.events),
            Route("/api/order", room.order, methods=["POST"]),
            Route("/out/join.svg", room.join),
            Route("/out/question.json", room.question),
            Route("/out/results.{form}", room.results),
            Route("/out/leaderboard.{form}", room.leaderboard),
            *(Route(one.path, _document(one)) for one in media),
            *(Route(path, _asset(asset)) for path, asset in assets.items()),
        ],
        middleware=[Middleware(TokenDoor, token=token, wrong=wrong)],
        exception_handlers={
            IllegalStep: _illegal_step,
            HairpinError: _explained,
            HTTPStatus.NOT_FOUND: _not_found,
        },
    )


class _Room:
    """The endpoints that need the view."""

    def __init__(
        self, view: StageView, commands: Commands, public_address: str, health: Health
    ) -> None:
        self._view = view
        self._commands = commands
        self._health = health
        self._join = outputs.join_svg(public_address)

    async def healthz(self, _: Request) -> Response:
        why = self._health()
        if why is None:
            return JSONResponse({"status": "ok"}, headers=NO_STORE)
        return JSONResponse({"status": "failing", "error": why}, 503, headers=NO_STORE)

    async def events(self, request: Request) -> Response:
        try:
            audience = Audience(request.path_params["audience"])
        except ValueError:
            return _error(
                HTTPStatus.NOT_FOUND, "no such events", "there are /events/wall, /console"
            )
        headers = NO_STORE | {"x-accel-buffering": "no"}
        if request.method == "HEAD":
            return Response(media_type="text/event-stream", headers=headers)
        return EventStream(self._view.streams, audience, headers)

    async def order(self, request: Request) -> Response:
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > COMMAND_BYTES_MAX:
                raise PeerMistake(
                    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                    f"the body is larger than {COMMAND_BYTES_MAX} bytes",
                    "send one step",
                )
        await self._commands(decode(bytes(body)))
        return JSONResponse({"ok": True}, headers=NO_STORE)

    async def join(self, _: Request) -> Response:
        return Response(self._join, media_type="image/svg+xml", headers=NO_STORE)

    async def question(self, request: Request) -> Response:
        rows = outputs.question_rows(
            self._view.show,
            self._cue_on_show(),
            self._view.wall_tally(),
            self._language(request),
            self._view.clock.now_ms(),
            last_told(self._view.cues),
        )
        return Response(outputs.as_json(rows), media_type="application/json", headers=NO_STORE)

    async def results(self, request: Request) -> Response:
        rows = outputs.result_rows(
            self._view.show,
            self._cue(request),
            self._view.wall_tally(),
            self._language(request),
        )
        return _rows(request, "results", outputs.RESULT_KEYS, rows)

    async def leaderboard(self, request: Request) -> Response:
        rows = outputs.leader_rows(
            self._view.show, self._view.wall_tally(), self._language(request)
        )
        return _rows(request, "leaderboard", outputs.LEADER_KEYS, rows)

    def _cue_on_show(self) -> Cue | None:
        current = self._view.current()
        return None if current is None else self._view.cues[current]

    def _cue(self, request: Request) -> Cue | None:
        """The question that `?number=` names, else the one on show."""
        number = request.query_params.get("number")
        if number is None:
            return self._cue_on_show()
        count = len(self._view.show.questions)
        if not (number.isascii() and number.isdigit() and 1 <= int(number[:4]) <= count):
            raise PeerMistake(
                HTTPStatus.BAD_REQUEST, f"number: found {number!r}", f"allowed: 1 to {count}"
            )
        return self._view.cues[int(number[:4]) - 1] if self._view.cues else None

    def _language(self, request: Request) -> str:
        languages = self._view.show.languages
        language = request.query_params.get("lang", languages[0])
        if language not in languages:
            raise PeerMistake(
                HTTPStatus.BAD_REQUEST,
                f"lang: found {language!r}",
                f"allowed: {', '.join(languages)}",
            )
        return language


def _rows(request: Request, name: str, keys: tuple[str, ...], rows: list[outputs.Row]) -> Response:
    match request.path_params["form"]:
        case "json":
            body, media_type = outputs.as_json(rows), "application/json"
        case "csv":
            body, media_type = outputs.as_csv(keys, rows), "text/csv; charset=utf-8"
        case "xml":
            body, media_type = outputs.as_xml(name, keys, rows), "application/xml"
        case form:
            return _error(
                HTTPStatus.NOT_FOUND, f"{name}.{form} does not exist", "allowed: json, csv, xml"
            )
    return Response(body, headers=NO_STORE | {"content-type": media_type})


async def _to_console(_: Request) -> Response:
    return RedirectResponse("/console", HTTPStatus.SEE_OTHER)


def _asset(asset: Asset) -> Callable[[Request], Awaitable[Response]]:
    headers = {
        "content-type": asset.content_type,
        "etag": asset.etag,
        # Few browsers come here, and a console of yesterday's release helps nobody: always ask.
        "cache-control": "private, no-cache",
        "vary": "accept-encoding",
    }

    async def endpoint(request: Request) -> Response:
        if request.headers.get("if-none-match") == asset.etag:
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(asset.gzip, headers=headers | {"content-encoding": "gzip"})
        return Response(asset.body, headers=headers)

    return endpoint


def _document(document: Document) -> Callable[[Request], Awaitable[Response]]:
    headers = {
        "content-type": document.content_type,
        "etag": document.etag,
        "cache-control": f"private, max-age={document.max_age_s}",
    }

    async def endpoint(request: Request) -> Response:
        if request.headers.get("if-none-match") == document.etag:
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        return Response(document.body, headers=headers)

    return endpoint


def _error(status: HTTPStatus, error: str, remedy: str) -> Response:
    return JSONResponse({"error": error, "remedy": remedy}, status, headers=NO_STORE)


async def _illegal_step(_: Request, error: Exception) -> Response:
    return _error(HTTPStatus.CONFLICT, str(error), "look at the running order and try again")


async def _explained(_: Request, error: Exception) -> Response:
    assert isinstance(error, HairpinError)
    if isinstance(error, PeerMistake):
        return _error(error.status, error.message, error.remedy)
    if isinstance(error, YourMistake):
        places = "; ".join(str(finding) for finding in error.findings)
        return _error(HTTPStatus.BAD_REQUEST, places or error.message, error.remedy)
    reply = _error(HTTPStatus.SERVICE_UNAVAILABLE, error.message, error.remedy)
    if isinstance(error, EngineDown):
        reply.headers["retry-after"] = "2"
    return reply


async def _not_found(request: Request, _: Exception) -> Response:
    return _error(
        HTTPStatus.NOT_FOUND,
        f"{request.url.path} does not exist",
        "docs/http-api.md lists what does",
    )
