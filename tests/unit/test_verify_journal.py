"""The independent verifier and ours, against everything that can be done to an export."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import outsider
import pytest
from disk_night import DiskNight
from faulty_disk import Fault, FaultyDisk
from small_show import FR, GB, answer, make_question, make_show
from tampered import Members, checksummed, frames_of, members_of, packed, rewritten

from hairpin.country import CODES
from hairpin.errors import DataDamaged, YourMistake
from hairpin.frame import Frame, Kind
from hairpin.journal.disk import DiskJournal
from hairpin.journal.export import header, survey, write_file
from hairpin.journal.exported import ExportedJournal
from hairpin.journal.label import Replica
from hairpin.journal.labels import read_label, write_label
from hairpin.tally.verify import DoesNotHold, verify
from hairpin.ticket import siphash7
from hairpin.world import RealDisk, real_world

verifier = outsider.load()

DIRECTOR, FIRST, SECOND = (f"journal/{n:08x}-0000.hpj" for n in (1, 2, 3))


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> DiskNight:
    """One question, two gates, one of which dies and is fenced; then all end."""
    show = make_show([make_question(1, choices=make_question(1).choices[:2])])
    played = DiskNight(tmp_path_factory.mktemp("night") / "journal", show)
    played.open()
    played.answers(0, [answer(1), answer(2, 0b010, country=GB)])
    played.answers(1, [answer(1, 0b010, 2_000), answer(3, band=0)])
    played.answers(1, [answer(4, country=FR)])
    played.close()
    played.mark(0, 1)
    played.crash(0)
    played.publish()
    played.reveal()
    played.seal()
    return played


@pytest.fixture(scope="module")
def export(night: DiskNight) -> Path:
    path = night.directory.parent / "night.tar"
    write_file(night.world.disk, path, night.journal, survey(night.journal))
    return path


@pytest.fixture(scope="module")
def head(night: DiskNight) -> str:
    """Of all that is there."""
    return survey(night.journal).head


@pytest.fixture(scope="module")
def told(night: DiskNight) -> str:
    """Of the published result."""
    return night.keeper.book.published[0].head


def both_refuse(data: bytes, head: str, place: Path) -> None:
    place.write_bytes(data)
    with pytest.raises((DataDamaged, YourMistake)):
        verify(ExportedJournal(RealDisk(), place), head)
    with pytest.raises(verifier.Refused):
        verifier.check(place, head)


# --- what is sound --------------------------------------------------------------------------------


def test_what_is_sound_is_not_refused(export: Path, head: str, told: str) -> None:
    for one in (head, told):
        assert verifier.check(export, one)["head"] == one
        assert verify(ExportedJournal(RealDisk(), export), one).head == one
    assert packed(members_of(export)) == export.read_bytes()


def test_it_runs_as_a_program_and_shares_no_code(export: Path, told: str) -> None:
    # -I: without this directory, PYTHONPATH or anything of the user; -S: without site-packages.
    command = [sys.executable, "-I", "-S", str(outsider.FILE), str(export), "--head", told]
    ran = subprocess.run([*command, "--json"], capture_output=True, check=True)
    assert json.loads(ran.stdout) == verifier.check(export, told)
    command[-1] = " ".join(told[at : at + 4] for at in range(0, 32, 4))  # as on the wall
    printed = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    assert f"holds: {told} is the head of the result of q1, version 1" in printed
    source = outsider.FILE.read_text("utf-8")
    assert "import hairpin" not in source
    assert "from hairpin" not in source
    ast.parse(source, feature_version=(3, 9))


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["night.tar", "--head", "0" * 32], 7, "does not hold: the journal is sound, but"),
        (["cut.tar", "--head", "0" * 32], 5, "refused: archive at byte"),
        (["night.tar", "--head", "12"], 2, "32 hexadecimal digits"),
        (["nowhere", "--head", "0" * 32], 5, "refused: neither an archive nor a directory"),
    ],
)
def test_its_exit_status(export: Path, arguments: list[str], status: int, says: str) -> None:
    (export.parent / "cut.tar").write_bytes(export.read_bytes()[:-1])
    ran = subprocess.run(
        [sys.executable, str(outsider.FILE), *arguments],
        capture_output=True,
        text=True,
        cwd=export.parent,
    )
    assert ran.returncode == status
    assert says in ran.stderr


def test_its_table_of_countries_is_that_of_the_formats() -> None:
    assert tuple(verifier.COUNTRIES) == CODES
    text = (outsider.FILE.parent / "formats.md").read_text("utf-8")
    table = text.split("<!-- countries -->\n```\n")[1].split("```")[0]
    rows = [line.split() for line in table.splitlines()]
    assert [code for row in rows for code in row[1:]] == list(CODES)
    starts = [sum(len(row) - 1 for row in rows[:n]) for n in range(len(rows))]
    assert [int(row[0]) for row in rows] == starts


def test_its_lots_are_ours() -> None:
    key = bytes(range(16))
    for fan in (0, 1, 4711, 2**32 - 1):
        ours = siphash7(np.uint64(fan), *np.frombuffer(key, "<u8").astype(np.uint64))
        assert verifier.siphash(fan.to_bytes(7, "little"), key) == int(ours)


def test_headers_of_files_larger_than_octal_digits_hold() -> None:
    for size in (0, 8**11 - 1, 8**11, 1 << 40):
        ours = header(DIRECTOR, size)
        assert verifier.header_of(DIRECTOR.encode(), size) == ours
        assert tarfile.TarInfo.frombuf(ours, "ascii", "strict").size == size


# --- what is not ----------------------------------------------------------------------------------


def test_every_changed_byte_is_refused(export: Path, head: str, tmp_path: Path) -> None:
    whole = export.read_bytes()
    for at in range(len(whole)):
        changed = bytearray(whole)
        changed[at] ^= 1 << at % 8
        both_refuse(bytes(changed), head, tmp_path / "changed.tar")


def test_every_cut_is_refused(export: Path, head: str, tmp_path: Path) -> None:
    whole = export.read_bytes()
    for size in (*range(0, len(whole), 97), len(whole) - 1):
        both_refuse(whole[:size], head, tmp_path / "cut.tar")
    both_refuse(whole + b"\0", head, tmp_path / "longer.tar")


def test_every_changed_byte_of_a_directory_is_found(
    export: Path, head: str, tmp_path: Path
) -> None:
    """There an end may be torn; then the head is another one."""
    with tarfile.open(export) as archive:
        archive.extractall(tmp_path)
    for path in sorted((tmp_path / "journal").glob("*.hpj")):
        whole = path.read_bytes()
        for at in range(len(whole)):
            changed = bytearray(whole)
            changed[at] ^= 1 << at % 8
            path.write_bytes(changed)
            with pytest.raises((DataDamaged, DoesNotHold)):
                verify(DiskJournal.open(real_world(), tmp_path / "journal"), head)
            with pytest.raises((verifier.Refused, verifier.DoesNotHold)):
                verifier.check(tmp_path, head)
        path.write_bytes(whole)
    assert verifier.check(tmp_path, head) == verifier.check(export, head)


def test_a_directory_with_what_failed_writes_and_a_crash_left(tmp_path: Path) -> None:
    """Frames whose sync failed lie in segments that were left, and again in those that follow."""
    night = DiskNight(tmp_path / "journal")
    disk = night.world.disk
    assert isinstance(disk, FaultyDisk)
    night.open()
    for fan in (1, 2):
        disk.faults += [Fault("sync"), Fault("truncate")]
        night.answers(0, [answer(fan)])
    night.close()
    night.mark()
    night.publish()
    with (night.directory / "00000003-0000.hpj").open("ab") as file:
        file.write(b"HPN1 and what a crash left of it")
    assert len(list(night.directory.glob("00000002-*.hpj"))) == 3
    left = (night.directory / "00000002-0000.hpj").read_bytes()
    assert len(frames_of(left)) == 2
    for head in (survey(night.journal).head, night.keeper.book.published[0].head):
        found = verifier.check(tmp_path, head)
        told = verify(night.journal, head)
        assert found["recount"]["counted"] == told.recount.counted == 2
        assert found["recount"]["journalled"] == told.recount.journalled == 2
        assert found["frames_after"] == told.frames_after


def test_a_received_journal_ends_where_its_snapshot_does(
    night: DiskNight, told: str, tmp_path: Path
) -> None:
    shutil.copytree(night.directory, tmp_path / "journal")
    world, place = real_world(), tmp_path / "journal"
    replica = Replica("one", night.keeper.book.published[0].positions)
    write_label(world.disk, place, read_label(world.disk, place).with_replica(replica))
    journal = DiskJournal.open(world, place)
    assert verify(journal, told).whole
    found = verifier.check(tmp_path, told)
    assert (found["whole"], found["recount"]["counted"]) == (True, 4)


def without_last_frame(members: Members, name: str) -> Members:
    frames = frames_of(members[name])
    return members | {name: members[name][: -frames[-1].size_bytes]}


def without(members: Members, name: str) -> Members:
    return {other: content for other, content in members.items() if other != name}


def swapped_frames(members: Members) -> Members:
    """Two frames of a strand change places, with sequences that fit."""
    content = members[SECOND]
    one, two, three, *rest = frames_of(content)
    end = len(content) - sum(frame.size_bytes for frame in rest)
    return members | {
        SECOND: content[: one.size_bytes]
        + checksummed(three, sequence=1)
        + checksummed(two, sequence=2)
        + content[end:]
    }


def twice(members: Members) -> Members:
    """A frame of answers stands there twice."""
    frames = frames_of(members[SECOND])
    at = frames[0].size_bytes
    again = members[SECOND][at : at + frames[1].size_bytes]
    return members | {SECOND: members[SECOND][:at] + again + members[SECOND][at:]}


def exchanged(members: Members) -> Members:
    """Each gate's strand under the name of the other."""
    return members | {FIRST: members[SECOND], SECOND: members[FIRST]}


