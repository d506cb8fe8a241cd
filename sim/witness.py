"""What the product is given in the simulated world so that the court sees what it does.

The journal is the real one; its writers tell the court of every frame that they call durable.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

from hairpin.config import Settings
from hairpin.frame import Kind
from hairpin.journal import Writer
from hairpin.journal.disk import DiskJournal
from hairpin.messages import Synced
from hairpin.node.data import DataDirectory

if TYPE_CHECKING:
    from sim.court import Court
    from sim.process import Process

P = ParamSpec("P")
T = TypeVar("T")


class WatchedWriter:
    """Implements `hairpin.journal.Writer`; what is not watched is the writer's own."""

    def __init__(self, writer: Writer, process: Process, court: Court) -> None:
        self._writer = writer
        self._process = process
        self._court = court

    @property
    def incarnation(self) -> int:
        return self._writer.incarnation

    @property
    def synced(self) -> Synced:
        return self._writer.synced

    def commit(self, kind: Kind, body: bytes, count: int) -> Synced:
        if kind is Kind.ANSWERS:
            self._tear(len(body))
        synced = self._writer.commit(kind, body, count)
        self._court.committed(self._process, synced, kind, body)
        return synced

    def _tear(self, size_bytes: int) -> None:
        """Die while this is written, if that is to be."""
        operation, least_bytes = self._court.tears.get(self._process.number, ("", 0))
        if operation and size_bytes >= least_bytes:
            del self._court.tears[self._process.number]
            self._process.world.disk.die_in(operation)  # type: ignore[attr-defined]

    def roll(self) -> None:
        self._writer.roll()

    def seal(self) -> None:
        self._writer.seal()
        self._court.sealed(self.incarnation)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._writer, name)


class WatchedJournal:
    """A `DiskJournal` whose writers are watched; all else is its own."""

    def __init__(self, journal: DiskJournal, process: Process, court: Court) -> None:
        self._journal = journal
        self._process = process
        self._court = court

    def writer(self) -> Writer:
        return WatchedWriter(self._journal.writer(), self._process, self._court)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)


class WatchedData(DataDirectory):
    """A data directory on simulated disks."""

    def __init__(self, process: Process, path: Path, settings: Settings, court: Court) -> None:
        super().__init__(path, process.world)
        self.use(settings)
        self._process = process
        self._court = court

    def journal(
        self, create: bool = False, degraded: bool = False, impatient: bool = False
    ) -> DiskJournal:
        journal = super().journal(create, degraded, impatient)
        return cast(DiskJournal, WatchedJournal(journal, self._process, self._court))


class LateWorker(Executor):
    """Does each job after a while on virtual time, all at once, in the process that asked."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()

        def work() -> None:
            if future.cancelled():
                return
            try:
                future.set_result(fn(*args, **kwargs))
            except Exception as error:
                future.set_exception(error)

        universe = self._process.universe
        delay_s = universe.dice.uniform(0.001, 0.5)
        universe.loop.call_later(delay_s, work, context=self._process.context)
        return future
