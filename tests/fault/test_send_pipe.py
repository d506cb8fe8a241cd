"""Snapshots of a journal that is being written, and real pipes whose ends are killed."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
from journals import Source, named, quick_world, seen, stream_of, tree

from hairpin.frame import Kind
from hairpin.journal.disk import DiskJournal
from hairpin.journal.snapshots import Snapshots
from hairpin.world import real_world

pytestmark = pytest.mark.fault

HAIRPIN = [sys.executable, "-m", "hairpin", "journal"]

WRITER = """
import sys
from pathlib import Path
from hairpin.frame import Kind
from hairpin.journal.disk import DiskJournal
from hairpin.world import real_world
writer = DiskJournal.open(real_world(), Path(sys.argv[1])).writer()
number = 0
while True:
    writer.commit(Kind.ANSWERS, b"%08d" % number, 1)
    number += 1
    if number % 50 == 0:
        writer.roll()
    print(number, flush=True)
"""


def hairpin(*words: str | Path, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*HAIRPIN, *words], input=given, capture_output=True, timeout=60)


class LivingWriter:
    """A process that commits as fast as it can, and says how many frames were acknowledged."""

    def __init__(self, journal: Path, log: Path) -> None:
        self._log = log
        with log.open("wb") as out:
            self._process = subprocess.Popen([sys.executable, "-c", WRITER, journal], stdout=out)

    def acknowledged(self) -> int:
        whole = self._log.read_bytes().split(b"\n")[:-1]
        return int(whole[-1]) if whole else 0

    def wait_for(self, frames: int) -> None:
        until = time.monotonic() + 60
        while self.acknowledged() < frames:
            assert time.monotonic() < until, "the writer does not get on"
            time.sleep(0.01)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture
def big(tmp_path: Path) -> tuple[Path, bytes, bytes]:
    """A data directory, the stream of its first snapshot, and what came then: some megabytes."""
    source = Source(tmp_path / "show" / "journal")
    source.born()
    source.write(1, b"first")
    one = source.take("one")
    for number in range(100):
        source.writers[0].commit(Kind.ANSWERS, bytes([number]) * 65_536, 1)
    two = source.take("two")
    return tmp_path / "show", source.stream(one), source.stream(two, one)


def test_what_was_acknowledged_before_a_snapshot_is_in_it(tmp_path: Path) -> None:
    journal = DiskJournal.create(real_world(), tmp_path / "show" / "journal")
    writer = LivingWriter(tmp_path / "show" / "journal", tmp_path / "log")
    counts: list[tuple[int, int]] = []
    world = quick_world()
    try:
        for number in range(1, 4):
            writer.wait_for(120 * number)
            before = writer.acknowledged()
            living = DiskJournal.open(world, tmp_path / "show" / "journal")
            taken = Snapshots(world, living.mirrors).take(living, f"s{number}")
            counts.append((before, taken.frames))
            assert taken.frames <= writer.acknowledged() + 1
    finally:
        writer.kill()
    assert all(before <= frames for before, frames in counts)
    assert [frames for _, frames in counts] == sorted(frames for _, frames in counts)
    end = journal.fence(1)
    assert end is not None
    assert end.frames >= counts[-1][1]
    found, damages = Snapshots(world, journal.mirrors).all()
    assert not damages
    base = None
    for target in found:
        told = hairpin("receive", tmp_path / "copy", given=stream_of(journal, target, base))
        assert told.returncode == 0, told.stderr
        base = target
    assert len(seen(tmp_path / "copy" / "journal")[1]) == found[-1].frames


def test_a_receiver_killed_at_any_time_leaves_the_old_or_the_new(
    big: tuple[Path, bytes, bytes], tmp_path: Path
) -> None:
    _, first, later = big
    copy = tmp_path / "copy"
    assert hairpin("receive", copy, given=first).returncode == 0
    before = seen(copy / "journal")
    for share in (0.1, 0.9, 0.999):
        process = subprocess.Popen(
            [*HAIRPIN, "receive", copy], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert process.stdin is not None
        process.stdin.write(later[: int(len(later) * share)])
        process.stdin.flush()
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert (seen(copy / "journal"), named(copy / "journal")) == (before, ["one"])
    told = hairpin("receive", copy, "--json", given=later)
    assert told.returncode == 0, told.stderr
    assert msgspec.json.decode(told.stdout)["frames"] == 100
    assert named(copy / "journal") == ["one", "two"]
    assert not list(copy.rglob("*.received"))


def test_a_sender_that_is_killed_is_told_by_the_receiver(
    big: tuple[Path, bytes, bytes], tmp_path: Path
) -> None:
    show, first, _ = big
    copy = tmp_path / "copy"
    assert hairpin("receive", copy, given=first).returncode == 0
    before = tree(copy)
    sender = subprocess.Popen(
        [*HAIRPIN, "send", show, "two", "--from", "one"], stdout=subprocess.PIPE
    )
    assert sender.stdout is not None
    some = sender.stdout.read(100_000)
    sender.kill()
    sender.communicate()
    told = hairpin("receive", copy, given=some)
    assert told.returncode == 5
    assert (
        b"the stream was interrupted: it ends after 100000 bytes, within frame 2 of 100"
        in told.stderr
    )
    assert tree(copy) == before


def test_a_receiver_that_went_away_is_told_by_the_sender(big: tuple[Path, bytes, bytes]) -> None:
    show, _, _ = big
    with subprocess.Popen(
        [*HAIRPIN, "send", show, "two"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as sender:
        assert sender.stdout is not None
        sender.stdout.read(10)
        sender.stdout.close()
        assert sender.stderr is not None
        said = sender.stderr.read().decode()
    assert sender.returncode == 4
    assert "cannot write the stream: Broken pipe" in said
    assert "Traceback" not in said


def test_through_a_pipe(big: tuple[Path, bytes, bytes], tmp_path: Path) -> None:
    show, _, _ = big
    with subprocess.Popen([*HAIRPIN, "send", show], stdout=subprocess.PIPE) as sender:
        receiver = subprocess.run(
            [*HAIRPIN, "receive", tmp_path / "new" / "copy"], stdin=sender.stdout, timeout=60
        )
    assert (sender.returncode, receiver.returncode) == (0, 0)
    assert seen(tmp_path / "new" / "copy" / "journal") == seen(show / "journal")


@pytest.mark.parametrize("what", ["send", "receive"])
def test_no_stream_goes_to_a_terminal_or_comes_from_one(
    big: tuple[Path, bytes, bytes], tmp_path: Path, what: str
) -> None:
    show, _, _ = big
    ours, terminal = pty.openpty()
    try:
        told = subprocess.run(
            [*HAIRPIN, what, show if what == "send" else tmp_path / "new"],
            stdin=terminal,
            stdout=terminal,
            stderr=subprocess.PIPE,
            timeout=60,
        )
    finally:
        os.close(ours)
        os.close(terminal)
    assert told.returncode == 2
    assert b"terminal" in told.stderr
    assert not (tmp_path / "new").exists()


def test_nothing_is_received_while_somebody_uses_the_directory(
    big: tuple[Path, bytes, bytes], tmp_path: Path
) -> None:
    _, first, later = big
    copy = tmp_path / "copy"
    assert hairpin("receive", copy, given=first).returncode == 0
    slow = subprocess.Popen([*HAIRPIN, "receive", copy], stdin=subprocess.PIPE)
    assert slow.stdin is not None
    slow.stdin.write(later[:-10])
    slow.stdin.flush()
    until = time.monotonic() + 60
    while not list(copy.rglob("*.received")):
        assert time.monotonic() < until, "it does not begin"
        time.sleep(0.02)
    told = hairpin("receive", copy, given=later)
    slow.communicate(later[-10:])
    assert told.returncode == 2, told.stderr
    assert slow.returncode == 0
    assert named(copy / "journal") == ["one", "two"]
