"""The parent of a node, on virtual time: the twin of `hairpin.node.family`.

It forks a stage and its gates, starts again who dies, with back-off, and ends them in order: the
stage last, as it hears the last news of the others. When the parent itself is killed, its children
notice that and end by themselves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from hairpin.errors import EngineDown, HairpinError
from hairpin.node.family import BACK_OFF_MAX_S, END_S, STEADY_S
from sim.process import Killed, Process

if TYPE_CHECKING:
    from sim.universe import Universe


class Life:
    """What a child knows of its family."""

    def __init__(self, child: Child) -> None:
        self.stop = asyncio.Event()
        self._child = child

    def ready(self) -> None:
        self._child.ready = self._child.served = True


Main = Callable[[Process, Life], Awaitable[None]]


class Child:
    def __init__(self, name: str, main: Main) -> None:
        self.name = name
        self.main = main
        self.process: Process | None = None
        self.life: Life | None = None
        self.ready = False
        self.served = False
        """Was any of its lives ready? Then an engine that is down is worth waiting for."""
        self.back_off_s = 0.0

    @property
    def lives(self) -> bool:
        return self.process is not None and not self.process.dead

    def stop(self) -> None:
        """SIGTERM, or the end of the parent."""
        if self.process is not None and self.life is not None and self.lives:
            loop = self.process.universe.loop
            loop.call_soon(self.life.stop.set, context=self.process.context)


class Family:
    """One life of a parent. `failure`: the explained error of a child, for which the node ends."""

    def __init__(
        self,
        universe: Universe,
        prepare: Callable[[Process], Awaitable[dict[str, Main]]],
        crashed: Callable[[Process, BaseException], None],
    ) -> None:
        """`prepare` returns the children, the stage first. `crashed` is told of errors that
        nobody explains."""
        self._universe = universe
        self._prepare = prepare
        self._crashed = crashed
        self.children: list[Child] = []
        self.failure: HairpinError | None = None
        self._end = asyncio.Event()
        self.anchor_ms = universe.machine.ahead_ms
        """All of a family share the clock of their parent."""
        self.process = universe.process("parent", anchor_ms=self.anchor_ms)
        self.process.at_death(self._orphan)

    def start(self) -> None:
        self.process.start(self._live)

    @property
    def lives(self) -> bool:
        """Is anybody of it left?"""
        return not self.process.dead or any(child.lives for child in self.children)

    def child(self, name: str) -> Process | None:
        """The living process of this name."""
        found = (child.process for child in self.children if child.name == name and child.lives)
        return next(found, None)

    def living(self) -> list[Process]:
        return [c.process for c in self.children if c.process is not None and c.lives]

    def end(self) -> None:
        """SIGTERM to the parent."""
        self._universe.loop.call_soon(self._end.set, context=self.process.context)

    # --- the parent's own life --------------------------------------------------------------------

    async def _live(self, process: Process) -> None:
        try:
            mains = await self._prepare(process)
        except HairpinError as error:
            self.failure = error
            return
        except Exception as error:
            self._crashed(process, error)
            raise
        self.children = [Child(name, main) for name, main in mains.items()]
        raising = [asyncio.create_task(self._raise(child)) for child in self.children]
        await self._end.wait()
        for task in raising:
            task.cancel()
        for wave in (self.children[1:], self.children[:1]):
            await self._end_wave([child for child in wave if child.lives])

    async def _end_wave(self, living: list[Child]) -> None:
        for child in living:
            child.stop()
        ends = [asyncio.create_task(c.process.ended.wait()) for c in living if c.process]
        if ends:
            await asyncio.wait(ends, timeout=END_S)
        for child in living:
            if child.lives and child.process is not None:
                child.process.kill("as it does not end")
            elif child.process is not None:
                self._fails(child, child.process)

    async def _raise(self, child: Child) -> None:
        """Fork a child, and fork it again when it dies."""
        loop = self._universe.loop
        while True:
            started_s = loop.now_s
            process = self._fork(child)
            await process.ended.wait()
            child.ready = False
            if self._fails(child, process):
                self._end.set()
                return
            steady = loop.now_s - started_s > STEADY_S
            child.back_off_s = 0.0 if steady else min(child.back_off_s * 2 + 0.1, BACK_OFF_MAX_S)
            await asyncio.sleep(child.back_off_s)

    def _fork(self, child: Child) -> Process:
        process = self._universe.process(child.name, anchor_ms=self.anchor_ms)
        life = Life(child)
        child.process, child.life = process, life
        process.start(lambda own: child.main(own, life))
        return process

    def _fails(self, child: Child, process: Process) -> bool:
        """Did it end by an error that ends the node?"""
        error = process.failure
        if isinstance(error, HairpinError):
            if not (child.served and isinstance(error, EngineDown)):
                self.failure = error
                return True
        elif error is not None and not isinstance(error, Killed):
            self._crashed(process, error)
        return False

    def _orphan(self) -> None:
        for child in self.children:
            child.stop()
