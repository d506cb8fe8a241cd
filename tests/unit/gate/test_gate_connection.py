"""One connection among many: order of replies, slow clients, limits, the end."""

from __future__ import annotations

from gate_stand import KEY, FakeTransport, Stand, settle

from hairpin.config import Settings
from hairpin.errors import EngineDown
from hairpin.gate import connection as connections
from hairpin.gate.admit import answer_text
from hairpin.ticket import issue, issue_many

HEADERS = b"Host: a\r\n\r\n"
NOW = b"GET /now HTTP/1.1\r\n" + HEADERS
HEALTH = b"GET /healthz HTTP/1.1\r\n" + HEADERS


def answer(fan: int, question: int = 0, choice: int = 1) -> bytes:
    text = answer_text(issue(fan, 1, 2, KEY), question, choice, 500)
    return b"POST /a/" + text + b" HTTP/1.1\r\n" + HEADERS


def statuses(transport: FakeTransport) -> list[int]:
    return [reply.status for reply in transport.replies()]


async def test_what_came_together_is_journalled_together() -> None:
    stand = Stand()
    transport = await stand.talk(b"".join(answer(fan) for fan in range(20)))
    assert statuses(transport) == [204] * 20
    assert len(stand.writer.frames) == 1
    assert stand.writer.answers()["fan"].tolist() == list(range(20))


async def test_a_full_queue_turns_away_the_last_ones_and_keeps_the_order() -> None:
    stand = Stand(settings=Settings(queue_max=3))
    transport = await stand.talk(b"".join(answer(fan, fan % 3) for fan in range(6)) + NOW)
    assert statuses(transport) == [204, 204, 409, 503, 503, 503, 200]
    assert [r.headers.get("retry-after") for r in transport.replies()][3:6] == ["1", "1", "1"]
    assert stand.writer.answers()["fan"].tolist() == [0, 1]
    again = await stand.talk(answer(7))
    assert statuses(again) == [204]


async def test_before_the_running_order_is_known_there_is_only_503() -> None:
    stand = Stand()
    stand.answers.epoch_ms = None
    assert statuses(await stand.talk(answer(1) + answer(2))) == [503, 503]
    assert not stand.writer.frames


async def test_an_answer_is_acknowledged_only_when_it_is_durable() -> None:
    stand = Stand()
    stand.writer.broken = EngineDown("the disk is full")
    transport = await stand.talk(answer(1) + answer(2, 9))
    assert statuses(transport) == [503, 404]
    assert transport.replies()[0].headers["retry-after"] == "1"
    stand.writer.broken = None
    assert statuses(await stand.talk(answer(1))) == [204]
    assert stand.writer.answers()["fan"].tolist() == [1]


async def test_no_more_than_so_many_answers_are_read_ahead() -> None:
    stand = Stand(settings=Settings(queue_max=10_000))
    connection, transport = stand.connect()
    connection.data_received(answer(1) * (connections.PIPELINED_MAX + 50))
    assert len(stand.answers._texts) == connections.PIPELINED_MAX
    await settle()
    assert statuses(transport) == [204] * (connections.PIPELINED_MAX + 50)


async def test_reading_pauses_while_too_much_waits_for_a_reply() -> None:
    stand = Stand()
    connection, transport = stand.connect()
    connection.data_received(answer(1) + NOW * 4_000)
    assert not transport.is_reading()
    await settle()
    assert transport.is_reading()
    assert statuses(transport) == [204] + [200] * 4_000


# --- clients that do not read ---------------------------------------------------------------------


async def test_a_client_that_reads_nothing_cannot_make_us_keep_its_replies() -> None:
    stand = Stand()
    connection, transport = stand.connect()
    transport.stuck = True
    reply_bytes = len(stand.doors.replies.now)
    for _ in range(20):
        if transport.is_reading():
            connection.data_received(NOW * 3_000)
            await settle()
    assert not transport.is_reading()
    assert len(transport.unsent) <= 65_536 + reply_bytes
    transport.unstick()
    await settle()
    assert set(statuses(transport)) == {200}
    assert transport.is_reading()


async def test_replies_go_on_where_they_stopped_when_the_client_reads_again() -> None:
    stand = Stand()
    connection, transport = stand.connect()
    transport.stuck = True
    connection.data_received(NOW * 1_000 + answer(1) + HEALTH + answer(2, 2))
    await settle()
    transport.unstick()
    await settle()
    assert statuses(transport) == [200] * 1_000 + [204, 200, 409]


async def test_a_client_that_never_reads_is_cut_off() -> None:
    stand = Stand()
    connection, transport = stand.connect()
    transport.stuck = True
    connection.data_received(NOW)
    connection.tend(stand.clock.monotonic_ms())
    stand.clock.at_ms += connections.STALL_TIMEOUT_MS // 2
    transport.unsent = transport.unsent[10:]  # it took ten bytes: slow, but alive
    connection.tend(stand.clock.monotonic_ms())
    stand.clock.at_ms += connections.STALL_TIMEOUT_MS - 1
    connection.tend(stand.clock.monotonic_ms())
    assert not transport.aborted
    stand.clock.at_ms += 2
    connection.tend(stand.clock.monotonic_ms())
    assert transport.aborted


