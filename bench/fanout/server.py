"""`python -m bench.fanout.server hairpin|starlette PORT BROWSERS`: event streams, and nothing else.

`POST /publish` sends the next result to all browsers; `GET /facts` tells the size of its event, and
how late a timer of 5 ms was at worst since the last publish, which is what the running order of the
same process would have suffered.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec
import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route

from hairpin.country import CODES
from hairpin.messages import Cell, QuestionTally, TallySnapshot
from hairpin.node.family import allow_files
from hairpin.order import RunningOrder, Step
from hairpin.showfile import read_show
from hairpin.stage.commands import AnyCommand
from hairpin.stage.documents import cues, now_body
from hairpin.stage.events import Audience
from hairpin.stage.listener import PrivateServer
from hairpin.stage.private import private_app
from hairpin.stage.view import StageView
from hairpin.world import real_world

EXAMPLE = Path(__file__).parents[2] / "examples" / "first-light.toml"
TOKEN = "bench"
TIMER_S = 0.005
COUNTRIES = 30
"""As many as make an event of about 2 KB."""
QUEUE_MAX = 16
FILES_SPARE = 200


class Facts(msgspec.Struct, frozen=True):
    event_bytes: int
    late_ms: float


class Lateness:
    """A timer in the loop that is measured."""

    def __init__(self) -> None:
        self.worst_ms = 0.0

    async def tick(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due_s = loop.time() + TIMER_S
            await asyncio.sleep(TIMER_S)
            self.worst_ms = max(self.worst_ms, (loop.time() - due_s) * 1000)


class Results:
    """A view as the stage has it after a reveal; each `publish` is a new snapshot."""

    def __init__(self, browsers: int) -> None:
        show = read_show(EXAMPLE.read_text(), EXAMPLE.name)
        show = msgspec.structs.replace(show, questions=show.questions[:1])
        world = real_world()
        self._at_ms = world.clock.now_ms()
        self.view = StageView(show, world.clock, streams_max=browsers)
        order = RunningOrder(show, (self._at_ms,))
        for step in (Step.OPEN, Step.CLOSE, Step.REVEAL):
            order.apply(0, step, self._at_ms)
        self.view.set_order(now_body(show, order, {}, None, [], {}, 1), cues(show, order, {}))
        self.publish()

    def publish(self) -> None:
        self._at_ms += 1
        cell = Cell(1_234_567, 765_432)
        tally = QuestionTally(
            question=0,
            id="q1",
            status="final",
            version=1,
            reason="",
            missing=(),
            journalled=49_392_680,
            repeats=10_000,
            answers=49_382_680,
            by_choice=(20_000_000, 20_000_000, 9_382_680),
            by_age_band=(cell, cell, cell),
            by_country=dict.fromkeys(CODES[:COUNTRIES], cell),
            right=30_617_280,
            wrong=18_765_400,
            best_country=None,
        )
        self.view.set_tally(
            TallySnapshot(self._at_ms, None, 0.0, (tally,), (), 0, (), 49_382_680, "c0ffee", {})
        )

    def event(self) -> bytes:
        view = self.view
        return view.news(Audience.WALL, (*view.versions(Audience.WALL)[:-1], 0))


class Queues:
    """The usual way: a queue for each browser, and a generator that empties it."""

    def __init__(self, results: Results) -> None:
        self._results = results
        self._queues: set[asyncio.Queue[bytes]] = set()

    def publish(self) -> None:
        self._results.publish()
        event = self._results.event()
        for queue in self._queues:
            with contextlib.suppress(asyncio.QueueFull):
                queue.put_nowait(event)

    async def events(self, _: Request) -> Response:
        return StreamingResponse(self._stream(), media_type="text/event-stream")

    async def _stream(self) -> AsyncIterator[bytes]:
        queue: asyncio.Queue[bytes] = asyncio.Queue(QUEUE_MAX)
        self._queues.add(queue)
        try:
            yield self._results.event()
            while True:
                yield await queue.get()
        finally:
            self._queues.discard(queue)


def application(
    results: Results, late: Lateness, publish: Callable[[], None], events: BaseRoute
) -> Starlette:
    async def publish_next(_: Request) -> Response:
        late.worst_ms = 0.0
        publish()
        return Response(status_code=204)

    async def facts(_: Request) -> Response:
        found = Facts(len(results.event()), late.worst_ms)
        return JSONResponse(msgspec.to_builtins(found))

    return Starlette(
        routes=[Route("/publish", publish_next, methods=["POST"]), Route("/facts", facts), events]
    )


async def nothing(_: AnyCommand) -> None:
    """There is no running order to command."""


async def serve(kind: str, port: int, browsers: int) -> None:
    late = Lateness()
    ticking = asyncio.create_task(late.tick())
    results = Results(browsers)
    if kind == "hairpin":
        stage = private_app(results.view, nothing, TOKEN, {}, [], "http://x/", lambda: None)
        app = application(results, late, results.publish, Mount("/", stage))
        server: uvicorn.Server = PrivateServer(app)
    else:
        queues = Queues(results)
        app = application(results, late, queues.publish, Route("/events/wall", queues.events))
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
    server.config.host, server.config.port, server.config.backlog = "127.0.0.1", port, 4096
    await server.serve()
    ticking.cancel()


if __name__ == "__main__":
    allow_files(int(sys.argv[3]) + FILES_SPARE)
    uvloop.run(serve(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
