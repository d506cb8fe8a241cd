"""The state of the machine while a sample is taken.

A virtual machine's host moves its cores about. Where a cache line takes long from core to core,
each request over loopback costs up to three times as much: only samples of one state may be
compared.
"""

from __future__ import annotations

import os
import shutil
import statistics
import threading
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.machine import Cores, scratch, two_cores
from bench.processes import cpu_s_of_tree
from bench.report import State
from hairpin.kernel import compiled
from hairpin.libc import sched_getcpu

TURNS = 2000
CHUNKS = 9
"""Short games; the lower quartile counts, as a core that is taken away only makes them longer."""
_LINE = 64
"""int32 that fill several cache lines, so that nothing else lies on the ball's."""
SYNCS = 20
_BLOCK_BYTES = 4096


@compiled
def play(ball: npt.NDArray[np.int32], turns: int, first: int) -> int:
    """Wait for the ball and hit it back, `turns` times. `first`: 0 serves, 1 returns."""
    seen = 0
    for turn in range(turns):
        wanted = 2 * turn + first
        while ball[0] != wanted:
            # A call that the compiler cannot see through: the ball must be read anew each time.
            seen += sched_getcpu()
        ball[0] = wanted + 1
    return seen


class PingPong:
    """How long a cache line takes from one core to the other, ns."""

    def __init__(self, cores: Cores) -> None:
        self._cores = cores
        # Compiling takes a while and needs the interpreter's lock: before any clock runs.
        play(np.zeros(_LINE, np.int32), 0, 0)

    def one_way_ns(self) -> float:
        return sorted(self._game() for _ in range(CHUNKS))[CHUNKS // 4]

    def _game(self) -> float:
        ball = np.full(_LINE, -1, np.int32)
        took_s: list[float] = []
        other = threading.Thread(target=self._return, args=(ball,))
        other.start()
        serving = threading.Thread(target=self._serve, args=(ball, took_s))
        serving.start()
        serving.join()
        other.join()
        return took_s[0] / TURNS / 2 * 1e9

    def _return(self, ball: npt.NDArray[np.int32]) -> None:
        os.sched_setaffinity(0, {self._cores.generator})
        play(ball, TURNS, 1)

    def _serve(self, ball: npt.NDArray[np.int32], took_s: list[float]) -> None:
        os.sched_setaffinity(0, {self._cores.contender})
        # The first exchange waits for the other thread to be there.
        ball[0] = 0
        began = time.perf_counter()
        play(ball, TURNS, 0)
        took_s.append(time.perf_counter() - began)


def fdatasync_us(directory: Path) -> float:
    """Median time to make one block durable."""
    path = directory / "sync"
    took = []
    fd = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    try:
        for turn in range(SYNCS):
            os.pwrite(fd, bytes([turn]) * _BLOCK_BYTES, 0)
            began = time.perf_counter()
            os.fdatasync(fd)
            took.append((time.perf_counter() - began) * 1e6)
    finally:
        os.close(fd)
        path.unlink()
    return statistics.median(took)


class Watch:
    """Takes the machine's state around a sample: `begin`, the sample, `end`."""

    def __enter__(self) -> Watch:
        self._directory = scratch("sync")
        self._ping_pong = PingPong(two_cores())
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._directory, ignore_errors=True)

    def begin(self) -> None:
        self._before_ns = self._ping_pong.one_way_ns()
        self._sync_us = fdatasync_us(self._directory)
        self._busy_s, self._ours_s = busy_s(), cpu_s_of_tree(os.getpid())
        self._began = time.monotonic()

    def end(self) -> State:
        elapsed = time.monotonic() - self._began
        foreign = busy_s() - self._busy_s - (cpu_s_of_tree(os.getpid()) - self._ours_s)
        share = foreign / elapsed / (os.cpu_count() or 1)
        after_ns = self._ping_pong.one_way_ns()
        return State((self._before_ns, after_ns), self._sync_us, min(max(share, 0.0), 1.0))


def busy_s() -> float:
    """Processor time that all cores have spent on anything, the host's stealing included."""
    fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
    user, nice, system, _idle, _wait, irq, softirq, steal = map(int, fields)
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