async def test_also_after_we_closed_and_its_replies_are_still_unsent() -> None:
    stand = Stand()
    connection, transport = stand.connect()
    transport.stuck = True
    connection.data_received(b"nonsense\r\n\r\n")
    assert transport.is_closing()
    connection.tend(stand.clock.monotonic_ms())
    stand.clock.at_ms += connections.STALL_TIMEOUT_MS + 1
    connection.tend(stand.clock.monotonic_ms())
    assert transport.aborted


# --- clients that do not write --------------------------------------------------------------------


async def trickle(stand: Stand, request: bytes, pause_ms: int) -> FakeTransport:
    """One byte at a time until the connection ends."""
    connection, transport = stand.connect()
    for i in range(len(request)):
        if transport.is_closing():
            break
        connection.data_received(request[i : i + 1])
        await settle()
        stand.clock.at_ms += pause_ms
        connection.tend(stand.clock.monotonic_ms())
    return transport


async def test_a_trickled_head_has_its_time_however_busy_it_looks() -> None:
    stand = Stand()
    slow = await trickle(stand, NOW, connections.REQUEST_TIMEOUT_MS // 10)
    assert statuses(slow) == [408]
    assert slow.is_closing()
    fast = await trickle(stand, NOW + NOW, connections.REQUEST_TIMEOUT_MS // (len(NOW) + 5))
    assert statuses(fast) == [200, 200]
    assert not fast.is_closing()


async def test_a_trickled_body_has_its_time() -> None:
    head = b"POST /api/join HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n"
    stand = Stand()
    connection, transport = stand.connect()
    connection.data_received(head)
    for _ in range(12):
        connection.data_received(b" ")
        stand.clock.at_ms += connections.REQUEST_TIMEOUT_MS // 10
        connection.tend(stand.clock.monotonic_ms())
    assert statuses(transport) == [408]


async def test_an_idle_connection_is_kept_for_a_while_and_then_closed() -> None:
    stand = Stand()
    transport = await stand.talk(NOW)
    connection = transport.protocol
    stand.clock.at_ms += connections.IDLE_TIMEOUT_MS
    connection.tend(stand.clock.monotonic_ms())
    assert not transport.is_closing()
    stand.clock.at_ms += 1
    connection.tend(stand.clock.monotonic_ms())
    assert transport.is_closing()
    assert statuses(transport) == [200]


async def test_nobody_is_timed_out_while_it_waits_for_us() -> None:
    stand = Stand()
    connection, transport = stand.connect()
    connection.data_received(answer(1) + NOW[:10])
    for _ in range(5):
        stand.clock.at_ms += connections.IDLE_TIMEOUT_MS + 1
        connection.tend(stand.clock.monotonic_ms())
    assert not transport.is_closing()
    await settle()
    connection.data_received(NOW[10:])
    assert statuses(transport)[1] == 200


# --- the end --------------------------------------------------------------------------------------


async def test_who_stops_sending_still_gets_every_reply() -> None:
    stand = Stand()
    connection, transport = stand.connect()
    connection.data_received(answer(1) + HEALTH + NOW)
    assert connection.eof_received()
    await settle()
    assert statuses(transport) == [204, 200, 200]
    assert transport.is_closing()


async def test_who_stops_sending_and_is_owed_nothing_is_done() -> None:
    stand = Stand()
    connection, _ = stand.connect()
    connection.data_received(NOW + NOW[:20])
    assert not connection.eof_received()


async def test_replies_to_a_client_that_has_gone_are_dropped() -> None:
    stand = Stand()
    connection, transport = stand.connect()
    connection.data_received(answer(1) + HEALTH)
    connection.connection_lost(None)
    await settle()
    assert transport.sent == b""
    assert stand.writer.answers()["fan"].tolist() == [1]
    assert not stand.doors.connections


async def test_draining_waits_for_what_is_owed() -> None:
    stand = Stand()
    connection, transport = stand.connect()
    connection.data_received(answer(1))
    connection.drain()
    assert not transport.is_closing()
    await settle()
    connection.drain()
    assert transport.is_closing()
    assert statuses(transport) == [204]


async def test_more_connections_than_allowed_are_closed_at_once() -> None:
    stand = Stand(settings=Settings(connections_max=10))
    kept = [stand.connect()[1] for _ in range(10)]
    assert stand.connect()[1].is_closing()
    assert not any(transport.is_closing() for transport in kept)
    assert stand.doors.refused["connections"] == 1


async def test_fan_numbers_of_joins_on_one_connection_are_new_each_time() -> None:
    stand = Stand()
    await stand.ready()
    transport = await stand.talk(b"".join([b"POST /t/2GB HTTP/1.1\r\n" + HEADERS] * 300))
    assert statuses(transport) == [201] * 256 + [503] * 44
    tickets = {reply.body for reply in transport.replies()[:256]}
    assert len(tickets) == 256
    assert issue_many([0], [(2, 0)], KEY)[0][:5].encode() in min(tickets)
