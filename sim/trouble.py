"""What goes wrong in a night, by dice: when, what, and to whom.

All that the product promises to survive, design section 7. Only one mirror of a night is *weak*: it
loses, forgets and corrupts; the others may fail only in ways that they tell. A night may go beyond
that by dice: then the product need not go on, but it must say so.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from sim.bus import BusFaults
from sim.checkers import Violation
from sim.disk import DiskFaults, Image
from sim.disk_cut import SECTOR_BYTES
from sim.net import NetFaults
from sim.node import Node
from sim.plan import FIRST_MS, PERIOD_MS, Plan, calm_net

if TYPE_CHECKING:
    from sim.process import Process
    from sim.universe import Universe

CRASHES = (
    "kill",
    "at_an_await",
    "at_a_disk_operation",
    "in_a_disk_operation",
    "in_a_write",
    "orphan",
    "all",
)
DISKS = ("failing_disk", "full_disk", "slow_disk", "short_hang", "rot", "lying_disk")
MIRRORS = ("hang", "long_hang", "pull", "put_back_old", "slow_disk", "rot", "all")
NETWORK = ("bad_net", "bad_bus", "cut_off", "kill")
CLOCKS = ("clock_jump", "clock_jump", "kill", "power_cut")
TROUBLES: dict[str, tuple[str, ...]] = {
    "quiet": (),
    "crashes": (*CRASHES, "power_cut", "power_cut_in_a_write"),
    "disks": (*DISKS, "kill", "power_cut", "power_cut_in_a_write"),
    "mirrors": (*MIRRORS, "kill", "power_cut", "power_cut_in_a_write"),
    "network": NETWORK,
    "clocks": CLOCKS,
    "everything": (*CRASHES, *DISKS, *MIRRORS, *NETWORK, *CLOCKS),
}
MOST = 24
"""Troubles of one night."""
NEAR = 0.7
"""Share of those that come while a question is asked."""
BEYOND = 0.1
"""Share of the nights with disks' troubles in which they go beyond the promises."""
DYING = ("write", "sync", "create", "replace", "truncate", "rename", "make_directory")


