"""A whole night in the simulated world, from one seed: the show, its crowd, its troubles, its end.

The node is the product's own; see `sim.node`. In the end everything is healed, the show comes to
its end, the node ends in order, and the court settles the ledger.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

import msgspec

from hairpin.errors import HairpinError
from hairpin.tally.recount import Recount

from sim.audit import audit
from sim.checkers import Violation
from sim.checkers.bounds import Bounds
from sim.court import Court
from sim.crowd import Crowd
from sim.loop import Stuck
from sim.node import Node, mirror_paths
from sim.plan import FIRST_MS, PERIOD_MS, Plan
from sim.producer import Producer
from sim.trouble import Trouble
from sim.universe import Universe

GRACE_S = 2 * 3600.0
"""So much longer than planned may a night be; then it hangs."""
SAMPLE_S = 20.0
END_S = 30.0


class Outcome(msgspec.Struct, frozen=True):
    """What came of one night."""

    seed: int
    profile: str
    mirrors: int
    violation: str
    """Empty: all invariants held."""
    loud: str
    """The error by which the product refused to count, where faults went beyond its promises."""
    seconds: float
    """Of processor time."""
    hours: float
    """Of virtual time."""
    questions: int
    acknowledged: int
    journalled: int
    counted: int
    repeats: int
    requests: int
    lives: int
    """Processes that were started."""
    faults: dict[str, int]


class Night:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.universe = universe = Universe(plan.seed)
        listener = universe.net.listener()
        self.court = Court(universe, mirror_paths(plan.mirrors))
        self.node = Node(universe, plan, listener, self.court)
        self.crowd = Crowd(universe, plan, listener, self.court)
        self.producer = Producer(universe, plan, self.node)
        self.trouble = Trouble(universe, plan, self.node)
        self.node.watchers += [self.crowd.look, self.producer.look]
        settings = self.node.settings
        self.bounds = Bounds(
            {
                "connections": settings.connections_max,
                "queue": settings.queue_max,
                "questions_with_words": 3 + plan.gates,
                "tasks": 2_000,
                "bus_requests": 100,
            }
        )
        self.recount: Recount | None = None
        self.loud = ""

    def run(self) -> Outcome:
        """Never raises what the product did; see `Outcome.violation`."""
        began_s = time.process_time()
        try:
            self.universe.run(self._night())
        except Stuck as stuck:
            self.court.blame(Violation("a night comes to its end", str(stuck)))
        finally:
            self.universe.close()
        return self._outcome(time.process_time() - began_s)

    async def _night(self) -> None:
        planned_s = (FIRST_MS + len(self.plan.show.questions) * PERIOD_MS) / 1000
        show = asyncio.create_task(self._show())
        called = asyncio.create_task(self.court.called.wait())
        done, _ = await asyncio.wait(
            {show, called}, timeout=planned_s + GRACE_S, return_when=asyncio.FIRST_COMPLETED
        )
        if not done:
            self.court.blame(Violation("a night comes to its end", self._state()))
        elif show in done:
            show.result()

    async def _show(self) -> None:
        self.universe.note("night", f"seed {self.plan.seed}, profile {self.plan.profile}")
        self.node.start()
        sampling = asyncio.create_task(self._sample())
        operating = asyncio.create_task(self.trouble.operate())
        troubling = asyncio.create_task(self.trouble.run())
        self.crowd.come()
        await self.producer.run()
        troubling.cancel()
        await self.trouble.heal()
        self.crowd.over = True
        await self._settle()
        operating.cancel()
        sampling.cancel()
        await self._end()

    async def _settle(self) -> None:
        """Until every result is final, a stage shows it, and every phone is at rest."""
        while not self._is_settled():
            await asyncio.sleep(1)

    def _is_settled(self) -> bool:
        snapshot = self.court.snapshot
        if snapshot is None or not self.node.shows or self.crowd.busy:
            return False
        return all(tally.status in ("final", "void") for tally in snapshot.questions)

    async def _end(self) -> None:
        """The node ends in order; then the books are compared."""
        family = self.node.family
        assert family is not None
        family.end()
        with suppress(TimeoutError):
            async with asyncio.timeout(END_S):
                await family.process.ended.wait()
        if family.lives:
            raise Violation("a node ends in order", f"{family.living()} live on")
        auditor = self.universe.process("auditor")
        auditor.start(self._audit)
        await auditor.ended.wait()
        if isinstance(auditor.failure, Violation):
            self.court.blame(auditor.failure)
        elif isinstance(auditor.failure, HairpinError):
            self.loud = str(auditor.failure)
            self.court.judge(self.trouble.expect_loud, self.loud)
        elif auditor.failure is not None:
            self.court.crashed(auditor, auditor.failure)

    async def _audit(self, process: object) -> None:
        journal = self.node.data(process).journal()  # type: ignore[arg-type]
        self.recount = audit(journal, self.court)

    async def _sample(self) -> None:
        """Look at queues and memory now and then."""
        while True:
            await asyncio.sleep(SAMPLE_S * (1 + self.universe.dice.random()))
            for process, gate in self.node.gates.values():
                if not process.dead:
                    self.court.judge(self._measure_gate, process.name, gate)

    def _measure_gate(self, name: str, gate: object) -> None:
        ...

    def _state(self) -> str:
        snapshot = self.court.snapshot
        open_still = [q.question + 1 for q in snapshot.questions if q.status == "provisional"] if snapshot else []
        return (
            f"still going on at {self.universe.loop.now_s / 3600:.1f} h; node lives: "
            f"{self.node.lives}; phones busy: {self.crowd.busy}; not final: {open_still}"
        )

    def _outcome(self, seconds: float) -> Outcome:
        recount, ledger = self.recount, self.court.ledger
        violation = self.court.violation
        return Outcome(
            seed=self.plan.seed,
            profile=self.plan.profile,
            mirrors=self.plan.mirrors,
            violation=str(violation) if violation else "",
            loud=self.loud,
            seconds=round(seconds, 3),
            hours=round(self.universe.loop.now_s / 3600, 2),
            questions=len(self.plan.show.questions),
            acknowledged=len(ledger.acknowledged),
            journalled=recount.journalled if recount else 0,
            counted=recount.counted if recount else 0,
            repeats=recount.repeats if recount else 0,
            requests=ledger.requests,
            lives=len(self.universe.processes),
            faults=dict(self.universe.machine.disks.tally.faults) | dict(self.trouble.done),
        )
