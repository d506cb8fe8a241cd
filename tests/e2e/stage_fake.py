"""A private listener with nothing behind it: serves wall and console, and events that it is told.

    python tests/e2e/stage_fake.py --port 8901

Then open /wall or /console, and set a scene with `curl -X POST 127.0.0.1:8901/fake/scene/open`.
The scenes are in `stage_scenes.py`. Each test starts its own as a process on a free port.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import socket
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

sys.path.insert(0, str(Path(__file__).parent))
import stage_scenes

from hairpin.web import load_assets

CSP = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'"
QR = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 29 29">'
    '<path fill="#fff" d="M0 0h29v29H0z"/>'
    '<path d="M4 4h7v7H4zM18 4h7v7h-7zM4 18h7v7H4zM13 13h3v3h-3zM18 18h2v4h-2zM22 20h3v3h-3z"/>'
    "</svg>"
)
STEPS = {"open": ("waiting", "open"), "close": ("open", "closed"), "reveal": ("closed", "revealed")}


class Stage:
    """The latest events of both streams, and what was asked of the running order."""

    def __init__(self) -> None:
        self.events: dict[str, dict[str, Any]] = {"wall": {}, "console": {}}
        self.listeners: list[tuple[str, asyncio.Queue[str | None]]] = []
        self.orders: list[dict[str, Any]] = []
        self.refusal: tuple[int, dict[str, Any]] | None = None
        self.paused = False

    def send(self, stream: str, event: str, data: dict[str, Any]) -> None:
        self.events[stream][event] = data
        for name, queue in self.listeners:
            if name == stream:
                queue.put_nowait(written(event, data))

    def set_scene(self, name: str) -> dict[str, Any]:
        scene = stage_scenes.scene(name, int(time.time() * 1000))
        for stream, events in scene.items():
            for event, data in events.items():
                self.send(stream, event, data)
        return scene

    def cut(self) -> None:
        for _, queue in self.listeners:
            queue.put_nowait(None)

    def take(self, order: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """As the real running order does for the steps that the tests walk through."""
        self.orders.append(order)
        if self.refusal is not None:
            return self.refusal
        if order["do"] in STEPS:
            before, after = STEPS[order["do"]]
            state = self.events["console"]["order"]
            cue = state["upcoming"][order["question"]]
            if cue["state"] != before:
                return 409, {
                    "error": f"question {cue['index'] + 1} is {cue['state']}",
                    "remedy": "",
                }
            now = int(time.time() * 1000)
            stage_scenes.move(state, cue["index"], after, now)
            self.send("console", "order", {**state, "now": now})
        elif order["do"] in ("hold", "arm"):
            return self._hold(order["do"] == "hold")
        return 200, {"ok": True}

    def _hold(self, held: bool) -> tuple[int, dict[str, Any]]:
        state = self.events["console"]["order"]
        if state["mode"] != "clock" or state["armed"] is not held:
            return 409, {"error": "the clock cannot take this step", "remedy": ""}
        stage_scenes.hold(state, held)
        self.send("console", "order", {**state, "now": int(time.time() * 1000)})
        return 200, {"ok": True}


def written(event: str, data: dict[str, Any]) -> str:
    return f"event: {event}\ndata: {json.dumps(data)}\n\n"


def application(stage: Stage) -> Starlette:
    assets = load_assets("stage")

    async def asset(request: Request) -> Response:
        found = assets.get(request.url.path)
        if found is None:
            return PlainTextResponse("not found", 404)
        headers = {"Content-Security-Policy": CSP, "Cache-Control": "no-store"}
        return Response(found.body, headers=headers, media_type=found.content_type)

    async def events(request: Request) -> Response:
        stream = request.path_params["stream"]
        if stage.paused:
            return PlainTextResponse("away", 503)
        queue: asyncio.Queue[str | None] = asyncio.Queue()

        async def body() -> AsyncIterator[str]:
            stage.listeners.append((stream, queue))
            try:
                yield ": hello\n\n"
                for event, data in stage.events[stream].items():
                    yield written(event, data)
                while (text := await queue.get()) is not None:
                    yield text
            finally:
                with contextlib.suppress(ValueError):
                    stage.listeners.remove((stream, queue))

        return StreamingResponse(body(), media_type="text/event-stream")

    async def order(request: Request) -> Response:
        if request.headers.get("x-hairpin") != "1":
            return JSONResponse({"error": "no X-Hairpin", "remedy": ""}, 403)
        status, reply = stage.take(await request.json())
        return JSONResponse(reply, status)

    async def set_scene(request: Request) -> Response:
        return JSONResponse(stage.set_scene(request.path_params["name"]))

    async def send(request: Request) -> Response:
        told = await request.json()
        stage.send(told["stream"], told["event"], told["data"])
        return JSONResponse({})

    async def control(request: Request) -> Response:
        told = await request.json()
        if "refusal" in told:
            stage.refusal = told["refusal"] and tuple(told["refusal"])
        if "paused" in told:
            stage.paused = told["paused"]
            stage.cut()
        if told.get("forget"):
            stage.orders.clear()
        return JSONResponse({"orders": stage.orders, "events": stage.events})

    async def join_code(_: Request) -> Response:
        return Response(QR, media_type="image/svg+xml")

    return Starlette(
        routes=[
            Route("/events/{stream}", events),
            Route("/api/order", order, methods=["POST"]),
            Route("/fake/scene/{name}", set_scene, methods=["POST"]),
            Route("/fake/send", send, methods=["POST"]),
            Route("/fake/control", control, methods=["POST"]),
            Route("/out/join.svg", join_code),
            Route("/{path:path}", asset),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    asked = parser.parse_args()
    listener = socket.create_server(("127.0.0.1", asked.port))
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    stage = Stage()
    stage.set_scene("waiting")
    config = uvicorn.Config(application(stage), log_level="warning", timeout_graceful_shutdown=1)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
