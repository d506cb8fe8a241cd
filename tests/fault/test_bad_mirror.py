"""One of two mirrors goes bad while a node runs: nobody waits for it, and nothing is lost.

The design's section 7: a mirror that stalls or fails is ejected, durably, before the next
acknowledgement; it catches up when it can, and holds everything again.
"""

from __future__ import annotations

import errno
import os
import random
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import mirrored
import pytest
from faulty_mount import FaultyMount, expect_mounts, mounted
from ledger import end_and_check
from living_node import LivingNode, wait_until
from shows import by_hand, question
from small_crowd import SmallCrowd

pytestmark = pytest.mark.fault

SEED = int(os.environ.get("HAIRPIN_SEED") or random.SystemRandom().randrange(1 << 32))
FANS = 200
BURST_S = 0.4
STALL_MS = 300
TMPFS_BYTES = 1 << 20

FAULTS: dict[str, dict[str, object]] = {
    "every write fails": {"write_errno": errno.EIO},
    "every sync fails": {"sync_errno": errno.EIO},
    "some of everything fails": {
        "write_errno": errno.EIO,
        "sync_errno": errno.EIO,
        "short_writes": True,
        "chance": 0.2,
    },
    "it hangs": {"hung": True},
    "it is slow": {"delay_ms": 4.0 * STALL_MS},
}


class Evening:
    """A node with a second mirror, a crowd, and one question after the other."""

    def __init__(self, node: LivingNode, crowd: SmallCrowd, mirror: Path) -> None:
        self.node = node
        self.crowd = crowd
        self.mirror = mirror
        self.asked = 0

    def open(self) -> None:
        self.node.step("open", self.asked)
        self.node.wait_state("open")

    def answer(self) -> None:
        """Everyone is acknowledged on return."""
        self.crowd.ask(self.asked)
        self.crowd.wait_answered()

    def close(self) -> None:
        self.node.step("close", self.asked)
        self.asked += 1

    def wait_mirror(self, state: str, readable: bool = True) -> None:
        own = self.node.data / "journal"
        mirrored.wait_state(self.node, self.mirror, state, own, *[self.mirror] * readable)

    def end(self) -> None:
        """The ledger holds, and each mirror alone says the same."""
        recount = end_and_check(self.node, self.crowd, self.asked)
        alone = mirrored.recounts_alone(self.node)
        assert len(alone) == 2
        assert [one.head for one in alone] == [recount.head] * 2
        assert [one.counted for one in alone] == [recount.counted] * 2


Begin = Callable[[Path], Evening]


@pytest.fixture
def begin(node: Callable[..., LivingNode], crowds: list[SmallCrowd]) -> Begin:
    """A node whose second mirror lies there."""

    def begin(mirror: Path) -> Evening:
        print(f"HAIRPIN_SEED={SEED}")
        text = mirrored.settings(mirror, more=f"stall_ms = {STALL_MS}")
        running = node(by_hand([question()] * 3), settings=text)
        crowd = SmallCrowd(running.port, FANS, SEED, burst_s=BURST_S)
        crowds.append(crowd)
        crowd.start()
        return Evening(running, crowd, mirror)

    return begin


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[FaultyMount]:
    with FaultyMount(tmp_path / "faulty", SEED) as disk:
        yield disk


@pytest.mark.parametrize("fault", FAULTS)
def test_a_failing_mirror_is_ejected_and_comes_back(
    disk: FaultyMount, begin: Begin, crowds: list[SmallCrowd], fault: str
) -> None:
    evening = begin(disk.path / "journal")
    evening.open()
    disk.break_with(**FAULTS[fault])
    evening.answer()
    evening.wait_mirror("stale", readable=False)
    assert evening.crowd.statuses[503] < FANS, "acknowledgements wait no longer than stall_ms"
    disk.heal()
    evening.wait_mirror("member")
    evening.close()
    evening.open()
    evening.answer()
    evening.close()
    crowds.clear()
    evening.end()
