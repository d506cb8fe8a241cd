"""An asyncio event loop on virtual time: it never waits, it moves its clock to the next timer.

It has no sockets, pipes, signals or threads. Callbacks of one moment are run in the order in which
they were asked for, so that what happens depends on nothing but the callbacks themselves.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from typing import Any, TypeVar, TypeVarTuple, cast

from sim.process import CURRENT, Killed, Process

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

TURNS_MAX = 100_000
"""So many turns may the loop take while virtual time stands still."""
_TIMERS_MIN = 256
_TASKS_MIN = 64


class Stuck(Exception):
    """Nothing is left that could happen, or what happens takes no time and never ends."""


class _Call(asyncio.Handle):
    """A handle without what debugging costs."""

    __slots__ = ()

    def __init__(
        self, callback: Callable[..., object], args: Any, loop: SimLoop, context: Context | None
    ) -> None:
        self._context = copy_context() if context is None else context
        self._loop = loop
        self._callback = callback
        self._args = args
        self._cancelled = False
        self._repr = None
        self._source_traceback = None


class _Timer(asyncio.TimerHandle):
    __slots__ = ()

    def __init__(
        self,
        when_s: float,
        callback: Callable[..., object],
        args: Any,
        loop: SimLoop,
        context: Context | None,
    ) -> None:
        self._context = copy_context() if context is None else context
        self._loop = loop
        self._callback = callback
        self._args = args
        self._cancelled = False
        self._repr = None
        self._source_traceback = None
        self._when = when_s
        self._scheduled = True


class _NoSelector:
    """In the place of `select`: there are no descriptors."""

    def close(self) -> None: ...

    def get_map(self) -> dict[int, object]:
        return {}

    def register(self, fd: object, *_: object) -> None:
        raise RuntimeError(f"descriptor {fd}: there are no descriptors in the simulated world")

    get_key = modify = unregister = register


class SimLoop(asyncio.SelectorEventLoop):
    """`now_s`: virtual time since the universe began."""

    def __init__(self) -> None:
        super().__init__(cast(Any, _NoSelector()))
        self.now_s = 0.0
        self.calls = 0
        """How many callbacks were run."""
        self.tasks: list[asyncio.Task[object]] = []
        """Those of nobody's process."""
        self.complain: Callable[[dict[str, Any]], None] = _ignore
        """Told what asyncio would log as an error."""
        self._soon: deque[Any] = deque()
        self._timers: list[tuple[float, int, _Timer]] = []
        self._timer_number = 0
        self._cancelled_timers = 0
        self._turns = 0
        self._given_up: BaseException | None = None

    # --- what asyncio asks of a loop --------------------------------------------------------------

    def time(self) -> float:
        return self.now_s

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        call = _Call(callback, args, self, context)
        self._soon.append(call)
        return call

    call_soon_threadsafe = call_soon

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        timer = _Timer(when, callback, args, self, context)
        self._timer_number += 1
        heapq.heappush(self._timers, (when, self._timer_number, timer))
        return timer

    def call_later(
        self,
        delay: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        return self.call_at(self.now_s + delay, callback, *args, context=context)

    def create_task(  # type: ignore[override]  # typeshed's has a narrower coroutine
        self,
        coro: Coroutine[Any, Any, T],
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> asyncio.Task[T]:
        """Tasks are kept until they are done: when one is forgotten must not be left to chance."""
        task = asyncio.Task(coro, loop=self, name=name, context=context)
        process = CURRENT.get() if context is None else context.get(CURRENT)
        tasks = self.tasks if process is None else process.tasks
        tasks.append(cast(asyncio.Task[object], task))
        if len(tasks) >= _TASKS_MIN and not len(tasks) & (len(tasks) - 1):
            tasks[:] = [task for task in tasks if not task.done()]
        return task

    async def run_in_executor(  # type: ignore[override]  # a coroutine serves as its future
        self, _: object, func: Callable[..., T], *args: Any
    ) -> T:
        """There are no threads: it is done at once, in a turn of its own."""
        await asyncio.sleep(0)
        return func(*args)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, Killed):
            return
        if isinstance(error, BaseException) and not is_ordinary(error):
            self.give_up(error)
        self.complain(context)

    def give_up(self, error: BaseException) -> None:
        """Raised by whatever runs the loop: it is meant for the simulation, not for what is in it,
        as when a test's time is up."""
        self._given_up = error

    def close(self) -> None:
        super().close()
        self._soon.clear()
        self._timers.clear()

    # --- time -------------------------------------------------------------------------------------

    def advance_to(self, now_s: float) -> None:
        """Time passes, and nobody runs."""
        if now_s > self.now_s:
            self.now_s = now_s
            self._turns = 0

    def _run_once(self) -> None:
        soon, timers = self._soon, self._timers
        if not soon and not self._stopping:  # type: ignore[attr-defined]  # of BaseEventLoop
            self._wait()
        self._turns += 1
        if self._turns > TURNS_MAX:
            raise Stuck(
                f"{TURNS_MAX} turns of the loop took no time; the next: {next(iter(soon), None)!r}"
            )
        while timers and timers[0][0] <= self.now_s:
            timer = heapq.heappop(timers)[2]
            timer._scheduled = False
            if timer._cancelled:
                self._cancelled_timers -= 1
            else:
                soon.append(timer)
        for _ in range(len(soon)):
            call = soon.popleft()
            if call._cancelled:
                continue
            process: Process | None = call._context.get(CURRENT)
            if process is None or process.may_run(call):
                self.calls += 1
                try:
                    call._context.run(call._callback, *call._args)
                except (SystemExit, KeyboardInterrupt):
                    raise
                except BaseException as error:
                    self.call_exception_handler({"exception": error, "handle": call})
                if self._given_up is not None:
                    raise self._given_up

    def _wait(self) -> None:
        """Until the next timer."""
        timers = self._timers
        while timers and timers[0][2]._cancelled:
            heapq.heappop(timers)
            self._cancelled_timers -= 1
        if not timers:
            raise Stuck("everybody waits, and nothing is left that could happen")
        self.advance_to(timers[0][0])

    def _timer_handle_cancelled(self, timer: Any) -> None:
        if not timer._scheduled:
            return  # it rang before
        self._cancelled_timers += 1
        if self._cancelled_timers > max(_TIMERS_MIN, len(self._timers) // 2):
            self._timers = [entry for entry in self._timers if not entry[2]._cancelled]
            heapq.heapify(self._timers)
            self._cancelled_timers = 1  # this one is not marked yet

    # --- what there is not ------------------------------------------------------------------------

    def _make_self_pipe(self) -> None:
        """Nobody wakes a loop that never sleeps."""

    def _close_self_pipe(self) -> None: ...

    def _write_to_self(self) -> None: ...


def is_ordinary(error: BaseException) -> bool:
    """What a task may well end with."""
    return isinstance(error, Exception | asyncio.CancelledError)


def _ignore(_: dict[str, Any]) -> None: ...
