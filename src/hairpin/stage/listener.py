"""The private listener's server: uvicorn, which lets go of a connection that becomes a stream.

A stream lives for hours and there are thousands. To uvicorn such a connection is lost as soon as
its request is admitted, and everything that belongs to a request (parser, scope, task) goes with
it; the transport gets a small protocol of its own in `streams`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import uvicorn
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from hairpin.stage.auth import SECURITY_HEADERS
from hairpin.stage.events import Audience
from hairpin.stage.streams import Streams

LET_GO = "hairpin.let_go"
"""The extension of the ASGI scope."""

LetGo = Callable[[], tuple[asyncio.Transport, list[tuple[bytes, bytes]]] | None]
"""Take the connection from the server: its transport and the headers that every reply carries.
None: the browser has gone."""


class PrivateProtocol(HttpToolsProtocol):
    """Offers the application to take a connection over."""

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        if self.url.startswith(b"/events/"):
            # Its task has not begun yet; once it has, `cycle` may be that of a later request.
            extensions: dict[str, Any] = {LET_GO: partial(self._let_go, self.cycle)}
            self.scope["extensions"] = extensions

    def _let_go(
        self, cycle: RequestResponseCycle
    ) -> tuple[asyncio.Transport, list[tuple[bytes, bytes]]] | None:
        transport = self.transport
        self.flow.resume_reading()
        # For uvicorn the browser is gone: it closes nothing, sends nothing, starts nothing more,
        # and the task of this request ends in silence.
        cycle.disconnected = True
        self.pipeline.clear()
        self.connection_lost(ConnectionAbortedError("became an event stream"))
        if transport.is_closing():
            return None
        return transport, self.server_state.default_headers


class PrivateServer(uvicorn.Server):
    """Signals belong to the family, not to the server. Streams are closed by who owns them."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=PrivateProtocol,
                log_config=None,
                access_log=False,
                server_header=False,
                lifespan="off",
                ws="none",
                timeout_graceful_shutdown=3,
            )
        )

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class EventStream(Response):
    """The reply that never ends: the connection joins `streams`.

    Served by `PrivateServer` only. Raises EngineDown where there is no room.
    """

    media_type = "text/event-stream"

    def __init__(self, streams: Streams, audience: Audience, headers: Mapping[str, str]) -> None:
        super().__init__(headers=headers)
        del self.headers["content-length"]
        self._streams = streams
        self._audience = audience

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        self._streams.check_room()
        let_go: LetGo = scope["extensions"].pop(LET_GO)
        taken = let_go()
        if taken is None:
            return
        transport, default_headers = taken
        own = [(name.encode(), value.encode()) for name, value in SECURITY_HEADERS.items()]
        headers = [*default_headers, *self.raw_headers, *own, (b"connection", b"close")]
        lines = b"".join(b"%b: %b\r\n" % header for header in headers)
        self._streams.enter(self._audience, transport, b"HTTP/1.1 200 OK\r\n" + lines + b"\r\n")
