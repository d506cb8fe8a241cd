"""A node that was killed leaves children behind for a moment; the next one waits for them."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from hairpin.errors import YourMistake
from hairpin.node.data import DataDirectory, NodeFile
from hairpin.world import real_world

HOLD = """
import fcntl, sys, time
lock = open(sys.argv[1], "w")
fcntl.flock(lock, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(float(sys.argv[2]))
"""


def held(data: Path, seconds: float) -> subprocess.Popen[bytes]:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(data / "lock"), str(seconds)], stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    return holder


def told(data: Path, pid: int) -> None:
    node = NodeFile(pid, "x", "http://a", "http://a", "http://b", "t", 1, ())
    (data / "node.json").write_bytes(msgspec.json.encode(node))


def gone() -> int:
    """A process id that nobody has any more."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    return process.pid


def test_the_orphans_of_a_killed_node_are_waited_for(tmp_path: Path) -> None:
    told(tmp_path, gone())
    with held(tmp_path, 0.5):
        DataDirectory(tmp_path, real_world()).prepare()
    with (tmp_path / "lock").open("w") as lock, pytest.raises(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


@pytest.mark.parametrize("known", [True, False], ids=["told", "not told yet"])
def test_a_living_node_is_not_waited_for(tmp_path: Path, known: bool) -> None:
    if known:
        told(tmp_path, os.getpid())
    with held(tmp_path, 30) as holder:
        with pytest.raises(YourMistake, match="another node runs"):
            DataDirectory(tmp_path, real_world()).prepare()
        assert holder.poll() is None, "it was refused at once, not after the wait"
        holder.kill()
