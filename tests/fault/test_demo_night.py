"""`hairpin demo` on a short show, with real processes: also while a gate is killed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from pathlib import Path

import pytest
from living_node import free_ports, wait_until

from hairpin.cli import demo
from hairpin.errors import YourMistake
from hairpin.node.data import NodeFile, read_node
from hairpin.rehearsal.night import NightSettings

pytestmark = pytest.mark.fault

SHOW = """
id = "short"
title = "A short show"
languages = ["en"]
mode = "clock"
audience = { low = 10, high = 1_000 }
reveal_after = "1s"

[[questions]]
text = "Which one?"
choices = ["a", "b", "c"]
right = 2
opens = "0:00:02"
duration = "3s"

[[questions]]
text = "Which ones?"
choices = ["a", "b", "c", "d"]
right = [1, 4]
multiple = true
opens = "0:00:08"
duration = "3s"
"""


def settings(tmp_path: Path) -> NightSettings:
    data = tmp_path / "data"
    demo._prepare(data)
    show = tmp_path / "show.toml"
    show.write_text(SHOW)
    return NightSettings(
        show=show,
        data=data,
        port=free_ports(),
        speed=1.0,
        fans=200,
        seed=3,
        connections=40,
        lan=False,
    )


async def running(data: Path) -> NodeFile:
    while True:
        with contextlib.suppress(YourMistake):
            return read_node(data)
        await asyncio.sleep(0.05)


def journalled_bytes(data: Path) -> int:
    return sum(path.stat().st_size for path in (data / "journal").iterdir())


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_the_ledger_balances_although_a_gate_was_killed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    night, report = settings(tmp_path), tmp_path / "ledger.json"
    show = asyncio.create_task(demo._until_stopped(night, True, report))
    node = await running(night.data)
    before = journalled_bytes(night.data)
    await asyncio.to_thread(
        wait_until,
        lambda: show.done() or journalled_bytes(night.data) > before + 2_000,
        "answers on the disk",
    )
    assert not show.done()
    os.kill(node.gates[0], signal.SIGKILL)
    ledger = await show
    assert ledger is not None
    assert ledger.problems == ()
    assert ledger.counted > 0
    assert ledger.visitors == 0
    assert ledger.leaderboard
    assert sum(question.right for question in ledger.questions) > 0
    assert ledger.wall_lag_ms_p99 is not None
    told = json.loads(report.read_text())
    assert told["balanced"] is True
    assert told["journalled"] == told["counted"] + told["repeats"]
    said = capsys.readouterr().out
    assert "The ledger balances." in said
    assert "approved" in said
    assert not any(alive(pid) for pid in (node.pid, node.stage, *node.gates))


async def test_one_signal_ends_everything_in_good_order(tmp_path: Path) -> None:
    night = settings(tmp_path)
    show = asyncio.create_task(demo._until_stopped(night, False, None))
    node = await running(night.data)
    os.kill(os.getpid(), signal.SIGTERM)
    assert await show is None
    assert not any(alive(pid) for pid in (node.pid, node.stage, *node.gates))
    assert not (night.data / "node.json").exists()
