"""What follows the request line: headers as phones' browsers send them, and junk.

A form has one text for every browser. Junk forms are whole requests by themselves, so that their
line is empty: what scanners, cut connections and attackers send to any public address.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hairpin.rehearsal.wire import Bytes, Codes

USER_AGENTS = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/142.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Android 15; Mobile; rv:145.0) Gecko/145.0 Firefox/145.0",
)
POST = 0
GET = 1
FIRST_JUNK = 2
HEAD_BYTES_MAX = 16 << 10
"""Longer heads are refused by every gate."""


class Forms(NamedTuple):
    """All texts one after another; that of form f for browser b is
    `text[begin[f, b] : end[f, b]]`."""

    text: Bytes
    begin: Codes
    end: Codes

    @property
    def junk(self) -> int:
        """How many forms are junk."""
        return len(self.begin) - FIRST_JUNK

    def of(self, form: int, browser: int) -> bytes:
        browser %= len(USER_AGENTS)
        return self.text[self.begin[form, browser] : self.end[form, browser]].tobytes()


def forms(origin: str) -> Forms:
    """For a front door at `origin`, such as "https://quiz.example.org"."""
    host = origin.partition("://")[2]
    texts = [[browser_headers(origin, agent, post) for agent in USER_AGENTS] for post in (1, 0)]
    texts += [[text] * len(USER_AGENTS) for text in junk(host)]
    ends = np.cumsum([len(text) for row in texts for text in row]).reshape(len(texts), -1)
    joined = b"".join(text for row in texts for text in row)
    begins = np.concatenate(([0], ends.ravel()[:-1])).reshape(ends.shape)
    return Forms(
        np.frombuffer(joined, dtype=np.uint8),
        np.asarray(begins, dtype=np.int64),
        np.asarray(ends, dtype=np.int64),
    )


def browser_headers(origin: str, user_agent: str, post: int) -> bytes:
    """The rest of a request after its method and path, as a phone's browser sends it."""
    lines = (
        " HTTP/1.1",
        f"Host: {origin.partition('://')[2]}",
        "Connection: keep-alive",
        *(("Content-Length: 0", f"Origin: {origin}") if post else ()),
        f"User-Agent: {user_agent}",
        "Accept: */*",
        "Sec-Fetch-Site: same-origin",
        "Sec-Fetch-Mode: cors",
        "Sec-Fetch-Dest: empty",
        f"Referer: {origin}/",
        "Accept-Encoding: gzip, deflate, br, zstd",
        "Accept-Language: fr-FR,fr;q=0.9,en;q=0.8",
        "Priority: u=1, i",
    )
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def junk(host: str) -> tuple[bytes, ...]:
    """Requests that no door may accept; each ends with an empty line."""
    at = f"Host: {host}\r\n".encode()
    answer = b"POST /a/AAAAAAAAAAAAAAAAAAAA/00010000fff HTTP/1.1\r\n" + at
    return (
        b"BREW /now HTTP/1.1\r\n" + at + b"\r\n",
        b"GET /../../etc/passwd HTTP/1.1\r\n" + at + b"\r\n",
        b"POST /t/9FR HTTP/1.1\r\n" + at + b"Content-Length: 0\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03hello\r\n\r\n",
        answer + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        answer + b"Content-Length: 99999999\r\n\r\n",
        answer + b"Content-Length: 0\r\nX-Junk: " + b"a" * HEAD_BYTES_MAX + b"\r\n\r\n",
    )
