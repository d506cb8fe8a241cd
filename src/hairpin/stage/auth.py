"""The token of the private listener, checked on every call.

A person opens an address with `?token=` once: the token moves into a cookie and out of the address.
Scripts send it as a bearer. Sources that can do neither keep it in the address of what they read.
A change by cookie must also come from our own page: other sites, and other ports of this machine,
can make a browser send the cookie, but not the header and not our origin.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

OPEN_PATHS = frozenset({"/healthz"})
PAGES = frozenset({"/", "/wall", "/console"})
TOKEN_IN_ADDRESS = ("/out/", "/events/")
READS = frozenset({"GET", "HEAD"})

SECURITY_HEADERS = {
    "content-security-policy": (
        "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
        "frame-ancestors 'self'"
    ),
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}

WAITING_MAX = 32
"""Wrong attempts that are being slowed at once; further ones are turned away at once."""
SLOWEST_S = 2.0


class WrongTokens:
    """Counts wrong attempts, and makes each wait longer than the last; right ones never wait."""

    def __init__(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self.count = 0
        self._recent = 0
        self._waiting = 0
        self._sleep = sleep

    async def slow(self) -> bool:
        """Wait; False if too many are waiting already."""
        self.count += 1
        if self._waiting >= WAITING_MAX:
            return False
        self._recent += 1
        self._waiting += 1
        try:
            await self._sleep(min(0.05 * 2 ** min(self._recent, 10), SLOWEST_S))
        finally:
            self._waiting -= 1
        return True

    def forgive(self) -> None:
        """A right token came: whoever sits here knows it."""
        self._recent = 0


class TokenDoor:
    """ASGI application in front of the private one: token, cross-site check, security headers."""

    def __init__(self, app: ASGIApp, token: str, wrong: WrongTokens) -> None:
        self._app = app
        self._token = token.encode()
        self._wrong = wrong

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":  # the life of the process; there is no websocket here
            await self._app(scope, receive, send)
            return
        app = await self._admit(scope) or self._app
        await app(scope, receive, _with_security_headers(send))

    async def _admit(self, scope: Scope) -> Response | None:
        """None: let it in; else the reply."""
        path: str = scope["path"]
        headers = Headers(scope=scope)
        if path in OPEN_PATHS:
            return None
        in_address = _token_in_address(scope)
        if in_address is not None and path in PAGES and scope["method"] in READS:
            right = self._right(in_address)
            return self._move_into_cookie(scope) if right else await self._refuse(path)
        bearer = _bearer(headers)
        if bearer is not None:
            return None if self._right(bearer) else await self._refuse(path)
        if in_address is not None and path.startswith(TOKEN_IN_ADDRESS):
            if scope["method"] in READS and self._right(in_address):
                return None
            return await self._refuse(path)
        cookie = cookie_parser(headers.get("cookie", "")).get(cookie_name(scope))
        if cookie is None:
            return _unauthorised(path)
        if not self._right(cookie):
            return await self._refuse(path)
        if scope["method"] not in READS and not _own_page(headers):
            return _error(
                HTTPStatus.FORBIDDEN,
                "this change does not come from our own page",
                "send the token as a bearer, or X-Hairpin: 1 from the same origin",
            )
        return None

    def _right(self, candidate: str) -> bool:
        right = hmac.compare_digest(candidate.encode("utf-8", "surrogateescape"), self._token)
        if right:
            self._wrong.forgive()
        return right

    async def _refuse(self, path: str) -> Response:
        if await self._wrong.slow():
            return _unauthorised(path)
        reply = _error(HTTPStatus.TOO_MANY_REQUESTS, "too many wrong tokens", "wait a moment")
        reply.headers["retry-after"] = "5"
        return reply

    def _move_into_cookie(self, scope: Scope) -> Response:
        query = [(k, v) for k, v in _query(scope) if k != "token"]
        address = scope["path"] + ("?" + urlencode(query) if query else "")
        reply = RedirectResponse(address, status_code=HTTPStatus.SEE_OTHER)
        reply.set_cookie(
            cookie_name(scope),
            self._token.decode(),
            path="/",
            secure=scope.get("scheme") == "https",
            httponly=True,
            samesite="strict",
        )
        reply.headers["cache-control"] = "no-store"
        return reply


def cookie_name(scope: Scope) -> str:
    """Browsers share cookies between the ports of a machine: each node has a name of its own."""
    server = scope.get("server")
    return f"hairpin-{server[1] if server else 0}"


def _query(scope: Scope) -> list[tuple[str, str]]:
    return parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)


def _token_in_address(scope: Scope) -> str | None:
    return next((value for name, value in _query(scope) if name == "token"), None)


def _bearer(headers: Headers) -> str | None:
    scheme, _, value = headers.get("authorization", "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else None


def _own_page(headers: Headers) -> bool:
    """Did a page of this very origin send it? Browsers always tell one of the two."""
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if headers.get("x-hairpin") != "1" or (site is None and origin is None):
        return False
    if site is not None and site != "same-origin":
        return False
    # A proxy that ends TLS changes the scheme, never the host.
    return origin is None or urlsplit(origin).netloc == headers.get("host", "")


def _unauthorised(path: str) -> Response:
    what, remedy = (
        "no right token",
        "open the address that was printed at start; it holds the token",
    )
    if path in PAGES:
        reply: Response = PlainTextResponse(f"Hairpin: {what}. {remedy.capitalize()}.\n", 401)
    else:
        reply = _error(HTTPStatus.UNAUTHORIZED, what, remedy)
    reply.headers["www-authenticate"] = 'Bearer realm="hairpin"'
    reply.headers["cache-control"] = "no-store"
    return reply


def _error(status: HTTPStatus, error: str, remedy: str) -> Response:
    return JSONResponse({"error": error, "remedy": remedy}, status)


def _with_security_headers(send: Send) -> Send:
    async def wrapped(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in SECURITY_HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return wrapped
