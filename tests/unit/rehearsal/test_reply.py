from __future__ import annotations

import numpy as np
import pytest

from hairpin.rehearsal.reply import GARBAGE, PARTIAL, read_head

WHOLE = b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\nX: y\r\n\r\n{}"


def read(reply: bytes) -> tuple[int, int, int, bool]:
    return read_head(np.frombuffer(reply, dtype=np.uint8), len(reply))


def test_a_reply_has_a_status_a_head_and_a_body() -> None:
    assert read(WHOLE) == (201, len(WHOLE) - 2, 2, False)
    assert read(WHOLE + b"more") == (201, len(WHOLE) - 2, 2, False)


@pytest.mark.parametrize("size", range(len(WHOLE) - 2))
def test_a_head_that_is_not_whole_yet_is_waited_for(size: int) -> None:
    assert read(WHOLE[:size])[0] == PARTIAL


def test_no_content_needs_no_length() -> None:
    reply = b"HTTP/1.1 304 Not Modified\r\nETag: x\r\nContent-Length: 900\r\n\r\n"
    assert read(reply) == (304, len(reply), 0, False)


@pytest.mark.parametrize("reply", [b"SSH-2.0-x and more\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n"])
def test_what_is_no_http_is_garbage_and_ends_the_connection(reply: bytes) -> None:
    assert read(reply) == (GARBAGE, len(reply), 0, True)


@pytest.mark.parametrize(
    ("head", "ends"),
    [
        (b"HTTP/1.1 200 OK\r\nCONNECTION: CLOSE\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n\r\n", False),
        (b"HTTP/1.0 200 OK\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nX-Connection: close\r\n\r\n", False),
    ],
)
def test_which_replies_end_their_connection(head: bytes, ends: bool) -> None:
    assert read(head) == (200, len(head), 0, ends)
