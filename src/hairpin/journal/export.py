"""The journal as one plain tar, for whoever wants to verify it without us.

    journal/journal.json             format and id
    journal/<incarnation>-0000.hpj   all frames of one strand

Every byte of the archive follows from the frames: names in order, no times, no owners, no other
members. So a reader, such as `exported`, can refuse whatever is not exactly what was written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from hairpin import frame as framing
from hairpin.errors import DataDamaged, EngineDown
from hairpin.journal import Readable
from hairpin.journal.cut import Extent, cut
from hairpin.journal.names import segment_name
from hairpin.world import Disk

FORMAT = 1
FOLDER = "journal/"
IDENTITY = "journal.json"
BLOCK_BYTES = 512
_OCTAL_MAX = 8**11 - 1
END = bytes(2 * BLOCK_BYTES)

Sink = Callable[[bytes], None]
Progress = Callable[[int, int], None]
"""Told (bytes done, bytes in all)."""


class Identity(msgspec.Struct, frozen=True):
    """What an outsider needs of a journal's label; by itself it is that of one mirror."""

    format: int
    id: str


class Survey(msgspec.Struct, frozen=True):
    """All that an export will hold: extents by incarnation, ascending."""

    journal: int
    strands: dict[int, Extent]

    @property
    def size_bytes(self) -> int:
        """Of all frames."""
        return sum(extent.size_bytes for extent in self.strands.values())

    @property
    def frames(self) -> int:
        return sum(extent.frames for extent in self.strands.values())

    @property
    def answers(self) -> int:
        return sum(extent.answers for extent in self.strands.values())

    @property
    def head(self) -> str:
        """Over all strands with frames; a recount of the export ends with the same."""
        chains = {n: (e.frames, e.chain) for n, e in self.strands.items() if e.frames}
        return framing.head(chains)


def survey(journal: Readable, progress: Callable[[int], None] | None = None) -> Survey:
    """Read and verify all strands, as far as they had got at one moment; `progress` is told bytes.

    Raises DataDamaged with the range that cannot be read; EngineDown: see `cut`.
    """
    return Survey(journal.id, cut(journal, progress))


def write(journal: Readable, found: Survey, sink: Sink, progress: Progress | None = None) -> None:
    """Write the archive, every frame verified once more. Raises DataDamaged."""
    identity = identity_bytes(found.journal)
    sink(header(FOLDER + IDENTITY, len(identity)) + identity + padding(len(identity)))
    done = 0
    for incarnation, extent in found.strands.items():
        sink(header(FOLDER + segment_name(incarnation, 0), extent.size_bytes))
        for data in _frames(journal, incarnation, extent):
            sink(data)
            done += len(data)
            if progress:
                progress(done, found.size_bytes)
        sink(padding(extent.size_bytes))
    sink(END)


def write_file(
    disk: Disk, path: Path, journal: Readable, found: Survey, progress: Progress | None = None
) -> None:
    """The archive as a file, which appears when it is complete and durable.

    Raises EngineDown if it cannot be written, DataDamaged as `write`.
    """
    part = path.with_name(f".{path.name}.part")
    at = 0

    def sink(data: bytes) -> None:
        nonlocal at
        disk.write(fd, at, data)
        at += len(data)

    try:
        disk.remove(part)
        fd = disk.create(part)
        try:
            write(journal, found, sink, progress)
            disk.sync(fd)
        except BaseException:
            disk.remove(part)
            raise
        finally:
            disk.close(fd)
        disk.rename(part, path)
    except OSError as error:
        raise EngineDown(
            f"cannot write {path}: {error.strerror}", "Name a file where there is room."
        ) from error


def _frames(journal: Readable, incarnation: int, extent: Extent) -> Iterator[bytes]:
    """The bytes of each frame, which must be those that were surveyed."""
    chain = framing.genesis(journal.id, incarnation)
    size_bytes = 0
    for frame in journal.follow(incarnation).read(extent.frames):
        data, chain = framing.packed(frame), frame.chain
        size_bytes += len(data)
        yield data
    if (size_bytes, chain) != (extent.size_bytes, extent.chain):
        raise DataDamaged(
            f"incarnation {incarnation} changed while it was exported: frames that were read "
            "before are others now",
            "Export again when its writer has recovered.",
        )


def identity_bytes(journal_id: int) -> bytes:
    """The first member, whole."""
    return msgspec.json.encode(Identity(FORMAT, f"{journal_id:016x}"))


def header(name: str, size_bytes: int) -> bytes:
    """The block before a member, whole, as POSIX has it; all that it may say are name and size.

    Written here, since what a library adds to it changes from version to version.
    """
    size = b"%011o\0" % size_bytes
    if size_bytes > _OCTAL_MAX:
        size = b"\x80" + size_bytes.to_bytes(11, "big")
    block = bytearray(BLOCK_BYTES)
    for at, field in (
        (0, name.encode()),
        (100, b"0000600\0" + 2 * b"0000000\0"),
        (124, size + b"00000000000\0"),
        (148, b"        0"),
        (257, b"ustar\x0000"),
    ):
        block[at : at + len(field)] = field
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def padding(size_bytes: int) -> bytes:
    """Zeros to the end of the member's last block."""
    return bytes(-size_bytes % BLOCK_BYTES)
