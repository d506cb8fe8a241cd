"""The journal's directory: its identity, its names, its segments."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
from faulty_disk import Fault
from hypothesis import given
from hypothesis import strategies as st

from hairpin.errors import DataDamaged, EngineDown, YourMistake
from hairpin.frame import HEADER_BYTES, Kind
from hairpin.journal import decode_control, encode_control
from hairpin.journal import writer as writing
from hairpin.journal.disk import DiskJournal
from hairpin.journal.label import FORMAT, LABEL, Entry, Label, decode_label, encode_label
from hairpin.journal.labels import SPARE
from hairpin.journal.names import parse_name, segment_name
from hairpin.messages import Born, Marked

if TYPE_CHECKING:
    from conftest import Scene


def test_a_journal_is_the_same_after_opening_it_again(scene: Scene) -> None:
    assert DiskJournal.open(scene.world, scene.directory).id == scene.journal.id
    assert stat.S_IMODE(scene.directory.stat().st_mode) == 0o700
    other = DiskJournal.create(scene.world, scene.directory.parent / "other")
    assert other.id != scene.journal.id


def test_a_directory_without_a_journal_is_named(scene: Scene, tmp_path: Path) -> None:
    with pytest.raises(YourMistake, match="there is no journal in") as told:
        DiskJournal.open(scene.world, tmp_path / "nothing")
    assert "--data" in told.value.remedy


def relabel(scene: Scene, content: bytes) -> None:
    for name in (LABEL, SPARE):
        (scene.directory / name).write_bytes(content)


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"format": 1}', b'{"format": 1, "id": "xyz"}', b"\xff\xfe"]
)
def test_an_identity_that_cannot_be_read_is_damage(scene: Scene, content: bytes) -> None:
    relabel(scene, content)
    with pytest.raises(DataDamaged, match=r"journal\.json cannot be read"):
        DiskJournal.open(scene.world, scene.directory)


@pytest.mark.parametrize("name", ["-1", "1" * 17])
def test_an_identity_that_fits_no_frame_is_damage(scene: Scene, name: str) -> None:
    identity = {"format": 1, "id": name}
    relabel(scene, msgspec.json.encode(identity))
    with pytest.raises(DataDamaged, match=r"journal\.json cannot be read"):
        DiskJournal.open(scene.world, scene.directory)


def test_another_format_is_refused_by_name(scene: Scene) -> None:
    identity = {"format": 3, "id": "00ff"}
    relabel(scene, msgspec.json.encode(identity))
    with pytest.raises(YourMistake, match="format 3; this program reads formats 1 to 2") as told:
        DiskJournal.open(scene.world, scene.directory)
    assert "version of hairpin" in told.value.remedy


@pytest.mark.parametrize("name", [LABEL, SPARE])
@pytest.mark.parametrize("content", [None, b"", b"{}", b'{"format": 2, "id": "00"}'])
def test_of_two_labels_one_suffices(scene: Scene, name: str, content: bytes | None) -> None:
    path = scene.directory / name
    path.unlink() if content is None else path.write_bytes(content)
    assert DiskJournal.open(scene.world, scene.directory).id == scene.journal.id


@given(at=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_label_that_was_changed_is_not_believed(at: int, bit: int) -> None:
    label = Label(FORMAT, "0123456789abcdef", "00000000000000aa", 7, (Entry("00aa", "/a"),))
    data = bytearray(encode_label(label))
    data[at % len(data)] ^= 1 << bit
    try:
        read = decode_label(bytes(data), Path("journal.json"))
    except (DataDamaged, YourMistake):
        return
    assert read == decode_label(encode_label(label), Path("journal.json"))  # white space


def test_names_of_segments_and_of_nothing_else_are_understood() -> None:
    assert parse_name(segment_name(0xABC, 0x12)) == (0xABC, 0x12)
    others = ["journal.json", "00000001.hpj", "1-2-3.hpj", "x-y.hpj", "00000001-0000.hpj.bak", ""]
    assert [parse_name(name) for name in others] == [None] * len(others)


def test_strange_files_beside_the_segments_are_left_alone(scene: Scene) -> None:
    incarnation = scene.dead([b"a"])
    (scene.directory / "00000001-0001.hpj~").write_text("a copy")
    (scene.directory / "notes.txt").write_text("mine")
    assert scene.journal.incarnations() == [incarnation]
    assert scene.bodies(incarnation) == [b"a"]


def test_a_segment_that_is_full_is_followed_by_another(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "SEGMENT_BYTES_MAX", 3 * (HEADER_BYTES + 10))
    writer = scene.write([])
    bodies = [b"%010d" % number for number in range(8)]
    for body in bodies:
        writer.commit(Kind.ANSWERS, body, 1)
    assert [scene.path(1, n).stat().st_size for n in range(3)] == [198, 198, 132]
    assert scene.bodies(1) == bodies


def test_frames_across_the_chunks_of_reading_come_back(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One chunk holds any frame, and most chunks end within one."""
    incarnation = scene.dead([b"%03d" % number * 20 for number in range(100)])
    expected = scene.bodies(incarnation)
    for size in (300, 301, 348, 464):
        monkeypatch.setattr("hairpin.journal.reader._CHUNK_BYTES", size)
        assert scene.bodies(incarnation) == expected
        assert scene.bodies(incarnation, 57) == expected[:57]


def test_what_an_attempt_left_behind_under_the_next_name_is_written_over(scene: Scene) -> None:
    writer = scene.write([b"a"])
    scene.path(1, 1).write_bytes(b"left behind")
    scene.disk.faults.append(Fault("replace"))
    writer.roll()
    with pytest.raises(EngineDown):
        writer.commit(Kind.ANSWERS, b"b", 1)
    writer.commit(Kind.ANSWERS, b"c", 1)
    assert scene.bodies(1) == [b"a", b"c"]


def test_a_frame_that_is_too_large_is_refused_and_changes_nothing(scene: Scene) -> None:
    writer = scene.write([b"a"])
    with pytest.raises(ValueError, match="at most"):
        writer.commit(Kind.ANSWERS, bytes((4 << 20) + 1), 1)
    writer.commit(Kind.ANSWERS, b"b", 1)
    assert scene.bodies(1) == [b"a", b"b"]


def test_control_records_come_back_and_say_what_they_are() -> None:
    for record in (Born(5, "gate"), Marked(6, (0, 2))):
        assert decode_control(encode_control(record)) == record
    assert encode_control(Marked(6, (0, 2))) == b'{"type":"marked","at_ms":6,"questions":[0,2]}'


@pytest.mark.parametrize("body", [b'{"type":"teleported","at_ms":1}', b"[]", b"", b"\xff"])
def test_a_control_record_of_another_version_is_refused_by_name(body: bytes) -> None:
    with pytest.raises(YourMistake, match="control record") as told:
        decode_control(body)
    assert "version of hairpin" in told.value.remedy
