"""Bugs of one mirror: writing, reading, and ending a strand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from hairpin import frame as framing
from hairpin.frame import HEADER_BYTES, Broken, Frame, Kind
from hairpin.journal import fence
from hairpin.journal.copy import Copy
from hairpin.journal.disk import DiskJournal
from hairpin.journal.reader import StrandReader
from hairpin.journal.writer import StrandWriter
from hairpin.tally.keeper import Keeper
from sim.bugs.bug import ENDS, PROMISES, Nights, Patch, bug

DURABLE = "what is acknowledged is durable"
COUNTED = "acknowledged is within counted"
RECORD_BYTES = 16
CUTS = Nights(("power_cut_in_a_burst",), 12, fans=100, appetite=0.9, beat_ms=8000, gates=1)
"""Frames are so long that a power cut leaves a part of them."""


class _NoSync:
    """A disk that is never asked to make anything durable."""

    def __init__(self, disk: Any) -> None:
        self._disk = disk

    def sync(self, fd: int) -> None:
        """Not now."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._disk, name)


class _SyncTwice(_NoSync):
    """A disk whose syncs are tried again."""

    def sync(self, fd: int) -> None:
        try:
            self._disk.sync(fd)
        except OSError:
            self._disk.sync(fd)


def _with_disk(patch: Patch, wrapper: type[_NoSync]) -> None:
    """A copy's frames are written through this disk."""

    def write(copy: Copy, *frame: Any) -> None:
        disk = copy._disk
        copy._disk = wrapper(disk)
        try:
            original(copy, *frame)
        finally:
            copy._disk = disk

    original = patch.replace(Copy, "write", write)


@bug("ack-before-sync", "journal/copy.py: Copy.write", DURABLE, seeds=2)
def ack_before_sync(patch: Patch) -> None:
    """A frame is acknowledged when it is written; the sync is left to the system."""
    _with_disk(patch, _NoSync)


@bug(
    "failed-sync-retried",
    "journal/copy.py: Copy.write",
    DURABLE,
    seeds=9,
    nights=Nights(("failing_disk",)),
)
def failed_sync_retried(patch: Patch) -> None:
    """A sync that failed is tried again on the same file, and its success is trusted."""
    _with_disk(patch, _SyncTwice)


@bug(
    "checksum-skipped",
    "frame.py: unpack",
    PROMISES,
    seeds=15,
    nights=CUTS,
)
def checksum_skipped(patch: Patch) -> None:
    """Reading does not compare the checksum, as the chain finds every change anyway."""

    def unpack(data: bytes | memoryview, offset: int = 0) -> Frame:
        broken: Broken | None = None
        try:
            return original(data, offset)  # type: ignore[no-any-return]
        except Broken as error:
            broken = error
        if broken.torn or "checksum" not in broken.why:
            raise broken
        fields = framing.HEADER.unpack_from(data, offset)
        _, _, kind, partition, journal, incarnation, count, sequence, size, _, chain = fields
        body = bytes(data[offset + HEADER_BYTES : offset + HEADER_BYTES + size])
        place = (Kind(kind), partition, journal, incarnation, sequence, count)
        return Frame(*place, chain, body, offset)

    original = patch.replace(framing, "unpack", unpack)


@bug(
    "chain-forgotten",
    "frame.py: follows",
    "whoever changes the journal is found out",
    seeds=2,
    nights=Nights(forged=True),
)
def chain_forgotten(patch: Patch) -> None:
    """Reading does not follow the chain, as each frame has a checksum of its own."""
    patch.replace(framing, "follows", lambda *_: True)


@bug(
    "chain-begun-anew",
    "journal/writer.py: StrandWriter.roll",
    PROMISES,
    ENDS,
    seeds=2,
    nights=Nights(questions=2, fans=30),
)
def chain_begun_anew(patch: Patch) -> None:
    """A new segment begins a new chain."""

    def roll(writer: StrandWriter) -> None:
        original(writer)
        if writer._rolls:
            writer._chain = framing.genesis(writer._mirrors.journal, writer.incarnation)

    original = patch.replace(StrandWriter, "roll", roll)


