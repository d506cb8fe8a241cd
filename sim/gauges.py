"""Looks at queues and memory of all processes now and then; `checkers.bounds` judges."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hairpin.gate.commit import Asker
from hairpin.gate.server import Gate
from hairpin.node.stage import Stage
from hairpin.tally.keeper import Keeper
from sim.bus import BusFaults
from sim.checkers.bounds import Bounds
from sim.checkers.prompt import Prompt
from sim.court import Court
from sim.node import Node
from sim.process import Process

if TYPE_CHECKING:
    from sim.universe import Universe

EVERY_S = 30.0
OPEN_FILES_MAX = 200
TASKS_MAX = 2_000
WORDS_MAX = 4
"""Questions that hold words although they wait for no gate."""
HEADS_MAX = 4_096


class Gauges:
    def __init__(self, universe: Universe, node: Node, court: Court) -> None:
        self._universe = universe
        self._node = node
        self._court = court
        self.prompt = Prompt()
        settings = node.settings
        self.bounds = Bounds(
            {
                "connections": settings.connections_max,
                "queue": settings.queue_max,
                "tasks": TASKS_MAX,
                "open_files": OPEN_FILES_MAX,
                "questions_with_words": WORDS_MAX,
                "early_frames": HEADS_MAX,
                "rate_moments": HEADS_MAX,
            }
        )

    def watch(self, process: Process, gate: Gate) -> None:
        """A queue that is empty between two turns of the loop must be seen while it fills."""
        put = gate.answers.put

        def watched(text: bytes, asker: Asker) -> None:
            put(text, asker)
            self._court.judge(self._measure_queue, process, gate)

        gate.answers.put = watched  # type: ignore[method-assign]

    def _measure_queue(self, process: Process, gate: Gate) -> None:
        self.bounds.measure(process.name, queue=len(gate.answers._texts))

    async def run(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S * self._universe.dice.uniform(0.2, 1.8))
            self._court.judge(self._measure)

    def _measure(self) -> None:
        node = self._node
        for process, gate in tuple(node.gates.values()):
            if process.dead:
                node.gates.pop(gate.incarnation)
            else:
                self._measure_gate(process, gate)
        if node.shows and node.stage is not None and node.stage_process is not None:
            self._measure_stage(node.stage_process, node.stage)
            self._compare_orders(node.stage)
        else:
            self.prompt.excused()

    def _compare_orders(self, stage: Stage) -> None:
        bus = self._universe.bus
        if bus.cut or bus.faults != BusFaults():
            self.prompt.excused()
            return
        for incarnation, (_, gate) in self._node.gates.items():
            known = gate._doors.order.version if gate._doors.order else 0
            self.prompt.knows(incarnation, known, stage.director.version, self._universe.loop.now_s)

    def _measure_gate(self, process: Process, gate: Gate) -> None:
        self._measure_process(process)
        self.bounds.measure(process.name, connections=len(gate._doors.connections))

    def _measure_stage(self, process: Process, stage: Stage) -> None:
        self._measure_process(process)
        keeper = stage.keeper
        assert isinstance(keeper, Keeper)
        holding = [line for line in keeper.book.lines if line.count and len(line.count.words)]
        self.bounds.measure(
            process.name,
            questions_with_words=sum(1 for line in holding if not line.missing),
            early_frames=sum(map(len, keeper.book._early.values())),
            rate_moments=len(keeper._rates),
        )

    def _measure_process(self, process: Process) -> None:
        living = sum(1 for task in process.tasks if not task.done())
        files: int = getattr(process.world.disk, "open_files", 0)
        self.bounds.measure(process.name, tasks=living, open_files=files)
