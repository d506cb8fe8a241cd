"""Segments are read in chunks: damage at the end of a chunk is no torn end of the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hairpin.frame import BODY_BYTES_MAX, HEADER_BYTES

if TYPE_CHECKING:
    from conftest import Scene


def test_damage_in_the_last_whole_frame_of_a_chunk_cuts_nothing_off(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = bytes(BODY_BYTES_MAX - HEADER_BYTES)
    # Frames of exactly 4 MiB, and one that leaves no room for a whole one in the first chunk.
    chunk_bytes, whole = 3 * BODY_BYTES_MAX, 2
    monkeypatch.setattr("hairpin.journal.reader._CHUNK_BYTES", chunk_bytes)
    last_bytes = chunk_bytes - whole * BODY_BYTES_MAX - HEADER_BYTES - 10
    incarnation = scene.dead([*[body] * whole, bytes(last_bytes), b"acknowledged " * 3])
    path = scene.path(incarnation)
    data = bytearray(path.read_bytes())
    data[whole * BODY_BYTES_MAX + HEADER_BYTES + 5] ^= 1
    path.write_bytes(data)
    assert "checksum does not hold" in scene.damage(incarnation)
    assert path.stat().st_size == len(data)


def test_a_frame_larger_than_a_chunk_is_read_by_itself(scene: Scene) -> None:
    """Small ones before and after it, and the largest that there is."""
    bodies = [b"small", bytes(BODY_BYTES_MAX), b"x" * (2 << 20), b"small", bytes(3 << 20), b"last"]
    incarnation = scene.dead(bodies)
    assert scene.bodies(incarnation) == bodies
    assert scene.bodies(incarnation, 3) == bodies[:3]
