"""A snapshot: where every strand stood at one moment. It copies nothing, for strands only grow.

    snapshots/<name>.json    on every mirror

Its head is the one that results are published with: whoever changes a frame below it is found out.
The file has one form only, and a checksum over it, so that no byte of it can change unnoticed.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime

import msgspec

from hairpin import frame as framing
from hairpin.errors import DataDamaged, Finding, YourMistake
from hairpin.journal.cut import Extent

FORMAT = 1
FOLDER = "snapshots"
SUFFIX = ".json"
SNAPSHOT_BYTES_MAX = 16 << 20
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


class Reach(msgspec.Struct, frozen=True):
    """How much of one strand belongs to a snapshot."""

    frames: int
    bytes: int
    chain: str
    """After the last of these frames, 32 hexadecimal digits."""

    @classmethod
    def of(cls, extent: Extent) -> Reach:
        return cls(extent.frames, extent.size_bytes, extent.chain.hex())


class Snapshot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: int
    name: str
    journal: str
    """Id of the journal, 16 hexadecimal digits."""
    at_ms: int
    strands: dict[str, Reach]
    """By incarnation, ascending; strands without a frame too."""
    head: str
    """Over all strands that have a frame."""
    checksum: str
    """BLAKE2b-128 of this file with an empty checksum."""

    @property
    def frames(self) -> int:
        return sum(reach.frames for reach in self.strands.values())

    @property
    def size_bytes(self) -> int:
        """Of all frames."""
        return sum(reach.bytes for reach in self.strands.values())

    @property
    def incarnations(self) -> dict[int, Reach]:
        return {int(text): reach for text, reach in self.strands.items()}

    def reach(self, incarnation: int) -> Reach:
        """Of a strand that it does not know: nothing."""
        return self.strands.get(str(incarnation), nothing(self.journal, incarnation))


def nothing(journal: str, incarnation: int) -> Reach:
    """How far a strand reaches before its first frame."""
    return Reach(0, 0, framing.genesis(int(journal, 16), incarnation).hex())


def make_snapshot(name: str, journal: int, at_ms: int, reached: dict[int, Reach]) -> Snapshot:
    strands = {str(incarnation): reached[incarnation] for incarnation in sorted(reached)}
    bare = Snapshot(FORMAT, name, f"{journal:016x}", at_ms, strands, _head(strands), "")
    return msgspec.structs.replace(bare, checksum=_checksum(bare))


def encode_snapshot(snapshot: Snapshot) -> bytes:
    return msgspec.json.format(msgspec.json.encode(snapshot), indent=1) + b"\n"


def decode_snapshot(data: bytes, place: str, remedy: str) -> Snapshot:
    """Raises DataDamaged with `remedy`, or YourMistake if the format is newer; both name `place`"""
    try:
        snapshot = msgspec.json.decode(data, type=Snapshot)
    except msgspec.MsgspecError as error:
        _check_format(data, place)
        raise DataDamaged(f"{place} cannot be read: {error}", remedy) from None
    _check_format(data, place)
    problem = snapshot_problem(snapshot)
    if problem is None and encode_snapshot(snapshot) != data:
        problem = "its bytes are not as they were written"
    if problem is not None:
        raise DataDamaged(f"{place} is damaged: {problem}", remedy)
    return snapshot


def snapshot_problem(snapshot: Snapshot) -> str | None:
    """What is wrong with it as it stands; None if it holds together."""
    try:
        if len(bytes.fromhex(snapshot.journal)) != 8:
            return f"journal {snapshot.journal} is not 64 bits"
        numbers = [int(text) for text in snapshot.strands]
        for reach in snapshot.strands.values():
            if len(bytes.fromhex(reach.chain)) != 16 or min(reach.frames, reach.bytes) < 0:
                return f"a strand cannot reach to {reach}"
    except ValueError as error:
        return str(error)
    if numbers != sorted(set(numbers)) or any(not 0 < n < 1 << 32 for n in numbers):
        return f"its strands are not in order: {', '.join(snapshot.strands)}"
    if _NAME.fullmatch(snapshot.name) is None:
        return f"{snapshot.name!r} is no name of a snapshot"
    bare = msgspec.structs.replace(snapshot, checksum="")
    if _checksum(bare) != snapshot.checksum:
        return f"its checksum is {snapshot.checksum}, its content gives {_checksum(bare)}"
    if _head(snapshot.strands) != snapshot.head:
        return f"its head is {snapshot.head}, its strands give {_head(snapshot.strands)}"
    return None


def check_name(name: str) -> None:
    """Raises YourMistake if a snapshot cannot be called that."""
    if _NAME.fullmatch(name) is None:
        found = Finding("NAME", repr(name), "1 to 80 of A-Z a-z 0-9 . _ -, a letter or digit first")
        raise YourMistake("a snapshot cannot have this name", "Choose another.", (found,))


def file_name(name: str) -> str:
    return name + SUFFIX


def name_of_file(file: str) -> str | None:
    """The snapshot that a file of the folder should hold; None for any other file."""
    name = file.removesuffix(SUFFIX)
    return name if name != file and _NAME.fullmatch(name) else None


def name_by_time(at_ms: int) -> str:
    """Such as `2026-11-23T201500Z`: no colon, which not every file system takes."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H%M%SZ")


def _check_format(data: bytes, place: str) -> None:
    class OfAnyFormat(msgspec.Struct):
        format: int

    try:
        found = msgspec.json.decode(data, type=OfAnyFormat).format
    except msgspec.MsgspecError:
        return
    if found != FORMAT:
        raise YourMistake(
            f"{place}: format {found}; this program reads format {FORMAT}",
            "Use the version of hairpin that wrote it.",
        )


def _head(strands: dict[str, Reach]) -> str:
    return framing.head(
        {
            int(text): (reach.frames, bytes.fromhex(reach.chain))
            for text, reach in strands.items()
            if reach.frames
        }
    )


def _checksum(bare: Snapshot) -> str:
    return hashlib.blake2b(encode_snapshot(bare), digest_size=16).hexdigest()
