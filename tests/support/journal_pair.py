"""A journal in two mirrors, with the same verbs as `zfs_pair`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from damage import Copy, Span
from living_node import wait_until

from hairpin.errors import DataDamaged, YourMistake
from hairpin.journal.disk import DiskJournal
from hairpin.journal.names import SUFFIX
from hairpin.journal.opening import attach
from hairpin.journal.reader import StrandReader
from hairpin.journal.resilver import Resilver
from hairpin.journal.scrub import Scrub
from hairpin.world import real_world

STORE = """
import sys
from pathlib import Path
from hairpin.frame import Kind
from hairpin.journal.disk import DiskJournal
from hairpin.world import real_world

writer = DiskJournal.open(real_world(), *map(Path, sys.argv[2:])).writer()
size = int(sys.argv[1])
while record := sys.stdin.buffer.read(size):
    writer.commit(Kind.ANSWERS, record, size // 16)
    sys.stdout.buffer.write(b"1")
    sys.stdout.buffer.flush()
writer.seal()
"""
"""A writer in a process of its own, which can be killed: records in, one byte out for each."""


class JournalPair:
    """`store` a record after the other; hurt `copies` between `close` and `open`."""

    def __init__(self, directory: Path) -> None:
        self._mirrors = [directory / "a", directory / "b"]
        self._world = real_world()
        self._writer: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        DiskJournal.create(self._world, *self._mirrors)

    def store(self, records: list[bytes], stored: Callable[[int], None] = lambda _: None) -> None:
        """Each is acknowledged before `stored` is called with its place."""
        command = [sys.executable, "-c", STORE, str(len(records[0])), *map(str, self._mirrors)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
            self._writer = writer
            assert writer.stdin is not None
            assert writer.stdout is not None
            for place, record in enumerate(records):
                writer.stdin.write(record)
                writer.stdin.flush()
                if not writer.stdout.read(1):
                    raise EOFError("the writer died")
                stored(place)
            writer.stdin.close()

    def close(self) -> None:
        """Every store is a process of its own, which has ended."""

    open = close

    def copies(self, labels: bool = False) -> list[Copy]:
        """Of the frames, or of every file."""
        found = []
        for mirror in self._mirrors:
            files = sorted(path for path in mirror.iterdir() if path.is_file())
            chosen = [path for path in files if labels or path.suffix == SUFFIX]
            found.append(Copy([Span(path, 0, path.stat().st_size) for path in chosen]))
        return found

    def read_all_files(self, number: int) -> dict[str, bytes]:
        """A whole mirror, to be put back later."""
        files = (path for path in self._mirrors[number].iterdir() if path.is_file())
        return {path.name: path.read_bytes() for path in files}

    def put_back(self, number: int, older: dict[str, bytes]) -> None:
        """A whole mirror as it was when its files were read."""
        for path in self._mirrors[number].iterdir():
            path.unlink()
        for name, content in older.items():
            (self._mirrors[number] / name).write_bytes(content)

    def heal(self) -> str:
        """A scrub; a mirror that is not known any more is replaced. What the journal says."""
        said = []
        try:
            journal = self._open()
        except YourMistake:
            said.append("opening is refused until it is forced; replaced by hand, then resilvered")
            journal = self._open(degraded=True)
            self._replace(journal, self._mirrors[0].with_name("new"))
        scrub = Scrub(self._world, journal.mirrors)
        while not scrub.step().finished:
            pass
        assert scrub.result is not None
        said.append(f"{sum(scrub.result.healed.values())} frames healed")
        said += [f"{len(scrub.result.damages)} damages named by range"] * bool(scrub.result.damages)
        return "; ".join([*said, *scrub.result.others])

    def _replace(self, journal: DiskJournal, directory: Path) -> None:
        lost = journal.mirrors.others()[0]
        fresh = attach(self._world, journal.mirrors, directory, replaces=lost.id)
        resilver = Resilver(self._world, journal.mirrors, fresh)
        while not resilver.step().finished:
            pass
        resilver.close()
        self._mirrors = [self._mirrors[1], directory]

    def lost(self, records: list[bytes]) -> int:
        """How many records cannot be read, or read wrongly."""
        journal = self._open()
        found: set[bytes] = set()
        for incarnation in journal.incarnations():
            reader = journal.follow(incarnation)
            assert isinstance(reader, StrandReader)
            while True:
                try:
                    found.update(bytes(frame.body) for frame in reader.read())
                    break
                except DataDamaged:
                    if reader.skip() is None:
                        break
        return len(set(records) - found)

    def kill(self) -> None:
        """The writer, with kill -9."""
        wait_until(lambda: self._writer is not None, "the writer")
        assert self._writer is not None
        self._writer.kill()

    def recover(self) -> None:
        """Fences the strand, as the next start of a node does."""
        journal = self._open()
        for incarnation in journal.incarnations():
            wait_until(lambda number=incarnation: journal.fence(number), "the writer's death")

    def end(self) -> None:
        if self._writer is not None:
            self._writer.kill()

    def _open(self, degraded: bool = False) -> DiskJournal:
        return DiskJournal.open(self._world, *self._mirrors, degraded=degraded)
