"""A public server for the phone's page alone: the contract of docs/http-api.md with hands on it.

A test sets what the show does (`open`, `reveal`, ...) and how the server fails (`answer_status`),
and reads what phones sent. It runs in a thread of its own.
"""

from __future__ import annotations

import base64
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hairpin.country import CODES
from hairpin.web import load_assets

CSP = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'"
PICTURE = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 160 90">'
    '<rect width="160" height="90" fill="#243"/><circle cx="80" cy="45" r="30" fill="#9c6"/></svg>'
)
FIRST_FAN = 70_000


def text(en: str, fr: str = "") -> dict[str, str]:
    return {"en": en, "fr": fr or en}


def question(
    words: dict[str, str],
    choices: list[dict[str, str]],
    right: int,
    *,
    multiple: bool = False,
    image: str | None = None,
    pictures: bool = False,
) -> dict[str, Any]:
    picture = "/media/choice.svg" if pictures else None
    return {
        "text": words,
        "choices": [{"text": choice, "image": picture} for choice in choices],
        "right": right,
        "multiple": multiple,
        "image": image,
    }


QUESTIONS = [
    question(
        text("Which song opened the first concert?", "Quelle chanson a ouvert le concert ?"),
        [text("Northern Line"), text("Paper Moon"), text("Glass", "Verre"), text("Slow Train")],
        0b0010,
    ),
    question(
        text("Which of these cities are on the tour?", "Quelles villes sont sur la tournée ?"),
        [text("Lyon"), text("Ghent", "Gand"), text("Tunis"), text("Oslo")],
        0b0101,
        multiple=True,
    ),
    question(
        text("Which cover do you like most?", "Quelle pochette préférez-vous ?"),
        [text("The garden", "Le jardin"), text("The harbour", "Le port")],
        0,
        image="/media/question.svg",
        pictures=True,
    ),
]