@bug(
    "torn-tail-kept",
    "journal/reader.py: StrandReader.read",
    "what is read continues its chain",
    PROMISES,
    seeds=15,
    nights=CUTS,
)
def torn_tail_kept(patch: Patch) -> None:
    """Of a torn last frame the answers that arrived whole are kept."""

    def read(reader: StrandReader, upto_frames: int | None = None) -> Iterator[Frame]:
        yield from original(reader, upto_frames)
        if upto_frames is None and reader.torn is not None:
            yield from _salvaged(reader)

    original = patch.replace(StrandReader, "read", read)


def _salvaged(reader: StrandReader) -> Iterator[Frame]:
    data = reader._read(reader.source, reader.segment, reader.offset, framing.FRAME_BYTES_MAX)
    if data is None or len(data) < HEADER_BYTES + RECORD_BYTES or data[:4] != framing.MAGIC:
        return
    body = data[HEADER_BYTES:]
    body = body[: len(body) // RECORD_BYTES * RECORD_BYTES]
    if data[5] == Kind.ANSWERS:
        chain, count = bytes(data[40:HEADER_BYTES]), len(body) // RECORD_BYTES
        place = (reader._mirrors.journal, reader.incarnation, reader.frames, count)
        frame = Frame(Kind.ANSWERS, 0, *place, chain, body, reader.offset)
        reader._take(frame)
        yield frame


@bug(
    "read-past-watermark",
    "tally/keeper.py: Keeper._read",
    "nothing is counted before it is durable",
    PROMISES,
    ENDS,
    seeds=12,
    nights=Nights(("failing_disk", "in_a_write")),
)
def read_past_watermark(patch: Patch) -> None:
    """The keeper reads whatever a strand holds, and not only what its writer has announced."""

    def follow(keeper: Keeper, news: Any) -> Iterator[Frame]:
        everything = msgspec.structs.replace(news, frames=1 << 40)
        follower = keeper._followers.get(news.incarnation)
        if follower is None:
            follower = keeper._journal.follow(news.incarnation)
            keeper._followers[news.incarnation] = follower
        read = follower.read
        follower.read = lambda *_: read()  # type: ignore[method-assign]
        try:
            yield from original(keeper, everything)
        finally:
            follower.read = read  # type: ignore[method-assign]

    original = patch.replace(Keeper, "_read", follow)


@bug(
    "fence-without-lock",
    "journal/fence.py: strand_locks",
    "a fenced strand gets no more frames",
    "final means that no gate may still take answers",
    seeds=6,
    nights=Nights(("cut_off",)),
)
def fence_without_lock(patch: Patch) -> None:
    """Whoever is asked to fence a strand does so without asking whether its writer lives."""

    @contextmanager
    def strand_locks(*_: object) -> Iterator[bool]:
        yield True

    patch.replace(fence, "strand_locks", strand_locks)


@bug(
    "fence-without-sync",
    "journal/fence.py: fence",
    PROMISES,
    COUNTED,
    seeds=12,
    nights=Nights(("in_a_write", "power_cut"), questions=6),
)
def fence_without_sync(patch: Patch) -> None:
    """What a dead writer left is told to be its strand's end, but not made durable."""

    def make_equal(disk: Any, *rest: Any) -> int:
        return original(_NoSync(disk), *rest)  # type: ignore[no-any-return]

    original = patch.replace(fence, "_make_equal", make_equal)


@bug(
    "incarnation-reused",
    "journal/disk.py: DiskJournal._taken",
    "an incarnation is born once",
    DURABLE,
    PROMISES,
    seeds=6,
    nights=Nights(("kill", "all")),
)
def incarnation_reused(patch: Patch) -> None:
    """An incarnation's number is drawn from a few, and a file that has it is written anew."""

    def taken(journal: DiskJournal) -> list[int]:
        return [journal._world.dice.secret(1)[0] % 12]

    def create(copy: Copy) -> None:
        path = copy.mirror.directory / f"{copy._incarnation:08x}-0000.hpj"
        try:
            copy._disk.remove(path)
        except OSError:
            pass
        original(copy)

    patch.replace(DiskJournal, "_taken", taken)
    original = patch.replace(Copy, "create", create)
