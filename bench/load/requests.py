"""Requests as browsers write them, and the tickets that go into them."""

from __future__ import annotations

import numpy as np

from bench.load.jobs import PLACE, Fans
from bench.load.wire import Bytes, Requests
from hairpin.ticket import ENCODE, TICKET_CHARS, write_tickets

SHORT = b"Host: quiz.example.org\r\n\r\n"
BROWSER = (
    b"Host: quiz.example.org\r\n"
    b"Connection: keep-alive\r\n"
    b"Content-Length: 0\r\n"
    b'sec-ch-ua-platform: "Android"\r\n'
    b"User-Agent: Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) "
    b"Chrome/141.0.0.0 Mobile Safari/537.36\r\n"
    b"sec-ch-ua-mobile: ?1\r\n"
    b"Accept: */*\r\n"
    b"Origin: https://quiz.example.org\r\n"
    b"Sec-Fetch-Site: same-origin\r\n"
    b"Sec-Fetch-Mode: cors\r\n"
    b"Sec-Fetch-Dest: empty\r\n"
    b"Referer: https://quiz.example.org/\r\n"
    b"Accept-Encoding: gzip, deflate, br\r\n"
    b"Accept-Language: fr-FR,fr;q=0.9\r\n\r\n"
)
"""What a phone's browser sends along with a POST from the page of the quiz."""
BROWSER_GET = b"".join(
    line
    for line in BROWSER.splitlines(keepends=True)
    if not line.startswith((b"Content-Length", b"Origin"))
)
"""The same with a GET."""

_HEX = np.frombuffer(b"0123456789abcdef", np.uint8)
_ELAPSED_MS = (800, 9000)


def answer(headers: bytes) -> bytes:
    return b"POST /a/" + PLACE + b" HTTP/1.1\r\n" + headers


def now(headers: bytes) -> bytes:
    return b"GET /now HTTP/1.1\r\n" + headers


def join(headers: bytes) -> bytes:
    return b"POST /t/1FR HTTP/1.1\r\n" + headers


def bad_ticket(headers: bytes) -> bytes:
    """Well formed, with a ticket that nobody signed."""
    return b"POST /a/" + b"A" * TICKET_CHARS + b"/00010000bb8 HTTP/1.1\r\n" + headers


def junk(headers: bytes) -> bytes:
    """A method and an address that the service has not."""
    return b"BREW /pot-1?milk=whole HTTP/1.1\r\n" + headers


def filled(request: bytes, fans: Fans | None, copies: int) -> Requests:
    """The request `copies` times in a row, and what is written into them; the same if no fans."""
    patch_at = request.find(PLACE)
    if fans is None or patch_at < 0:
        patch_at, patches = 0, np.zeros((1, 0), np.uint8)
    else:
        patches = answers(fans)
    text = np.frombuffer(request * copies, np.uint8).copy()
    return Requests(text, len(request), patch_at, patches, np.zeros(1, np.int64))


def answers(fans: Fans) -> Bytes:
    """What stands in the paths of these fans' answers, shape (fans, len(PLACE))."""
    rng = np.random.default_rng(fans.first)
    numbers = np.arange(fans.first, fans.first + fans.count, dtype=np.uint32)
    band = rng.integers(0, 3, fans.count, dtype=np.uint64)
    country = rng.integers(0, fans.countries, fans.count, dtype=np.uint64)
    tails = band | country << np.uint64(8) | np.uint64(fans.key_number << 16)
    k0, k1 = np.frombuffer(bytes.fromhex(fans.key), "<u8").astype(np.uint64)
    tickets = np.zeros((fans.count, TICKET_CHARS), np.uint8)
    write_tickets(numbers, tails, ENCODE, k0, k1, tickets)
    choice = 1 << rng.integers(0, fans.choices, fans.count)
    elapsed_ms = rng.integers(*_ELAPSED_MS, fans.count)
    text = np.full((fans.count, len(PLACE)), ord("0"), np.uint8)
    text[:, :TICKET_CHARS] = tickets
    text[:, TICKET_CHARS] = ord("/")
    _hex(text[:, 23:25], choice)
    _hex(text[:, 25:32], elapsed_ms)
    return text


def _hex(out: Bytes, values: np.ndarray[tuple[int], np.dtype[np.int64]]) -> None:
    digits = out.shape[1]
    for place in range(digits):
        out[:, place] = _HEX[values >> 4 * (digits - 1 - place) & 15]
