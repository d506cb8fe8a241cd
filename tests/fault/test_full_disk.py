"""A disk that fills up during a question: 503, nothing acknowledged is lost, and it recovers."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest
from living_node import LivingNode, wait_until
from shows import by_hand
from small_crowd import fan_number

pytestmark = pytest.mark.fault

SETTINGS = 'join_allow = ["127.0.0.0/8"]\n'
TMPFS_BYTES = 2 << 20


class Disk(Protocol):
    """Where the node writes, and a hand on how much it may."""

    data: Path

    def fill(self, node: LivingNode) -> None: ...
    def empty(self, node: LivingNode) -> None: ...


class SmallDisk:
    """A file system of its own, and a ballast on it."""

    def __init__(self, directory: Path) -> None:
        self.data = directory / "data"
        self._ballast = directory / "ballast"

    def fill(self, node: LivingNode) -> None:
        with self._ballast.open("wb", buffering=0) as file:
            for size in (65_536, 4_096, 1):
                try:
                    while True:
                        file.write(bytes(size))
                except OSError:
                    pass

    def empty(self, node: LivingNode) -> None:
        self._ballast.unlink()


class SmallFiles:
    """No file may grow beyond what the journal's files have by now: for want of a root's mount."""

    def __init__(self, directory: Path) -> None:
        self.data = directory / "data"

    def fill(self, node: LivingNode) -> None:
        sizes = [path.stat().st_size for path in (self.data / "journal").iterdir()]
        self._limit(node, min(size for size in sizes if size > 64))

    def empty(self, node: LivingNode) -> None:
        self._limit(node, resource.RLIM_INFINITY)

    def _limit(self, node: LivingNode, size_bytes: int) -> None:
        facts = node.facts
        for pid in (node.pid, facts.stage, *facts.gates):
            # A gate that can begin no strand dies and is born again, with its parent's limit.
            with contextlib.suppress(ProcessLookupError):
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (size_bytes, resource.RLIM_INFINITY))


@pytest.fixture(params=["small disk", "small files"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    if request.param == "small files":
        yield SmallFiles(tmp_path)
        return
    mount = ["mount", "-t", "tmpfs", "-o", f"size={TMPFS_BYTES},mode=700", "none", str(tmp_path)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("mounting a small file system needs root")
    yield SmallDisk(tmp_path)
    subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


class Fans:
    """Who sent, and who was promised."""

    def __init__(self, node: LivingNode, number: int) -> None:
        self.node = node
        self.tickets = [node.join() for _ in range(number)]
        self.acknowledged: set[int] = set()

    def answer(self, fan: int, question: int = 0) -> tuple[int, dict[str, str]]:
        path = f"/a/{self.tickets[fan]}/{question:02x}01000000a"
        status, headers, _ = self.node.request("POST", path)
        if status == 204:
            self.acknowledged.add(fan)
        return status, headers

    def until(self, status: int) -> None:
        """They answer, each in turn and again and again, until one gets this status."""
        turns = iter(range(1_000_000))
        wait_until(lambda: self.answer(next(turns) % len(self.tickets))[0] == status, f"a {status}")


def test_a_full_disk_costs_time_and_nothing_else(
    node: Callable[..., LivingNode], disk: Disk
) -> None:
    running = node(by_hand(), settings=SETTINGS, data=disk.data)
    fans = Fans(running, 60)
    running.step("open", 0)
    running.wait_state("open")
    assert all(fans.answer(fan)[0] == 204 for fan in range(20))
    opened_at = running.now()["question"]["opened_at"]

    disk.fill(running)
    fans.until(503)  # what is left of a block still takes a few
    both_gates_full(running, fans)
    promised = set(fans.acknowledged)
    for fan in range(30, 60):
        status, headers = fans.answer(fan)
        if status != 204:  # for which there was room after all
            assert (status, headers.get("retry-after")) == (503, "1")
    assert len(fans.acknowledged) <= len(promised) + 10, "a full disk takes next to nothing"
    assert running.now()["question"]["opened_at"] == opened_at, "reading goes on"
    check_console_says_so(running)
    dead = kill_a_gate(running)

    disk.empty(running)
    # Nobody needs to send anything for that: who is called unhealthy is sent nothing.
    wait_until(lambda: running.get("/healthz", private=True)[0] == 200, "the stage's health")
    running.wait_replaced(dead)
    wait_until(
        lambda: all(running.get("/healthz")[0] == 200 for _ in range(10)), "every gate's health"
    )
    assert all(fans.answer(fan)[0] == 204 for fan in range(60))
    running.step("close", 0)
    wait_until(lambda: running.tally()["questions"][0]["status"] == "final", "the final result")
    assert running.interrupt() == 0

    recounter = running.recounter()
    recount = recounter.run()
    counted = recounter.counted_fans(0)
    numbers = {fan: number_of(fans, fan) for fan in range(60)}
    assert {numbers[fan] for fan in fans.acknowledged} <= set(counted.tolist())
    assert set(counted.tolist()) <= set(numbers.values())
    assert recount.journalled == recount.counted + recount.repeats


def number_of(fans: Fans, fan: int) -> int:
    return fan_number(fans.tickets[fan])


def both_gates_full(node: LivingNode, fans: Fans) -> None:
    """Each has a file of its own, with room of its own at its end."""
    turns = iter(range(1_000_000))

    def full() -> bool:
        statuses = [fans.answer(next(turns) % 60)[0] for _ in range(20)]
        return statuses == [503] * 20

    wait_until(full, "503 from every gate")
    status, body = node.get("/healthz")
    assert status == 503
    assert "cannot write" in json.loads(body)["error"]


def check_console_says_so(node: LivingNode) -> None:
    """Steps are refused with a reason, none is taken."""

    def refused() -> bool:
        body = json.dumps({"do": "correct", "question": 1, "right": [0], "reason": "x" * 200})
        status, headers, reply = node.request("POST", "/api/order", body.encode(), private=True)
        if status == 200:
            return False  # the last bytes of a block
        told = json.loads(reply)
        assert status == 503, told
        assert "cannot write" in told["error"]
        assert told["remedy"]
        assert int(headers["retry-after"]) >= 1
        return True

    wait_until(refused, "a step that is refused")
    assert node.now()["state"] == "open"
    assert node.get("/healthz", private=True)[0] == 503


def kill_a_gate(node: LivingNode) -> int:
    """It cannot begin a strand now; the others serve on, and it comes when it can."""
    dead = node.facts.gates[0]
    node.kill(dead)
    for _ in range(20):
        assert node.now()["state"] == "open"
    os.kill(node.pid, 0)
    return dead
