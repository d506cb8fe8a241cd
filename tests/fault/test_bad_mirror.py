"""One of two mirrors goes bad while a node runs: nobody waits for it, and nothing is lost.

The design's section 7: a mirror that stalls or fails is ejected, durably, before the next
acknowledgement; it catches up when it can, and holds everything again.
"""

from __future__ import annotations

import errno
import os
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import mirrored
import pytest
from damage import Copy, Span, flip
from faulty_mount import FaultyMount, expect_mounts, mounted
from ledger import end_and_check, wait_final
from living_node import LivingNode
from loop_disk import LoopDisk, throttle
from shows import by_hand, question
from small_crowd import SmallCrowd

pytestmark = pytest.mark.fault

SEED = int(os.environ.get("HAIRPIN_SEED") or random.SystemRandom().randrange(1 << 32))
FANS = 200
BURST_S = 0.4
STALL_MS = 300
PATIENT_MS = 2_000
TMPFS_BYTES = 1 << 20
BLOCK_BYTES = 4_096
"""What a sync writes at least."""
OWN = Path("data") / "journal"
"""The mirror in the data directory."""

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
    "it is slow": {"delay_ms": 1.5 * STALL_MS},
}
CASES = (
    ("every write fails", "own"),
    ("every sync fails", "second"),
    ("some of everything fails", "own"),
    ("it hangs", "own"),
    ("it hangs", "second"),
    ("it is slow", "second"),
)


class Evening:
    """A node with a second mirror, a crowd, and one question after the other."""

    def __init__(self, node: LivingNode, crowd: SmallCrowd, bad: Path, good: Path) -> None:
        self.node = node
        self.crowd = crowd
        self.bad = bad
        self.good = good
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

    def wait_bad(self, state: str) -> None:
        """Until the good mirror's label calls the other one so."""
        mirrored.wait_state(self.node, self.bad, state, self.good)

    def wait_final(self) -> None:
        wait_final(self.node, self.asked - 1)

    def end(self) -> None:
        """The ledger holds."""
        self.recount = end_and_check(self.node, self.crowd, self.asked)

    def check_each_mirror(self) -> None:
        """Each alone says the same."""
        alone = mirrored.recounts_alone(self.node)
        assert len(alone) == 2
        for one in alone:
            assert (one.head, one.counted) == (self.recount.head, self.recount.counted)


Begin = Callable[..., Evening]


@pytest.fixture
def begin(node: Callable[..., LivingNode], crowds: list[SmallCrowd], tmp_path: Path) -> Begin:
    """A node with two mirrors: one will go bad; one of them is the data directory's own."""

    def begin(bad: Path, good: Path, stall_ms: int = STALL_MS, **wishes: object) -> Evening:
        print(f"HAIRPIN_SEED={SEED}")
        second = good if bad == tmp_path / OWN else bad
        text = mirrored.settings(second, more=f"stall_ms = {stall_ms}")
        show = by_hand([question()] * 3)
        running = node(show, settings=text, data=tmp_path / OWN.parent, **wishes)
        crowd = SmallCrowd(running.port, FANS, SEED, burst_s=BURST_S)
        crowds.append(crowd)
        crowd.start()
        return Evening(running, crowd, bad, good)

    return begin


@pytest.mark.parametrize(("fault", "which"), CASES)
def test_a_failing_mirror_is_ejected_and_comes_back(
    begin: Begin, crowds: list[SmallCrowd], tmp_path: Path, fault: str, which: str
) -> None:
    own, second = tmp_path / OWN, tmp_path / "second"
    bad, good = (own, second) if which == "own" else (second, own)
    with FaultyMount(bad, SEED) as disk:
        evening = begin(bad, good)
        evening.open()
        disk.break_with(**FAULTS[fault])
        evening.answer()
        evening.wait_bad("stale")
        assert evening.crowd.statuses[503] < FANS, "acknowledgements wait no longer than stall_ms"
        disk.heal()
        evening.close()
        evening.wait_final()
        evening.wait_bad("member")
        evening.open()
        evening.answer()
        evening.close()
        crowds.clear()
        evening.end()
        evening.check_each_mirror()


