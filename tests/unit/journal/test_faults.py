"""A disk that fails: nothing of a refused frame is ever read, and every acknowledged one once."""

from __future__ import annotations

import errno
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from faulty_disk import Fault

from hairpin.errors import EngineDown
from hairpin.frame import Kind
from hairpin.journal import Writer
from hairpin.journal.disk import DiskJournal

if TYPE_CHECKING:
    from conftest import Scene

Plan = Callable[..., None]

SHORT_WRITE = [Fault("write", errno.ENOSPC, keep=30)]
WHOLE_WRITE = [Fault("write", errno.EIO, keep=1000)]
STUCK_WRITE = [Fault("write", errno.EIO, keep=30), Fault("truncate")]
FAILED_SYNC = [Fault("sync", errno.EIO)]
FAULTS = {
    "short-write": SHORT_WRITE,
    "whole-write": WHOLE_WRITE,
    "write-and-truncate": STUCK_WRITE,
    "sync": FAILED_SYNC,
    "sync-twice": FAILED_SYNC * 2,
    "sync-and-create": [*FAILED_SYNC, Fault("create", errno.ENOSPC)],
    "sync-and-short-write": [*FAILED_SYNC, *SHORT_WRITE],
    "stuck-writes": STUCK_WRITE * 3,
    "all": [*SHORT_WRITE, *FAILED_SYNC, *STUCK_WRITE, Fault("create"), *FAILED_SYNC],
}


def refused(writer: Writer, body: bytes) -> None:
    before = writer.synced
    with pytest.raises(EngineDown):
        writer.commit(Kind.ANSWERS, body, 1)
    assert writer.synced == before


def commit_until_taken(scene: Scene, writer: Writer, name: bytes) -> bytes:
    """Every failing attempt has a body of its own, so that reading shows which one is there."""
    for attempt in count():
        body = b"%s, attempt %d" % (name, attempt)
        before = writer.synced
        try:
            writer.commit(Kind.ANSWERS, body, 1)
        except EngineDown:
            assert writer.synced == before
        else:
            scene.disk.faults.clear()  # an operation that was not needed cannot fail
            return body
    raise AssertionError("count() ends never")


@pytest.mark.parametrize("name", FAULTS)
def test_the_next_commit_works_and_readers_see_each_acknowledged_frame_once(
    scene: Scene, faults: Plan, name: str
) -> None:
    writer = scene.write([b"before"])
    follower = scene.journal.follow(writer.incarnation)
    seen = [frame.body for frame in follower.read(1)]
    taken = [b"before"]
    for turn in range(3):
        faults(*FAULTS[name])
        taken.append(commit_until_taken(scene, writer, b"turn %d" % turn))
        seen += [frame.body for frame in follower.read(writer.synced.frames)]
        assert seen == taken
        writer.commit(Kind.ANSWERS, b"quiet", 1)
        taken.append(b"quiet")
    seen += [frame.body for frame in follower.read(writer.synced.frames)]
    assert seen == taken
    assert scene.bodies(writer.incarnation) == taken
    end = scene.journal.fence(scene.kill(writer))
    assert end is not None
    assert end.frames == len(taken)
    assert scene.bodies(writer.incarnation) == taken


@pytest.mark.parametrize("name", ["short-write", "whole-write", "sync-twice", "sync-and-create"])
def test_a_crash_right_after_a_refusal_leaves_nothing_of_the_refused_frame(
    scene: Scene, faults: Plan, name: str
) -> None:
    writer = scene.write([b"before"])
    faults(*FAULTS[name])
    refused(writer, b"refused")
    assert not scene.disk.faults
    end = scene.journal.fence(scene.kill(writer))
    assert end is not None
    assert end.frames == 1
    assert scene.bodies(writer.incarnation) == [b"before"]


def test_the_very_first_frame_may_be_refused(scene: Scene, faults: Plan) -> None:
    writer = scene.journal.writer()
    faults(*FAILED_SYNC, *STUCK_WRITE)
    refused(writer, b"no")
    writer.commit(Kind.ANSWERS, b"yes", 1)
    assert scene.bodies(writer.incarnation) == [b"yes"]


def test_a_failed_sync_is_never_followed_by_a_write_to_the_same_file(
    scene: Scene, faults: Plan
) -> None:
    writer = scene.write([b"before"])
    size = scene.path(1).stat().st_size
    faults(*FAILED_SYNC)
    writer.commit(Kind.ANSWERS, b"after", 1)
    assert scene.path(1).stat().st_size <= size
    assert scene.path(1, 1).exists()
    assert scene.bodies(1) == [b"before", b"after"]


def test_rolling_does_not_undo_the_need_for_another_file(
    scene: Scene, faults: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = scene.journal.writer()
    faults(*FAILED_SYNC * 2)
    refused(writer, b"no")
    writer.roll()
    anew: list[Path] = []
    replace = scene.disk.replace
    monkeypatch.setattr(
        scene.disk, "replace", lambda path, data: (anew.append(path), replace(path, data))
    )
    writer.commit(Kind.ANSWERS, b"yes", 1)
    assert anew == [scene.path(1)]
    assert scene.bodies(1) == [b"yes"]


def test_a_full_disk_needs_no_new_segment(scene: Scene, faults: Plan) -> None:
    writer = scene.write([b"before"])
    faults(*SHORT_WRITE * 4)
    for _ in range(4):
        refused(writer, b"no room")
    writer.commit(Kind.ANSWERS, b"after", 1)
    assert [path.name for path in scene.directory.glob("*.hpj")] == [scene.path(1).name]


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        (errno.ENOSPC, "disk is full"),
        (errno.EDQUOT, "quota"),
        (errno.EIO, "replace it"),
        (errno.EROFS, "read-only"),
        (errno.ENXIO, "Look at the disk"),
    ],
)
def test_the_refusal_names_the_place_and_the_remedy(
    scene: Scene, faults: Plan, code: int, remedy: str
) -> None:
    writer = scene.write([b"before"])
    faults(Fault("write", code))
    with pytest.raises(EngineDown) as told:
        writer.commit(Kind.ANSWERS, b"no", 1)
    assert str(scene.directory) in told.value.message
    assert remedy in told.value.remedy


def test_a_strand_that_cannot_begin_says_so(scene: Scene, faults: Plan) -> None:
    faults(Fault("create", errno.ENOSPC))
    with pytest.raises(EngineDown, match=r"cannot begin a strand.*No space") as told:
        scene.journal.writer()
    assert "space" in told.value.remedy


def test_a_journal_that_cannot_be_created_leaves_nothing(scene: Scene, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(OSError, match="exists"):
        DiskJournal.create(scene.world, tmp_path / "taken")
