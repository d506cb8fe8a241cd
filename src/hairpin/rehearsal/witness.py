"""Two screens that watch a node as browsers do: a wall, whose lag is measured, and a console."""

from __future__ import annotations

import asyncio
import contextlib

import msgspec

from hairpin.errors import EngineDown
from hairpin.messages import Leader, QuestionTally
from hairpin.rehearsal import asking
from hairpin.rehearsal.asking import Address
from hairpin.rehearsal.ledger import Counts
from hairpin.world import Clock

RECONNECT_S = 0.5


class WallTally(msgspec.Struct):
    """What of a wall's `tally` event its lag depends on."""

    at: int
    oldest_at: int | None


class ConsoleQuestion(QuestionTally, frozen=True, kw_only=True):
    """The same counts under the names of the console's events."""

    question: int = msgspec.field(name="index")


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

    def connected(self) -> None:
        self._repeated = True

    def take(self, name: str, data: bytes) -> None:
        if name != "tally":
            return
        tally = msgspec.json.decode(data, type=WallTally)
        if tally.oldest_at is not None and not self._repeated:
            self.lags_ms.append(self._clock.now_ms() - tally.oldest_at)
        self._repeated = False

    @property
    def lag_ms_p99(self) -> float | None:
        """99th percentile over all pictures so far; None without one."""
        if not self.lags_ms:
            return None
        ordered = sorted(self.lags_ms)
        return float(ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))])


class Console(Screen):
    """Keeps the latest state of the show and of the count."""

    def __init__(self, to: Address, token: str) -> None:
        super().__init__(to, "/events/console", token)
        self.tally: ConsoleTally | None = None
        self.order: ConsoleOrder | None = None
        self.changed = asyncio.Event()

    def take(self, name: str, data: bytes) -> None:
        if name == "tally":
            self.tally = msgspec.json.decode(data, type=ConsoleTally)
        elif name == "order":
            self.order = msgspec.json.decode(data, type=ConsoleOrder)
        self.changed.set()

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
