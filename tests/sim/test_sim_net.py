"""Connections of the simulated world: in order whatever happens, and honest about what is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from sim.net import NetFaults, SimListener
from sim.process import Process
from sim.transport import HIGH_WATER_BYTES, KERNEL_BYTES
from sim.universe import Universe


class Server(asyncio.Protocol):
    """Notes what it hears; answers with `answer`."""

    def __init__(self, answer: Callable[[bytes], bytes] = lambda data: b"") -> None:
        self.heard: list[str | bytes] = []
        self.answer = answer
        self.transport: asyncio.Transport
        self.half_open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.heard.append("made")

    def data_received(self, data: bytes) -> None:
        self.heard.append(data)
        self.transport.write(self.answer(data))

    def eof_received(self) -> bool:
        self.heard.append("eof")
        return self.half_open

    def connection_lost(self, error: Exception | None) -> None:
        self.heard.append("lost" if error is None else type(error).__name__)

    def pause_writing(self) -> None:
        self.heard.append("pause")

    def resume_writing(self) -> None:
        self.heard.append("resume")

    @property
    def bytes(self) -> bytes:
        return b"".join(part for part in self.heard if isinstance(part, bytes))


class Stand:
    """A universe with a process that serves a listener, and clients outside."""

    def __init__(self, seed: int = 1, **faults: Any) -> None:
        self.universe = Universe(seed)
        self.net = self.universe.net
        self.net.faults = NetFaults(**faults)
        self.listener: SimListener = self.net.listener()
        self.servers: list[Server] = []
        self.process = self.serve("gate")

    def serve(
        self, name: str, make: Callable[[], Server] = lambda: Server(lambda data: data)
    ) -> Process:
        process = self.universe.process(name)

        def accepted() -> Server:
            server = make()
            self.servers.append(server)
            return server

        async def main(process: Process) -> None:
            await process.world.net.serve(accepted, self.listener.socket)
            await asyncio.Event().wait()

        process.start(main)
        self.universe.run(asyncio.sleep(0.001))
        return process

    async def connect(self) -> Server:
        """The client's end."""
        _, protocol = await self.net.connect(self.listener, Server, ("10.1.2.3", 4567))
        assert isinstance(protocol, Server)
        return protocol

    def run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self.universe.run(coroutine)
        self.universe.close()


@pytest.fixture
def stand() -> Iterator[Stand]:
    stand = Stand()
    yield stand
    stand.universe.close()


def test_bytes_go_there_and_back_and_the_end_follows_them(stand: Stand) -> None:
    async def talk() -> None:
        client = await stand.connect()
        client.transport.write(b"question")
        await asyncio.sleep(1)
        assert client.heard == ["made", b"question"]
        assert stand.servers[0].transport.get_extra_info("peername") == ("10.1.2.3", 4567)
        client.transport.writelines([b"one ", b"more"])
        client.transport.close()
        assert client.transport.is_closing()
        await asyncio.sleep(1)
        assert stand.servers[0].heard == ["made", b"question", b"one more", "eof", "lost"]
        assert client.heard == ["made", b"question", "lost"]

    stand.run(talk())


def test_streams_of_asyncio_work_over_it(stand: Stand) -> None:
    async def talk() -> None:
        reader, writer = await stand.net.open_stream(stand.listener)
        writer.write(b"a line\n")
        assert await reader.readline() == b"a line\n"
        writer.close()
        await writer.wait_closed()

    stand.run(talk())


@pytest.mark.parametrize("seed", range(10))
def test_bytes_arrive_in_order_however_late_and_in_whatever_pieces(seed: int) -> None:
    stand = Stand(seed, split=0.8, late=0.3)

    async def talk() -> None:
        client = await stand.connect()
        sent = b""
        for number in range(50):
            line = b"%d," % number * 3
            client.transport.write(line)
            sent += line
            await asyncio.sleep(0.01)
        await asyncio.sleep(10)
        assert stand.servers[0].bytes == sent
        assert client.bytes == sent
        assert len(stand.servers[0].heard) > 70

    stand.run(talk())


def test_who_ended_may_still_be_answered(stand: Stand) -> None:
    async def talk() -> None:
        client = await stand.connect()
        await asyncio.sleep(1)
        server = stand.servers[0]
        server.half_open = True
        client.transport.write_eof()
        await asyncio.sleep(1)
        server.transport.write(b"late answer")
        server.transport.close()
        await asyncio.sleep(1)
        assert client.heard == ["made", b"late answer", "eof", "lost"]

    stand.run(talk())


