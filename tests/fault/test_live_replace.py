"""The care of the journal while a show runs: a disk is replaced and scrubbed, answers go on."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import mirrored
import pytest
from ledger import end_and_check
from living_node import LivingNode
from shows import by_hand, question
from small_crowd import SmallCrowd

pytestmark = pytest.mark.fault

SEED = int(os.environ.get("HAIRPIN_SEED") or random.SystemRandom().randrange(1 << 32))
FANS = 200


def journal(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hairpin", "journal", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("is_there", [True, False])
def test_a_disk_is_replaced_and_all_are_scrubbed_during_a_question(
    node: Callable[..., LivingNode], crowds: list[SmallCrowd], tmp_path: Path, is_there: bool
) -> None:
    print(f"HAIRPIN_SEED={SEED}")
    old, new = tmp_path / "old", tmp_path / "new"
    text = mirrored.settings(old)
    running = node(by_hand([question()] * 2), settings=text, data=tmp_path / "data")
    # Commands read the settings that lie with the data.
    (running.data / "hairpin.toml").write_text(text)
    crowd = SmallCrowd(running.port, FANS, SEED, burst_s=1.0)
    crowds.append(crowd)
    crowd.start()
    running.step("open", 0)
    running.wait_state("open")
    crowd.ask(0)
    if not is_there:
        shutil.rmtree(old)
    replaced = journal("replace", running.data, old, new)
    assert replaced.returncode == 0, replaced.stderr
    crowd.wait_answered()
    # A busy machine may let both disks be late at once: that costs one batch, not the show.
    assert crowd.statuses[503] * 20 <= crowd.statuses[204]
    assert mirrored.states(new) == {str(running.data / "journal"): "member", str(new): "member"}
    running.step("close", 0)
    running.step("open", 1)
    running.wait_state("open")
    crowd.ask(1)
    scrubbed = journal("scrub", running.data)
    assert scrubbed.returncode == 0, scrubbed.stderr
    crowd.wait_answered()
    running.step("close", 1)
    (running.data / "hairpin.toml").write_text(mirrored.settings(new))
    crowds.clear()
    recount = end_and_check(running, crowd, 2)
    checked = journal("check", running.data)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert [alone.head for alone in mirrored.recounts_alone(running)] == [recount.head] * 2
