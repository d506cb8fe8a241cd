"""Anything but a torn end is damage: it is refused, and the file and the byte are named."""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

import pytest

from hairpin import frame as framing
from hairpin.errors import DataDamaged
from hairpin.frame import HEADER_BYTES, Kind

if TYPE_CHECKING:
    from conftest import Scene

BODIES = [b"first", b"second " * 5, b"third", b"fourth"]
STARTS = [0, *accumulate(HEADER_BYTES + len(body) for body in BODIES)]


def frame_bytes(scene: Scene, incarnation: int) -> list[bytes]:
    whole = scene.path(incarnation).read_bytes()
    return [whole[a:b] for a, b in pairwise(STARTS)]


def test_a_flipped_bit_before_the_last_frame_names_file_and_byte(scene: Scene) -> None:
    incarnation = scene.dead(BODIES)
    path = scene.path(incarnation)
    whole = path.read_bytes()
    for number in range(len(BODIES) - 1):
        for at in range(STARTS[number], STARTS[number + 1], 5):
            flipped = bytearray(whole)
            flipped[at] ^= 1
            path.write_bytes(bytes(flipped))
            told = scene.damage(incarnation)
            assert f"{path} at byte {STARTS[number]}, after {number} frames" in told
            assert path.read_bytes() == flipped, "damaged files stay as they are"


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_zeroed_frame_in_the_middle_is_damage(scene: Scene, number: int) -> None:
    incarnation = scene.dead(BODIES)
    parts = frame_bytes(scene, incarnation)
    parts[number] = bytes(len(parts[number]))
    scene.path(incarnation).write_bytes(b"".join(parts))
    assert f"at byte {STARTS[number]}" in scene.damage(incarnation)


def test_two_swapped_frames_are_damage(scene: Scene) -> None:
    incarnation = scene.dead(BODIES)
    a, b, c, d = frame_bytes(scene, incarnation)
    scene.path(incarnation).write_bytes(a + c + b + d)
    told = scene.damage(incarnation)
    assert f"at byte {STARTS[1]}" in told
    assert "frame 2 stands where 1 belongs" in told


def test_a_frame_taken_out_is_damage(scene: Scene) -> None:
    incarnation = scene.dead(BODIES)
    a, _, c, d = frame_bytes(scene, incarnation)
    scene.path(incarnation).write_bytes(a + c + d)
    assert "frame 2 stands where 1 belongs" in scene.damage(incarnation)


def test_a_repeated_last_frame_is_damage(scene: Scene) -> None:
    incarnation = scene.dead(BODIES)
    parts = frame_bytes(scene, incarnation)
    scene.path(incarnation).write_bytes(b"".join([*parts, parts[-1]]))
    assert "frame 3 stands where 4 belongs" in scene.damage(incarnation)


def test_a_frame_of_another_strand_is_damage(scene: Scene) -> None:
    one, two = scene.dead(BODIES), scene.dead(BODIES)
    parts = frame_bytes(scene, one)
    parts[2] = frame_bytes(scene, two)[2]
    scene.path(one).write_bytes(b"".join(parts))
    told = scene.damage(one)
    assert f"at byte {STARTS[2]}" in told
    assert f"incarnation {two}" in told


def test_a_frame_of_another_journal_is_damage(scene: Scene) -> None:
    incarnation = scene.dead(BODIES)
    parts = frame_bytes(scene, incarnation)
    foreign = framing.genesis(99, incarnation)
    parts[0], _ = framing.pack(Kind.ANSWERS, 99, incarnation, 0, foreign, BODIES[0], 1)
    scene.path(incarnation).write_bytes(b"".join(parts))
    assert "belongs to journal 0000000000000063" in scene.damage(incarnation)


def test_a_rewritten_frame_with_a_good_checksum_breaks_the_chain(scene: Scene) -> None:
    incarnation = scene.dead(BODIES)
    parts = frame_bytes(scene, incarnation)
    old = framing.unpack(parts[1])
    parts[1], _ = framing.pack(
        old.kind, old.journal, incarnation, 1, framing.unpack(parts[0]).chain, b"!" * 35, 1
    )
    scene.path(incarnation).write_bytes(b"".join(parts))
    told = scene.damage(incarnation)
    assert f"at byte {STARTS[2]}" in told
    assert "does not continue the chain" in told


def test_a_frame_of_a_newer_format_is_never_taken_for_a_torn_end(scene: Scene) -> None:
    incarnation = scene.dead(BODIES)
    path = scene.path(incarnation)
    whole = bytearray(path.read_bytes())
    whole[STARTS[3] + 4] = 2
    path.write_bytes(bytes(whole))
    assert "format version 2, this program reads 1" in scene.damage(incarnation)
    assert path.read_bytes() == whole


@pytest.mark.parametrize("gone", [0, 1])
def test_a_removed_segment_is_damage(scene: Scene, gone: int) -> None:
    incarnation = scene.dead(BODIES[:2], BODIES[2:3], BODIES[3:])
    scene.path(incarnation, gone).unlink()
    assert str(scene.path(incarnation, gone)) in scene.damage(incarnation)


def test_two_removed_segments_are_damage(scene: Scene) -> None:
    incarnation = scene.dead(BODIES[:1], BODIES[1:2], BODIES[2:3], BODIES[3:])
    scene.path(incarnation, 1).unlink()
    scene.path(incarnation, 2).unlink()
    assert str(scene.path(incarnation, 1)) in scene.damage(incarnation)


def test_the_end_of_an_earlier_segment_is_no_torn_end(scene: Scene) -> None:
    incarnation = scene.dead(BODIES[:2], BODIES[2:])
    path = scene.path(incarnation)
    path.write_bytes(path.read_bytes()[:-1])
    told = scene.damage(incarnation)
    assert f"{path} at byte {STARTS[1]}, after 1 frames" in told


def test_an_emptied_earlier_segment_is_damage(scene: Scene) -> None:
    incarnation = scene.dead(BODIES[:2], BODIES[2:3], BODIES[3:])
    scene.path(incarnation, 1).write_bytes(b"")
    assert "frame 2 is missing" in scene.damage(incarnation)


def test_a_damaged_first_frame_of_the_last_segment_is_damage_if_more_follow(scene: Scene) -> None:
    incarnation = scene.dead(BODIES[:2], BODIES[2:])
    path = scene.path(incarnation, 1)
    whole = bytearray(path.read_bytes())
    whole[HEADER_BYTES] ^= 1
    path.write_bytes(bytes(whole))
    assert f"{path} at byte 0" in scene.damage(incarnation)


def test_frames_that_are_known_to_be_durable_must_be_there(scene: Scene) -> None:
    incarnation = scene.dead(BODIES)
    path = scene.path(incarnation)
    path.write_bytes(path.read_bytes()[: STARTS[3]])
    assert scene.bodies(incarnation) == BODIES[:3]
    with pytest.raises(DataDamaged, match="after 3 frames"):
        scene.frames(incarnation, 4)
