"""Speaking with memcached: a real one, one that is away, and what only looks like one."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest
from memcached_server import Memcached
from pymemcache.client.base import Client

from hairpin.errors import DataDamaged, EngineDown, YourMistake
from hairpin.tally.memcached import BATCH_MAX, Address, Server, Unconfirmed, address_of
from hairpin.tally.memcached_card import CARD, evictions, memory_bytes_of, read_card


@pytest.fixture
def server(memcached: Memcached) -> Iterator[Server]:
    server = Server(memcached.address, 1.0)
    yield server
    server.close()


@pytest.fixture
def client(memcached: Memcached) -> Iterator[Client]:
    """Another program's view of the same memcached."""
    client = Client(memcached.address)
    yield client
    client.close()


# --- addresses ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("memcached://127.0.0.1:11311", Address("127.0.0.1", 11311)),
        ("memcached://cache.example.org", Address("cache.example.org", 11211)),
        ("memcached://[::1]:11211/", Address("::1", 11211)),
    ],
)
def test_an_address(url: str, address: Address) -> None:
    assert address_of(url) == address
    assert address_of(str(address)) == address


@pytest.mark.parametrize(
    "url",
    [
        *("", "memcached", "memcached:127.0.0.1:11211", "127.0.0.1:11211", "memcached://"),
        *("redis://127.0.0.1:6379", "memcached://127.0.0.1:port", "memcached://127.0.0.1:99999"),
        *("memcached://a:1/0", "memcached://me@a:1", "memcached://a:1?b=2", "memcached://[::1"),
    ],
)
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(YourMistake, match="--tally: found") as told:
        address_of(url)
    assert "memcached://127.0.0.1:11211" in told.value.remedy


# --- counters -------------------------------------------------------------------------------------


def test_a_missing_counter_is_made_and_others_grow(server: Server, client: Client) -> None:
    assert server.add([("a", 5), ("b", 1), ("a", 7)]) == 0
    assert server.add([("b", 2)]) == 0
    assert client.get_many(["a", "b"]) == {"a": b"12", "b": b"3"}
    assert server.total(["a", "b", "none"]) == 15
    assert server.total(["none"]) == 0


def test_many_batches_arrive_in_full(server: Server, client: Client) -> None:
    keys = [f"k{n}" for n in range(3 * BATCH_MAX + 1)]
    for _ in range(3):
        assert server.add((key, 2) for key in keys) == 0
    assert set(client.get_many(keys).values()) == {b"6"}
    assert server.total(keys) == 6 * len(keys)


def test_a_counter_that_shrinks_in_digits_is_read_all_the_same(
    server: Server, client: Client
) -> None:
    """memcached pads a number that lost a digit with blanks."""
    server.add([("a", 1000)])
    client.decr("a", 995)
    assert server.total(["a"]) == 5


def test_an_increment_that_is_refused_is_told_and_the_others_count(
    server: Server, client: Client
) -> None:
    client.set("text", "abc", noreply=False)
    assert server.add([("a", 1), ("text", 1), ("b", 1)]) == 1
    assert server.total(["a", "b"]) == 2


def test_a_counter_that_is_no_number_is_told(server: Server, client: Client) -> None:
    client.set("text", "abc", noreply=False)
    with pytest.raises(EngineDown, match="holds no number"):
        server.total(["text"])


def test_a_note_is_set_behind_the_counters(server: Server, client: Client) -> None:
    assert server.add([("a", 1)], ("note", b'{"1":2}')) == 0
    assert client.get("note") == b'{"1":2}'
    assert server.get("note") == b'{"1":2}'
    server.put("note", b"again")
    assert (server.get("note"), server.get("none")) == (b"again", None)


def test_a_value_that_it_does_not_store_is_told(server: Server) -> None:
    with pytest.raises(EngineDown, match="too large"):
        server.put("note", b"x" * (2 << 20))
    server.put("note", b"x")


def test_a_card_that_somebody_else_wrote_is_damage(server: Server) -> None:
    server.put(CARD, b"hello")
    with pytest.raises(DataDamaged, match="hairpin-show cannot be read"):
        read_card(server)


def test_with_too_little_memory_counters_are_thrown_out_and_that_is_seen() -> None:
    small = Memcached(memory_mib=2)
    small.start()
    server = Server(small.address, 5.0)
    keys = [f"q1age1fr1right{n}" for n in range(60_000)]
    try:
        assert memory_bytes_of(server) == 2 << 20
        refused = server.add((key, 1) for key in keys)
        thrown_out = evictions(server)
        assert refused + thrown_out > 0
        assert server.total(keys) <= len(keys) - thrown_out
    finally:
        server.close()
        small.kill()


# --- what is not there ----------------------------------------------------------------------------


def test_nobody_listens(memcached: Memcached) -> None:
    memcached.kill()
    with pytest.raises(EngineDown, match="does not serve: Connection refused") as told:
        Server(memcached.address).total(["a"])
    assert f"memcached -l 127.0.0.1 -p {memcached.address.port}" in told.value.remedy
    assert not isinstance(told.value, Unconfirmed)


def test_one_that_hangs_is_given_up_and_a_batch_to_it_is_unconfirmed(
    memcached: Memcached,
) -> None:
    server = Server(memcached.address, 0.3)
    server.add([("a", 1)])
    memcached.hang()
    with pytest.raises(Unconfirmed, match="timed out"):
        server.add([("a", 1)])
    memcached.go_on()
    assert server.total(["a"]) in (1, 2)
    server.close()


def test_the_connection_comes_back_by_itself(memcached: Memcached) -> None:
    server = Server(memcached.address, 1.0)
    server.add([("a", 1)])
    memcached.restart()
    with pytest.raises(EngineDown):
        server.total(["a"])
    assert server.total(["a"]) == 0
    server.close()


@pytest.fixture
def says() -> Iterator[list[bytes]]:
    """A listener that answers whatever it is asked with the first element."""
    answers: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            try:
                while True:
                    connection, _ = listener.accept()
                    with connection:
                        connection.recv(1 << 16)
                        connection.sendall(answers[0])
            except OSError:
                return

        thread = threading.Thread(target=serve)
        thread.start()
        answers.append(b"")
        answers.append(str(listener.getsockname()[1]).encode())
        yield answers
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (b"STAT version 1.5.22\r\nEND\r\n", "version 1.6 or later is needed"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "it closed the connection"),
        (b"ERROR\r\n", "ERROR"),
        (b"", "it closed the connection"),
    ],
)
def test_what_is_no_memcached_of_today(says: list[bytes], reply: bytes, why: str) -> None:
    says[0] = reply
    server = Server(Address("127.0.0.1", int(says[1])), 5.0)
    with pytest.raises(EngineDown, match=why):
        server.add([("a", 1)])