def test_an_abort_is_a_reset_at_the_other_end(stand: Stand) -> None:
    async def talk() -> None:
        client = await stand.connect()
        await asyncio.sleep(1)
        client.transport.abort()
        await asyncio.sleep(1)
        assert client.heard == ["made", "lost"]
        assert stand.servers[0].heard == ["made", "ConnectionResetError"]

    stand.run(talk())


def test_whoever_writes_to_a_closed_end_is_reset(stand: Stand) -> None:
    async def talk() -> None:
        client = await stand.connect()
        await asyncio.sleep(1)
        server = stand.servers[0]
        server.half_open = True
        client.transport.close()
        await asyncio.sleep(1)
        server.transport.write(b"to nobody")
        await asyncio.sleep(1)
        assert server.heard == ["made", "eof", "ConnectionResetError"]

    stand.run(talk())


def test_who_does_not_read_holds_the_writer_up(stand: Stand) -> None:
    async def talk() -> None:
        client = await stand.connect()
        await asyncio.sleep(1)
        server = stand.servers[0]
        server.answer = lambda data: b""
        server.transport.pause_reading()
        size = KERNEL_BYTES + HIGH_WATER_BYTES + 1
        client.transport.write(bytes(KERNEL_BYTES))
        assert client.transport.get_write_buffer_size() == 0
        client.transport.write(bytes(size - KERNEL_BYTES))
        await asyncio.sleep(1)
        assert client.heard == ["made", "pause"]
        assert client.transport.get_write_buffer_size() == HIGH_WATER_BYTES + 1
        assert server.bytes == b""
        server.transport.resume_reading()
        await asyncio.sleep(1)
        assert client.heard == ["made", "pause", "resume"]
        assert (len(server.bytes), client.transport.get_write_buffer_size()) == (size, 0)

    stand.run(talk())


def test_what_was_written_leaves_before_the_close_however_slowly_it_is_read(stand: Stand) -> None:
    async def talk() -> None:
        client = await stand.connect()
        await asyncio.sleep(1)
        server = stand.servers[0]
        server.answer = lambda data: b""
        server.transport.pause_reading()
        client.transport.write(bytes(2 * KERNEL_BYTES))
        client.transport.close()
        await asyncio.sleep(60)
        assert client.heard == ["made", "pause"]
        server.transport.resume_reading()
        await asyncio.sleep(1)
        assert len(server.bytes) == 2 * KERNEL_BYTES
        assert (server.heard[-1], client.heard[-1]) == ("lost", "lost")

    stand.run(talk())


def test_each_connection_goes_to_one_of_the_living(stand: Stand) -> None:
    homes: list[str] = []

    def home(name: str) -> Callable[[], Server]:
        def made() -> Server:
            homes.append(name)
            return Server()

        return made

    others = [stand.serve(name, home(name)) for name in ("two", "three")]

    async def talk() -> None:
        for _ in range(60):
            await stand.connect()
        await asyncio.sleep(1)
        assert {name: homes.count(name) > 5 for name in ("two", "three")} == {
            "two": True,
            "three": True,
        }
        assert len(homes) < 55  # the first has some, too
        for process in (stand.process, others[0]):
            process.kill()
        homes.clear()
        for _ in range(10):
            await stand.connect()
        await asyncio.sleep(1)
        assert homes == ["three"] * 10
        others[1].kill()
        with pytest.raises(ConnectionRefusedError):
            await stand.connect()

    stand.run(talk())


def test_a_server_that_closed_accepts_no_more_and_keeps_what_it_has(stand: Stand) -> None:
    async def main(process: Process) -> None:
        server = await process.world.net.serve(lambda: Server(lambda d: d), listener.socket)
        await asyncio.sleep(1)
        server.close()
        await asyncio.Event().wait()

    listener = stand.net.listener(port=8081)
    stand.universe.process("other").start(main)

    async def talk() -> None:
        await asyncio.sleep(0.1)
        _, client = await stand.net.connect(listener, Server)
        assert isinstance(client, Server)
        await asyncio.sleep(2)
        with pytest.raises(ConnectionRefusedError):
            await stand.net.connect(listener, Server)
        client.transport.write(b"still there?")
        await asyncio.sleep(1)
        assert client.bytes == b"still there?"

    stand.run(talk())


def test_connections_of_a_killed_process_are_reset_a_little_later() -> None:
    replies: set[bytes] = set()
    for seed in range(20):
        stand = Stand(seed)

        async def talk(stand: Stand = stand) -> None:
            client = await stand.connect()
            client.transport.write(b"question")
            while not (stand.servers and stand.servers[0].bytes):
                await asyncio.sleep(0.001)
            stand.process.kill()
            assert not client.transport.is_closing()
            await asyncio.sleep(1)
            assert client.heard[-1] == "ConnectionResetError"
            assert stand.servers[0].heard == ["made", b"question"]
            replies.add(client.bytes)

        stand.run(talk())
    assert replies == {b"", b"question"}  # what it wrote last may arrive, or not


