"""Time of the simulated world: it moves only from timer to timer, and always in the same way."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sim.loop import TURNS_MAX, Stuck
from sim.process import Process
from sim.universe import START_MS, Universe

HERE = Path(__file__).parent


@pytest.fixture
def universe() -> Iterator[Universe]:
    universe = Universe(1)
    yield universe
    universe.close()


def test_seven_hours_pass_at_once_and_exactly(universe: Universe) -> None:
    async def sleep() -> float:
        await asyncio.sleep(7 * 3600)
        return asyncio.get_running_loop().time()

    assert universe.run(sleep()) == 7 * 3600
    assert universe.now_ms == START_MS + 7 * 3600 * 1000


def test_a_timeout_ends_what_takes_longer(universe: Universe) -> None:
    async def wait() -> float:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 2.5)
        async with asyncio.timeout(1):
            await asyncio.sleep(0.5)
        return universe.loop.now_s

    assert universe.run(wait()) == 3.0


def test_timers_of_one_moment_ring_in_the_order_of_their_setting(universe: Universe) -> None:
    rung: list[int] = []

    async def set_them() -> None:
        loop = asyncio.get_running_loop()
        for number in range(50):
            loop.call_at(1.0, rung.append, number)
        await asyncio.sleep(2)

    universe.run(set_them())
    assert rung == list(range(50))


def test_while_somebody_blocks_nobody_runs(universe: Universe) -> None:
    heard: list[float] = []

    async def block() -> None:
        asyncio.get_running_loop().call_later(1, lambda: heard.append(universe.loop.now_s))
        universe.advance(5_000)
        assert heard == []
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    universe.run(block())
    assert heard == [5.0]


def test_many_cancelled_timers_are_thrown_away(universe: Universe) -> None:
    async def set_and_cancel() -> int:
        loop = asyncio.get_running_loop()
        kept = loop.call_later(1, lambda: None)
        for _ in range(10_000):
            loop.call_later(3600, lambda: None).cancel()
        for _ in range(300):  # each cancels its timer after it rang
            await asyncio.sleep(0)
            await asyncio.sleep(0.001)
        assert not kept.cancelled()
        cancelled = sum(entry[2].cancelled() for entry in universe.loop._timers)
        assert universe.loop._cancelled_timers == cancelled
        return len(universe.loop._timers)

    assert universe.run(set_and_cancel()) < 1_000


def test_what_a_thread_would_do_is_done_in_its_turn(universe: Universe) -> None:
    assert universe.run(asyncio.to_thread(lambda: 42)) == 42


def test_a_world_in_which_nothing_can_happen_any_more_is_reported(universe: Universe) -> None:
    with pytest.raises(Stuck, match="everybody waits"):
        universe.run(asyncio.Event().wait())


def test_a_loop_that_takes_no_time_is_reported(universe: Universe) -> None:
    async def spin() -> None:
        while True:
            await asyncio.sleep(0)

    with pytest.raises(Stuck, match=f"{TURNS_MAX} turns"):
        universe.run(spin())


def test_real_descriptors_are_refused(universe: Universe) -> None:
    with pytest.raises(RuntimeError, match="no descriptors"):
        universe.loop.add_reader(0, lambda: None)


def test_an_error_that_nobody_catches_is_noted_and_the_world_goes_on(universe: Universe) -> None:
    def fail() -> None:
        raise ValueError("of a callback")

    async def wait() -> None:
        asyncio.get_running_loop().call_later(1, fail)
        await asyncio.sleep(2)

    universe.run(wait())
    assert universe.complaints == ["outside: ValueError('of a callback')"]
    assert "0:00:01.000 outside" in universe.transcript()


def test_the_end_of_a_tests_time_ends_the_simulation(universe: Universe) -> None:
    """What is raised by whoever runs the tests is no error of a simulated process."""

    class TimeIsUp(BaseException): ...

    async def main(process: Process) -> None:
        raise TimeIsUp

    process = universe.process("gate")
    process.start(main)
    with pytest.raises(TimeIsUp):
        universe.run(process.ended.wait())


def _transcript(seed: int, hash_seed: str) -> str:
    done = subprocess.run(
        [sys.executable, HERE / "small_night.py", str(seed)],
        env=os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(HERE.parents[1])},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout


def test_a_seed_gives_the_same_night_in_every_interpreter() -> None:
    first = _transcript(7, "0")
    assert first.count("\n") > 200
    assert _transcript(7, "4711") == first
    assert _transcript(8, "0") != first
