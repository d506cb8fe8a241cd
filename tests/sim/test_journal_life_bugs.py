"""The checks of the journal's life can fail: each bug here is found within the seeds it states."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from hairpin import frame as framing
from hairpin.journal import copy as copying
from hairpin.journal import disk as engine
from hairpin.journal import fence as fencing
from hairpin.journal import opening
from hairpin.journal import writer as writing
from hairpin.journal.copy import Copy
from hairpin.journal.label import Label
from hairpin.journal.mirrors import Mirror, Mirrors, open_or_create, overwrite
from hairpin.journal.names import segment_name
from hairpin.journal.reader import StrandReader
from hairpin.journal.writer import StrandWriter
from sim.journal_life import SILENT
from sim.journal_machine import Life

Patch = Callable[[pytest.MonkeyPatch], None]


def nothing(*_: Any, **__: Any) -> None:
    return None


def one_mirror_suffices(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(writing, "holders", lambda members: 1)
    patch.setattr(StrandWriter, "_eject", lambda self, lost: True)


def acknowledge_before_sync(patch: pytest.MonkeyPatch) -> None:
    def write(self: Copy, segment: int, offset: int, data: bytes, known: tuple[int, int]) -> None:
        if segment != self._segment:
            self._begin(segment)
        self._disk.write(self._fd, offset, data)
        self.level = (segment, offset + len(data))

    patch.setattr(Copy, "write", write)


def retry_a_failed_sync(patch: pytest.MonkeyPatch) -> None:
    def write(self: Copy, segment: int, offset: int, data: bytes, known: tuple[int, int]) -> None:
        if segment != self._segment:
            self._begin(segment)
        self._disk.write(self._fd, offset, data)
        try:
            self._disk.sync(self._fd)
        except OSError:
            self._disk.sync(self._fd)
        self.level = (segment, offset + len(data))

    patch.setattr(Copy, "write", write)


def go_on_behind_a_frame_that_failed(patch: pytest.MonkeyPatch) -> None:
    original = Copy.write

    def write(self: Copy, segment: int, offset: int, data: bytes, known: tuple[int, int]) -> None:
        self.level = max(self.level or known, known)
        original(self, segment, offset, data, known)

    patch.setattr(Copy, "write", write)


def eject_in_memory_only(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Mirrors, "drop", lambda self, on, lost, epoch: self.label)


def eject_each_others_mirrors(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Copy, "ejected_by_others", lambda self: False)


def take_part_without_catching_up(patch: pytest.MonkeyPatch) -> None:
    def level_file(disk: Any, good: Path, copy: Path, *_: Any, **__: Any) -> int:
        disk.close(open_or_create(disk, copy))
        return 0

    patch.setattr(copying, "level_file", level_file)


def write_on_when_the_lock_is_gone(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Copy, "_expect_own_lock", nothing)


def use_a_number_again(patch: pytest.MonkeyPatch) -> None:
    def create(self: Copy) -> None:
        self.open_marks()
        path = self.mirror.directory / segment_name(self._incarnation, 0)
        self._fd = open_or_create(self._disk, path)
        self._segment = 0
        self._open_lock()
        self._disk.lock(self._lock_fd)

    patch.setattr(Copy, "create", create)
    patch.setattr(engine.DiskJournal, "_taken", lambda self: self.incarnations()[:-1])


def leave_files_open(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Copy, "close", nothing)


def lock_a_mirror_that_was_left(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Copy, "_left", property(lambda self: False, nothing), raising=False)


def believe_the_oldest_label(patch: pytest.MonkeyPatch) -> None:
    def in_force(labels: dict[Path, Label]) -> Label:
        return min(labels.values(), key=lambda label: label.epoch)

    patch.setattr(opening, "in_force", in_force)


def boot_from_a_stale_mirror(patch: pytest.MonkeyPatch) -> None:
    original = Mirrors.__init__

    def begin(self: Mirrors, world: Any, label: Label, directories: dict[str, Path]) -> None:
        entries = [opening.Entry(entry.id, entry.directory) for entry in label.mirrors]
        original(self, world, label.changed(*entries), directories)

    patch.setattr(Mirrors, "__init__", begin)


def fence_the_living(patch: pytest.MonkeyPatch) -> None:
    original = fencing.strand_locks

    def strand_locks(disk: Any, mirrors: Mirrors, incarnation: int) -> Any:
        class Dead:
            def __enter__(self) -> bool:
                self.inner = original(disk, mirrors, incarnation)
                self.inner.__enter__()
                return True

            def __exit__(self, *error: Any) -> None:
                self.inner.__exit__(None, None, None)

        return Dead()

    patch.setattr(fencing, "strand_locks", strand_locks)


def fence_one_mirror_only(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(fencing, "_level", nothing)


def leave_the_torn_end(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(fencing, "_drop_behind", lambda disk, directory, reader: 0)


def believe_the_cache_of_a_dead_writer(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(fencing, "_write_last_anew", nothing)


def skip_checksum_and_chain(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(framing, "_checksum", lambda header, body: 0)
    patch.setattr(framing, "follows", lambda frame, previous: True)


def heal_good_with_bad(patch: pytest.MonkeyPatch) -> None:
    def heal(self: Mirrors, mirror: Mirror, name: str, offset: int, data: bytes, *_: Any) -> bool:
        bad = self.disk.read(mirror.directory / name, offset, len(data))
        for other in self.members():
            overwrite(self.disk, other.directory / name, offset, bad)
        return True

    patch.setattr(Mirrors, "heal", heal)


def take_silence_for_the_end(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(StrandReader, "_expect_witnesses", nothing)


BUGS: list[tuple[Patch, int, int]] = [
    (one_mirror_suffices, 2, 10),
    (acknowledge_before_sync, 2, 5),
    (retry_a_failed_sync, 1, 20),
    (go_on_behind_a_frame_that_failed, 3, 60),
    (eject_in_memory_only, 2, 10),
    (eject_each_others_mirrors, 2, 100),
    (take_part_without_catching_up, 2, 40),
    (write_on_when_the_lock_is_gone, 1, 60),
    (lock_a_mirror_that_was_left, 2, 100),
    (use_a_number_again, 1, 5),
    (leave_files_open, 2, 5),
    (believe_the_oldest_label, 2, 30),
    (boot_from_a_stale_mirror, 2, 10),
    (fence_the_living, 2, 10),
    (fence_one_mirror_only, 3, 60),
    (leave_the_torn_end, 2, 30),
    (believe_the_cache_of_a_dead_writer, 1, 60),
    (skip_checksum_and_chain, 2, 10),
    (heal_good_with_bad, 2, 20),
    (take_silence_for_the_end, 2, 60),
]
"""With how many mirrors, and within how many seeds."""


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """What the product logs of injected faults is no news here."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(SILENT))
    yield
    structlog.configure(**before)


@pytest.mark.parametrize(("bug", "mirrors", "seeds"), BUGS, ids=[bug[0].__name__ for bug in BUGS])
def test_each_bug_is_found(
    bug: Patch, mirrors: int, seeds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    bug(monkeypatch)
    for seed in range(1, seeds + 1):
        found = Life(seed, mirrors).run().violation
        if found:
            return
    raise AssertionError(f"{bug.__name__} lives through {seeds} seeds")