def reordered(members: Members) -> Members:
    return dict(sorted(members.items(), reverse=True))


def other_choice(frame: Frame) -> Frame:
    """Somebody would have liked this answer better."""
    if frame.kind is not Kind.ANSWERS:
        return frame
    body = bytearray(frame.body)
    body[13] ^= 0b011
    return msgspec.structs.replace(frame, body=bytes(body))


def quietly(members: Members) -> Members:
    """One answer changed, and the checksum of its frame with it: only the chain knows."""
    content = members[SECOND]
    first, changed, *_ = frames_of(content)
    begin, end = first.size_bytes, first.size_bytes + changed.size_bytes
    return members | {SECOND: content[:begin] + checksummed(other_choice(changed)) + content[end:]}


def thoroughly(members: Members) -> Members:
    """One answer changed, and all checksums and chains after it: only the heads know."""
    return members | {SECOND: rewritten(members[SECOND], other_choice)}


def fewer_counted(members: Members) -> Members:
    """Header and body do not agree on how many records there are, though the checksum holds."""
    content = members[SECOND]
    first, changed, *_ = frames_of(content)
    begin, end = first.size_bytes, first.size_bytes + changed.size_bytes
    fewer = checksummed(changed, count=changed.count - 1)
    return members | {SECOND: content[:begin] + fewer + content[end:]}


