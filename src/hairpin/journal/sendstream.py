"""The stream of `hairpin journal send`: bytes out, verified frames in. It checks itself.

    offset size
    0      4    magic "HPNS"
    4      1    version (1)
    5      3    zero
    8      4    size of the begin record
    12     4    crc32c of the twelve bytes before, and of the begin record
    16          the begin record, JSON: the snapshot that the receiver must stand at, and the one
                that it will stand at
                frames, as they are in the journal, strand after strand
    -56    4    magic "HPNE"
    -52    4    zero
    -48    8    frames
    -40    8    bytes of these frames
    -32    32   BLAKE2b-256 of all bytes before

Only the last byte proves the first: who receives a stream believes nothing of it before its end.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterator

import google_crc32c
import msgspec

from hairpin import frame as framing
from hairpin.errors import DataDamaged, YourMistake
from hairpin.frame import Broken, Frame, Newer
from hairpin.journal.snapshot import FORMAT, Reach, Snapshot, nothing, snapshot_problem

MAGIC = b"HPNS"
END_MAGIC = b"HPNE"
VERSION = 1
OPENING = struct.Struct("<4sB3xII")
ENDING = struct.Struct("<4s4xQQ")
DIGEST_BYTES = 32
END_BYTES = ENDING.size + DIGEST_BYTES
BEGIN_BYTES_MAX = 32 << 20
_CRC = struct.Struct("<I")
AGAIN = "Nothing was changed. Send it again."


class Begin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From which snapshot to which; a stream without a base holds everything."""

    base: Snapshot | None
    target: Snapshot

    @property
    def frames(self) -> int:
        return self.target.frames - (self.base.frames if self.base else 0)

    @property
    def size_bytes(self) -> int:
        """Of all frames in the stream."""
        return self.target.size_bytes - (self.base.size_bytes if self.base else 0)

    def legs(self) -> Iterator[tuple[int, Reach, Reach]]:
        """(incarnation, from, to) of each strand of the target, ascending."""
        for incarnation, until in self.target.incarnations.items():
            start = nothing(self.target.journal, incarnation)
            yield incarnation, self.base.reach(incarnation) if self.base else start, until

    def born_empty(self) -> list[int]:
        """Strands of the target alone, without a frame so far."""
        known = self.base.incarnations if self.base else {}
        reached = self.target.incarnations.items()
        return [n for n, until in reached if not until.frames and n not in known]

    def problem(self) -> str | None:
        """Why no journal can go from this base to this target; None if one can."""
        base, target = self.base, self.target
        if base is None:
            return None
        if base.journal != target.journal:
            return f"they are of journals {base.journal} and {target.journal}"
        for incarnation, reach in base.incarnations.items():
            after = target.reach(incarnation)
            if str(incarnation) not in target.strands or after.frames < reach.frames:
                return (
                    f"incarnation {incarnation} has {reach.frames} frames in {base.name} and "
                    f"{after.frames} in {target.name}"
                )
            if after.frames == reach.frames and after != reach:
                return f"incarnation {incarnation} differs in them after {reach.frames} frames"
        return None