class Trouble:
    def __init__(self, universe: Universe, plan: Plan, node: Node) -> None:
        self._universe = universe
        self._plan = plan
        self._node = node
        self._dice = universe.dice
        self._disks = universe.machine.disks
        self.weak = self._dice.choice(node.mirrors)
        self.may_go_beyond = self._dice.random() < BEYOND
        self.beyond: list[str] = []
        """What happened that nobody promised to survive."""
        self.done: Counter[str] = Counter()
        self._ends: list[Callable[[], None]] = []
        self._gone = False
        """The weak mirror is not there."""

    async def run(self) -> None:
        """One trouble after the other, until it is cancelled."""
        began_s = self._universe.loop.now_s
        for at_s, what in self._schedule():
            await asyncio.sleep(max(began_s + at_s - self._universe.loop.now_s, 0))
            self.done[what] += 1
            getattr(self, f"_{what}")()

    def heal(self) -> None:
        """Nothing goes wrong from now on, and everything that can be mended is mended."""
        self._universe.note("trouble", "all is healed")
        ends, self._ends = self._ends, []
        for end in ends:
            end()
        self._good_net()
        self._universe.bus.faults = BusFaults()
        self._universe.bus.cut.clear()
        for mirror in self._node.mirrors:
            self._disks.set_faults(mirror, DiskFaults())
            self._disks.hang(mirror, 0.0)
            self._disks.slow(mirror, 0.0)

    def expect_loud(self, error: str) -> None:
        """The product refuses to go on. May it?"""
        if not self.beyond:
            raise Violation(
                "the promises of design section 7", f"nothing beyond them, but: {error}"
            )

    def _schedule(self) -> list[tuple[float, str]]:
        plan, dice = self._plan, self._dice
        kinds = TROUBLES[plan.profile] if plan.troubles is None else plan.troubles
        if not kinds:
            return []
        questions = len(plan.show.questions)
        times = []
        for _ in range(dice.randint(3, MOST)):
            asked_s = (FIRST_MS + dice.randrange(questions) * PERIOD_MS) / 1000
            near_s = asked_s + dice.uniform(-10, 40)
            anywhen_s = dice.uniform(0, (FIRST_MS + questions * PERIOD_MS) / 1000)
            times.append(near_s if dice.random() < NEAR else anywhen_s)
        return [(at_s, dice.choice(kinds)) for at_s in sorted(times)]

    # --- crashes ----------------------------------------------------------------------------------

    def _somebody(self) -> Process | None:
        family = self._node.family
        living = family.living() if family else []
        return self._dice.choice(living) if living else None

    def _kill(self) -> None:
        if (process := self._somebody()) is not None:
            process.kill()

    def _at_an_await(self) -> None:
        if (process := self._somebody()) is not None:
            process.kill_at_await(self._dice.randint(1, 400))

    def _at_a_disk_operation(self) -> None:
        if (process := self._somebody()) is not None:
            process.kill_at_call(self._dice.randint(1, 60))

    def _in_a_disk_operation(self) -> None:
        if (process := self._somebody()) is not None:
            process.world.disk.die_in(self._dice.choice(DYING))  # type: ignore[attr-defined]

    def _orphan(self) -> None:
        """Only the parent is killed: its children end in order."""
        if self._node.family is not None:
            self._node.family.process.kill()

    def _all(self) -> None:
        """kill -9 of everything."""
        family = self._node.family
        if family is not None:
            for process in (family.process, *family.living()):
                process.kill()

    def _power_cut(self) -> None:
        self._universe.machine.power_cut()

    def _in_a_write(self, least_bytes: int = 1) -> Process | None:
        """A gate is killed when some of its next answers are written, or before they are synced."""
        family = self._node.family
        gates = [one for one in family.living() if one.name != "stage"] if family else []
        process = self._dice.choice(gates) if gates else None
        if process is not None:
            self._node.tear(process, self._dice.choice(("write", "sync")), least_bytes)
        return process

    def _power_cut_in_a_burst(self) -> None:
        """The power fails while so many answers are written that a part of them may stay."""
        self._power_cut_in_a_write(least_bytes=SECTOR_BYTES)

    def _power_cut_in_a_write(self, least_bytes: int = 1) -> None:
        """The power fails when some answers are written, or before they are synced."""
        process = self._in_a_write(least_bytes)
        if process is None:
            return
        loop, cut = self._universe.loop, self._universe.machine.power_cut

        def die() -> None:
            loop.call_soon(cut, context=self._universe.outside)

        process.at_death(die)
        self._ends.append(lambda: process.no_longer(die))

    # --- disks ------------------------------------------------------------------------------------

    def _for(self, low_s: float, high_s: float, end: Callable[[], None]) -> None:
        """Undo it after a while, or when all is healed."""
        self._ends.append(end)
        delay_s = self._dice.uniform(low_s, high_s)
        self._universe.loop.call_later(delay_s, self._end, end, context=self._universe.outside)

    def _end(self, end: Callable[[], None]) -> None:
        if end in self._ends:
            self._ends.remove(end)
            end()

    def _faulty(self, mirror: Path, faults: DiskFaults, low_s: float, high_s: float) -> None:
        self._universe.note(f"disk {mirror}", "begins to fail")
        self._disks.set_faults(mirror, faults)
        self._for(low_s, high_s, lambda: self._disks.set_faults(mirror, DiskFaults()))

    def _failing_disk(self) -> None:
        """It says that it fails."""
        dice = self._dice
        names = ("write_eio", "sync_eio", "create_eio", "rename_eio", "truncate_eio", "open_eio")
        chances = {name: dice.choice((0.0, 0.05, 0.5)) for name in names}
        self._faulty(self.weak, DiskFaults(**chances), 1, 60)

    def _full_disk(self) -> None:
        disks, mirror = self._disks, self._dice.choice(self._node.mirrors)
        used = disks.space(mirror).used_bytes
        disks.set_capacity(mirror, used + self._dice.randint(0, 2_000))
        self._universe.note(f"disk {mirror}", "is nearly full")
        self._for(5, 120, lambda: disks.set_capacity(mirror, None))

    def _slow_disk(self) -> None:
        disks, mirror = self._disks, self.weak
        disks.slow(mirror, self._dice.uniform(5, 300))
        self._for(5, 120, lambda: disks.slow(mirror, 0.0))

    def _short_hang(self) -> None:
        self._disks.hang(self.weak, self._universe.now_ms + self._dice.uniform(50, 900))

    def _rot(self) -> None:
        """Of what lies on the weak disk; alone, it is beyond what anybody can mend."""
        if self._alone("rot"):
            self._disks.rot(self.weak, pattern=self._dice.choice(("*.hpj", "journal.json")))

    def _lying_disk(self) -> None:
        """It acknowledges what it does not do."""
        if self._alone("a disk that lies"):
            self._node.excuse(self.weak)
            chance = self._dice.choice((0.05, 0.5))
            name = self._dice.choice(("sync_lost", "sync_torn", "sync_misdirected"))
            self._faulty(self.weak, DiskFaults(**{name: chance}), 1, 60)

    def _alone(self, what: str) -> bool:
        """May it happen? Where no other mirror has a copy, only in nights that go beyond."""
        if len(self._node.mirrors) > 1:
            return True
        if self.may_go_beyond:
            self.beyond.append(what)
        return self.may_go_beyond

    # --- mirrors ----------------------------------------------------------------------------------

    def _hang(self) -> None:
        self._disks.hang(self.weak, self._universe.now_ms + self._dice.uniform(500, 30_000))

    def _long_hang(self) -> None:
        """Longer than anybody waits; alone, a process that waits for it is as good as dead."""
        for_ms = self._dice.uniform(60_000, 900_000)
        forever = len(self._node.mirrors) > 1 and self._dice.random() < 0.5
        self._disks.hang(self.weak, math.inf if forever else self._universe.now_ms + for_ms)
        self._for(60, 900, lambda: self._disks.hang(self.weak, 0.0))

    def _pull(self) -> None:
        disks, mirror = self._disks, self.weak
        if not self._gone:
            self._gone = True
            disks.pull(mirror)
            self._for(5, 1_200, self._put_back)

    def _put_back(self) -> None:
        self._gone = False
        self._disks.put_back(self.weak)

    def _put_back_old(self) -> None:
        """What comes back is a copy from before it went, and from before that."""
        disks, mirror = self._disks, self.weak
        if self._gone or not self._alone("a disk put back old"):
            return
        image = disks.snapshot(mirror)
        self._for(30, 2_400, lambda: self._swap(mirror, image))

    def _swap(self, mirror: Path, image: Image) -> None:
        if not self._gone:
            self._disks.pull(mirror)
            self._disks.put_back(mirror, image)

    # --- network and clocks -----------------------------------------------------------------------

    def _bad_net(self) -> None:
        dice, net = self._dice, self._universe.net

        def some() -> float:
            return dice.choice((0.0, 0.02, 0.2))

        net.faults = NetFaults(
            delay_ms=calm_net(self._plan).delay_ms,
            late=some(),
            split=dice.random(),
            refuse=some(),
            reset=some(),
            lose_reply=some(),
            black_hole=some() / 4,
        )
        self._for(10, 300, self._good_net)

    def _good_net(self) -> None:
        self._universe.net.faults = calm_net(self._plan)

    def _bad_bus(self) -> None:
        dice, bus = self._dice, self._universe.bus

        def some() -> float:
            return dice.choice((0.0, 0.05, 0.4))

        bus.faults = BusFaults(late=some(), drop=some(), duplicate=some(), break_link=some() / 10)
        self._for(10, 300, self._good_bus)

    def _good_bus(self) -> None:
        self._universe.bus.faults = BusFaults()

    def _cut_off(self) -> None:
        """One gate hears and tells no news."""
        name, bus = f"gate-{self._dice.randint(1, self._plan.gates)}", self._universe.bus
        bus.cut.add(name)
        self._universe.note(name, "is cut off from the bus")
        self._for(5, 120, lambda: bus.cut.discard(name))

    def _clock_jump(self) -> None:
        """Seen by whoever starts after it, so the node is started again."""
        by_ms = self._dice.choice((-1, 1)) * self._dice.uniform(50, 120_000)
        self._universe.machine.jump(round(by_ms))
        self._all()
