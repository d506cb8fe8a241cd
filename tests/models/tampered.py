"""Exports, taken apart and put together again by somebody with bad intentions and all our tools."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import msgspec

from hairpin import frame as framing
from hairpin.frame import Frame
from hairpin.journal.export import END, header, padding

Members = dict[str, bytes]
"""Contents of an archive by name, in order."""


def members_of(export: Path) -> Members:
    with tarfile.open(export) as archive:
        found = {}
        for member in archive.getmembers():
            file = archive.extractfile(member)
            assert file is not None
            found[member.name] = file.read()
    return found


def packed(members: Members) -> bytes:
    """The archive that an honest export of these members would be."""
    out = io.BytesIO()
    for name, content in members.items():
        out.write(header(name, len(content)) + content + padding(len(content)))
    out.write(END)
    return out.getvalue()


def frames_of(content: bytes) -> list[Frame]:
    return list(framing.frames(content))


def checksummed(frame: Frame, **changes: object) -> bytes:
    """The frame with changed fields, its old chain, and a checksum that holds."""
    changed = msgspec.structs.replace(frame, **changes)  # type: ignore[arg-type]
    fields = (
        framing.MAGIC,
        framing.VERSION,
        changed.kind,
        changed.partition,
        changed.journal,
        changed.incarnation,
        changed.count,
        changed.sequence,
        len(changed.body),
    )
    blank = framing.HEADER.pack(*fields, 0, changed.chain)
    crc = framing._checksum(blank, changed.body)
    return framing.HEADER.pack(*fields, crc, changed.chain) + changed.body


def rewritten(content: bytes, change: Callable[[Frame], Frame]) -> bytes:
    """A strand with each frame changed, and every checksum and chain made anew."""
    first = frames_of(content)[0]
    chain = framing.genesis(first.journal, first.incarnation)
    out = []
    for frame in map(change, frames_of(content)):
        data, chain = framing.pack(
            frame.kind,
            frame.journal,
            frame.incarnation,
            frame.sequence,
            chain,
            frame.body,
            frame.count,
        )
        out.append(data)
    return b"".join(out)
