"""Two screens that watch a node as browsers do: a wall, whose lag is measured, and a console."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque

import msgspec

from hairpin.errors import EngineDown
from hairpin.messages import Leader, QuestionTally
from hairpin.rehearsal import asking
from hairpin.rehearsal.asking import Address
from hairpin.rehearsal.ledger import Counts
from hairpin.world import Clock

RECONNECT_S = 0.5
COSTS_MAX = 100_000
"""Half a day of two pictures a second."""


class WallTally(msgspec.Struct):
    """What of a wall's `tally` event its lag depends on."""

    at: int
    oldest_at: int | None


class ConsoleQuestion(QuestionTally, frozen=True, kw_only=True):
    """The same counts under the names of the console's events."""

    question: int = msgspec.field(name="index")


class GateSample(msgspec.Struct):
    """What of a gate's report its costs depend on."""

    incarnation: int
    cpu_s: float
    connections: int


class Cost(msgspec.Struct, frozen=True):
    """What all gates had spent and done at one moment; counters never go backwards."""

    at_ms: int
    """Since 1970."""
    cpu_s: float
    acknowledged: int
    connections: int
    gates: int
    question: int | None
    """Which one is open; None: none."""


class ConsoleTally(msgspec.Struct):
    at: int
    answers_per_s: float
    journalled: int
    counted: int
    repeats: int
    fans: int
    head: str
    questions: tuple[ConsoleQuestion, ...]
    leaders: tuple[Leader, ...]
    refused: dict[str, int] = {}
    acknowledged: int = 0
    gates: tuple[GateSample, ...] = ()


class OpenQuestion(msgspec.Struct):
    index: int
    of: int
    id: str
    closes_at: int | None


class Contenders(msgspec.Struct):
    fans: tuple[int, ...]


class Claim(msgspec.Struct):
    fan: int
    rank: int
    status: str
    name: str | None = None


class ConsoleOrder(msgspec.Struct):
    state: str
    question: OpenQuestion | None
    next_at: int | None
    contenders: Contenders | None
    claims: tuple[Claim, ...] = ()


class Screen:
    """One stream of events, taken up again whenever it is lost."""

    def __init__(self, to: Address, path: str, token: str) -> None:
        self._to = to
        self._path = path
        self._token = token

    async def watch(self) -> None:
        """Until cancelled."""
        while True:
            self.connected()
            stream = asking.events(self._to, self._path, self._token)
            try:
                async with contextlib.aclosing(stream):
                    async for name, data in stream:
                        self.take(name, data)
            except EngineDown:
                await asyncio.sleep(RECONNECT_S)

    def connected(self) -> None:
        """A new stream begins; it first repeats the latest events."""

    def take(self, name: str, data: bytes) -> None:
        raise NotImplementedError


class Wall(Screen):
    """Measures how old the oldest answer in each new picture is when the picture arrives."""

    def __init__(self, to: Address, token: str, clock: Clock) -> None:
        super().__init__(to, "/events/wall", token)
        self._clock = clock
        self._repeated = True
        self.lags_ms: list[int] = []
        self.seen_ms: list[int] = []
        """When each of these pictures arrived, since 1970."""

    def connected(self) -> None:
        self._repeated = True

    def take(self, name: str, data: bytes) -> None:
        if name != "tally":
            return
        tally = msgspec.json.decode(data, type=WallTally)
        if tally.oldest_at is not None and not self._repeated:
            now_ms = self._clock.now_ms()
            self.lags_ms.append(now_ms - tally.oldest_at)
            self.seen_ms.append(now_ms)
        self._repeated = False

    @property
    def lag_ms_p99(self) -> float | None:
        return self.lag_ms(0.99)

    def lag_ms(self, share: float) -> float | None:
        """This quantile over all pictures so far; None without one."""
        if not self.lags_ms:
            return None
        ordered = sorted(self.lags_ms)
        return float(ordered[min(len(ordered) - 1, int(share * len(ordered)))])


class Console(Screen):
    """Keeps the latest state of the show and of the count."""

    def __init__(self, to: Address, token: str) -> None:
        super().__init__(to, "/events/console", token)
        self.tally: ConsoleTally | None = None
        self.order: ConsoleOrder | None = None
        self.changed = asyncio.Event()
        self.costs: deque[Cost] = deque(maxlen=COSTS_MAX)
        self._cpu_s: dict[int, float] = {}

    def take(self, name: str, data: bytes) -> None:
        if name == "tally":
            self.tally = msgspec.json.decode(data, type=ConsoleTally)
            self._add_cost(self.tally)
        elif name == "order":
            self.order = msgspec.json.decode(data, type=ConsoleOrder)
        self.changed.set()

    def _add_cost(self, tally: ConsoleTally) -> None:
        for gate in tally.gates:
            self._cpu_s[gate.incarnation] = gate.cpu_s
        order = self.order
        open_now = order is not None and order.state == "open" and order.question is not None
        self.costs.append(
            Cost(
                at_ms=tally.at,
                cpu_s=sum(self._cpu_s.values()),
                acknowledged=tally.acknowledged,
                connections=sum(gate.connections for gate in tally.gates),
                gates=len(tally.gates),
                question=order.question.index if open_now and order and order.question else None,
            )
        )

    @property
    def final(self) -> bool:
        """Is every question's count final or void?"""
        return self.tally is not None and all(
            question.status in ("final", "void") for question in self.tally.questions
        )

    def counts(self) -> Counts:
        """The live count for the ledger. Raises `EngineDown` if the node never sent one."""
        tally = self.tally
        if tally is None:
            raise EngineDown("the node's console never showed a tally", "See the node's log.")
        return Counts(
            journalled=tally.journalled,
            counted=tally.counted,
            repeats=tally.repeats,
            questions=tally.questions,
            leaders=tally.leaders,
        )
