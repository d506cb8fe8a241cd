"""A whole gate on a real journal and a local bus: order in, markers and reports out."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from gate_stand import EPOCH, KEY, OPEN, OVER, WAITING, SetClock
from raw_http import take_reply

from hairpin import messages as m
from hairpin.bus.local import LocalBus
from hairpin.config import Settings
from hairpin.errors import EngineDown
from hairpin.frame import Kind
from hairpin.gate import server
from hairpin.gate.admit import answer_text
from hairpin.gate.server import Gate
from hairpin.journal import decode_control
from hairpin.journal.disk import DiskJournal
from hairpin.ticket import issue
from hairpin.world import RealDisk, real_world

CLOSED_NOW = msgspec.structs.replace(OPEN, closed=True)


class FullDisk(RealDisk):
    full = False

    def write(self, fd: int, offset: int, data: bytes) -> None:
        if self.full:
            raise OSError(28, "No space left on device")
        super().write(fd, offset, data)


class House:
    """One gate, and everyone it talks to."""

    def __init__(self, directory: Path) -> None:
        self.disk = FullDisk()
        self.world = real_world(SetClock(), self.disk)
        self.journal = DiskJournal.create(self.world, directory / "journal")
        self.bus = LocalBus()
        self.state: m.OrderState | None = self.order(1, OPEN, WAITING)
        self.synced: list[m.Synced] = []
        self.reports: list[m.GateReport] = []
        self.bus.serve(m.TOPIC_ORDER_NOW, m.Synced, self._order_now)
        self.bus.subscribe(m.TOPIC_SYNCED, m.Synced, self.synced.append)
        self.bus.subscribe(m.TOPIC_GATE, m.GateReport, self.reports.append)
        self.gate = Gate(self.world, self.journal, self.bus, KEY, Settings(), {}, ())
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.stop = asyncio.Event()

    @staticmethod
    def order(version: int, *questions: m.GateQuestion) -> m.OrderState:
        poll = m.PollPlan("open", None, None, 0)
        return m.OrderState(version, EPOCH, questions, b'{"state":"open"}', poll, ())

    async def _order_now(self, _: m.Synced) -> m.OrderState:
        if self.state is None:
            raise EngineDown("not ready")
        return self.state

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[House]:
        ready = asyncio.Event()
        await self.gate.ask_order()
        running = asyncio.create_task(self.gate.run(self.listener, ready.set, self.stop))
        await ready.wait()
        yield self
        self.stop.set()
        await running

    def tell(self, order: m.OrderState) -> None:
        self.state = order
        self.bus.publish(m.TOPIC_ORDER, order)

    async def answer(self, fan: int, question: int = 0) -> int:
        text = answer_text(issue(fan, 1, 2, KEY), question, 1, 5)
        reader, writer = await asyncio.open_connection(*self.listener.getsockname())
        writer.write(b"POST /a/" + text + b" HTTP/1.1\r\nHost: a\r\n\r\n")
        taken = take_reply(await reader.readuntil(b"\r\n\r\n"))
        writer.close()
        assert taken is not None
        return taken[0].status

    def strand(self) -> list[object]:
        """What the gate journalled: control records, numbers of answers, and the seal."""
        told: list[object] = []
        for frame in self.journal.follow(self.gate.incarnation).read():
            if frame.kind is Kind.CONTROL:
                told.append(decode_control(frame.body))
            else:
                told.append("seal" if frame.kind is Kind.SEAL else frame.count)
        return told


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setattr(server, "REPORT_S", 0.02)
    return House(tmp_path)


def markers(house: House) -> list[tuple[int, ...]]:
    return [record.questions for record in house.strand() if isinstance(record, m.Marked)]


async def until(holds: object, *what: object) -> None:
    async with asyncio.timeout(60):
        while not holds():  # type: ignore[operator]
            await asyncio.sleep(0.005)


async def test_a_life_in_one_strand(house: House) -> None:
    async with house.serving():
        assert await house.answer(1) == 204
        assert await house.answer(2, question=1) == 409
        house.tell(house.order(2, CLOSED_NOW, WAITING))
        assert await house.answer(3) == 410
    born, answers, marked, sealed = house.strand()
    assert isinstance(born, m.Born)
    assert born.role == "gate"
    assert (answers, sealed) == (1, "seal")
    assert isinstance(marked, m.Marked)
    assert marked.questions == (0,)
    assert house.synced[-1] == m.Synced(house.gate.incarnation, 4)


async def test_an_older_order_changes_nothing(house: House) -> None:
    async with house.serving():
        house.tell(house.order(5, OPEN, WAITING))
        house.bus.publish(m.TOPIC_ORDER, house.order(4, OVER, WAITING))
        assert await house.answer(1) == 204
    assert markers(house) == []


async def test_a_question_that_was_over_before_the_gate_was_born_is_marked(house: House) -> None:
    house.state = house.order(1, OVER, OPEN)
    async with house.serving():
        assert await house.answer(1, question=0) == 410
        assert await house.answer(1, question=1) == 204
    assert markers(house) == [(0,)]


async def test_a_new_opening_begins_a_new_segment(house: House, tmp_path: Path) -> None:
    async with house.serving():
        assert await house.answer(1) == 204
        house.tell(house.order(2, OPEN, OPEN))
        assert await house.answer(1, question=1) == 204
    assert len(list((tmp_path / "journal").glob("*.hpj"))) == 2


async def test_a_marker_that_could_not_be_written_is_written_later(house: House) -> None:
    async with house.serving():
        assert await house.answer(1) == 204
        house.disk.full = True
        house.tell(house.order(2, CLOSED_NOW, WAITING))
        assert await house.answer(2) == 410, "shut, marker or not"
        await until(lambda: house.reports and house.reports[-1].journal_error)
        assert markers(house) == []
        house.disk.full = False
        await until(lambda: (0,) in markers(house))
        await until(lambda: house.reports[-1].journal_error is None)


async def test_a_journal_that_failed_is_tried_again_without_any_answer(house: House) -> None:
    async with house.serving():
        house.disk.full = True
        assert await house.answer(1) == 503
        await until(lambda: house.reports and house.reports[-1].journal_error)
        house.disk.full = False
        await until(lambda: house.reports[-1].journal_error is None)
        assert await house.answer(1) == 204
    assert house.gate.answers.statuses[204] == 1


async def test_the_end_comes_although_the_running_order_never_did(house: House) -> None:
    house.state = None
    running = asyncio.create_task(house.gate.run(house.listener, lambda: None, house.stop))
    await asyncio.sleep(0)
    house.stop.set()
    async with asyncio.timeout(60):
        await running
    assert house.strand()[-1] == "seal"
    house.listener.close()


async def test_what_was_read_is_answered_before_the_end(house: House) -> None:
    async with house.serving():
        reader, writer = await asyncio.open_connection(*house.listener.getsockname())
        text = answer_text(issue(1, 1, 2, KEY), 0, 1, 5)
        writer.write((b"POST /a/" + text + b" HTTP/1.1\r\nHost: a\r\n\r\n") * 50)
        await reader.readuntil(b"\r\n\r\n")
        house.stop.set()
        rest = await reader.read()
        writer.close()
    assert rest.count(b"HTTP/1.1 204") == 49
    assert rest.count(b"HTTP/1.1 ") == 49


async def test_reports_say_what_was_done(house: House) -> None:
    async with house.serving():
        await house.answer(1)
        await house.answer(1, question=1)
        await house.answer(1, question=9)
        await until(lambda: house.reports and house.reports[-1].acknowledged == 1)
        await until(lambda: len(house.reports[-1].refused) == 2)
    report = house.reports[-1]
    assert report.refused == {"not open": 1, "no such question or choice": 1}
    assert report.incarnation == house.gate.incarnation
    assert report.commits >= 1


async def test_the_end_waits_for_what_was_just_handed_to_the_ordinary_server(house: House) -> None:
    text = answer_text(issue(7, 1, 2, KEY), 0, 1, 5)
    async with house.serving():
        address = house.listener.getsockname()
        with contextlib.closing(socket.create_connection(address)) as sock:
            sock.sendall(
                b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
                b"POST /a/" + text + b" HTTP/1.1\r\nHost: a\r\n\r\n"
            )
            house.stop.set()
            sock.setblocking(False)
            received = b""
            while data := await asyncio.get_running_loop().sock_recv(sock, 1 << 16):
                received += data
    statuses = []
    while taken := take_reply(received):
        statuses.append(taken[0].status)
        received = taken[1]
    assert statuses == [200, 204]
    assert house.strand()[-2:] == [1, "seal"]
