"""The power goes while a node runs: what it acknowledged had reached the disk.

HAIRPIN_CUT_ROUNDS: cuts of each kind of disk (4); HAIRPIN_SEED: when, and what the fans do.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import mirrored
import pytest
from ledger import end_and_check, wait_final
from living_node import LivingNode
from power import PowerDisk, power_disk
from shows import by_hand, question
from small_crowd import SmallCrowd

pytestmark = pytest.mark.fault

ROUNDS = int(os.environ.get("HAIRPIN_CUT_ROUNDS") or 4)
SEED = int(os.environ.get("HAIRPIN_SEED") or random.SystemRandom().randrange(1 << 32))
FANS = 200
BURST_S = 0.4


@pytest.fixture(params=["faulty", "two faulty", "ext4"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[PowerDisk]:
    with power_disk(request.param, tmp_path, SEED) as disk:
        yield disk


def test_what_was_acknowledged_is_there_after_a_power_cut(
    disk: PowerDisk, node: Callable[..., LivingNode], crowds: list[SmallCrowd]
) -> None:
    print(f"HAIRPIN_SEED={SEED}")
    dice = random.Random(SEED)
    text = mirrored.settings(*disk.mirrors)
    running = node(by_hand([question()] * ROUNDS), settings=text, data=disk.data)
    crowd = SmallCrowd(running.port, FANS, SEED, burst_s=BURST_S)
    crowds.append(crowd)
    crowd.start()
    for index in range(ROUNDS):
        running.step("open", index)
        crowd.ask(index)
        time.sleep(dice.uniform(0, BURST_S))
        disk.cut()
        running.kill_all()
        disk.restore()
        running.start()
        crowd.wait_answered()
        running.step("close", index)
        wait_final(running, index)
    crowds.clear()
    end_and_check(running, crowd, ROUNDS)
