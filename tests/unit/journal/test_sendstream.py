"""The stream: any byte of it changed, moved or missing is found, and its end proves it."""

from __future__ import annotations

import struct
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import google_crc32c
import pytest
from journals import Source, changed, seen, small_source, take_in, tree

from hairpin import frame as framing
from hairpin.errors import DataDamaged, HairpinError, YourMistake
from hairpin.journal.sending import send
from hairpin.journal.sendstream import END_BYTES, Begin, StreamReader, StreamWriter
from hairpin.journal.snapshot import Snapshot, make_snapshot


def read_all(stream: bytes) -> list[tuple[int, int]]:
    """(incarnation, sequence) of all frames of a good stream."""
    reader = StreamReader(BytesIO(stream).read)
    reader.begin()
    return [(frame.incarnation, frame.sequence) for frame, _ in reader.frames()]


class Parts:
    """A stream taken apart, to be put together wrongly."""

    def __init__(self, stream: bytes) -> None:
        size_bytes = int.from_bytes(stream[8:12], "little")
        self.begin = stream[: 16 + size_bytes]
        self.end = stream[-END_BYTES:]
        middle = stream[len(self.begin) : -END_BYTES]
        self.frames = [framing.packed(frame) for frame in framing.frames(middle)]

    def joined(self, *frames: bytes) -> bytes:
        return self.begin + b"".join(frames) + self.end


@pytest.fixture
def source(tmp_path: Path) -> tuple[Source, Snapshot, Snapshot]:
    return small_source(tmp_path / "journal")


Three = tuple[Source, Snapshot, Snapshot]


def test_frames_come_as_they_are_strand_after_strand(source: Three) -> None:
    journal, one, two = source
    assert read_all(journal.stream(two)) == [(1, 0), (1, 1), (1, 2), (2, 0), (3, 0), (4, 0), (4, 1)]
    assert read_all(journal.stream(two, one)) == [(1, 2), (3, 0), (4, 0), (4, 1)]
    parts = Parts(journal.stream(two, one))
    assert parts.frames[0] == (journal.directory / "00000001-0001.hpj").read_bytes()


@pytest.mark.parametrize("incremental", [False, True])
def test_every_single_changed_byte_is_refused(source: Three, incremental: bool) -> None:
    journal, one, two = source
    stream = journal.stream(two, one if incremental else None)
    for at in range(len(stream)):
        for change in (lambda b: b ^ 1, lambda b: b ^ 0x80, lambda b: (b + 1) % 256):
            with pytest.raises((DataDamaged, YourMistake)) as refused:
                read_all(changed(stream, at, change))
            assert refused.value.remedy


def test_every_missing_or_additional_byte_is_refused(source: Three) -> None:
    journal, _, two = source
    stream = journal.stream(two)
    for at in range(len(stream)):
        for damaged in (
            stream[:at],
            stream[:at] + stream[at + 1 :],
            stream[:at] + b"H" + stream[at:],
        ):
            if damaged != stream:
                with pytest.raises((DataDamaged, YourMistake)):
                    read_all(damaged)


def test_what_is_refused_changes_nothing(source: Three, tmp_path: Path) -> None:
    journal, one, two = source
    target = tmp_path / "data" / "journal"
    take_in(target, journal.stream(one))
    untouched = tree(target.parent)
    stream = journal.stream(two, one)
    for at in range(0, len(stream), 11):
        with pytest.raises(HairpinError):
            take_in(target, changed(stream, at, lambda byte: byte ^ 4))
        assert tree(target.parent) == untouched
    take_in(target, stream)
    assert seen(target) == seen(journal.directory)


MIXED: dict[str, tuple[Callable[[Parts], bytes], str]] = {
    "reordered within a strand": (
        lambda p: p.joined(p.frames[1], p.frames[0], *p.frames[2:]),
        "frame 1 of incarnation 1 stands where frame 0 of incarnation 1 belongs",
    ),
    "reordered strands": (
        lambda p: p.joined(*p.frames[3:4], *p.frames[:3], *p.frames[4:]),
        "frame 0 of incarnation 2 stands where frame 0 of incarnation 1 belongs",
    ),
    "one missing": (
        lambda p: p.joined(*p.frames[:1], *p.frames[2:]),
        "frame 2 of incarnation 1 stands where frame 1 of incarnation 1 belongs",
    ),
    "one twice": (
        lambda p: p.joined(p.frames[0], *p.frames),
        "frame 0 of incarnation 1 stands where frame 1",
    ),
    "the last missing": (lambda p: p.joined(*p.frames[:-1]), "its end stands where frame 7 of 7"),
    "one too many": (lambda p: p.joined(*p.frames, p.frames[0]), "stands where its end belongs"),
    "no frames": (lambda p: p.joined(), "its end stands where frame 1 of 7 belongs"),
    "something after the end": (lambda p: p.joined(*p.frames) + b"\0", "more bytes follow its end"),
    "twice the whole": (lambda p: p.joined(*p.frames) * 2, "more bytes follow its end"),
    "another end": (lambda p: p.joined(*p.frames)[:-1] + b"\0", "its hash does not hold"),
    "empty": (lambda p: b"", "it ends before its beginning"),
}


