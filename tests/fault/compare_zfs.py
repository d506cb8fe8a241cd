"""The same damage on a ZFS mirror and on a mirrored journal: what each repairs, reports and loses.

    python tests/fault/compare_zfs.py [--only zfs|journal] [--seed N]

Needs Debian's zfs-fuse, and root. Prints the table of docs/internals/faults.md. 40 MB of records of
64 KiB, each synced; the pool and the journal are closed while they are hurt, so that no cache hides
it. Takes a minute; the times tell how long the healing took on this machine, for what that is worth
for a file system in user space.
"""

from __future__ import annotations

import argparse
import logging
import random
import re
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

import structlog
from damage import ONE_COPY, Copy, flip_in_both, make_stale, overwrite
from journal_pair import JournalPair
from living_node import wait_until
from zfs_pair import ZfsPair

RECORDS = 640
RECORD_BYTES = 64 << 10
KILLED_AFTER_S = 0.1
"""At most, after the first record."""


class Pair(Protocol):
    """What both can do."""

    def start(self) -> None: ...
    def store(self, records: list[bytes], stored: Callable[[int], None] = ...) -> None: ...
    def close(self) -> None: ...
    def open(self) -> None: ...
    def copies(self, labels: bool = False) -> list[Copy]: ...
    def read_all_files(self, number: int) -> dict[str, bytes]: ...
    def put_back(self, number: int, older: dict[str, bytes]) -> None: ...
    def heal(self) -> str: ...
    def lost(self, records: list[bytes]) -> int: ...
    def kill(self) -> None: ...
    def recover(self) -> None: ...
    def end(self) -> None: ...


Hurt = Callable[[Pair, random.Random], None]


def damages() -> dict[str, Hurt]:
    """By what is done while the pair is closed."""

    def one(hurt: Callable[[Copy, random.Random], None]) -> Hurt:
        return lambda pair, dice: hurt(pair.copies()[0], dice)

    return {
        **{name: one(hurt) for name, hurt in ONE_COPY.items()},
        "one copy overwritten with noise, labels and all": lambda pair, dice: overwrite(
            pair.copies(labels=True)[0], dice
        ),
        "one bit flipped in each MiB, at the same place of both copies": lambda pair, dice: (
            flip_in_both(pair.copies(), dice)
        ),
    }


def hurt_and_heal(pair: Pair, hurt: Hurt, seed: int) -> str:
    """One row's cell."""
    dice = random.Random(seed)
    records = [dice.randbytes(RECORD_BYTES) for _ in range(RECORDS)]
    pair.start()
    pair.store(records)
    pair.close()
    hurt(pair, dice)
    pair.open()
    return _heal(pair, records)


def stale(pair: Pair, seed: int, whole: bool) -> str:
    """Blocks, or one copy in whole, as they were when half of it was stored."""
    dice = random.Random(seed)
    records = [dice.randbytes(RECORD_BYTES) for _ in range(RECORDS)]
    pair.start()
    pair.store(records[: RECORDS // 2])
    pair.close()
    older, files = pair.copies()[0].whole(), pair.read_all_files(0)
    pair.open()
    pair.store(records[RECORDS // 2 :])
    pair.close()
    if whole:
        pair.put_back(0, files)
    else:
        make_stale(pair.copies()[0], dice, older)
    pair.open()
    return _heal(pair, records)


def _heal(pair: Pair, records: list[bytes]) -> str:
    began = time.monotonic()
    said = pair.heal()
    took_s = time.monotonic() - began
    lost = pair.lost(records)
    again = pair.heal() if not lost else ""
    what = f"{lost} of {len(records)} records lost" if lost else "nothing lost"
    clean = f"; a second look: {again}" if re.search("[1-9]", again) else ""
    return f"{said}; {what}; {took_s:.1f} s{clean}"


def killed(pair: Pair, seed: int) -> str:
    """kill -9 of the one who writes, or of the daemon, between a write and its sync."""
    dice = random.Random(seed)
    records = [dice.randbytes(RECORD_BYTES) for _ in range(RECORDS)]
    stored: list[int] = []
    pair.start()

    def write() -> None:
        try:
            pair.store(records, stored.append)
        except (OSError, EOFError):
            return

    writer = threading.Thread(target=write)
    writer.start()
    wait_until(lambda: stored, "the first record")
    time.sleep(dice.uniform(0, KILLED_AFTER_S))
    pair.kill()
    writer.join()
    promised = len(stored)
    pair.recover()
    lost = pair.lost(records[:promised])
    return f"{promised} records were acknowledged, {lost} of them lost; {pair.heal()}"


def rows(make: Callable[[Path], Pair], seed: int) -> dict[str, str]:
    cells: dict[str, str] = {}
    deeds: dict[str, Callable[[Pair], str]] = {
        name: lambda pair, hurt=hurt: hurt_and_heal(pair, hurt, seed)  # type: ignore[misc]
        for name, hurt in damages().items()
    }
    deeds["one of eight stretches of 64 KiB of one copy older"] = lambda p: stale(p, seed, False)
    deeds["one whole copy older: an old disk put back"] = lambda p: stale(p, seed, True)
    deeds["kill -9 during write and sync"] = lambda p: killed(p, seed)
    for name, deed in deeds.items():
        with tempfile.TemporaryDirectory(prefix="hairpin-compare-") as directory:
            pair = make(Path(directory))
            try:
                cells[name] = deed(pair)
            finally:
                pair.end()
        print(f"{name}: {cells[name]}", file=sys.stderr, flush=True)
    return cells


def main() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=["zfs", "journal"])
    parser.add_argument("--seed", type=int, default=1)
    wish = parser.parse_args()
    found = {
        name: rows(make, wish.seed)
        for name, make in (("zfs", ZfsPair), ("journal", JournalPair))
        if wish.only in (None, name)
    }
    print(f"| Damage | {' | '.join(found)} |\n|---|{'---|' * len(found)}")
    for name in next(iter(found.values())):
        print(f"| {name} | {' | '.join(cells[name] for cells in found.values())} |")


if __name__ == "__main__":
    main()
