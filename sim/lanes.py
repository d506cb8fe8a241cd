"""Lanes on virtual time: the twin of one thread per directory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

from hairpin.world import Job, Lanes

if TYPE_CHECKING:
    import asyncio

    from sim.process import Process

ROUNDING_MS = 0.01
"""True times are sums of many floats."""
LOOK_AGAIN_MS = 1000.0
"""How often a lane looks at a disk that hangs for ever: somebody may mend it."""


class SimThreads:
    def __init__(self, process: Process) -> None:
        self._process = process

    def lanes(self) -> Lanes:
        return SimLanes(self._process)


class _Lane:
    """Jobs that wait; the first of them is at work, and due at `due_ms`."""

    def __init__(self, number: int, directory: Path) -> None:
        self.number = number
        self.directory = directory
        self.jobs: deque[tuple[float, Callable[[], None]]] = deque()
        """With the true time at which each was submitted."""
        self.free_ms = 0.0
        self.due_ms = inf
        self.timer: asyncio.TimerHandle | None = None


class SimLanes:
    """A job takes the disk's time, and then happens all at once, hangs of the disk included."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._universe = process.universe
        self._disks = process.machine.disks
        self._lanes: list[_Lane] = []
        self._done: deque[Job] = deque()
        self._closed = False
        process.before_death(self._last_act)

    def open(self, directory: Path) -> int:
        self._process.check()
        self._lanes.append(_Lane(len(self._lanes), directory))
        return len(self._lanes) - 1

    def submit(self, lane: int, job: Callable[[], None]) -> None:
        self._process.check()
        if self._closed:
            raise RuntimeError("the lanes are closed")
        own = self._lanes[lane]
        own.jobs.append((self._universe.now_ms, job))
        if len(own.jobs) == 1:
            self._begin(own)

    def next(self, timeout_ms: float) -> Job | None:
        """Blocks the process, and with it the world."""
        self._process.check()
        if timeout_ms > 0:
            timeout_ms = max(timeout_ms, ROUNDING_MS)  # or it would be no time at all
        deadline_ms = self._universe.now_ms + max(timeout_ms, 0.0)
        while not self._done:
            lane = min(self._lanes, key=lambda lane: lane.due_ms, default=None)
            if lane is None or lane.due_ms > deadline_ms:
                self._advance_to(deadline_ms)
                return None
            self._advance_to(lane.due_ms)
            self._happen(lane)
        return self._done.popleft()

    def close(self) -> None:
        self._process.check()
        self._closed = True

    # ----------------------------------------------------------------------------------------------

    def _advance_to(self, at_ms: float) -> None:
        self._universe.loop.advance_to(self._universe.loop_s(at_ms))

    def _begin(self, lane: _Lane) -> None:
        """The first job that waits goes to work."""
        if not lane.jobs:
            lane.due_ms = inf
            return
        submitted_ms, _ = lane.jobs[0]
        latency_ms = self._disks.latency_ms(lane.directory)
        self._plan(lane, max(submitted_ms, lane.free_ms) + latency_ms)

    def _plan(self, lane: _Lane, due_ms: float) -> None:
        """Due then, or later if the disk hangs; by a timer in case that nobody waits for it."""
        lane.due_ms = max(due_ms, self._disks.hang_until_ms(lane.directory))
        at_ms = lane.due_ms if lane.due_ms < inf else self._universe.now_ms + LOOK_AGAIN_MS
        if lane.timer is not None:
            lane.timer.cancel()
        lane.timer = self._universe.loop.call_at(
            self._universe.loop_s(at_ms), self._ring, lane, context=self._process.context
        )

    def _ring(self, lane: _Lane) -> None:
        if lane.jobs:
            self._happen(lane)

    def _happen(self, lane: _Lane) -> None:
        """The first job is due: it is done, unless its disk hangs meanwhile."""
        if self._hangs(lane):
            self._plan(lane, lane.due_ms)
            return
        lane.free_ms = min(lane.due_ms, self._universe.now_ms)
        _, job = lane.jobs.popleft()
        error: Exception | None = None
        try:
            self._do(job)
        except Exception as failure:
            error = failure
        self._done.append(Job(lane.number, error))
        self._begin(lane)

    def _hangs(self, lane: _Lane) -> bool:
        return self._disks.hang_until_ms(lane.directory) > self._universe.now_ms + ROUNDING_MS

    def _do(self, job: Callable[[], None]) -> None:
        self._process.in_lane = True
        try:
            job()
        finally:
            self._process.in_lane = False

    def _last_act(self) -> None:
        """What is at work when the process is killed may still happen, in whole or in part."""
        for lane in self._lanes:
            if lane.jobs and not self._hangs(lane) and self._universe.dice.random() < 0.5:
                _, job = lane.jobs.popleft()
                try:
                    self._do(job)
                except Exception:  # noqa: S112  # the thread that would tell is dead
                    continue
