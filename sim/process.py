"""One operating-system process of the simulated world, and what becomes of it when it is killed.

Every task and callback carries its process in a context variable. Those of a dead process are never
run; its suspended coroutines are kept, so that not even a `finally` block of theirs is run before
the universe closes. Code that is on the stack when its process dies is left by `Killed`; since
every port of a dead process raises it too, what is run on the way out has no effect on anybody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context, ContextVar
from typing import TYPE_CHECKING, NoReturn, Protocol

from hairpin.world import World
from sim.clock import SimClock, SimDice
from sim.lanes import SimThreads

if TYPE_CHECKING:
    from sim.machine import Machine
    from sim.universe import Universe

NEVER = 1 << 62
LAST_CALLS_MAX = 4
"""So many disk operations may a thread of a killed process still do."""


class Turns(Protocol):
    """`sim.turns` has them."""

    def offer(self) -> None:
        """Somebody else may run now."""
        ...

    def stand_aside(self) -> bool:
        """Somebody else must run now; False if there is nobody."""
        ...


class Killed(BaseException):
    """The process that is running is dead: leave its code at once."""


CURRENT: ContextVar[Process | None] = ContextVar("process", default=None)
"""Who is running; None is whoever lives outside of all processes: phones, faults, checkers."""


class Process:
    """Made by `Universe.process`. `start` it once; a restart is another `Process`."""

    def __init__(
        self, universe: Universe, machine: Machine, name: str, number: int, anchor_ms: float
    ) -> None:
        """`anchor_ms`: by how much its time of day is ahead of true time, as long as it lives."""
        self.universe = universe
        self.machine = machine
        self.name = name
        self.number = number
        """As a pid: no two processes of a universe have the same."""
        self.context: Context = universe.outside.copy()
        """Give it to `loop.call_at` and the like to have something run by this process."""
        self.context.run(CURRENT.set, self)
        self.dead = False
        self.in_lane = False
        """A lane is running a job of its: the disk's time has passed already."""
        self.turns: Turns | None = None
        """Who lets other processes run between two calls of code that never awaits."""
        self.failure: BaseException | None = None
        """What `main` was left by, if it was left by an exception."""
        self.ended = asyncio.Event()
        """It is dead, however that came."""
        self.callbacks = 0
        self.tasks: list[asyncio.Task[object]] = []
        """All that are not done yet, and some that are."""
        self._remains: list[object] = []
        """What a dead process would have done: kept, since letting go of it may run code."""
        self._doom = NEVER
        self._calls = 0
        self._call_doom = NEVER
        self._dying = False
        self._before_death: list[Callable[[], None]] = []
        self._at_death: dict[Callable[[], None], None] = {}
        self.world = World(
            SimClock(universe, anchor_ms, self),
            SimDice(universe, self),
            machine.disks.port(self),
            SimThreads(self),
            universe.net.port(self),
        )

    def __repr__(self) -> str:
        return f"<{self.name} #{self.number}{' dead' if self.dead else ''}>"

    def start(self, main: Callable[[Process], Awaitable[None]]) -> None:
        """Live: run `main`; when it ends, cancel what else the process does, and end."""
        self.universe.loop.create_task(
            self._live(main), name=f"{self.name} #{self.number}", context=self.context
        )

    async def _live(self, main: Callable[[Process], Awaitable[None]]) -> None:
        try:
            await main(self)
        except Killed:
            return
        except (Exception, asyncio.CancelledError) as error:
            self.failure = error
        except BaseException as error:
            self.universe.loop.give_up(error)
            raise
        own = asyncio.current_task()
        others = [task for task in self.tasks if task is not own and not task.done()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        self._die("ends" if self.failure is None else f"fails: {self.failure!r}")

    # --- dying ------------------------------------------------------------------------------------

    def kill(self, why: str = "") -> None:
        """kill -9: nothing of it runs from now on. No mistake if it is dead already."""
        self._die(f"is killed {why}".rstrip())

    def kill_at_await(self, n: int) -> None:
        """Be killed before its n-th callback from now, n >= 1: between any two awaits."""
        self._doom = self.callbacks + n

    def kill_at_call(self, n: int) -> None:
        """Be killed at its n-th call of a port (disk, lanes, net, bus) from now, n >= 1.

        So it dies between two operations of code that never awaits, and the n-th has no effect.
        """
        self._call_doom = self._calls + n

    def die_here(self, why: str = "") -> NoReturn:
        """Be killed by what this process itself is just doing. Raises Killed."""
        self.kill(why)
        raise Killed(self.name)

    def check(self) -> None:
        """Ports call this before each operation. Raises Killed if the process is dead, or now."""
        if self.dead:
            raise Killed(self.name)
        self._calls += 1
        if self._calls >= self._call_doom:
            self.die_here("at a call")
        if self.turns is not None and not self._dying:
            self.turns.offer()
            self._leave_if_dead()

    def stand_aside(self) -> bool:
        """Let others run, for there is nothing to do but wait; False if nobody else can."""
        waited = self.turns is not None and self.turns.stand_aside()
        self._leave_if_dead()
        return waited

    def _leave_if_dead(self) -> None:
        if self.dead:
            raise Killed(self.name)

    def before_death(self, last_act: Callable[[], None]) -> None:
        """Called when it dies, while it still can do a few disk operations; may raise Killed."""
        self._before_death.append(last_act)

    def at_death(self, clean_up: Callable[[], None]) -> None:
        """What the operating system does when the process has died. Must not use its ports."""
        self._at_death[clean_up] = None

    def no_longer(self, clean_up: Callable[[], None]) -> None:
        """It need not be called at death any more."""
        self._at_death.pop(clean_up, None)

    def may_run(self, handle: object) -> bool:
        """Asked by the loop before each callback; it is kept if it may not be run."""
        if not self.dead:
            self.callbacks += 1
            if self.callbacks < self._doom:
                return True
            self.kill("at an await")
        self._remains.append(handle)
        return False

    def _die(self, how: str) -> None:
        if self._dying:
            return
        self._dying = True
        for last_act in self._before_death:
            self._call_doom = self._calls + self.universe.dice.randint(1, LAST_CALLS_MAX)
            try:
                last_act()
            except Killed:
                pass
        self.dead = True
        self.universe.note(self.name, how, number=self.number)
        for clean_up in tuple(self._at_death):
            clean_up()
        self.ended.set()