class StreamWriter:
    """Numbers and hash of what is written through it."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self._digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
        self.frames = 0
        self.size_bytes = 0

    def begin(self, begin: Begin) -> None:
        record = msgspec.json.encode(begin)
        opening = OPENING.pack(MAGIC, VERSION, len(record), 0)[: -_CRC.size]
        self._put(opening + _CRC.pack(_checksum(opening, record)) + record)

    def frame(self, data: bytes) -> None:
        self.frames += 1
        self.size_bytes += len(data)
        self._put(data)

    def end(self) -> None:
        self._put(ENDING.pack(END_MAGIC, self.frames, self.size_bytes))
        self._write(self._digest.digest())

    def _put(self, data: bytes) -> None:
        self._digest.update(data)
        self._write(data)


class StreamReader:
    """`begin()`, then all of `frames()`: only when those ended may anything be believed.

    Both raise DataDamaged with the place in the stream; YourMistake if its format is another.
    """

    def __init__(self, read: Callable[[int], bytes]) -> None:
        """`read(n)` returns n bytes; fewer only at the end of the stream."""
        self._read = read
        self._digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
        self._at = 0
        self._frames = 0
        self._size_bytes = 0
        self._begin: Begin | None = None

    def begin(self) -> Begin:
        start = self._take(5, "its beginning")
        if start[:4] != MAGIC:
            raise YourMistake(
                f"this is no stream of `hairpin journal send`: it begins with {start[:4]!r}",
                "Pipe the output of `hairpin journal send` into it.",
            )
        if start[4] != VERSION:
            raise YourMistake(
                f"the stream has format version {start[4]}; this program reads version {VERSION}",
                "Use the version of hairpin that sent it.",
            )
        opening = start + self._take(OPENING.size - 5, "its beginning")
        _, _, size_bytes, checksum = OPENING.unpack(opening)
        if size_bytes > BEGIN_BYTES_MAX:
            raise self._damaged(f"a begin record of {size_bytes} bytes, at most {BEGIN_BYTES_MAX}")
        record = self._take(size_bytes, "its begin record")
        if _checksum(opening[: -_CRC.size], record) != checksum:
            raise self._damaged("the checksum of its begin record does not hold")
        self._begin = self._decode(record)
        return self._begin

    def _decode(self, record: bytes) -> Begin:
        try:
            begin = msgspec.json.decode(record, type=Begin)
        except msgspec.MsgspecError as error:
            raise self._damaged(f"its begin record cannot be read: {error}") from None
        for snapshot in (begin.base, begin.target):
            if snapshot is None:
                continue
            if snapshot.format != FORMAT:
                raise YourMistake(
                    f"snapshot {snapshot.name} in the stream has format {snapshot.format}; this "
                    f"program reads format {FORMAT}",
                    "Use the version of hairpin that sent it.",
                )
            problem = snapshot_problem(snapshot)
            if problem is not None:
                raise self._damaged(f"snapshot {snapshot.name}: {problem}")
        problem = begin.problem()
        if problem is not None:
            raise self._damaged(f"no journal can go from its base to its target: {problem}")
        return begin

    def frames(self) -> Iterator[tuple[Frame, bytes]]:
        """Every frame with its bytes, in order, continuing its strand; ends when all is proven."""
        assert self._begin is not None, "begin() comes first"
        for incarnation, start, until in self._begin.legs():
            chain, size_bytes = bytes.fromhex(start.chain), start.bytes
            for sequence in range(start.frames, until.frames):
                frame, data = self._next()
                self._check(frame, incarnation, sequence, chain)
                chain = frame.chain
                size_bytes += len(data)
                yield frame, data
            if (chain.hex(), size_bytes) != (until.chain, until.bytes):
                raise self._damaged(
                    f"incarnation {incarnation} ends after {size_bytes} bytes with chain "
                    f"{chain.hex()}; its snapshot says {until.bytes} bytes and {until.chain}"
                )
        self._end()

    def _next(self) -> tuple[Frame, bytes]:
        what = f"frame {self._frames + 1} of {self._begin.frames if self._begin else 0}"
        header = self._take(framing.HEADER_BYTES, what)
        if header[:4] == END_MAGIC:
            raise self._damaged(f"its end stands where {what} belongs", framing.HEADER_BYTES)
        body = b""
        if header[:4] == framing.MAGIC:
            size_bytes = framing.HEADER.unpack(header)[8]
            if size_bytes <= framing.BODY_BYTES_MAX:
                body = self._take(size_bytes, what)
        data = header + body
        try:
            frame = framing.unpack(data)
        except Newer as newer:
            raise YourMistake(
                f"the stream, {what}: {newer.why}", "Use the version of hairpin that sent it."
            ) from None
        except Broken as broken:
            raise self._damaged(f"{what}: {broken.why}", len(data)) from None
        self._frames += 1
        self._size_bytes += len(data)
        return frame, data

    def _check(self, frame: Frame, incarnation: int, sequence: int, chain: bytes) -> None:
        assert self._begin is not None
        found = f"frame {frame.sequence} of incarnation {frame.incarnation}"
        journal = int(self._begin.target.journal, 16)
        if frame.journal != journal:
            raise self._damaged(
                f"{found} belongs to journal {frame.journal:016x}, not {journal:016x}",
                frame.size_bytes,
            )
        if (frame.incarnation, frame.sequence) != (incarnation, sequence):
            raise self._damaged(
                f"{found} stands where frame {sequence} of incarnation {incarnation} belongs",
                frame.size_bytes,
            )
        if not framing.follows(frame, chain):
            raise self._damaged(f"{found} does not continue the chain", frame.size_bytes)

    def _end(self) -> None:
        ending = self._take(ENDING.size, "its end")
        proof = self._digest.digest()
        magic, frames, size_bytes = ENDING.unpack(ending)
        if magic != END_MAGIC:
            raise self._damaged(f"{magic!r} stands where its end belongs", ENDING.size)
        if (frames, size_bytes) != (self._frames, self._size_bytes):
            raise self._damaged(
                f"its end says {frames} frames in {size_bytes} bytes; there were {self._frames} "
                f"in {self._size_bytes}",
                ENDING.size,
            )
        if self._take(DIGEST_BYTES, "its end") != proof:
            raise self._damaged("its hash does not hold", DIGEST_BYTES)
        if self._read(1):
            raise self._damaged("more bytes follow its end")

    def _take(self, size_bytes: int, what: str) -> bytes:
        data = self._read(size_bytes)
        self._at += len(data)
        if len(data) < size_bytes:
            place = f"after {self._at} bytes, within {what}" if self._at else "before its beginning"
            raise DataDamaged(f"the stream was interrupted: it ends {place}", AGAIN)
        self._digest.update(data)
        return data

    def _damaged(self, why: str, back_bytes: int = 0) -> DataDamaged:
        return DataDamaged(f"the stream is damaged at byte {self._at - back_bytes}: {why}", AGAIN)


def _checksum(opening: bytes, record: bytes) -> int:
    value: int = google_crc32c.extend(google_crc32c.value(opening), record)
    return value
