"""A crash may leave the end of the last segment torn: exactly the whole frames before it stay."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from hairpin.frame import HEADER_BYTES

if TYPE_CHECKING:
    from conftest import Scene

FIRST = [b"first", b"second " * 5]
LAST = [b"third", b"", b"fifth " * 4]


def ends(bodies: list[bytes]) -> list[int]:
    """Where each frame ends in its segment."""
    return list(accumulate(HEADER_BYTES + len(body) for body in bodies))


@pytest.mark.parametrize("before", [[], FIRST], ids=["only-segment", "second-segment"])
def test_truncation_at_every_byte_leaves_the_whole_frames_before_it(
    scene: Scene, before: list[bytes]
) -> None:
    incarnation = scene.dead(before, LAST) if before else scene.dead(LAST)
    path = scene.path(incarnation, 1 if before else 0)
    whole = path.read_bytes()
    for size in range(len(whole), -1, -1):
        path.write_bytes(whole[:size])
        kept = sum(end <= size for end in ends(LAST))
        expected = before + LAST[:kept]
        assert scene.bodies(incarnation) == expected, f"cut at byte {size}"


@pytest.mark.parametrize("before", [[], FIRST], ids=["only-segment", "second-segment"])
def test_fencing_cuts_the_torn_frame_says_so_and_gives_the_end(
    scene: Scene, before: list[bytes]
) -> None:
    incarnation = scene.dead(before, LAST) if before else scene.dead(LAST)
    path = scene.path(incarnation, 1 if before else 0)
    whole = path.read_bytes()
    chains = [frame.chain for frame in scene.frames(incarnation)]
    for size in range(len(whole) - 1, HEADER_BYTES, -7):
        path.write_bytes(whole[:size])
        kept = [end for end in ends(LAST) if end <= size]
        with capture_logs() as logs:
            end = scene.journal.fence(incarnation)
        assert end is not None
        assert end.frames == len(before) + len(kept)
        assert end.chain == chains[end.frames - 1] if end.frames else True
        assert end.dropped_bytes == size - max(kept, default=0)
        assert path.stat().st_size == size - end.dropped_bytes
        told = [log for log in logs if log["event"] == "torn last frame dropped"]
        assert [log["dropped_bytes"] for log in told] == (
            [end.dropped_bytes] if kept != [size] else []
        )
        assert all(log["file"] == str(path) and log["log_level"] == "warning" for log in told)


@pytest.mark.parametrize("rest", [b"\0" * 500, b"HPN1", b"HPN1" + b"\0" * 90, b"junk" * 30])
def test_rubbish_after_the_last_frame_is_a_torn_end(scene: Scene, rest: bytes) -> None:
    """A file may have grown before its content was written."""
    incarnation = scene.dead(LAST)
    with scene.path(incarnation).open("ab") as file:
        file.write(rest)
    assert scene.bodies(incarnation) == LAST
    end = scene.journal.fence(incarnation)
    assert end is not None
    assert (end.frames, end.dropped_bytes) == (len(LAST), len(rest))
    assert scene.path(incarnation).stat().st_size == ends(LAST)[-1]


def test_any_flipped_bit_of_the_last_frame_drops_that_frame_only(scene: Scene) -> None:
    incarnation = scene.dead(LAST)
    path = scene.path(incarnation)
    whole = path.read_bytes()
    start = ends(LAST)[-2]
    for at in range(start, len(whole), 3):
        if at == start + 4:
            continue  # the version is a case of its own
        flipped = bytearray(whole)
        flipped[at] ^= 0x10
        path.write_bytes(bytes(flipped))
        assert scene.bodies(incarnation) == LAST[:-1], f"byte {at}"


def test_a_torn_first_frame_of_a_new_segment_is_cut_and_told(scene: Scene) -> None:
    incarnation = scene.dead(FIRST, LAST[:1])
    path = scene.path(incarnation, 1)
    path.write_bytes(path.read_bytes()[:-1])
    size = path.stat().st_size
    with capture_logs() as logs:
        end = scene.journal.fence(incarnation)
    assert end is not None
    assert (end.frames, end.dropped_bytes) == (len(FIRST), size)
    assert not path.exists()
    assert [log["file"] for log in logs] == [str(path)]
    assert scene.bodies(incarnation) == FIRST


def test_a_strand_that_was_cut_is_whole_for_ever(scene: Scene) -> None:
    incarnation = scene.dead(FIRST)
    path = scene.path(incarnation)
    path.write_bytes(path.read_bytes()[:-1])
    first = scene.journal.fence(incarnation)
    with capture_logs() as logs:
        second = scene.journal.fence(incarnation)
    assert first is not None
    assert second is not None
    assert (second.frames, second.chain, second.dropped_bytes) == (first.frames, first.chain, 0)
    assert logs == []