@pytest.mark.parametrize("name", MIXED)
def test_a_stream_put_together_wrongly_is_refused_with_the_place(source: Three, name: str) -> None:
    journal, _, two = source
    mix, said = MIXED[name]
    with pytest.raises(DataDamaged) as refused:
        read_all(mix(Parts(journal.stream(two))))
    assert said in refused.value.message
    assert refused.value.remedy == "Nothing was changed. Send it again."


def test_frames_of_another_journal_are_refused(source: Three, tmp_path: Path) -> None:
    journal, _, two = source
    other, _, others = small_source(tmp_path / "other")
    parts, foreign = Parts(journal.stream(two)), Parts(other.stream(others))
    with pytest.raises(DataDamaged, match=f"belongs to journal {other.journal.id:016x}, not"):
        read_all(parts.joined(*foreign.frames))


def test_a_frame_that_was_forged_with_all_its_sums_does_not_continue_the_chain(
    source: Three,
) -> None:
    journal, _, two = source
    parts = Parts(journal.stream(two))
    genesis = framing.genesis(journal.journal.id, 1)
    kind = framing.unpack(parts.frames[0]).kind
    forged, _ = framing.pack(kind, journal.journal.id, 1, 0, genesis, b"A0", 1)
    with pytest.raises(DataDamaged, match="frame 1 of incarnation 1 does not continue the chain"):
        read_all(parts.joined(forged, *parts.frames[1:]))


def test_a_snapshot_that_nobody_took_proves_nothing(source: Three) -> None:
    """All sums are made anew around other frames: the head that was published says no."""
    journal, _, two = source
    reached = two.incarnations
    reached[1] = type(reached[1])(3, reached[1].bytes, "00" * 16)
    forged = make_snapshot("two", journal.journal.id, two.at_ms, reached)
    parts: list[bytes] = []
    writer = StreamWriter(parts.append)
    writer.begin(Begin(None, forged))
    for data in Parts(journal.stream(two)).frames:
        writer.frame(data)
    writer.end()
    with pytest.raises(DataDamaged, match=r"incarnation 1 ends after .* its snapshot says"):
        read_all(b"".join(parts))
    assert forged.head != two.head


# --- versions -------------------------------------------------------------------------------------


def test_an_unknown_version_is_refused_by_name(source: Three) -> None:
    journal, _, two = source
    with pytest.raises(YourMistake, match="has format version 2; this program reads version 1"):
        read_all(changed(journal.stream(two), 4, lambda _: 2))


def test_something_else_is_named(tmp_path: Path) -> None:
    with pytest.raises(YourMistake, match=r"it begins with b'\\x1f\\x8b"):
        read_all(b"\x1f\x8b\x08\x00\x00\x00")


def test_a_snapshot_of_a_later_format_is_refused_by_name(source: Three) -> None:
    journal, _, two = source
    parts = Parts(journal.stream(two))
    record = parts.begin[16:].replace(b'"format":1', b'"format":9')
    opening = struct.pack("<4sB3xI", b"HPNS", 1, len(record))
    crc = google_crc32c.extend(google_crc32c.value(opening), record)
    with pytest.raises(YourMistake, match="snapshot two in the stream has format 9"):
        read_all(opening + struct.pack("<I", crc) + record)


def test_a_frame_of_a_later_version_is_refused_by_name(source: Three) -> None:
    journal, _, two = source
    parts = Parts(journal.stream(two))
    newer = changed(parts.frames[0], 4, lambda _: 2)
    with pytest.raises(YourMistake, match="frame 1 of 7: format version 2, this program reads 1"):
        read_all(parts.joined(newer, *parts.frames[1:]))


# --- what cannot be sent --------------------------------------------------------------------------


def test_nothing_leads_back(source: Three) -> None:
    journal, one, two = source
    with pytest.raises(YourMistake, match="nothing leads from snapshot two to one: incarnation 1"):
        journal.stream(one, two)


def test_nothing_leads_from_another_journal(source: Three, tmp_path: Path) -> None:
    journal, _, two = source
    _, one, _ = small_source(tmp_path / "other")
    with pytest.raises(YourMistake, match="they are of journals"):
        journal.stream(two, one)


def test_a_journal_that_is_not_what_its_snapshot_says_is_not_sent(
    source: Three, tmp_path: Path
) -> None:
    journal, one, two = source
    reached = one.incarnations
    reached[1] = type(reached[1])(2, reached[1].bytes, "00" * 16)
    wrong = make_snapshot("one", journal.journal.id, one.at_ms, reached)
    for target, base in ((wrong, None), (two, wrong)):
        with pytest.raises(DataDamaged, match="snapshot one has incarnation 1 with 2 frames"):
            journal.stream(target, base)


def test_what_was_sent_until_damage_was_found_is_accepted_by_nobody(source: Three) -> None:
    journal, _, two = source
    path = journal.directory / "00000004-0000.hpj"
    path.write_bytes(changed(path.read_bytes(), 60, lambda byte: byte ^ 1))
    parts: list[bytes] = []
    with pytest.raises(DataDamaged, match=r"00000004-0000\.hpj"):
        send(journal.journal, two, None, parts.append)
    assert len(parts) > 5
    with pytest.raises(DataDamaged, match="interrupted"):
        read_all(b"".join(parts))
