"""A disk that fails: writes and syncs that end with an error, or take only a part.

The node has one disk, so that what it cannot write it must refuse. After each fault the power is
cut: a disk that failed to sync says so once, counts as clean afterwards, and has lost it.
"""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from faulty_mount import FaultyMount
from ledger import end_and_check, wait_final
from living_node import LivingNode, wait_until
from shows import by_hand, question
from small_crowd import SmallCrowd

pytestmark = pytest.mark.fault

SEED = int(os.environ.get("HAIRPIN_SEED") or random.SystemRandom().randrange(1 << 32))
FANS = 200
BURST_S = 0.4
SETTINGS = 'join_allow = ["127.0.0.0/8"]\n'

FAULTS: dict[str, dict[str, object]] = {
    "some writes fail": {"write_errno": errno.EIO, "chance": 0.3},
    "some syncs fail": {"sync_errno": errno.EIO, "chance": 0.3},
    "every write fails": {"write_errno": errno.EIO},
    "every sync fails": {"sync_errno": errno.EIO},
    "writes take a part": {"short_writes": True, "chance": 0.8},
    "everything fails at times": {
        "write_errno": errno.ENOSPC,
        "sync_errno": errno.EIO,
        "short_writes": True,
        "chance": 0.2,
    },
}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[FaultyMount]:
    with FaultyMount(tmp_path / "faulty", SEED) as disk:
        yield disk


def test_what_a_failing_disk_acknowledged_survives_a_power_cut(
    disk: FaultyMount, node: Callable[..., LivingNode], crowds: list[SmallCrowd]
) -> None:
    print(f"HAIRPIN_SEED={SEED}")
    show = by_hand([question()] * len(FAULTS))
    running = node(show, settings=SETTINGS, data=disk.path / "data")
    crowd = SmallCrowd(running.port, FANS, SEED, burst_s=BURST_S)
    crowds.append(crowd)
    crowd.start()
    for index, (name, faults) in enumerate(FAULTS.items()):
        running.step("open", index)
        running.wait_state("open")
        before, refused = disk.fired, crowd.statuses[503]
        disk.break_with(**faults)
        crowd.ask(index)
        wait_until(lambda: disk.fired > before, f"the disk to fail: {name}")  # noqa: B023
        if faults.get("chance", 1.0) == 1.0:
            wait_until(lambda: crowd.statuses[503] >= refused + FANS // 2, name)  # noqa: B023
        else:
            crowd.wait_answered()
        disk.heal()
        crowd.wait_answered()
        cut_power(disk, running, keep_some=index % 2 == 0)
        running.step("close", index)
        wait_final(running, index)
    crowds.clear()
    end_and_check(running, crowd, len(FAULTS))


def cut_power(disk: FaultyMount, node: LivingNode, keep_some: bool) -> None:
    disk.cut_power(keep_some)
    node.kill_all()
    disk.restore_power()
    node.start()
