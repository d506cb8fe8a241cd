"""A small HTTP client for what is asked rarely: documents, claims, orders and event streams.

One connection per call, HTTP/1.1, with TLS where the address says so.
"""

from __future__ import annotations

import asyncio
import math
import random
import ssl
from collections.abc import AsyncGenerator
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from hairpin.errors import EngineDown, YourMistake
from hairpin.world import Clock

TIMEOUT_S = 10.0
RETRY_CAP_S = 2.0
"""Less than a phone's 10 s, since the whole crowd waits for these answers."""
LINE_BYTES_MAX = 8 << 20
"""An event is one line, and counts by country make it long."""


class Address(msgspec.Struct, frozen=True):
    host: str
    port: int
    tls: ssl.SSLContext | None = None
    """Present where the address is https."""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """As a browser names it: without the port where it is the usual one."""
        scheme, usual = ("https", 443) if self.tls else ("http", 80)
        name = str(self)
        return f"{scheme}://{name.removesuffix(f':{usual}') if self.port == usual else name}"


def address(url: str, ca: Path | None = None) -> Address:
    """Scheme, host and port of `http[s]://host[:port]`; `ca`: a file of certificates to trust
    instead of the system's. Raises `YourMistake` for anything else."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        parts, host, port = urlsplit(""), None, None
    if parts.scheme not in ("http", "https") or not host or parts.path.strip("/") or parts.query:
        raise YourMistake(
            f"address: found {url!r}; allowed: http://HOST or https://HOST, with or without :PORT",
            "Give the public address that `hairpin run` prints.",
        )
    if parts.scheme == "http":
        return Address(host, port or 80)
    try:
        tls = ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        raise YourMistake(
            f"--ca: cannot read {ca}: {error}", "Give a file of certificates in PEM form."
        ) from error
    tls.set_alpn_protocols(["http/1.1"])
    return Address(host, port or 443, tls)


class Reply(msgspec.Struct, frozen=True):
    status: int
    body: bytes

    def json(self, url: str) -> dict[str, Any]:
        """The body as a JSON object. Raises `YourMistake`: then this is no Hairpin."""
        try:
            return msgspec.json.decode(self.body, type=dict[str, Any])
        except msgspec.DecodeError as error:
            raise YourMistake(
                f"{url} answered {self.status} with something that is no JSON object",
                "Give the public address of a Hairpin node.",
            ) from error


async def call(
    to: Address, method: str, path: str, payload: object = None, token: str = ""
) -> Reply:
    """Send one request and read the whole reply. Raises `EngineDown` if nobody answers."""
    body = b"" if payload is None else msgspec.json.encode(payload)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            reader, writer = await _connect(to)
            try:
                writer.write(_head(to, method, path, token, "application/json", body) + body)
                status, length = await _read_head(reader)
                content = await (reader.read() if length is None else reader.readexactly(length))
            finally:
                writer.close()
    except (OSError, EOFError, ValueError) as error:
        raise _down(to, error) from error
    return Reply(status, content)


class Inquirer:
    """Asks one node until it answers, as phones do: with full jitter between tries."""

    def __init__(self, to: Address, clock: Clock, dice: random.Random) -> None:
        self._to = to
        self._clock = clock
        self._dice = dice

    async def document(self, path: str, patience_s: float = math.inf) -> dict[str, Any]:
        """What phones read; a node that just began may not have it yet.

        After `patience_s` raises `EngineDown` where nobody answers, `YourMistake` where it is no
        Hairpin that does.
        """
        reply = await self.ask("GET", path, patience_s, until=HTTPStatus.OK)
        return reply.json(f"{self._to.origin}{path}")

    async def ask(
        self,
        method: str,
        path: str,
        patience_s: float,
        payload: object = None,
        until: int | None = None,
    ) -> Reply:
        """The first answer that is no 503, or the first one of status `until`; after `patience_s`
        any answer, or `EngineDown`."""
        deadline_ms = self._clock.monotonic_ms() + patience_s * 1000
        tries = 0
        while True:
            impatient = self._clock.monotonic_ms() > deadline_ms
            try:
                reply = await call(self._to, method, path, payload)
                done = reply.status == until if until else reply.status != 503
                if done or impatient:
                    return reply
            except EngineDown:
                if impatient:
                    raise
            await asyncio.sleep(self._dice.uniform(0.0, min(RETRY_CAP_S, 0.1 * 2.0**tries)))
            tries = min(tries + 1, 8)


async def events(to: Address, path: str, token: str) -> AsyncGenerator[tuple[str, bytes], None]:
    """Server-sent events as (name, data) until the connection ends, then `EngineDown`."""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            reader, writer = await _connect(to)
    except OSError as error:
        raise _down(to, error) from error
    try:
        writer.write(_head(to, "GET", path, token, "text/event-stream", b""))
        async with asyncio.timeout(TIMEOUT_S):
            status, _ = await _read_head(reader)
        if status != HTTPStatus.OK:
            raise EngineDown(f"{to}{path} answered {status}", "Check the token.")
        name, data = "message", b""
        while line := await reader.readline():
            line = line.rstrip(b"\r\n")
            if line.startswith(b"event:"):
                name = line[6:].strip().decode()
            elif line.startswith(b"data:"):
                data += line[5:].strip()
            elif not line and data:
                yield name, data
                name, data = "message", b""
    except (OSError, EOFError, ValueError) as error:
        raise _down(to, error) from error
    finally:
        writer.close()
    raise EngineDown(f"{to}{path}: the stream of events ended", "Connect again.")


async def _connect(to: Address) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(to.host, to.port, limit=LINE_BYTES_MAX, ssl=to.tls)


def _head(to: Address, method: str, path: str, token: str, accept: str, body: bytes) -> bytes:
    lines = [
        f"{method} {path} HTTP/1.1",
        f"Host: {to.origin.partition('://')[2]}",
        f"Accept: {accept}",
        "Connection: close" if accept != "text/event-stream" else "Connection: keep-alive",
    ]
    if token:
        lines.append(f"Authorization: Bearer {token}")
    if method == "POST":
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def _read_head(reader: asyncio.StreamReader) -> tuple[int, int | None]:
    """Status and length of the body; None: until the connection closes."""
    first = await reader.readline()
    if not first.startswith(b"HTTP/1.1 "):
        raise ValueError(f"found {first[:40]!r} instead of an HTTP/1.1 reply")
    status = int(first[9:12])
    length = 0 if status in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED) else None
    while line := (await reader.readline()).strip():
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return status, length


def _down(to: Address, error: Exception) -> EngineDown:
    why = str(error) or type(error).__name__
    return EngineDown(f"{to.origin} does not answer: {why}", "Is the node running there?")
