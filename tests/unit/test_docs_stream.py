"""Snapshot and stream in the formats, byte by byte, against what the code writes."""

from __future__ import annotations

import re
from pathlib import Path

from hairpin import frame as framing
from hairpin.journal.sendstream import DIGEST_BYTES, ENDING, OPENING, Begin, StreamWriter
from hairpin.journal.snapshot import Reach, Snapshot, encode_snapshot, make_snapshot

TEXT = (Path(__file__).parents[2] / "docs" / "formats.md").read_text(encoding="utf-8")
JOURNAL = 0x0123456789ABCDEF


def block(name: str) -> str:
    """What stands in the block behind a mark."""
    return TEXT.split(f"<!-- {name} -->\n```\n")[1].split("```")[0]


def strand() -> bytes:
    rows = [line.split("  ", 1)[1] for line in block("strand").splitlines()]
    return bytes.fromhex("".join(rows))


def snapshot() -> Snapshot:
    frames = list(framing.frames(strand()))
    reach = Reach(len(frames), len(strand()), frames[-1].chain.hex())
    return make_snapshot("the-end", JOURNAL, 1_795_000_600_000, {2: reach})


def stream() -> bytes:
    parts: list[bytes] = []
    writer = StreamWriter(parts.append)
    writer.begin(Begin(None, snapshot()))
    for frame in framing.frames(strand()):
        writer.frame(framing.packed(frame))
    writer.end()
    return b"".join(parts)


def test_the_snapshot_in_the_formats_is_what_the_code_writes() -> None:
    assert block("snapshot") == encode_snapshot(snapshot()).decode()


def test_the_stream_in_the_formats_is_what_the_code_writes() -> None:
    whole = stream()
    built = b""
    for line in block("stream").splitlines():
        at, shown = line[:4], line[6:]
        if at.strip():
            assert int(at, 16) == len(built), line
        if shown.startswith("the begin record"):
            size_bytes = int(re.findall(r"(\d+) bytes", shown)[0])
            assert OPENING.size + size_bytes + len(strand()) + ENDING.size + DIGEST_BYTES == len(
                whole
            )
        elif "bytes of the strand above" in shown:
            assert shown.startswith(f"the {len(strand())} bytes")
            built += strand()
        elif at.strip():
            built += bytes.fromhex(shown)
        else:
            built += shown.encode()
    assert built == whole
    assert f"### A whole stream in {len(whole)} bytes" in TEXT


def test_the_walk_through_of_the_stream_says_what_stands_there() -> None:
    table = TEXT.split("<!-- stream -->")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in table.splitlines()]
    walked = [row for row in rows if row and re.fullmatch(r"[0-9a-f]{4}", row[0])]
    assert len(walked) == 5
    for at, shown, _ in walked:
        first, _, last = shown.partition("...")
        bytes_there = stream()[int(at, 16) :].hex()
        assert bytes_there.startswith(re.sub(r"[` ]", "", first)), f"at {at}: {shown}"
        assert bytes_there.endswith(re.sub(r"[` ]", "", last))


def test_offsets_of_the_stream_are_those_of_its_parts() -> None:
    table = TEXT.split("\n## The stream\n")[1].split("\n### ")[0]
    fields = [
        (int(at), int(size)) for at, size in re.findall(r"^\| (-?\d+) \| (\d+) \|", table, re.M)
    ]
    start = [field for field in fields if field[0] >= 0]
    end = [field for field in fields if field[0] < 0]
    assert sum(size for _, size in start) == OPENING.size
    assert [at for at, _ in start[1:]] == [at + size for at, size in start[:-1]]
    assert sum(size for _, size in end) == ENDING.size + DIGEST_BYTES == -end[0][0]
    assert [at for at, _ in end[1:]] == [at + size for at, size in end[:-1]]
