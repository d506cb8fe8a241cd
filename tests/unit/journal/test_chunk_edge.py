"""Segments are read in chunks: damage at the end of a chunk is no torn end of the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hairpin.frame import BODY_BYTES_MAX, HEADER_BYTES
from hairpin.journal.reader import _CHUNK_BYTES

if TYPE_CHECKING:
    from conftest import Scene


def test_damage_in_the_last_whole_frame_of_a_chunk_cuts_nothing_off(scene: Scene) -> None:
    body = bytes(BODY_BYTES_MAX - HEADER_BYTES)
    # Frames of exactly 4 MiB, and one that leaves no room for a whole one in the first chunk.
    whole = _CHUNK_BYTES // BODY_BYTES_MAX - 1
    last_bytes = _CHUNK_BYTES - whole * BODY_BYTES_MAX - HEADER_BYTES - 10
    incarnation = scene.dead([*[body] * whole, bytes(last_bytes), b"acknowledged " * 3])
    path = scene.path(incarnation)
    data = bytearray(path.read_bytes())
    data[whole * BODY_BYTES_MAX + HEADER_BYTES + 5] ^= 1
    path.write_bytes(data)
    assert "checksum does not hold" in scene.damage(incarnation)
    assert path.stat().st_size == len(data)