def another_show(members: Members) -> Members:
    """Whoever holds the director's strand rewrites it: the gates' chains still stand."""

    def other_right(frame: Frame) -> Frame:
        body = frame.body.replace(b'"right":1', b'"right":2')
        return msgspec.structs.replace(frame, body=body)

    return members | {DIRECTOR: rewritten(members[DIRECTOR], other_right)}


def foreign(members: Members) -> Members:
    """A strand of another journal, whole in itself."""

    def moved(frame: Frame) -> Frame:
        return msgspec.structs.replace(frame, journal=frame.journal ^ 1)

    return members | {SECOND: rewritten(members[SECOND], moved)}


CHANGES: list[Callable[[Members], Members]] = [
    lambda members: without_last_frame(members, FIRST),
    lambda members: without_last_frame(without_last_frame(members, SECOND), SECOND),
    lambda members: members | {SECOND: b""},
    lambda members: without(members, DIRECTOR),
    lambda members: without(members, FIRST),
    lambda members: without(members, SECOND),
    lambda members: without(members, "journal/journal.json"),
    lambda members: members | {"journal/00000005-0000.hpj": b""},
    lambda members: members | {"journal/notes.txt": b"all is well"},
    lambda members: members | {"journal/00000003-0001.hpj": b""},
    swapped_frames,
    twice,
    exchanged,
    reordered,
    quietly,
    thoroughly,
    fewer_counted,
    another_show,
    foreign,
]


@pytest.mark.parametrize("change", CHANGES)
def test_no_change_passes_for_the_published_head(
    change: Callable[[Members], Members], export: Path, told: str, tmp_path: Path
) -> None:
    """Nothing here touches only what came after the result was told."""
    both_refuse(packed(change(members_of(export))), told, tmp_path / "changed.tar")


def test_a_journal_made_up_anew_is_sound_but_not_the_one_that_was_told(
    export: Path, told: str, tmp_path: Path
) -> None:
    """Whoever rewrites everything, the published heads too, has no head that people saw."""
    members = members_of(export)
    members[SECOND] = rewritten(members[SECOND], other_choice)
    place = tmp_path / "forged.tar"
    place.write_bytes(packed(members))
    journal = ExportedJournal(RealDisk(), place)
    chains = {n: [f.chain for f in journal.follow(n).read()] for n in journal.incarnations()}

    def retold(frame: Frame) -> Frame:
        if b'"published"' not in frame.body:
            return frame
        record = json.loads(frame.body)
        ends = {
            int(n): (count, chains[int(n)][count - 1]) for n, count in record["positions"].items()
        }
        record["head"] = verifier.head_of(ends)
        record["right"] -= 1
        return msgspec.structs.replace(frame, body=json.dumps(record).encode())

    members[DIRECTOR] = rewritten(members[DIRECTOR], retold)
    place.write_bytes(packed(members))
    with pytest.raises(DoesNotHold, match="head of nothing in it"):
        verify(ExportedJournal(RealDisk(), place), told)
    with pytest.raises(verifier.DoesNotHold, match="head of nothing in it"):
        verifier.check(place, told)


def test_a_result_that_was_told_wrongly_does_not_hold(
    night: DiskNight, export: Path, told: str, tmp_path: Path
) -> None:
    """The director may say what it likes, as long as its own head stands: the frames decide."""

    def boasted(frame: Frame) -> Frame:
        body = frame.body.replace(b'"answers":4', b'"answers":5')
        return msgspec.structs.replace(frame, body=body)

    members = members_of(export)
    members[DIRECTOR] = rewritten(members[DIRECTOR], boasted)
    assert members[DIRECTOR] != members_of(export)[DIRECTOR]
    place = tmp_path / "boasted.tar"
    place.write_bytes(packed(members))
    with pytest.raises(DoesNotHold, match="published with 5 answers"):
        verify(ExportedJournal(RealDisk(), place), told)
    with pytest.raises(verifier.DoesNotHold, match="published with answers 5"):
        verifier.check(place, told)
