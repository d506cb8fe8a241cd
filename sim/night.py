"""A whole night in the simulated world, from one seed: the show, its crowd, its troubles, its end.

The node is the product's own; see `sim.node`. In the end everything is healed, the show comes to
its end, the node ends in order, and the court settles the ledger.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from functools import partial

from hairpin.errors import HairpinError
from hairpin.tally.recount import Recount
from sim.audit import audit, check_forgery
from sim.checkers import Violation
from sim.court import Court
from sim.crowd import Crowd
from sim.forger import forge
from sim.gauges import Gauges
from sim.loop import Stuck
from sim.node import Node, mirror_paths
from sim.operator import Operator
from sim.outcome import Outcome, outcome_of
from sim.plan import FIRST_MS, PERIOD_MS, Plan, calm_net
from sim.process import Process
from sim.producer import Producer
from sim.trouble import Trouble
from sim.universe import Universe

GRACE_S = 2 * 3600.0
"""So much longer than planned may a night be; then it hangs."""
SETTLE_S = 1800.0
"""So long may it take after the last trouble until all results are final."""
END_S = 30.0


class Night:
    """`run` it once."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.universe = universe = Universe(plan.seed)
        universe.net.faults = calm_net(plan)
        for mirror in mirror_paths(plan.mirrors):
            universe.machine.disks.mount(mirror)
        self.listener = listener = universe.net.listener()
        self.court = Court(universe, mirror_paths(plan.mirrors), plan.show.reveal_after_ms)
        self.node = Node(universe, plan, listener, self.court)
        self.crowd = Crowd(universe, plan, listener, self.court)
        self.producer = Producer(universe, plan, self.node)
        self.trouble = Trouble(universe, plan, self.node)
        self.operator = Operator(universe, self.node, self.trouble, self.court)
        self.gauges = Gauges(universe, self.node, self.court)
        self.node.watchers += [self.crowd.look, self.producer.look]
        self.node.gate_watchers.append(self.gauges.watch)
        self.recount: Recount | None = None
        self.loud = ""
        """The error by which the product refused to count."""

    def run(self) -> Outcome:
        """Never raises what the product did; see `Outcome.violation`."""
        began_s = time.process_time()
        try:
            self.universe.run(self._night())
        except Stuck as stuck:
            self.court.blame(Violation("a night comes to its end", str(stuck)))
        finally:
            self.universe.close()
        return outcome_of(self, time.process_time() - began_s)

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
        plan = self.plan
        self.universe.note(
            "night",
            f"seed {plan.seed}: {plan.profile}, {plan.mirrors} mirrors, "
            f"{plan.fans} phones, {len(plan.show.questions)} questions, by {plan.show.mode}",
        )
        self.node.start()
        others = (self.gauges.run(), self.operator.run(), self.trouble.run())
        measuring, operating, troubling = (asyncio.create_task(other) for other in others)
        self.crowd.come()
        await self._until_over()
        troubling.cancel()
        self.trouble.heal()
        self.crowd.over = True
        await self._settle()
        operating.cancel()
        measuring.cancel()
        await self._end()

    async def _until_over(self) -> None:
        """The show is over, or the product refuses to go on."""
        producing = asyncio.create_task(self.producer.run())
        refused = asyncio.create_task(self.operator.gave_up.wait())
        await asyncio.wait({producing, refused}, return_when=asyncio.FIRST_COMPLETED)
        refused.cancel()
        if producing.done():
            producing.result()
        else:
            producing.cancel()

    async def _settle(self) -> None:
        """Until every result is final, a stage shows it, and every phone is at rest."""
        deadline_s = self.universe.loop.now_s + SETTLE_S
        while not self._is_settled() and not self.operator.gave_up.is_set():
            if self.universe.loop.now_s > deadline_s:
                self.court.judge(self.trouble.expect_loud, self._state())
                return
            await asyncio.sleep(1)

    def _is_settled(self) -> bool:
        snapshot = self.court.snapshot
        if snapshot is None or not self.node.shows or self.crowd.busy:
            return False
        return all(tally.status in ("final", "void") for tally in snapshot.questions)

    async def _end(self) -> None:
        """The node ends in order; then the books are compared."""
        family = self.node.family
        if family is not None and family.lives:
            family.end()
            with suppress(TimeoutError):
                async with asyncio.timeout(END_S):
                    await family.process.ended.wait()
            if family.lives:
                self.court.blame(Violation("a node ends in order", f"{family.living()} live on"))
        auditor = self.universe.process("auditor")
        auditor.start(self._audit)
        await auditor.ended.wait()
        error = auditor.failure
        if isinstance(error, Violation):
            self.court.blame(error)
        elif isinstance(error, HairpinError):
            self.loud = str(error)
            self.court.judge(self.trouble.expect_loud, self.loud)
        elif error is not None:
            self.court.crashed(auditor, error)
        for complaint in self.universe.complaints:
            self.court.blame(Violation("no error goes unnoticed", complaint))

    async def _audit(self, process: Process) -> None:
        journal = self.node.data(process).journal(degraded=True)
        quiet = not self.trouble.done
        self.recount = audit(journal, self.court, quiet)
        if self.plan.forged and self.court.violation is None:
            disks = self.universe.machine.disks
            check_forgery(journal, partial(forge, disks, self.node.mirrors), self.universe.dice)

    def _state(self) -> str:
        snapshot = self.court.snapshot
        questions = snapshot.questions if snapshot else ()
        still = [q.question + 1 for q in questions if q.status not in ("final", "void")]
        stage = self.node.stage
        return (
            f"still going on at {self.universe.loop.now_s / 3600:.1f} h; the node lives: "
            f"{self.node.lives}; phones busy: {self.crowd.busy}; not final: {still}; "
            f"health: {stage.health() if stage and self.node.shows else 'no stage'}"
        )