class Fake:
    """The state of one show, and what phones did."""

    def __init__(self) -> None:
        self.version = 1
        self.state = "waiting"
        self.on_show: dict[str, Any] | None = None
        self.result: dict[str, Any] | None = None
        self.past: list[dict[str, Any]] = []
        self.next_at: int | None = None
        self.contenders: dict[str, Any] | None = None
        self.winners: list[dict[str, Any]] = []
        self.word: dict[str, Any] | None = None
        self.poll_after_ms = 200
        self.silent_while_open_ms: int | None = None
        self.ranks: dict[str, Any] = {"version": 1, "fans": 0, "rows": []}
        self.now_status: int | None = None
        self.answer_status: int | None = None
        self.answer_headers: dict[str, str] = {}
        self.join_status: int | None = None
        self.claim_status: int | None = None
        self.tickets: dict[str, int] = {}
        self.sends: list[str] = []
        self.counted: dict[tuple[int, int], tuple[int, int]] = {}
        self.claims: list[dict[str, Any]] = []
        self.reads: dict[str, int] = {}

    # what the producer does

    def open(self, index: int, duration_ms: int | None = 30_000) -> None:
        about = QUESTIONS[index]
        opened = now_ms()
        self.on_show = {
            "index": index,
            "of": len(QUESTIONS),
            "id": f"q{index + 1}",
            "text": about["text"],
            "image": about["image"],
            "multiple": about["multiple"],
            "poll": about["right"] == 0,
            "choices": about["choices"],
            "opened_at": opened,
            "closes_at": None if duration_ms is None else opened + duration_ms,
        }
        self.result, self.state, self.next_at = None, "open", None
        self.version += 1

    def close(self) -> None:
        assert self.on_show
        self.on_show["closes_at"] = now_ms()
        self.state = "closed"
        self.version += 1

    def reveal(
        self, by_choice: list[int | None], right: int | None = None, over: bool = False
    ) -> None:
        assert self.on_show
        index = self.on_show["index"]
        mask = QUESTIONS[index]["right"] if right is None else right
        self.past = [one for one in self.past if one["index"] != index]
        self.version += 1
        self.result = {
            "right": mask,
            "explanation": text("They played it twice that night.", "Deux fois ce soir-là."),
            "by_choice": by_choice,
            "answers": sum(count or 0 for count in by_choice),
            "status": "final",
            "version": self.version,
            "head": f"5f0c9d2b8e1a47d6b3c05f0c9d2b{self.version:04x}",
        }
        copied = ("index", "multiple", "poll", "opened_at")
        kept = {key: self.on_show[key] for key in copied}
        self.past.append({**kept, "state": "revealed", "right": mask, "version": self.version})
        self.state = "over" if over else "revealed"

    def void(self) -> None:
        assert self.on_show
        copied = ("index", "multiple", "poll", "opened_at")
        kept = {key: self.on_show[key] for key in copied}
        self.past.append({**kept, "state": "void", "right": None, "version": 1})
        self.state = "void"
        self.version += 1

    def announce(self, fans: list[int], reserves: list[int], open_ms: int = 60_000) -> None:
        deadline = now_ms() + open_ms
        self.contenders = {"deadline_at": deadline, "fans": fans, "reserves": reserves}
        self.version += 1

    def approve(self, fan: int, name: str, word: dict[str, Any]) -> None:
        self.winners = [{"rank": 1, "fan": fan, "name": name}]
        self.word = word
        self.version += 1

    def forget_tickets(self) -> None:
        self.tickets.clear()

    def rank(self, rows: list[dict[str, Any]], fans: int) -> None:
        self.ranks = {"version": 2, "fans": fans, "rows": rows}
        self.version += 1

    # what a phone asks

    def show(self) -> dict[str, Any]:
        return {
            "show": "first-light",
            "title": text("First light, live", "Première lueur, en direct"),
            "languages": ["en", "fr"],
            "age_bands": [
                text("Under 25", "Moins de 25"),
                text("25 to 44", "25 à 44"),
                text("45 and over", "45 et plus"),
            ],
            "countries": list(CODES),
            "accent": "#ff8a3d",
            "questions": len(QUESTIONS),
            "allowance_ms": 3_000,
            "floor_ms": 300,
        }

    def now(self) -> dict[str, Any]:
        state = self.state  # read once: the test's own thread may change it meanwhile
        silent_ms = self.silent_while_open_ms if state == "open" else None
        return {
            "version": self.version,
            "show": "first-light",
            "state": state,
            "question": self.on_show,
            "result": self.result,
            "past": self.past,
            "next_at": self.next_at,
            "contenders": self.contenders,
            "winners": self.winners,
            "word": self.word,
            "now": now_ms(),
            "poll_after_ms": silent_ms or self.poll_after_ms,
            "spread_ms": 50,
        }

    def join(self) -> tuple[int, dict[str, str]]:
        if self.join_status:
            return self.join_status, {}
        fan = FIRST_FAN + len(self.sends) + len(self.tickets)
        raw = struct.pack("<IBBB8s", fan, 1, 75, 0, fan.to_bytes(8, "big"))
        ticket = base64.urlsafe_b64encode(raw).decode()
        self.tickets[ticket] = fan
        return 201, {"ticket": ticket, "claim": "c" * 22}

    def answer(self, ticket: str, said: str) -> int:
        self.sends.append(f"{ticket}/{said}")
        if self.answer_status:
            return self.answer_status
        index, choice, elapsed = int(said[:2], 16), int(said[2:4], 16), int(said[4:11], 16)
        if ticket not in self.tickets:
            return 401
        asked = self.on_show
        if not asked or asked["index"] != index:
            return 410 if any(one["index"] == index for one in self.past) else 409
        if self.state != "open" or (asked["closes_at"] and now_ms() > asked["closes_at"]):
            return 410
        self.counted.setdefault((self.tickets[ticket], index), (choice, elapsed))
        return 204

    def claim(self, body: dict[str, Any]) -> int:
        self.claims.append(body)
        if self.claim_status:
            return self.claim_status
        fan = self.tickets.get(body["ticket"])
        if fan is None:
            return 401
        places = self.contenders
        if not places or fan not in places["fans"] + places["reserves"]:
            return 403
        return 410 if now_ms() > places["deadline_at"] else 202


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def application(fake: Fake) -> Starlette:
    assets = load_assets("phone")

    async def page(request: Request) -> Response:
        asset = assets.get(request.url.path)
        if asset is None:
            return Response("nothing here", status_code=404)
        headers = {
            "Content-Security-Policy": CSP,
            "Content-Encoding": "gzip",
            "ETag": asset.etag,
            "Cache-Control": f"public, max-age={asset.max_age_s}",
        }
        return Response(asset.gzip, headers=headers, media_type=asset.content_type)

    def document(make: Any) -> Any:
        async def reply(request: Request) -> Response:
            path = request.url.path
            fake.reads[path] = fake.reads.get(path, 0) + 1
            if path == "/now" and fake.now_status:
                return Response(status_code=fake.now_status)
            headers = {"Cache-Control": "public, max-age=0", "ETag": f'"{fake.version}"'}
            if request.headers.get("if-none-match") == headers["ETag"]:
                return Response(status_code=304, headers=headers)
            return JSONResponse(make(), headers=headers)

        return reply

    async def join(request: Request) -> Response:
        status, body = fake.join()
        return JSONResponse(body, status)

    async def answer(request: Request) -> Response:
        return Response(status_code=fake.answer(**request.path_params), headers=fake.answer_headers)

    async def claim(request: Request) -> Response:
        status = fake.claim(await request.json())
        return JSONResponse({"detail": "as the desk says"}, status)

    async def media(request: Request) -> Response:
        return Response(PICTURE, media_type="image/svg+xml")

    return Starlette(
        routes=[
            Route("/now", document(fake.now)),
            Route("/show.json", document(fake.show)),
            Route("/ranks", document(lambda: fake.ranks)),
            Route("/t/{place}", join, methods=["POST"]),
            Route("/a/{ticket}/{said}", answer, methods=["POST"]),
            Route("/api/claim", claim, methods=["POST"]),
            Route("/media/{name}", media),
            Route("/{path:path}", page),
        ]
    )


@contextmanager
def serving(fake: Fake) -> Iterator[str]:
    """The address of a server on a free port of the loopback."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(application(fake), log_config=None, lifespan="off", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
