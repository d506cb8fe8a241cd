"""The ways in which a disk's content goes bad behind everyone's back, at rates that can be named.

They work on one copy of what is stored, whatever stores it: the files of a mirror of the journal,
or the image of a disk under a file system.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

MIB = 1 << 20
FLIP_EVERY_BYTES = 64 << 10
ZERO_BYTES = 64 << 10
BLOCK_BYTES = 4_096
SWAP_EVERY_BYTES = 256 << 10
STALE_EVERY = 8
"""One of so many blocks, in stretches of 64 KiB."""


@dataclass(frozen=True)
class Span:
    """A stretch of a file that may be hurt."""

    path: Path
    start: int
    size_bytes: int


class Copy:
    """Spans laid end to end, as one row of bytes."""

    def __init__(self, spans: list[Span]) -> None:
        self.spans = spans
        self.size_bytes = sum(span.size_bytes for span in spans)

    def read(self, at: int, size_bytes: int) -> bytes:
        """Fewer bytes where a span ends."""
        span, inside = self._place(at)
        with span.path.open("rb") as file:
            file.seek(span.start + inside)
            return file.read(min(size_bytes, span.size_bytes - inside))

    def write(self, at: int, data: bytes) -> None:
        while data:
            span, inside = self._place(at)
            part = data[: span.size_bytes - inside]
            with span.path.open("r+b") as file:
                file.seek(span.start + inside)
                file.write(part)
            at, data = at + len(part), data[len(part) :]

    def whole(self) -> list[bytes]:
        """Each span's content."""
        found = []
        for span in self.spans:
            with span.path.open("rb") as file:
                file.seek(span.start)
                found.append(file.read(span.size_bytes))
        return found

    def _place(self, at: int) -> tuple[Span, int]:
        for span in self.spans:
            if at < span.size_bytes:
                return span, at
            at -= span.size_bytes
        raise IndexError(f"byte {at} behind the end")


def flip(copy: Copy, at: int, dice: random.Random) -> None:
    """One bit."""
    copy.write(at, bytes([copy.read(at, 1)[0] ^ 1 << dice.randrange(8)]))


def flip_many(copy: Copy, dice: random.Random, every_bytes: int = FLIP_EVERY_BYTES) -> None:
    """One bit in each so many bytes."""
    for start in range(0, copy.size_bytes - every_bytes, every_bytes):
        flip(copy, start + dice.randrange(every_bytes), dice)


def zero_ranges(copy: Copy, dice: random.Random) -> None:
    """64 KiB of zeros in each MiB."""
    for start in range(0, copy.size_bytes - MIB, MIB):
        copy.write(start + dice.randrange(MIB - ZERO_BYTES), bytes(ZERO_BYTES))


def swap_blocks(copy: Copy, dice: random.Random) -> None:
    """In each 256 KiB, one block of 4 KiB changes places with one anywhere."""
    blocks = copy.size_bytes // BLOCK_BYTES - 1
    for start in range(0, copy.size_bytes - SWAP_EVERY_BYTES, SWAP_EVERY_BYTES):
        at = start + dice.randrange(SWAP_EVERY_BYTES // BLOCK_BYTES - 1) * BLOCK_BYTES
        other = dice.randrange(blocks) * BLOCK_BYTES
        here, there = copy.read(at, BLOCK_BYTES), copy.read(other, BLOCK_BYTES)
        if len(here) == len(there) == BLOCK_BYTES:
            copy.write(at, there)
            copy.write(other, here)


def overwrite(copy: Copy, dice: random.Random) -> None:
    """All of it, with noise."""
    for start in range(0, copy.size_bytes, MIB):
        copy.write(start, dice.randbytes(min(MIB, copy.size_bytes - start)))


def make_stale(copy: Copy, dice: random.Random, older: list[bytes]) -> None:
    """One in eight stretches of 64 KiB is as it was when `older` was read; zero if it was not."""
    start = 0
    contents = [*older, *[b""] * (len(copy.spans) - len(older))]
    for span, content in zip(copy.spans, contents, strict=True):
        stretches = range(0, span.size_bytes - ZERO_BYTES, ZERO_BYTES)
        for at in dice.sample(stretches, len(stretches) // STALE_EVERY):
            old = content[at : at + ZERO_BYTES]
            copy.write(start + at, old + bytes(ZERO_BYTES - len(old)))
        start += span.size_bytes


def flip_in_both(copies: list[Copy], dice: random.Random) -> None:
    """One bit in each MiB, at the same place of every copy."""
    for start in range(0, copies[0].size_bytes - MIB, MIB):
        at = start + dice.randrange(MIB)
        for copy in copies:
            flip(copy, at, dice)


ONE_COPY: dict[str, Callable[[Copy, random.Random], None]] = {
    "one bit flipped in each 64 KiB of one copy": flip_many,
    "64 KiB zeroed in each MiB of one copy": zero_ranges,
    "4 KiB swapped with another block in each 256 KiB of one copy": swap_blocks,
    "one copy overwritten with noise, its labels spared": overwrite,
}
