"""Silence costs almost nothing, and moments stay sharp: the product's pauses on virtual time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from hairpin.frame import Kind
from hairpin.node.stage import GATE_ANSWER_MS, GATE_SILENT_MS, SNAPSHOT_S
from hairpin.show import Mode
from sim.bus import BusFaults
from sim.night import Night
from sim.plan import FIRST_MS, PERIOD_MS, plan_of

HOUR_S = 3600.0
CALLS_AN_HOUR = 25_000
"""Of all processes together; a tick every 20 ms alone made 180,000."""


def small_night(mode: Mode = Mode.CLOCK) -> Night:
    plan = plan_of(1, "quiet", questions=3, mode=mode, mirrors=1)
    return Night(msgspec.structs.replace(plan, appetite=0.0))


def watch(night: Night, watching: Callable[[Night], Awaitable[None]]) -> None:
    """Start the node, and look on."""

    async def look() -> None:
        night.node.start()
        await asyncio.sleep(5)
        await watching(night)

    try:
        night.universe.run(look())
        assert night.court.violation is None
    finally:
        night.universe.close()


def records(night: Night, kind: str) -> list[dict[str, Any]]:
    """Control records of one kind, from all strands."""
    onlooker = night.universe.process("onlooker")
    journal = night.node.data(onlooker).journal()
    frames = (f for n in journal.incarnations() for f in journal.follow(n).read())
    controls = [json.loads(f.body) for f in frames if f.kind is Kind.CONTROL]
    return [control for control in controls if control["type"] == kind]


async def ask(night: Night, request: bytes) -> bytes:
    reader, writer = await night.universe.net.open_stream(night.listener)
    writer.write(request + b" HTTP/1.1\r\nHost: a\r\n\r\n")
    head = await reader.readuntil(b"\r\n\r\n")
    at = head.lower().find(b"content-length:")
    body = await reader.readexactly(int(head[at + 15 :].split(b"\r")[0])) if at >= 0 else b""
    writer.close()
    return head + body


def test_an_hour_in_which_nothing_happens_costs_almost_nothing() -> None:
    async def wait(night: Night) -> None:
        before = night.universe.loop.calls
        await asyncio.sleep(HOUR_S)
        assert night.universe.loop.calls - before < CALLS_AN_HOUR
        assert night.node.stage is not None
        assert night.node.stage.health() is None, "all gates are known to live"
        assert len(night.node.stage.view.gates.alive()) == 3

    watch(small_night(Mode.HAND), wait)


def test_steps_by_the_clock_are_taken_when_they_are_due() -> None:
    async def wait(night: Night) -> None:
        await asyncio.sleep((FIRST_MS + 2 * PERIOD_MS) / 1000 + 60)
        (armed,) = records(night, "armed")
        for question, opened in enumerate(records(night, "opened")):
            assert 0 <= opened["at_ms"] - armed["opens_ms"][question] <= 2
        for opened, closed in zip(records(night, "opened"), records(night, "closed"), strict=True):
            duration_ms = night.plan.show.questions[opened["question"]].duration_ms or 0
            assert 0 <= closed["at_ms"] - opened["at_ms"] - duration_ms <= 2
        assert len(records(night, "revealed")) == 3

    watch(small_night(), wait)


def test_the_first_answer_after_minutes_of_silence_is_shown_at_once() -> None:
    async def wait(night: Night) -> None:
        await asyncio.sleep((FIRST_MS + PERIOD_MS) / 1000 + 1 - 5)
        ticket = json.loads((await ask(night, b"POST /t/1FR")).partition(b"\r\n\r\n")[2])["ticket"]
        reply = await ask(night, b"POST /a/%b/01010000100" % ticket.encode())
        assert reply.startswith(b"HTTP/1.1 204")
        await asyncio.sleep(SNAPSHOT_S)
        snapshot = night.court.snapshot
        assert snapshot is not None
        assert (snapshot.questions[1].answers, snapshot.answers_per_s) == (1, 1.0)
        await asyncio.sleep(2)
        assert night.court.snapshot is not None
        assert night.court.snapshot.answers_per_s == 0.0

    watch(small_night(), wait)


def test_now_has_the_clock_of_this_second_after_minutes_of_silence() -> None:
    async def wait(night: Night) -> None:
        for _ in range(3):
            await asyncio.sleep(200)
            before_ms = night.universe.now_ms
            body = json.loads((await ask(night, b"GET /now")).partition(b"\r\n\r\n")[2])
            assert before_ms - 1000 < body["now"] <= night.universe.now_ms

    watch(small_night(Mode.HAND), wait)


def test_a_gate_that_missed_the_news_is_told_again() -> None:
    async def wait(night: Night) -> None:
        night.universe.bus.faults = BusFaults(drop=1.0)
        await asyncio.sleep(FIRST_MS / 1000)
        assert len(records(night, "opened")) == 1
        assert b'"waiting"' in await ask(night, b"GET /now")
        night.universe.bus.faults = BusFaults()
        await asyncio.sleep(21)
        for _ in range(10):
            assert b'"waiting"' not in await ask(night, b"GET /now")

    watch(small_night(), wait)


def test_a_gate_that_hangs_is_missed_soon_after_a_step_and_in_silence_a_little_later() -> None:
    async def wait(night: Night) -> None:
        stage = night.node.stage
        assert stage is not None
        await asyncio.sleep(30)
        night.universe.bus.cut.add("gate-2")
        await asyncio.sleep(GATE_SILENT_MS / 1000 + 1)
        assert len(stage.view.gates.alive()) == 2
        night.universe.bus.cut.clear()
        await asyncio.sleep(25)
        assert len(stage.view.gates.alive()) == 3
        await asyncio.sleep(FIRST_MS / 1000 - night.universe.loop.now_s - 1)
        night.universe.bus.cut.add("gate-2")
        await asyncio.sleep(1 + GATE_ANSWER_MS / 1000 + 1)
        assert len(stage.view.gates.alive()) == 2

    watch(small_night(), wait)
