"""Receiving: a journal that reads as the one that was sent, and what it refuses to become."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest
from disk_night import DiskNight
from journals import (
    Source,
    changed,
    named,
    quick_world,
    seen,
    small_source,
    stream_of,
    take_in,
    tree,
)
from small_show import FR, answer

from hairpin.errors import DataDamaged, YourMistake
from hairpin.frame import Kind
from hairpin.journal import staging
from hairpin.journal.disk import DiskJournal
from hairpin.journal.label import Entry, State
from hairpin.journal.labels import read_label, write_label
from hairpin.journal.receiving import Received
from hairpin.journal.snapshot import Snapshot
from hairpin.journal.snapshots import Snapshots
from hairpin.tally.recount import Recounter
from hairpin.world import RealDisk

Three = tuple[Source, Snapshot, Snapshot]


@pytest.fixture
def source(tmp_path: Path) -> Three:
    return small_source(tmp_path / "source")


def test_a_received_journal_reads_as_the_one_that_was_sent(source: Three, tmp_path: Path) -> None:
    journal, _, two = source
    received = take_in(tmp_path / "copy", journal.stream(two))
    assert seen(tmp_path / "copy") == seen(journal.directory)
    assert named(tmp_path / "copy") == ["two"]
    assert received == Received(two.journal, None, "two", 7, two.size_bytes, two.head, False)
    assert DiskJournal.open(quick_world(), tmp_path / "copy").id == journal.journal.id


def test_step_by_step_is_the_same_as_all_at_once(source: Three, tmp_path: Path) -> None:
    journal, one, two = source
    take_in(tmp_path / "copy", journal.stream(one))
    received = take_in(tmp_path / "copy", journal.stream(two, one))
    assert (received.base, received.frames) == ("one", 4)
    assert seen(tmp_path / "copy") == seen(journal.directory)
    assert named(tmp_path / "copy") == ["one", "two"]
    journal.write(4, b"d2")
    three = journal.take("three")
    take_in(tmp_path / "copy", journal.stream(three, two))
    assert seen(tmp_path / "copy") == seen(journal.directory)


def test_a_copy_sends_on_the_very_same_bytes(source: Three, tmp_path: Path) -> None:
    journal, one, two = source
    take_in(tmp_path / "copy", journal.stream(one))
    take_in(tmp_path / "copy", journal.stream(two, one))
    copy = DiskJournal.open(quick_world(), tmp_path / "copy")
    assert stream_of(copy, two, one) == journal.stream(two, one)
    assert stream_of(copy, two) == journal.stream(two)


def test_a_recount_of_a_copy_gives_the_same(tmp_path: Path) -> None:
    night = DiskNight(tmp_path / "journal")
    snapshots = Snapshots(night.world, night.journal.mirrors)
    night.ask(0, [answer(1, country=FR)], [answer(2)])
    one = snapshots.take(night.journal, "one")
    night.ask(1, [answer(1, question=1)], [answer(2, question=1)])
    two = snapshots.take(night.journal, "two")
    take_in(tmp_path / "copy", stream_of(night.journal, one))
    take_in(tmp_path / "copy", stream_of(night.journal, two, one))
    found = Recounter(DiskJournal.open(quick_world(), tmp_path / "copy")).run()
    assert found == Recounter(night.journal).run()
    assert found.head == two.head


def test_large_strands_are_cut_into_segments(
    source: Three, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, one, two = source
    monkeypatch.setattr(staging, "SEGMENT_BYTES_MAX", 130)
    take_in(tmp_path / "copy", journal.stream(one))
    take_in(tmp_path / "copy", journal.stream(two, one))
    names = sorted(path.name for path in (tmp_path / "copy").glob("00000001-*"))
    assert names == ["00000001-0000.hpj", "00000001-0001.hpj"]
    take_in(tmp_path / "whole", journal.stream(two))
    assert seen(tmp_path / "copy") == seen(tmp_path / "whole") == seen(journal.directory)


def test_a_dry_run_verifies_and_changes_nothing(source: Three, tmp_path: Path) -> None:
    journal, one, two = source
    stream = journal.stream(one)
    assert take_in(tmp_path / "data" / "copy", stream, dry_run=True).dry_run
    assert not (tmp_path / "data").exists()
    take_in(tmp_path / "copy", stream)
    untouched = tree(tmp_path / "copy")
    later = journal.stream(two, one)
    assert take_in(tmp_path / "copy", later, dry_run=True).frames == 4
    with pytest.raises(DataDamaged):
        take_in(
            tmp_path / "copy", changed(later, len(later) - 1, lambda byte: byte ^ 1), dry_run=True
        )
    assert tree(tmp_path / "copy") == untouched


def test_a_copy_that_is_written_to_becomes_a_journal_of_its_own(
    source: Three, tmp_path: Path
) -> None:
    journal, one, two = source
    take_in(tmp_path / "copy", journal.stream(one))
    copy = DiskJournal.open(quick_world(), tmp_path / "copy")
    copy.writer().commit(Kind.ANSWERS, b"mine", 1)
    assert seen(tmp_path / "copy") == {1: [b"a0", b"a1"], 2: [b"b0"], 3: [], 4: [b"mine"]}
    with pytest.raises(YourMistake, match="was not received, or was written to since") as refused:
        take_in(tmp_path / "copy", journal.stream(two, one))
    assert refused.value.remedy == "Receive everything into a new directory."


# --- what does not fit ----------------------------------------------------------------------------


def refused(directory: Path, stream: bytes) -> str:
    """What is said; nothing may have changed."""
    before = tree(directory.parent)
    with pytest.raises(YourMistake) as mistake:
        take_in(directory, stream)
    assert tree(directory.parent) == before
    return mistake.value.message + " / " + mistake.value.remedy


def test_an_increment_needs_something_to_begin_at(source: Three, tmp_path: Path) -> None:
    journal, one, two = source
    said = refused(tmp_path / "copy", journal.stream(two, one))
    assert "the stream begins at snapshot one, and no journal is in" in said
    assert "Send everything first: without --from." in said


def test_a_directory_with_something_in_it_is_left_alone(source: Three, tmp_path: Path) -> None:
    journal, one, _ = source
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "letters").write_text("dear")
    assert "copy is not empty: it holds letters" in refused(tmp_path / "copy", journal.stream(one))


def test_a_journal_is_never_received_over_another(source: Three, tmp_path: Path) -> None:
    journal, one, two = source
    other, _, _ = small_source(tmp_path / "other")
    said = refused(other.directory, journal.stream(one))
    assert f"the stream is of journal {two.journal}; " in said
    said = refused(journal.directory, journal.stream(two, one))
    assert "was not received, or was written to since" in said


@pytest.mark.parametrize("stands", ["one", "two", "three"])
def test_an_increment_fits_only_its_base(source: Three, tmp_path: Path, stands: str) -> None:
    journal, one, two = source
    journal.write(1, b"a3")
    three = journal.take("three")
    journal.write(1, b"a4")
    four = journal.take("four")
    streams = {
        "one": journal.stream(two, one),
        "two": journal.stream(three, two),
        "three": journal.stream(four, three),
    }
    snapshots = {"one": one, "two": two, "three": three}
    take_in(tmp_path / "copy", journal.stream(snapshots[stands]))
    for base, stream in streams.items():
        if base != stands:
            said = refused(tmp_path / "copy", stream)
            assert f"the stream begins at snapshot {base}; " in said
            assert f"stands at snapshot {stands}" in said
            assert f"--from {stands}" in said
    said = refused(tmp_path / "copy", journal.stream(four))
    assert "the stream begins with nothing; " in said
    take_in(tmp_path / "copy", streams[stands])


def test_the_same_stream_twice_is_told_so(source: Three, tmp_path: Path) -> None:
    journal, one, two = source
    take_in(tmp_path / "copy", journal.stream(one))
    take_in(tmp_path / "copy", journal.stream(two, one))
    said = refused(tmp_path / "copy", journal.stream(two, one))
    assert "stands at snapshot two already" in said


def test_two_snapshots_of_one_name_are_told_apart_by_their_heads(
    source: Three, tmp_path: Path
) -> None:
    journal, one, _ = source
    take_in(tmp_path / "copy", journal.stream(one))
    journal.snapshots.remove("one")
    another = journal.take("one")
    journal.write(1, b"a3")
    said = refused(tmp_path / "copy", journal.stream(journal.take("later"), another))
    assert f"snapshot one has head {another.head} in the stream and {one.head} in" in said


def test_a_snapshot_of_the_copys_own_is_not_replaced(source: Three, tmp_path: Path) -> None:
    journal, one, two = source
    take_in(tmp_path / "copy", journal.stream(one))
    copy = DiskJournal.open(quick_world(), tmp_path / "copy")
    snapshots = Snapshots(quick_world(), copy.mirrors)
    snapshots.take(copy, "two")
    said = refused(tmp_path / "copy", journal.stream(two, one))
    assert "copy has a snapshot two of its own" in said
    snapshots.remove("two")
    take_in(tmp_path / "copy", journal.stream(two, one))


def test_the_snapshot_that_a_copy_stands_at_cannot_be_deleted(
    source: Three, tmp_path: Path
) -> None:
    journal, one, _ = source
    take_in(tmp_path / "copy", journal.stream(one))
    copy = DiskJournal.open(quick_world(), tmp_path / "copy")
    with pytest.raises(YourMistake, match="stands at snapshot one"):
        Snapshots(quick_world(), copy.mirrors).remove("one")


def test_nothing_is_added_to_a_damaged_copy(source: Three, tmp_path: Path) -> None:
    journal, one, two = source
    take_in(tmp_path / "copy", journal.stream(one))
    path = tmp_path / "copy" / "00000001-0000.hpj"
    path.write_bytes(changed(path.read_bytes(), 60, lambda byte: byte ^ 1))
    before = tree(tmp_path / "copy")
    with pytest.raises(DataDamaged, match=r"00000001-0000\.hpj"):
        take_in(tmp_path / "copy", journal.stream(two, one))
    assert tree(tmp_path / "copy") == before


# --- a copy in two mirrors ------------------------------------------------------------------------


def mirrored(tmp_path: Path, state: State) -> Path:
    """Of a received journal: a second mirror, in that state."""
    first, second = tmp_path / "copy", tmp_path / "second"
    shutil.copytree(first, second)
    disk = RealDisk()
    label = read_label(disk, first).changed(Entry("00000000000000bb", str(second), state))
    write_label(disk, first, label)
    write_label(disk, second, label.of("00000000000000bb"))
    return second


def test_all_mirrors_of_a_copy_receive(source: Three, tmp_path: Path) -> None:
    journal, one, two = source
    take_in(tmp_path / "copy", journal.stream(one))
    second = mirrored(tmp_path, State.MEMBER)
    take_in(tmp_path / "copy", journal.stream(two, one))
    assert seen(tmp_path / "copy") == seen(journal.directory)
    first, other = tree(tmp_path / "copy"), tree(second)
    labels = [
        [msgspec.json.decode(files.pop(name) or b"")["replica"] for files in (first, other)]
        for name in sorted(first)
        if name.startswith("journal.")
    ]
    assert first == other
    assert all(one == another for one, another in labels)


def test_a_copy_with_a_mirror_that_lacks_something_waits(source: Three, tmp_path: Path) -> None:
    journal, one, two = source
    take_in(tmp_path / "copy", journal.stream(one))
    second = mirrored(tmp_path, State.STALE)
    said = refused(tmp_path / "copy", journal.stream(two, one))
    assert f"lack something: {second}" in said