def test_a_protocol_that_fails_costs_its_connection_only(stand: Stand) -> None:
    def fail(_: bytes) -> bytes:
        raise ValueError("of a protocol")

    async def talk() -> None:
        broken, sound = await stand.connect(), await stand.connect()
        await asyncio.sleep(1)
        stand.servers[0].answer = fail
        for client in (broken, sound):
            client.transport.write(b"question")
        await asyncio.sleep(1)
        assert broken.heard == ["made", "ConnectionResetError"]
        assert stand.servers[0].heard[-1] == "ValueError"
        assert sound.bytes == b"question"

    stand.run(talk())
    assert stand.universe.complaints == ["gate: ValueError('of a protocol')"]


# --- faults ---------------------------------------------------------------------------------------


def _ends(**faults: Any) -> list[tuple[bytes, bytes, str | bytes]]:
    """Of 40 connections: what the server heard, what the client heard, and its last word."""
    ends = []
    stand = Stand(**faults)

    async def talk() -> None:
        for number in range(40):
            try:
                client = await stand.connect()
            except ConnectionRefusedError:
                ends.append((b"", b"", "refused"))
                continue
            client.transport.write(b"question")
            await asyncio.sleep(10)
            ends.append((stand.servers[-1].bytes, client.bytes, client.heard[-1]))
            assert len(stand.servers) <= number + 1

    stand.run(talk())
    return ends


def test_faultless_connections_lose_nothing() -> None:
    assert _ends() == [(b"question", b"question", b"question")] * 40


def test_refused() -> None:
    refused = [end for end in _ends(refuse=0.5) if end[2] == "refused"]
    assert 10 <= len(refused) <= 30


def test_reset_loses_some_of_what_was_written() -> None:
    ends = _ends(reset=0.5)
    reset = [end for end in ends if end[2] == "ConnectionResetError"]
    assert 20 <= len(reset) < 40
    assert any(0 < len(there) < 8 for there, _, _ in reset)
    assert any(there == b"question" and len(back) < 8 for there, back, _ in reset)
    assert all(b"question".startswith(part) for there, back, _ in ends for part in (there, back))


def test_whoever_reads_from_a_stream_hears_of_every_reset() -> None:
    """The last bytes and the reset come in turns of their own, as with real sockets."""
    stand = Stand(reset=0.3, split=0.5)
    resets: list[int] = []

    async def talk() -> None:
        for number in range(100):
            reader, writer = await stand.net.open_stream(stand.listener)
            writer.write(b"question")
            try:
                async with asyncio.timeout(60):
                    await reader.readexactly(8)
            except ConnectionResetError:
                resets.append(number)
            writer.close()

    stand.run(talk())
    assert 30 < len(resets) < 100


def test_a_reply_may_be_lost_after_the_server_got_the_request() -> None:
    ends = _ends(lose_reply=0.5)
    lost = [end for end in ends if end != (b"question", b"question", b"question")]
    assert 10 <= len(lost) <= 30
    assert set(lost) == {(b"question", b"", "ConnectionResetError")}


def test_a_black_hole_says_nothing() -> None:
    ends = _ends(black_hole=0.5)
    assert {end[2] for end in ends} == {"made", b"question"}
    assert {end[:2] for end in ends if end[2] == "made"} == {(b"", b""), (b"question", b"")}


def test_a_process_that_is_cut_off_neither_hears_nor_is_heard(stand: Stand) -> None:
    async def talk() -> None:
        client = await stand.connect()
        await asyncio.sleep(1)
        stand.net.cut.add("gate")
        client.transport.write(b"lost")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await stand.connect()
        stand.net.cut.clear()
        client.transport.write(b"nor this: bytes before it are missing")
        await asyncio.sleep(1)
        assert stand.servers[0].heard == ["made"]
        again = await stand.connect()
        again.transport.write(b"back")
        await asyncio.sleep(1)
        assert again.bytes == b"back"

    stand.run(talk())


def test_what_is_over_is_forgotten(stand: Stand) -> None:
    """A process that had many connections does not keep them."""

    async def talk() -> None:
        before = len(stand.process._at_death)
        for _ in range(100):
            client = await stand.connect()
            client.transport.close()
        await asyncio.sleep(1)
        assert len(stand.process._at_death) == before

    stand.run(talk())
