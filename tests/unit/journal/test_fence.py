"""Who is dead: the lock tells, across processes, and nobody slips through while being born."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hairpin.errors import DataDamaged, EngineDown
from hairpin.frame import Kind
from hairpin.journal.disk import DiskJournal
from hairpin.journal.writer import StrandWriter
from hairpin.world import RealDisk, real_world

if TYPE_CHECKING:
    from conftest import Scene

WRITER = """
import sys
from pathlib import Path
from hairpin.frame import Kind
from hairpin.journal.disk import DiskJournal
from hairpin.world import real_world
writer = DiskJournal.open(real_world(), Path(sys.argv[1])).writer()
writer.commit(Kind.ANSWERS, b"first", 1)
writer.roll()
writer.commit(Kind.ANSWERS, b"second", 1)
print(writer.incarnation, flush=True)
sys.stdin.read()
"""


class Interrupted(RealDisk):
    """Between the creation of a file and its lock, somebody fences the strand."""

    def __init__(self) -> None:
        self.journal: DiskJournal | None = None
        self.fenced: list[int] = []

    def create(self, path: Path, mode: int = 0o600) -> int:
        fd = super().create(path, mode)
        if self.journal is not None and not self.fenced:
            incarnation = int(path.name[:8], 16)
            assert self.journal.fence(incarnation) is not None
            self.fenced.append(incarnation)
        return fd


def test_a_writer_in_another_process_is_fenced_only_after_its_death(scene: Scene) -> None:
    other = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(scene.directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert other.stdout is not None
    incarnation = int(other.stdout.readline())
    alive = scene.journal.fence(incarnation)
    other.kill()
    other.communicate()
    end = scene.journal.fence(incarnation)
    assert alive is None
    assert end is not None
    assert end.frames == 2
    assert scene.bodies(incarnation) == [b"first", b"second"]


def test_writers_that_begin_at_the_same_time_get_different_numbers(scene: Scene) -> None:
    def begin(_: int) -> list[int]:
        journal = DiskJournal.open(scene.world, scene.directory)
        return [journal.writer().incarnation for _ in range(5)]

    with ThreadPoolExecutor(8) as threads:
        numbers = [number for own in threads.map(begin, range(8)) for number in own]
    assert sorted(numbers) == list(range(1, 41))
    assert scene.journal.incarnations() == list(range(1, 41))


def test_a_strand_that_was_fenced_while_its_writer_was_born_is_not_written_to(
    scene: Scene,
) -> None:
    disk = Interrupted()
    disk.journal = scene.journal
    world = real_world(disk=disk)
    writer = DiskJournal.open(world, scene.directory).writer()
    writer.commit(Kind.ANSWERS, b"mine", 1)
    assert disk.fenced == [1]
    assert writer.incarnation == 2
    assert [frame.kind for frame in scene.frames(1)] == [Kind.SEAL]
    assert scene.bodies(2) == [b"mine"]


def test_a_strand_that_never_was_is_damage_and_not_an_engine_that_is_down(scene: Scene) -> None:
    with pytest.raises(DataDamaged, match=r"00000009-0000\.hpj"):
        scene.journal.fence(9)


def test_a_full_disk_leaves_an_empty_strand_unfenced_until_there_is_room(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    incarnation = scene.dead([])

    def full(fd: int, offset: int, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(scene.disk, "write", full)
        with pytest.raises(EngineDown, match="No space"):
            scene.journal.fence(incarnation)
    end = scene.journal.fence(incarnation)
    assert end is not None
    assert end.sealed


def test_a_sealed_writer_lets_go_of_its_lock_and_files(scene: Scene) -> None:
    writer = scene.write([b"a"], [b"b"])
    assert isinstance(writer, StrandWriter)
    assert scene.journal.fence(writer.incarnation) is None
    writer.seal()
    end = scene.journal.fence(writer.incarnation)
    assert end is not None
    assert end.sealed
