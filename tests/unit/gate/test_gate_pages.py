"""The general application behind the hot set, without a socket."""

from __future__ import annotations

import json
from typing import Any

from gate_stand import EPOCH, KEY, QUESTIONS, FakeTransport, Stand, settle
from raw_http import Reply

from hairpin.config import Settings
from hairpin.errors import EngineDown
from hairpin.messages import TOPIC_CLAIM, ClaimReply, ClaimRequest, Document
from hairpin.ticket import issue, verify

TICKET = issue(42, 1, 2, KEY)
ANSWER = {"ticket": TICKET, "question": 0, "choices": [1], "elapsed_ms": 4_321}


def request(method: str, path: str, body: object = None, headers: str = "") -> bytes:
    data = b"" if body is None else json.dumps(body).encode()
    length = f"Content-Length: {len(data)}\r\n" if data else ""
    return f"{method} {path} HTTP/1.1\r\nHost: a\r\n{headers}{length}\r\n".encode() + data


async def one(stand: Stand, data: bytes) -> Reply:
    transport: FakeTransport = await stand.talk(data)
    (reply,) = transport.replies()
    assert reply.headers["access-control-allow-origin"] == "*"
    return reply


async def test_an_answer_in_json_becomes_the_same_record() -> None:
    stand = Stand()
    reply = await one(stand, request("POST", "/api/answer", ANSWER | {"choices": [1, 1]}))
    assert (reply.status, json.loads(reply.body)) == (200, {"status": "counted"})
    (record,) = stand.writer.answers()
    assert (int(record["fan"]), int(record["choice"]), int(record["elapsed_ms"])) == (42, 2, 4_321)
    reply = await one(stand, request("POST", "/api/answer", ANSWER | {"elapsed_ms": 1 << 70}))
    assert int(stand.writer.answers()[-1]["elapsed_ms"]) == (1 << 28) - 1


async def test_several_choices_in_json() -> None:
    stand = Stand()
    several = ANSWER | {"question": 1, "choices": [3, 0]}
    assert (await one(stand, request("POST", "/api/answer", several))).status == 200
    assert int(stand.writer.answers()[0]["choice"]) == 0b1001


async def test_a_full_queue_and_a_failing_journal_say_when_to_come_again() -> None:
    stand = Stand(settings=Settings(queue_max=1))
    connections = [stand.connect() for _ in range(3)]
    for connection, _ in connections:
        connection.data_received(request("POST", "/api/answer", ANSWER))
    await settle()
    replies = [transport.replies()[0] for _, transport in connections]
    assert sorted(reply.status for reply in replies) == [200, 503, 503]
    stand.writer.broken = EngineDown("the disk is full")
    replies.append(await one(stand, request("POST", "/api/answer", ANSWER)))
    for reply in replies:
        if reply.status == 503:
            assert reply.headers["retry-after"] == "1"
            assert json.loads(reply.body)["remedy"]
    assert len(stand.writer.answers()) == 1


async def test_a_join_in_json_is_charged_and_verified() -> None:
    stand = Stand(settings=Settings(join_burst=2, join_per_s=0.001))
    await stand.ready()
    body = {"age_band": 2, "country": "FR"}
    replies = [await one(stand, request("POST", "/api/join", body)) for _ in range(3)]
    assert [reply.status for reply in replies] == [201, 201, 429]
    ticket = verify(json.loads(replies[0].body)["ticket"], KEY)
    assert ticket is not None
    assert ticket.age_band == 2
    assert replies[2].headers["retry-after"] == "1"


async def test_no_numbers_left_is_503_in_both_forms() -> None:
    stand = Stand(numbers=0)
    await stand.ready()
    assert (await one(stand, request("POST", "/t/1FR"))).status == 503
    body = {"age_band": 2, "country": "FR"}
    reply = await one(stand, request("POST", "/api/join", body))
    assert reply.status == 503
    assert "numbers" in json.loads(reply.body)["error"]


async def test_a_claim_goes_to_the_desk_with_what_the_ticket_proves() -> None:
    stand = Stand()
    asked: list[ClaimRequest] = []

    async def desk(claim: ClaimRequest) -> ClaimReply:
        asked.append(claim)
        return ClaimReply(202, "taken")

    claim = {"ticket": TICKET, "claim": "0" * 16, "name": "Ada", "consent": True}
    reply = await one(stand, request("POST", "/api/claim", claim))
    assert reply.status == 503, "nobody is there"
    stand.bus.serve(TOPIC_CLAIM, ClaimRequest, desk)
    reply = await one(stand, request("POST", "/api/claim", claim))
    assert reply.status == 202
    assert asked == [ClaimRequest(42, 1, 2, "0" * 16, "Ada", True)]
    forged = claim | {"ticket": TICKET[:-1] + "-"}
    assert (await one(stand, request("POST", "/api/claim", forged))).status == 401
    assert len(asked) == 1


async def test_health_says_what_the_gate_can_do() -> None:
    stand = Stand()
    assert (await one(stand, request("GET", "/healthz"))).status == 200
    stand.writer.broken = EngineDown("/secret/path: no space left on device")
    await one(stand, request("POST", "/api/answer", ANSWER))
    reply = await one(stand, request("GET", "/healthz"))
    assert reply.status == 503
    assert b"/secret" not in reply.body
    stand.doors.order = None
    assert (await one(stand, request("GET", "/healthz"))).status == 503


async def test_before_the_order_is_known_now_is_503() -> None:
    stand = Stand()
    stand.doors.order = None
    stand.doors.tick()
    for headers in ("", "TE: trailers\r\n"):
        reply = await one(stand, request("GET", "/now", headers=headers))
        assert (reply.status, reply.headers["retry-after"]) == (503, "1")


async def test_documents_come_and_change_with_the_order() -> None:
    stand = Stand()
    assert (await one(stand, request("GET", "/ranks"))).status == 404
    stand.set_order(QUESTIONS, (Document("/ranks", b"{}", '"a"', 5),), version=2)
    reply = await one(stand, request("GET", "/ranks", headers='If-None-Match: "b"\r\n'))
    assert (reply.status, reply.body, reply.headers["etag"]) == (200, b"{}", '"a"')
    reply = await one(stand, request("GET", "/ranks", headers='If-None-Match: W/"a"\r\n'))
    assert reply.status == 304


async def test_now_tells_this_second_and_its_tag_the_state() -> None:
    stand = Stand()
    first = await one(stand, request("GET", "/now"))
    assert json.loads(first.body)["now"] == EPOCH + 10_000
    stand.clock.at_ms += 1_000
    stand.doors.tick()
    later = await one(stand, request("GET", "/now"))
    assert json.loads(later.body)["now"] == EPOCH + 11_000
    assert later.headers["etag"] == first.headers["etag"] == '"1"'
    stand.set_order(QUESTIONS, version=9)
    assert (await one(stand, request("GET", "/now"))).headers["etag"] == '"9"'


async def test_a_page_that_fails_is_a_500_and_the_connection_lives() -> None:
    stand = Stand()
    whole = stand.doors.pages

    async def fail(scope: Any, receive: Any, send: Any) -> None:
        stand.doors.pages = whole
        raise RuntimeError("on purpose")

    stand.doors.pages = fail
    transport = await stand.talk(request("GET", "/healthz"), request("GET", "/healthz"))
    first, second = transport.replies()
    assert (first.status, first.body, second.status) == (500, b"", 200)
    assert first.headers["access-control-allow-origin"] == "*"
