"""One gate without process, socket and disk: real doors, fake clock, writer and transport."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
from raw_http import Reply, take_reply

from hairpin.answer import RECORD, Records
from hairpin.bus.local import LocalBus
from hairpin.config import Settings
from hairpin.errors import EngineDown
from hairpin.frame import Kind
from hairpin.gate.admit import Admission
from hairpin.gate.commit import Committer
from hairpin.gate.connection import Connection
from hairpin.gate.doors import Doors
from hairpin.gate.leases import Leases
from hairpin.gate.limits import Addresses, JoinLimit
from hairpin.gate.pages import pages
from hairpin.messages import (
    TOPIC_LEASE,
    Document,
    GateQuestion,
    LeaseReply,
    LeaseRequest,
    OrderState,
    PollPlan,
    Synced,
)
from hairpin.ticket import TicketKey

EPOCH = 1_795_000_000_000
KEY = TicketKey(7, bytes(range(16)), bytes(range(16, 32)))
OPEN = GateQuestion(3, False, EPOCH + 1_000, EPOCH + 60_000, False)
SEVERAL = GateQuestion(4, True, EPOCH + 1_000, EPOCH + 60_000, False)
WAITING = GateQuestion(3, False, None, None, False)
OVER = GateQuestion(3, False, EPOCH + 1_000, EPOCH + 2_000, True)
QUESTIONS = (OPEN, SEVERAL, WAITING, OVER)
"""Asked in this order; now is ten seconds after the epoch."""


class SetClock:
    def __init__(self, at_ms: int = EPOCH + 10_000) -> None:
        self.at_ms = at_ms

    def now_ms(self) -> int:
        return self.at_ms

    def monotonic_ms(self) -> float:
        return float(self.at_ms - EPOCH)


class ListWriter:
    """Keeps what it is given; `broken` says why it does not."""

    def __init__(self) -> None:
        self.frames: list[tuple[Kind, bytes, int]] = []
        self.broken: EngineDown | None = None
        self.sealed = False

    incarnation = 2

    @property
    def synced(self) -> Synced:
        return Synced(self.incarnation, len(self.frames))

    def commit(self, kind: Kind, body: bytes, count: int) -> Synced:
        assert not self.sealed
        if self.broken is not None:
            raise self.broken
        self.frames.append((kind, body, count))
        return self.synced

    def roll(self) -> None:
        pass

    def seal(self) -> None:
        self.sealed = True

    def answers(self) -> Records:
        """All that was journalled, in order."""
        bodies = [body for kind, body, _ in self.frames if kind is Kind.ANSWERS]
        return np.frombuffer(b"".join(bodies), RECORD)


class FakeTransport(asyncio.Transport):
    """A client that reads everything at once, or nothing while `stuck`."""

    def __init__(self, peer: str = "192.0.2.7") -> None:
        super().__init__({"peername": (peer, 40_000)})
        self.protocol: Connection
        self.sent = b""
        self.unsent = b""
        self.stuck = False
        self.reading = True
        self.closed = False
        self.aborted = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.closed, "a write after the close"
        if not self.stuck:
            self.sent += data
            return
        before, self.unsent = len(self.unsent), self.unsent + data
        if before <= 65_536 < len(self.unsent):
            self.protocol.pause_writing()

    def unstick(self) -> None:
        """The client reads again."""
        self.stuck = False
        blocked = len(self.unsent) > 65_536
        self.sent, self.unsent = self.sent + self.unsent, b""
        if blocked:
            self.protocol.resume_writing()

    def get_write_buffer_size(self) -> int:
        return len(self.unsent)

    def pause_reading(self) -> None:
        assert self.reading, "paused twice"
        self.reading = False

    def resume_reading(self) -> None:
        assert not self.reading, "resumed while reading"
        self.reading = True

    def is_reading(self) -> bool:
        return self.reading

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True

    def replies(self) -> list[Reply]:
        """All of them, whole."""
        found, data = [], self.sent
        while taken := take_reply(data):
            reply, data = taken
            found.append(reply)
        assert not data, f"not a reply: {data!r}"
        return found


class Stand:
    """Use within an event loop."""

    def __init__(
        self,
        questions: Sequence[GateQuestion] = QUESTIONS,
        settings: Settings | None = None,
        documents: tuple[Document, ...] = (),
        numbers: int = 100_000,
    ) -> None:
        """`numbers`: how many fan numbers the show has."""
        settings = settings or Settings(join_burst=1_000)
        self.clock = SetClock()
        self.writer = ListWriter()
        self.admission = Admission(KEY)
        self.answers = Committer(
            self.clock, self.writer, self.admission, settings.queue_max, lambda: None
        )
        self.bus = LocalBus()
        self.numbers = numbers
        self.leased = 0
        self.bus.serve(TOPIC_LEASE, LeaseRequest, self._lease)
        self.doors = Doors(
            self.clock,
            KEY,
            self.answers,
            Leases(self.bus, ListWriter.incarnation),
            Addresses(settings),
            JoinLimit(settings.join_burst, settings.join_per_s),
            settings.connections_max,
        )
        self.doors.pages = pages(self.doors, self.bus, {}, ())
        self.set_order(tuple(questions), documents)

    def set_order(
        self,
        questions: tuple[GateQuestion, ...],
        documents: tuple[Document, ...] = (),
        version: int = 1,
    ) -> None:
        poll = PollPlan("open", EPOCH + 60_000, None, 0)
        order = OrderState(version, EPOCH, questions, b'{"state":"open"}', poll, documents)
        self.answers.epoch_ms = EPOCH
        self.admission.set_questions(questions, EPOCH)
        for index, question in enumerate(questions):
            if question.closed:
                self.admission.shut(index)
        self.doors.set_order(order)

    async def _lease(self, request: LeaseRequest) -> LeaseReply:
        first, count = self.leased, min(request.count, self.numbers - self.leased)
        self.leased += count
        return LeaseReply(first, count)

    async def ready(self) -> None:
        """Fan numbers are in hand."""
        self.doors.leases.refill()
        await settle()

    def connect(self, peer: str = "192.0.2.7") -> tuple[Connection, FakeTransport]:
        connection, transport = Connection(self.doors), FakeTransport(peer)
        transport.protocol = connection
        connection.connection_made(transport)
        return connection, transport

    async def talk(self, *pieces: bytes, peer: str = "192.0.2.7") -> FakeTransport:
        """One connection that receives these pieces, each after all that the last one caused."""
        connection, transport = self.connect(peer)
        for piece in pieces:
            if not transport.closed:
                connection.data_received(piece)
            await settle()
        return transport


async def settle() -> None:
    """Until nothing is under way any more."""
    idle = 0
    while idle < 8:
        await asyncio.sleep(0)
        idle = idle + 1 if len(asyncio.all_tasks()) == 1 else 0
