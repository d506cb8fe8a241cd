"""Children that crash are started again, ever later; what they explain ends the whole family."""

from __future__ import annotations

import itertools
import json
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from hairpin.node import family

pytestmark = pytest.mark.fault

SCRIPT = """
import asyncio, json, os, sys, time
from hairpin.errors import EngineDown, YourMistake
from hairpin.node import family

births = sys.argv[1]
family.STEADY_S = float(sys.argv[2])

def born(name):
    with open(births, "a") as file:
        file.write(json.dumps([name, os.getpid(), time.monotonic()]) + "\\n")

async def lives(life):
    born("lives")
    life.ready()
    await life.stop.wait()
    born("ended")

{child}

def enough():
    lines = [json.loads(line) for line in open(births)]
    return sum(name == "second" for name, *_ in lines) >= {births}

def looked():
    if enough():
        one._ending = True

one = family.Family()
one.listen()
one.add("lives", lives)
one.add("second", second)
one.watch(looked)
one.end()
sys.exit(one.failure or 0)
"""


def play(
    directory: Path, child: str, births: int, steady_s: float = 30.0
) -> tuple[int, list[tuple[str, int, float]], str]:
    """Run a family until `second` was born so often: (exit code, births, what it said)."""
    told = directory / "births"
    told.touch()
    script = SCRIPT.replace("{births}", str(births)).replace("{child}", textwrap.dedent(child))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, str(told), str(steady_s)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    lines = [tuple(json.loads(line)) for line in told.read_text().splitlines()]
    return done.returncode, lines, done.stdout + done.stderr


def gaps(lines: list[tuple[str, int, float]], name: str) -> list[float]:
    times = [at for who, _, at in lines if who == name]
    return [b - a for a, b in itertools.pairwise(times)]


def test_a_crash_loop_is_slowed_down_and_nobody_else_suffers(tmp_path: Path) -> None:
    code, lines, said = play(
        tmp_path,
        """
        async def second(life):
            born("second")
            raise RuntimeError("on purpose")
        """,
        births=5,
    )
    assert code == 0, said
    back_off = 0.0
    for gap in gaps(lines, "second"):
        back_off = back_off * 2 + 0.1
        assert gap >= back_off
    assert [name for name, *_ in lines if name != "second"] == ["lives", "ended"]
    assert said.count("on purpose") >= 4
    assert "a process died and is started again" in said


def test_who_lived_long_enough_is_started_again_at_once(tmp_path: Path) -> None:
    code, lines, said = play(
        tmp_path,
        """
        async def second(life):
            born("second")
            life.ready()
            quick = sum(1 for line in open(births)) % 2
            await asyncio.sleep(0.0 if quick else 0.8)
            os.kill(os.getpid(), 9)
        """,
        births=9,
        steady_s=0.5,
    )
    assert code == 0, said
    found = gaps(lines, "second")
    assert len(found) == 8
    # Without the forgiveness the eighth gap alone would be longer than this.
    assert max(found) < family.BACK_OFF_MAX_S, found


@pytest.mark.parametrize(("error", "code"), [("YourMistake", 2), ("EngineDown", 4)])
def test_an_explained_error_at_the_start_ends_all_with_its_code(
    tmp_path: Path, error: str, code: int
) -> None:
    found, lines, said = play(
        tmp_path,
        f"""
        async def second(life):
            born("second")
            raise {error}("no such thing", "get one")
        """,
        births=99,
    )
    assert found == code
    assert [name for name, *_ in lines].count("second") == 1
    assert "no such thing" in said
    assert "get one" in said
    assert "Traceback" not in said


def test_an_engine_that_goes_down_later_is_waited_for(tmp_path: Path) -> None:
    code, lines, said = play(
        tmp_path,
        """
        async def second(life):
            born("second")
            life.ready()
            await asyncio.sleep(0.1)
            raise EngineDown("the disk is full")
        """,
        births=3,
    )
    assert code == 0, said
    assert len(gaps(lines, "second")) == 2


def test_the_end_comes_to_children_that_wait_to_be_started_again(tmp_path: Path) -> None:
    """The dead one's number may belong to somebody else by then: it must not be signalled."""
    script = """
import os, signal
from hairpin.node import family

signalled = []
real = family._signal
family._signal = lambda pid, number: signalled.append(pid) or real(pid, number)

async def crashes(life):
    os._exit(99)

one = family.Family()
child = one.add("crashes", crashes)
dead = child.pid
def changed():
    one._ending = True
one.watch(changed)
one.end()
assert dead not in signalled, signalled
assert one.pids("crashes") == (0,)
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_a_signal_before_all_are_ready_ends_it_as_well(tmp_path: Path) -> None:
    told = tmp_path / "births"
    told.touch()
    child = "async def second(life):\n    born('second')\n    await life.stop.wait()\n"
    script = SCRIPT.replace("{births}", "99").replace("{child}", child)
    process = subprocess.Popen([sys.executable, "-W", "ignore", "-c", script, str(told), "30"])
    try:
        while told.read_text().count("\n") < 2:
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
