"""A journal on a disk that fails when it is told to, and strands to damage."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from faulty_disk import FaultyDisk, faulty_world

from hairpin.errors import DataDamaged
from hairpin.frame import Frame, Kind
from hairpin.journal import Writer
from hairpin.journal.disk import DiskJournal
from hairpin.journal.names import segment_name


class Scene:
    """A journal, and hands to write, kill, look and damage."""

    def __init__(self, directory: Path) -> None:
        self.world, self.disk = faulty_world()
        self.directory = directory
        self.journal = DiskJournal.create(self.world, directory)

    def path(self, incarnation: int, segment: int = 0) -> Path:
        return self.directory / segment_name(incarnation, segment)

    def write(self, *segments: list[bytes]) -> Writer:
        """A living strand with these bodies, one list for each segment."""
        writer = self.journal.writer()
        for bodies in segments:
            writer.roll()
            for body in bodies:
                writer.commit(Kind.ANSWERS, body, 1)
        return writer

    def kill(self, writer: Writer) -> int:
        """As if its process ended: the kernel closes its files, and with them goes the lock."""
        for copy in writer._copies:  # type: ignore[attr-defined]
            copy.close()
        return writer.incarnation

    def dead(self, *segments: list[bytes]) -> int:
        return self.kill(self.write(*segments))

    def frames(self, incarnation: int, upto: int | None = None) -> list[Frame]:
        return list(self.journal.follow(incarnation).read(upto))

    def bodies(self, incarnation: int, upto: int | None = None) -> list[bytes]:
        return [frame.body for frame in self.frames(incarnation, upto)]

    def damage(self, incarnation: int) -> str:
        """What reading says of a damaged strand; fencing must refuse it, too."""
        with pytest.raises(DataDamaged) as read:
            self.frames(incarnation)
        with pytest.raises(DataDamaged):
            self.journal.fence(incarnation)
        assert "restore" in read.value.remedy
        return read.value.message


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path / "journal")


@pytest.fixture
def faults(scene: Scene) -> Callable[..., None]:
    def plan(*faults: object) -> None:
        disk: FaultyDisk = scene.disk
        disk.faults.extend(faults)  # type: ignore[arg-type]

    return plan
