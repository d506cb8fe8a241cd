"""Header blocks that are plain, and replies as whole bytes."""

from __future__ import annotations

import pytest
from raw_http import take_reply

from hairpin.gate import http as hot
from hairpin.gate.http import HeaderBlocks, Plain, Replies, judge, unchanged

CHROME = (
    b"Host: quiz.example.org\r\nConnection: keep-alive\r\nContent-Length: 0\r\n"
    b'sec-ch-ua: "Chromium";v="142", "Not_A Brand";v="99"\r\nsec-ch-ua-mobile: ?1\r\n'
    b"User-Agent: Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko)\r\n"
    b"Accept: */*\r\nOrigin: https://quiz.example.org\r\nSec-Fetch-Mode: cors\r\n"
    b"Accept-Encoding: gzip, deflate, br\r\nAccept-Language: fr-FR,fr;q=0.9,en;q=0.8\r\n\r\n"
)
SAFARI = (
    b"Host: quiz.example.org\r\nAccept: */*\r\nContent-Length: 0\r\nConnection: keep-alive\r\n"
    b"User-Agent: Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X)\r\nPriority: u=3, i\r\n"
    b"Cookie: other=\xc3\xa9\r\n\r\n"
)
NGINX = (
    b"Host: gates\r\nX-Forwarded-For: 198.51.100.7, 10.0.0.1\r\nX-Forwarded-For: 10.0.0.2\r\n"
    b'If-None-Match: "17"\r\n\r\n'
)


@pytest.mark.parametrize("block", [CHROME, SAFARI, b"host:a\r\n\r\n", b"Host: a\r\nX:\r\n\r\n"])
def test_what_phones_send_is_plain(block: bytes) -> None:
    assert judge(block) == Plain(b"", b"")


def test_what_a_hot_request_needs_to_know() -> None:
    assert judge(NGINX) == Plain(b'"17"', b"198.51.100.7, 10.0.0.1,10.0.0.2")


@pytest.mark.parametrize(
    "header",
    [
        *(b"Transfer-Encoding: chunked", b"TRANSFER-ENCODING:", b"Expect: 100-continue"),
        *(b"Upgrade: websocket", b"TE: trailers", b"Trailer: X", b"Proxy-Connection: close"),
        *(b"Connection: close", b"Connection: keep-alive, upgrade", b"Connection:"),
        *(b"Content-Length: 1", b"Content-Length: 00", b"Content-Length: 0, 0", b"Content-Length:"),
        *(b"Host: b", b"Host:", b" folded", b"no colon", b": x", b"X : y", b"X: \x00", b"X: a\rb"),
        b"Content-Length: 0\r\nContent-Length: 0",
    ],
)
def test_what_is_not_plain_is_left_to_the_strict_parser(header: bytes) -> None:
    assert judge(b"Host: a\r\n\r\n") is not None
    assert judge(b"Host: a\r\n" + header + b"\r\n\r\n") is None
    assert judge(header + b"\r\nHost: a\r\n\r\n") is None


def test_only_plain_blocks_are_remembered_and_only_so_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    judged: list[bytes] = []

    def judging(block: bytes) -> Plain | None:
        judged.append(block)
        return judge(block)

    monkeypatch.setattr(hot, "judge", judging)
    monkeypatch.setattr(hot, "_REMEMBERED_MAX", 3)
    blocks = HeaderBlocks()
    names = [b"Host: %d\r\n\r\n" % number for number in range(4)]
    for block in (names[0], names[0], b"bad\r\n\r\n", b"bad\r\n\r\n"):
        assert (blocks.read(block) is None) == (block == b"bad\r\n\r\n")
    assert judged == [names[0], b"bad\r\n\r\n", b"bad\r\n\r\n"]
    for block in names[1:]:
        blocks.read(block)
    blocks.read(names[0])
    assert judged[-1] == names[0], "forgotten when it was one too many"
    large = b"Host: a\r\nX: " + b"x" * 2_048 + b"\r\n\r\n"
    assert blocks.read(large) == blocks.read(large) == Plain(b"", b"")
    assert judged[-2:] == [large, large]


@pytest.mark.parametrize(
    ("none_match", "same"),
    [
        (b'"17"', True),
        (b'W/"17"', True),
        (b'"16", W/"17"', True),
        (b"*", True),
        (b'"1"', False),
        (b"17", False),
        (b"", False),
        (b'"17', False),
    ],
)
def test_if_none_match(none_match: bytes, same: bool) -> None:
    assert unchanged(none_match, b'"17"') is same
    assert unchanged(none_match, b'W/"17"') is same


def test_every_reply_is_whole_and_for_everyone() -> None:
    replies = Replies(b"Thu, 01 Jan 2026 00:00:00 GMT")
    replies.set_now(b'{"state":"open"}', b'"17"')
    made = [
        *replies.by_status.values(),
        *replies.closing.values(),
        *(replies.preflight, replies.now, replies.now_unchanged),
        replies.joined("A" * 20, "b" * 16),
    ]
    for data in made:
        taken = take_reply(data)
        assert taken is not None
        reply, rest = taken
        assert rest == b"", data
        assert reply.headers["access-control-allow-origin"] == "*"
        assert reply.headers["date"] == "Thu, 01 Jan 2026 00:00:00 GMT"
        assert ("retry-after" in reply.headers) == (reply.status in (429, 503))
        assert ("content-length" in reply.headers) == (reply.status not in (204, 304))
    assert all(b"Connection: close" in data for data in replies.closing.values())
    assert not any(b"Connection: close" in data for data in replies.by_status.values())
