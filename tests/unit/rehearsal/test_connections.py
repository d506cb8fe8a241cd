from __future__ import annotations

import pytest

from hairpin.rehearsal.connections import browser_headers, parse_reply
from hairpin.rehearsal.traffic import forged

WHOLE = b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\nX: y\r\n\r\n{}"


def test_a_reply_has_a_status_a_body_and_an_end() -> None:
    assert parse_reply(WHOLE) == (201, b"{}", len(WHOLE))
    assert parse_reply(WHOLE + b"more") == (201, b"{}", len(WHOLE))


@pytest.mark.parametrize("size", range(len(WHOLE)))
def test_a_reply_that_is_not_whole_yet_is_waited_for(size: int) -> None:
    assert parse_reply(WHOLE[:size]) is None


def test_no_content_needs_no_length() -> None:
    reply = b"HTTP/1.1 304 Not Modified\r\nETag: x\r\nContent-Length: 900\r\n\r\n"
    assert parse_reply(reply) == (304, b"", len(reply))


@pytest.mark.parametrize("reply", [b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n"])
def test_what_is_no_http_counts_as_status_0(reply: bytes) -> None:
    parsed = parse_reply(reply)
    assert parsed is not None
    assert parsed[0] == 0


def test_requests_are_as_long_as_a_browsers_and_an_answer_has_an_empty_body() -> None:
    post = b"POST /a/" + b"x" * 32 + browser_headers("127.0.0.1:8000", "Mozilla/5.0 (X)" * 8, True)
    assert 400 < len(post) < 700
    assert b"\r\nContent-Length: 0\r\n" in post
    assert b"\r\nOrigin: http://127.0.0.1:8000\r\n" in post
    assert post.endswith(b"\r\n\r\n")
    assert b"Content-Length" not in browser_headers("127.0.0.1:8000", "x", False)


def test_cheats_try_four_ways_and_none_is_the_real_answer() -> None:
    real = b"AAAAAAAAAAAAAAAAAAAA"
    tail = b"/02040000c30"
    lines = {forged(real, tail, number) for number in range(4)}
    assert len(lines) == 4
    assert b"POST /a/" + real + tail not in lines
