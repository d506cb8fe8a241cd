"""Lanes on virtual time: one job after the other in a lane, lanes side by side, disks that hang."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from math import inf
from pathlib import Path

import pytest

from hairpin.world import Lanes
from sim.process import Process
from sim.universe import Universe

QUICK, SLOW = Path("/quick"), Path("/slow")


@pytest.fixture
def universe() -> Iterator[Universe]:
    universe = Universe(1)
    for directory, latency_ms in ((QUICK, 2.0), (SLOW, 50.0)):
        universe.machine.disks.mount(directory)
        universe.machine.disks.slow(directory, latency_ms)
    yield universe
    universe.close()


@pytest.fixture
def process(universe: Universe) -> Process:
    return universe.process("gate")


class Log:
    """When the jobs of two lanes happened."""

    def __init__(self, process: Process) -> None:
        self._universe = process.universe
        self.lanes: Lanes = process.world.threads.lanes()
        self.quick, self.slow = self.lanes.open(QUICK), self.lanes.open(SLOW)
        self.lines: list[tuple[str, int]] = []

    @property
    def now_ms(self) -> int:
        return round(self._universe.loop.now_s * 1000)

    def submit(self, lane: int, name: str) -> None:
        self.lanes.submit(lane, lambda: self.lines.append((name, self.now_ms)))

    def next_lane(self, timeout_ms: float) -> int | None:
        job = self.lanes.next(timeout_ms)
        return None if job is None else job.lane


def test_jobs_of_a_lane_follow_each_other_and_lanes_run_side_by_side(process: Process) -> None:
    log = Log(process)
    for name in ("a", "b", "c"):
        log.submit(log.quick, name)
    log.submit(log.slow, "x")
    assert [log.next_lane(1_000) for _ in range(4)] == [log.quick] * 3 + [log.slow]
    assert log.lines == [("a", 2), ("b", 4), ("c", 6), ("x", 50)]


def test_next_waits_no_longer_than_it_may(process: Process) -> None:
    log = Log(process)
    assert log.next_lane(10) is None
    log.submit(log.slow, "x")
    assert log.next_lane(0) is None
    assert log.next_lane(20) is None
    assert (log.now_ms, log.lines) == (30, [])
    assert log.next_lane(1_000) == log.slow
    assert log.lines == [("x", 60)]


def test_a_job_that_fails_tells_why_and_the_next_goes_on(process: Process) -> None:
    log = Log(process)

    def fail() -> None:
        raise OSError("of a job")

    log.lanes.submit(log.quick, fail)
    log.submit(log.quick, "b")
    job = log.lanes.next(1_000)
    assert job is not None and repr(job.error) == "OSError('of a job')"
    assert log.next_lane(1_000) == log.quick


def test_jobs_happen_without_anybody_waiting(universe: Universe, process: Process) -> None:
    log = Log(process)
    log.submit(log.quick, "a")
    log.submit(log.quick, "b")
    universe.run(asyncio.sleep(1))
    assert log.lines == [("a", 2), ("b", 4)]
    assert [log.next_lane(0) for _ in range(3)] == [log.quick, log.quick, None]


def test_a_hung_disk_holds_up_its_own_lane_only(universe: Universe, process: Process) -> None:
    log = Log(process)
    universe.machine.disks.hang(QUICK, universe.now_ms + 300)
    log.submit(log.quick, "a")
    log.submit(log.quick, "b")
    log.submit(log.slow, "x")
    assert [log.next_lane(1_000) for _ in range(3)] == [log.slow, log.quick, log.quick]
    assert log.lines == [("x", 50), ("a", 300), ("b", 302)]


def test_a_hang_that_begins_during_a_job_holds_it_up(universe: Universe, process: Process) -> None:
    log = Log(process)
    log.submit(log.slow, "x")
    assert log.next_lane(10) is None
    universe.machine.disks.hang(SLOW, universe.now_ms + 500)
    assert log.next_lane(100) is None
    assert log.next_lane(1_000) == log.slow
    assert log.lines == [("x", 510)]


def test_a_disk_that_hangs_for_ever_may_be_mended(universe: Universe, process: Process) -> None:
    log = Log(process)
    universe.machine.disks.hang(QUICK, inf)
    log.submit(log.quick, "a")
    assert log.next_lane(5_000) is None
    universe.run(asyncio.sleep(60))
    assert log.lines == []
    universe.machine.disks.hang(QUICK, 0.0)
    universe.run(asyncio.sleep(2))
    assert [name for name, _ in log.lines] == ["a"]


def test_the_disk_takes_its_time_once(universe: Universe, process: Process) -> None:
    """Within a job the disk's operations take none: the lane has waited already."""
    log = Log(process)
    disk = process.world.disk
    fd = disk.create(SLOW / "file")
    began_ms = log.now_ms

    def job() -> None:
        disk.write(fd, 0, b"x")
        disk.sync(fd)

    log.lanes.submit(log.slow, job)
    assert log.next_lane(1_000) == log.slow
    assert log.now_ms == began_ms + 50
    assert not process.in_lane
    disk.sync(fd)
    assert log.now_ms == began_ms + 100


def test_nothing_may_be_submitted_after_the_end(process: Process) -> None:
    log = Log(process)
    log.submit(log.quick, "a")
    log.lanes.close()
    with pytest.raises(RuntimeError, match="closed"):
        log.submit(log.quick, "b")
    assert log.next_lane(1_000) == log.quick


def _jobs_after_a_kill(seed: int, hang_ms: float) -> int:
    """How many of three jobs of a lane happened, of a process that was killed during the first."""
    universe = Universe(seed)
    universe.machine.disks.mount(SLOW)
    universe.machine.disks.slow(SLOW, 50.0)
    process = universe.process("gate")
    lanes = process.world.threads.lanes()
    lane = lanes.open(SLOW)
    happened: list[int] = []
    for number in range(3):
        lanes.submit(lane, lambda number=number: happened.append(number))  # type: ignore[misc]
    universe.machine.disks.hang(SLOW, universe.now_ms + hang_ms)
    universe.run(asyncio.sleep(0.01))
    process.kill()
    universe.run(asyncio.sleep(10))
    universe.close()
    return len(happened)


def test_a_killed_process_may_or_may_not_have_done_what_was_at_work() -> None:
    assert {_jobs_after_a_kill(seed, 0.0) for seed in range(20)} == {0, 1}


def test_a_killed_process_never_does_what_its_disk_hung_on() -> None:
    assert {_jobs_after_a_kill(seed, 1_000.0) for seed in range(20)} == {0}


def test_a_job_at_work_may_be_torn_by_a_kill() -> None:
    """Of its operations any first ones may have happened."""
    lengths = set()
    for seed in range(60):
        universe = Universe(seed)
        universe.machine.disks.mount(SLOW)
        process = universe.process("gate")
        fd = process.world.disk.create(SLOW / "file")
        lanes = process.world.threads.lanes()
        lane = lanes.open(SLOW)

        def job(disk=process.world.disk, fd=fd) -> None:  # type: ignore[no-untyped-def]
            for at in range(3):
                disk.write(fd, at, b"x")

        lanes.submit(lane, job)
        process.kill()
        lengths.add(universe.machine.disks.port(None).size(SLOW / "file"))
        universe.close()
    assert lengths == {0, 1, 2, 3}
