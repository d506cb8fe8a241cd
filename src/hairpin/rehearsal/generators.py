"""The processes that send: each a `hairpin crowd` with fans of its own, counted as one crowd."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec

from hairpin.rehearsal import children
from hairpin.rehearsal.children import Child
from hairpin.rehearsal.crowd import Progress, Settings
from hairpin.rehearsal.record import CrowdRecord, add_up, read_record

FANS_PER_PROCESS_MIN = 500
"""Fewer are not worth a process."""


class Generators:
    """`plan` is the whole crowd; every process takes its share, and has dice of its own."""

    def __init__(self, plan: Settings, processes: int, directory: Path) -> None:
        number = max(1, min(processes, plan.fans // FANS_PER_PROCESS_MIN))
        self._plans = [_share(plan, place, number) for place in range(number)]
        self._directory = directory
        self._latest: dict[int, Progress] = {}

    @property
    def url(self) -> str:
        return self._plans[0].url

    @property
    def number(self) -> int:
        return len(self._plans)

    @property
    def progress(self) -> Progress | None:
        """Of all together; None until each has said something."""
        if len(self._latest) < self.number:
            return None
        parts = [self._latest[place] for place in range(self.number)]
        total = {
            name: sum(getattr(part, name) for part in parts)
            for name in Progress.__struct_fields__
            if name not in ("state", "question", "of")
        }
        last = max(parts, key=lambda part: (part.question is not None, part.question or 0))
        return Progress(state=last.state, question=last.question, of=last.of, **total)

    def record(self) -> CrowdRecord:
        """What all of them left, added up. Raises as `read_record` does."""
        return add_up([read_record(self._home(place)) for place in range(self.number)])

    async def run(self, changed: Callable[[], None]) -> None:
        """Until every process has gone home; then none is left, whatever happened. Raises
        `ChildEnded` with the last words of the first that falls over."""
        tasks = [asyncio.ensure_future(self._send(n, changed)) for n in range(self.number)]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _send(self, place: int, changed: Callable[[], None]) -> None:
        home = self._home(place)
        home.mkdir(parents=True, exist_ok=True)
        plan = home / "plan.json"
        plan.write_bytes(msgspec.json.format(msgspec.json.encode(self._plans[place])))
        child = await children.start(
            f"crowd {place + 1}",
            [
                "crowd",
                self._plans[place].url,
                f"--out={home}",
                f"--plan={plan}",
                "--progress-json",
            ],
            home / "crowd.log",
            piped=True,
        )
        try:
            await self._listen(place, child, changed)
        finally:
            await child.stop()

    async def _listen(self, place: int, child: Child, changed: Callable[[], None]) -> None:
        async for line in child.lines():
            self._latest[place] = msgspec.json.decode(line, type=Progress)
            changed()
        if await child.ended() != 0:
            await child.must_live()

    def _home(self, place: int) -> Path:
        return self._directory / f"crowd-{place + 1}" if self.number > 1 else self._directory


def _share(plan: Settings, place: int, number: int) -> Settings:
    """The plan of one of `number` processes."""
    fans = plan.fans // number + (place < plan.fans % number)
    connections = max(1, plan.connections // number + (place < plan.connections % number))
    seed = plan.seed if number == 1 else plan.seed * number + place
    return msgspec.structs.replace(plan, fans=fans, connections=connections, seed=seed)
