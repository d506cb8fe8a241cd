"""A night on a real journal: the records that a director and its gates write, and a live keeper."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Executor
from pathlib import Path

from faulty_disk import FaultyDisk
from inline_worker import InlineWorker
from small_show import EPOCH_MS, Answer, armed, make_show, opened_ms, records_of

from hairpin import messages as m
from hairpin.frame import Kind
from hairpin.journal import Writer, encode_control
from hairpin.journal.disk import DiskJournal
from hairpin.show import Show
from hairpin.tally.keeper import Keeper
from hairpin.world import real_world


class FixedClock:
    """Stands still unless told otherwise."""

    def __init__(self) -> None:
        self.at_ms = EPOCH_MS

    def now_ms(self) -> int:
        return self.at_ms

    def monotonic_ms(self) -> float:
        return float(self.at_ms)


class DiskNight:
    """The keeper hears of every frame at once, unless `tells` is False."""

    def __init__(
        self,
        directory: Path,
        show: Show | None = None,
        gates: int = 2,
        worker: Executor | None = None,
    ) -> None:
        self.directory = directory
        self.clock = FixedClock()
        self.world = real_world(self.clock, FaultyDisk())
        self.journal = DiskJournal.create(self.world, directory)
        self.show = show or make_show(2)
        self.keeper = Keeper(self.journal, self.clock, worker or InlineWorker())
        self.tells = True
        self.published: dict[int, int] = {}
        self.director = self.journal.writer()
        self.control(m.Born(EPOCH_MS, "director"), armed(self.show))
        self.gates: list[Writer] = []
        for _ in range(gates):
            self.add_gate()

    # --- what processes write ---------------------------------------------------------------------

    def control(self, *records: m.AnyControl, writer: Writer | None = None) -> None:
        writer = writer or self.director
        for record in records:
            writer.commit(Kind.CONTROL, encode_control(record), 1)
            self.tell(writer)

    def add_gate(self) -> Writer:
        gate = self.journal.writer()
        self.gates.append(gate)
        self.control(m.Born(EPOCH_MS, "gate"), writer=gate)
        return gate

    def answers(self, gate: int, answers: Iterable[Answer]) -> None:
        records = records_of(answers)
        self.gates[gate].commit(Kind.ANSWERS, records.tobytes(), len(records))
        self.tell(self.gates[gate])

    def open(self, question: int = 0) -> None:
        self.clock.at_ms = opened_ms(question)
        self.control(m.Opened(opened_ms(question), question))

    def close(self, question: int = 0) -> None:
        self.clock.at_ms = opened_ms(question) + 20_000
        self.control(m.Closed(self.clock.at_ms, question))

    def mark(self, question: int = 0, *gates: int) -> None:
        for gate in gates or range(len(self.gates)):
            self.control(m.Marked(self.clock.at_ms, (question,)), writer=self.gates[gate])

    def reveal(self, question: int = 0) -> None:
        self.control(m.Revealed(self.clock.at_ms, question, self.show.questions[question].right))

    def ask(self, question: int, *by_gate: Iterable[Answer]) -> None:
        """A whole question: opened, answered at the gates, closed, marked, published, revealed."""
        self.open(question)
        for gate, answers in enumerate(by_gate):
            self.answers(gate, answers)
        self.close(question)
        self.mark(question)
        self.publish()
        self.reveal(question)

    def kill(self, writer: Writer) -> None:
        """As if its process ended: the kernel closes its files, and with them goes the lock."""
        for copy in writer._copies:  # type: ignore[attr-defined]
            copy.close()

    def crash(self, gate: int) -> None:
        """The gate dies, and the director fences it."""
        writer = self.gates.pop(gate)
        self.kill(writer)
        end = self.journal.fence(writer.incarnation)
        assert end is not None
        self.control(m.Fenced(self.clock.at_ms, end.incarnation, end.frames, end.chain.hex()))
        self.keeper.synced(m.Synced(end.incarnation, end.frames))

    def seal(self) -> None:
        """All processes end in order."""
        for writer in (*self.gates, self.director):
            writer.seal()
            self.tell(writer)

    # --- the live result --------------------------------------------------------------------------

    def tell(self, writer: Writer) -> None:
        if self.tells:
            self.keeper.synced(writer.synced)

    def tell_all(self) -> None:
        for writer in (self.director, *self.gates):
            self.keeper.synced(writer.synced)

    def snapshot(self) -> m.TallySnapshot | None:
        return self.keeper.tick()

    def publish(self) -> m.TallySnapshot | None:
        """As the director does with each snapshot: every new version becomes a record."""
        snapshot = self.keeper.tick()
        for tally in snapshot.questions if snapshot else ():
            settled = tally.status in ("final", "void")
            if settled and tally.version > self.published.get(tally.question, 0):
                assert snapshot is not None
                self.published[tally.question] = tally.version
                self.control(
                    m.Published(
                        self.clock.at_ms,
                        tally.question,
                        tally.version,
                        tally.reason,
                        tally.answers,
                        tally.right,
                        snapshot.head,
                        snapshot.positions,
                    )
                )
        return snapshot