@pytest.mark.parametrize("which", ["own", "second"])
def test_the_show_goes_on_while_a_mirror_hangs(
    begin: Begin, crowds: list[SmallCrowd], tmp_path: Path, which: str
) -> None:
    own, second = tmp_path / OWN, tmp_path / "second"
    bad, good = (own, second) if which == "own" else (second, own)
    with FaultyMount(bad, SEED) as disk:
        evening = begin(bad, good)
        evening.open()
        disk.break_with(**FAULTS["it hangs"])
        for _ in range(2):
            evening.answer()
            evening.close()
            evening.wait_final()
            evening.open()
        disk.heal()
        evening.answer()
        evening.close()
        crowds.clear()
        evening.end()


def test_a_full_mirror_degrades_the_show_and_no_more(
    begin: Begin, crowds: list[SmallCrowd], tmp_path: Path
) -> None:
    expect_mounts("/dev/null")
    small = tmp_path / "small"
    small.mkdir()
    options = f"size={TMPFS_BYTES},mode=700"
    with mounted(["mount", "-t", "tmpfs", "-o", options, "none", str(small)], small):
        evening = begin(small / "journal", tmp_path / OWN)
        evening.open()
        ballast = small / "ballast"
        fill(ballast)
        evening.answer()
        evening.wait_bad("stale")
        # A busy machine may let both disks be late at once: that costs one batch, not the show.
        assert evening.crowd.statuses[503] * 20 <= evening.crowd.statuses[204]
        evening.close()
        ballast.unlink()
        evening.wait_bad("member")
        evening.open()
        evening.answer()
        evening.close()
        crowds.clear()
        evening.end()
        evening.check_each_mirror()


def fill(ballast: Path) -> None:
    """To the last byte."""
    with ballast.open("wb", buffering=0) as file:
        for size in (65_536, 4_096, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                pass


@pytest.mark.parametrize("which", ["own", "second"])
def test_bits_that_flip_in_one_mirror_under_load_cost_nothing(
    begin: Begin, crowds: list[SmallCrowd], tmp_path: Path, which: str
) -> None:
    own, second = tmp_path / OWN, tmp_path / "second"
    bad, good = (own, second) if which == "own" else (second, own)
    evening = begin(bad, good)
    with flipping(bad, random.Random(SEED)) as flipped:
        for _ in range(3):
            evening.open()
            evening.answer()
            evening.close()
            evening.wait_final()
    assert flipped, "bits were flipped"
    print(f"{len(flipped)} bits flipped")
    crowds.clear()
    evening.end()
    assert mirrored.scrub(evening.node)[str(bad)] > 0, "what nobody had read was still bad"
    assert mirrored.health(evening.node).healed > 0
    evening.check_each_mirror()


@contextmanager
def flipping(mirror: Path, dice: random.Random) -> Iterator[list[tuple[str, int]]]:
    """Meanwhile one bit after the other flips in the mirror's frames; each is listed."""
    flipped: list[tuple[str, int]] = []
    over = threading.Event()

    def work() -> None:
        while not over.wait(0.01):
            path = dice.choice(sorted(mirror.glob("*.hpj")))
            size_bytes = path.stat().st_size
            if size_bytes:
                at = dice.randrange(size_bytes)
                flip(Copy([Span(path, 0, size_bytes)]), at, dice)
                flipped.append((path.name, at))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield flipped
    finally:
        over.set()
        thread.join()


def test_a_slow_disk_is_waited_for_only_so_long(
    begin: Begin, crowds: list[SmallCrowd], tmp_path: Path
) -> None:
    disk = LoopDisk(tmp_path)
    try:
        with throttle(disk.device) as slow:
            bad = disk.point / "journal"
            evening = begin(bad, tmp_path / OWN, stall_ms=PATIENT_MS, limits=slow.join)
            evening.open()
            slow.set(BLOCK_BYTES * 40)
            evening.answer()
            evening.close()
            evening.wait_final()
            assert mirrored.states(evening.good)[str(evening.bad)] == "member", "slow, but in time"
            evening.open()
            slow.set(BLOCK_BYTES * 1_000 // PATIENT_MS // 2)
            evening.answer()
            evening.wait_bad("stale")
            evening.close()
            slow.set(0)
            evening.wait_bad("member")
            crowds.clear()
            evening.end()
            evening.check_each_mirror()
            evening.node.end()
    finally:
        disk.end()
