"""kill -9 in the simulated world: nothing of a killed process ever runs again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from sim.process import Killed, Process
from sim.universe import Universe, current

FOLDER = Path("/data")
FILE = FOLDER / "file"


@pytest.fixture
def universe() -> Iterator[Universe]:
    universe = Universe(1)
    universe.machine.disks.make(FOLDER)
    yield universe
    universe.close()


async def _forever(_: Process) -> None:
    await asyncio.Event().wait()


def test_a_process_lives_until_its_main_ends(universe: Universe) -> None:
    async def main(process: Process) -> None:
        assert current() is process
        await asyncio.sleep(1)

    process = universe.process("gate")
    process.start(main)
    universe.run(process.ended.wait())
    assert (process.dead, process.failure, universe.loop.now_s) == (True, None, 1.0)
    assert current() is None


def test_what_main_was_left_by_is_known_and_the_rest_is_cancelled_in_order(
    universe: Universe,
) -> None:
    tidied: list[str] = []

    async def other() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.1)
            tidied.append("other")

    async def main(_: Process) -> None:
        rest = asyncio.create_task(other())
        await asyncio.sleep(1)
        raise ValueError(f"of main, while {rest.done()=}")

    process = universe.process("gate")
    process.start(main)
    universe.run(process.ended.wait())
    assert repr(process.failure) == "ValueError('of main, while rest.done()=False')"
    assert tidied == ["other"]


def test_a_killed_process_runs_no_finally_no_exit_and_no_callback(universe: Universe) -> None:
    ran: list[str] = []

    @contextlib.asynccontextmanager
    async def guard() -> AsyncIterator[None]:
        try:
            yield
        finally:
            ran.append("exit")

    async def main(process: Process) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(0.5, ran.append, "before")
        loop.call_later(2, ran.append, "timer")
        child = asyncio.create_task(_forever(process))
        child.add_done_callback(lambda _: ran.append("callback"))
        try:
            async with guard():
                await child
        finally:
            ran.append("finally")

    process = universe.process("gate")

    async def kill() -> None:
        process.start(main)
        await asyncio.sleep(1)
        process.kill()
        await asyncio.sleep(10)

    universe.run(kill())
    assert ran == ["before"]
    assert process.failure is None


def test_what_only_a_callback_of_a_killed_process_holds_is_not_let_go(universe: Universe) -> None:
    ran: list[str] = []

    def guarded() -> Iterator[None]:
        try:
            yield
        finally:
            ran.append("finally")

    async def main(_: Process) -> None:
        generator = guarded()
        next(generator)
        asyncio.get_running_loop().call_later(2, list, generator)
        del generator
        await asyncio.Event().wait()

    process = universe.process("gate")

    async def kill() -> None:
        process.start(main)
        await asyncio.sleep(1)
        process.kill()
        await asyncio.sleep(10)

    universe.run(kill())
    assert ran == []


def test_killing_takes_effect_within_the_same_moment(universe: Universe) -> None:
    """What was ready to run when it was killed does not run any more."""
    ran: list[str] = []

    async def main(process: Process) -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon(process.kill)
        loop.call_soon(ran.append, "after")
        await asyncio.sleep(0)
        ran.append("main")

    process = universe.process("gate")
    process.start(main)
    universe.run(process.ended.wait())
    assert ran == []


def test_any_await_can_be_the_last(universe: Universe) -> None:
    """kill_at_await(n): callbacks before the n-th are run, and none after."""

    async def main(process: Process) -> None:
        while True:
            steps.append(process.callbacks)
            await asyncio.sleep(0.1)

    for n in range(1, 20):
        steps: list[int] = []
        process = universe.process("gate")
        process.start(main)
        process.kill_at_await(n)
        universe.run(process.ended.wait())
        # A sleep takes two callbacks: the timer, and the step of the task that it wakes.
        assert len(steps) == n // 2, n


def test_any_call_of_a_port_can_be_the_last(universe: Universe) -> None:
    async def main(process: Process) -> None:
        disk = process.world.disk
        fd = disk.create(FOLDER / str(process.number))
        for at in range(10):
            try:
                disk.write(fd, at, b"x")
            finally:
                tried.append(at)

    for n in range(2, 10):
        tried: list[int] = []
        process = universe.process("gate")
        process.kill_at_call(n)
        process.start(main)
        universe.run(process.ended.wait())
        file = FOLDER / str(process.number)
        assert len(universe.machine.disks.port(None).read(file, 0, 99)) == n - 2
        assert len(tried) == n - 1  # on the way out, where it has no effect


def test_every_port_of_a_dead_process_raises_killed(universe: Universe) -> None:
    process = universe.process("gate")
    world = process.world
    fd = world.disk.create(FILE)
    lanes = world.threads.lanes()
    lane = lanes.open(FOLDER)
    process.kill()
    for use in (
        world.clock.now_ms,
        world.clock.monotonic_ms,
        lambda: world.dice.uniform(0, 1),
        lambda: world.dice.secret(8),
        lambda: world.disk.write(fd, 0, b"x"),
        lambda: world.disk.close(fd),
        lambda: world.disk.list(FOLDER),
        lambda: lanes.submit(lane, lambda: None),
        lambda: lanes.next(0),
        lanes.close,
        lambda: world.net.serve(asyncio.Protocol, universe.net.listener().socket).send(None),
    ):
        with pytest.raises(Killed):
            use()


def test_nothing_catches_killed_as_an_ordinary_error(universe: Universe) -> None:
    async def main(process: Process) -> None:
        with contextlib.suppress(Exception):
            process.die_here()
        raise AssertionError("it lives on")

    process = universe.process("gate")
    process.start(main)
    universe.run(process.ended.wait())
    assert process.failure is None
    assert universe.complaints == []


def test_the_lock_of_a_killed_process_is_free(universe: Universe) -> None:
    first, second = universe.process("first"), universe.process("second")
    assert first.world.disk.lock(first.world.disk.create(FILE))
    fd = second.world.disk.open(FILE)
    assert not second.world.disk.lock(fd)
    first.kill()
    assert second.world.disk.lock(fd)


def test_the_lock_of_a_process_that_ended_is_free(universe: Universe) -> None:
    async def main(process: Process) -> None:
        assert process.world.disk.lock(process.world.disk.create(FILE))

    first, second = universe.process("first"), universe.process("second")
    first.start(main)
    universe.run(first.ended.wait())
    assert second.world.disk.lock(second.world.disk.open(FILE))


def test_a_power_cut_kills_all_processes_of_the_machine_only(universe: Universe) -> None:
    elsewhere = universe.new_machine("elsewhere")
    here = [universe.process("one"), universe.process("two")]
    there = universe.process("three", elsewhere)
    fd = here[0].world.disk.create(FILE)
    here[0].world.disk.write(fd, 0, b"synced")
    here[0].world.disk.sync(fd)
    universe.machine.power_cut()
    assert [process.dead for process in (*here, there)] == [True, True, False]
    assert universe.machine.disks.port(None).read(FILE, 0, 99) == b"synced"


def test_the_universe_ends_without_a_sound(
    universe: Universe, recwarn: pytest.WarningsRecorder
) -> None:
    """Coroutines that never began, wait, fail on the way out, or were killed, are all let go."""

    async def stubborn(process: Process) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            process.world.clock.now_ms()
            await asyncio.sleep(1)

    process = universe.process("gate")
    process.start(stubborn)
    universe.run(asyncio.sleep(1))
    universe.process("late").start(stubborn)
    process.kill()
    universe.close()
    assert len(recwarn) == 0
    assert universe.complaints == []


def test_clocks_are_anchored_once(universe: Universe) -> None:
    """A clock does not follow its machine's time of day; one that is anchored later has it."""
    early = universe.process("early").world.clock
    before_ms = early.now_ms()
    universe.machine.jump(-3_600_000)
    universe.advance(1_000)
    assert early.now_ms() == before_ms + 1_000
    late = universe.process("late")
    assert late.world.clock.now_ms() == before_ms + 1_000 - 3_600_000
    heir = universe.process("heir", anchor_ms=0.0)
    assert heir.world.clock.now_ms() == early.now_ms()
    assert late.world.clock.monotonic_ms() == early.monotonic_ms() == 1_000


def test_processes_share_the_dice_of_the_universe() -> None:
    def throws(seed: int) -> list[object]:
        universe = Universe(seed)
        dice = [universe.process(name).world.dice for name in ("one", "two")]
        thrown: list[object] = [die.uniform(0, 1) for die in dice]
        thrown.append(dice[0].secret(16))
        universe.close()
        return thrown

    assert throws(1) == throws(1)
    assert throws(1) != throws(2)
    assert len(set(throws(1))) == 3
