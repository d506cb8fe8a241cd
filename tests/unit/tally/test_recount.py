"""Recounting from the journal alone: equal to the live result, and nothing changed goes unseen."""

from __future__ import annotations

import struct
from pathlib import Path

import google_crc32c
import numpy as np
import pytest
from disk_night import DiskNight
from small_show import GB, answer

from hairpin import frame as framing
from hairpin.errors import DataDamaged
from hairpin.frame import Kind
from hairpin.journal.disk import DiskJournal
from hairpin.journal.names import segment_name
from hairpin.messages import Corrected, Opened, Struck, Voided
from hairpin.tally.recount import Recount, Recounter


@pytest.fixture
def night(tmp_path: Path) -> DiskNight:
    """Two questions, two gates, one of which died; a correction, a strike, late answers."""
    night = DiskNight(tmp_path / "journal")
    night.ask(0, [answer(1), answer(2, 0b010), answer(1)], [answer(3, country=GB)])
    night.control(Corrected(0, 0, 0b010, "a slip"))
    night.publish()
    night.open(1)
    night.answers(0, [answer(2, question=1), answer(1, 0b100, question=1)])
    night.answers(1, [answer(3, question=1, took_ms=700, country=GB), answer(4)])
    night.close(1)
    night.mark(1, 1)
    night.crash(0)
    night.publish()
    night.control(Struck(0, 1, "two phones"))
    return night


def recount(night: DiskNight) -> Recount:
    return Recounter(DiskJournal.open(night.world, night.directory)).run()


def refused(night: DiskNight) -> str:
    with pytest.raises(DataDamaged) as told:
        recount(night)
    assert "estore" in told.value.remedy
    return told.value.message


def strand(night: DiskNight, incarnation: int) -> Path:
    return night.directory / segment_name(incarnation, 0)


def test_a_recount_equals_the_live_result(night: DiskNight) -> None:
    live = night.publish()
    found = recount(night)
    assert live is not None
    assert found.questions == live.questions
    assert (found.leaders, found.more, found.fans) == (live.leaders, live.more, live.fans)
    assert found.show == "small"
    assert (found.journalled, found.counted, found.repeats) == (8, 7, 1)
    assert found.strands == 3
    assert found.heads_verified == len(night.keeper.book.published) == 4
    assert [q.version for q in found.questions] == [3, 1]
    assert found.leaders[0].fan == 2


def test_a_recount_of_a_living_node_finds_what_is_durable_now(night: DiskNight) -> None:
    before = recount(night)
    night.answers(0, [answer(9, question=1)])
    after = recount(night)
    assert after.counted == before.counted + 1
    assert after.questions[1].status == "final"


def test_progress_counts_the_strands(night: DiskNight) -> None:
    told: list[tuple[int, int]] = []
    Recounter(night.journal).run(lambda done, strands: told.append((done, strands)))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_the_fans_counted_for_a_question_are_named_to_the_auditor(night: DiskNight) -> None:
    recounter = Recounter(night.journal)
    recounter.run()
    assert list(recounter.counted_fans(0)) == [1, 2, 3, 4]
    assert recounter.counted_fans(1).dtype == np.uint32


def test_a_question_that_was_never_opened_was_answered_by_nobody(tmp_path: Path) -> None:
    night = DiskNight(tmp_path / "journal")
    recounter = Recounter(night.journal)
    found = recounter.run()
    assert (found.counted, found.heads_verified) == (0, 0)
    assert list(recounter.counted_fans(1)) == []


def test_a_later_director_goes_on_where_the_first_one_ended(night: DiskNight) -> None:
    first = night.director
    night.kill(first)
    night.director = night.journal.writer()
    end = night.journal.fence(first.incarnation)
    assert end is not None
    night.control(Voided(0, 0, "no"), writer=night.director)
    # Its first frame is no birth here: a director is known by that, and its records come first.
    found = recount(night)
    assert found.questions[0].status == "void"


# --- changed afterwards ---------------------------------------------------------------------------


def with_fresh_checksum(data: bytearray, at: int) -> None:
    """What somebody does who wants a changed frame to look intact."""
    size = struct.unpack_from("<I", data, at + 32)[0]
    blanked = bytes(data[at : at + 36]) + bytes(4) + bytes(data[at + 40 : at + 56 + size])
    data[at + 36 : at + 40] = struct.pack("<I", google_crc32c.value(blanked))


def with_fresh_chain(data: bytes, journal: int, incarnation: int) -> bytes:
    """What somebody does who rewrites the whole strand from the changed frame on."""
    out, chain = b"", framing.genesis(journal, incarnation)
    for sequence, old in enumerate(framing.frames(data)):
        whole, chain = framing.pack(
            old.kind, journal, incarnation, sequence, chain, old.body, old.count
        )
        out += whole
    return out


def answers_at(data: bytes) -> int:
    """Where the body of the first answers begins."""
    frame = next(f for f in framing.frames(data) if f.kind is Kind.ANSWERS)
    return frame.offset + framing.HEADER_BYTES


@pytest.mark.parametrize("byte", [0, 4, 8, 12, 13, 14, 15])
def test_a_changed_byte_of_an_answer_is_found_even_with_its_checksum_put_right(
    night: DiskNight, byte: int
) -> None:
    path = strand(night, 2)
    data = bytearray(path.read_bytes())
    at = answers_at(bytes(data))
    data[at + byte] ^= 1
    with_fresh_checksum(data, at - framing.HEADER_BYTES)
    path.write_bytes(bytes(data))
    assert "does not continue the chain" in refused(night)


def test_a_strand_rewritten_with_its_chain_is_found_by_the_published_head(
    night: DiskNight,
) -> None:
    living = night.gates[0].incarnation
    path = strand(night, living)
    data = bytearray(path.read_bytes())
    at = answers_at(bytes(data))
    data[at + 13] = 0b100
    with_fresh_checksum(data, at - framing.HEADER_BYTES)
    path.write_bytes(with_fresh_chain(bytes(data), night.journal.id, living))
    assert "the head published with question 1" in refused(night)


def test_a_fenced_strand_rewritten_with_its_chain_is_found_by_its_end(night: DiskNight) -> None:
    path = strand(night, 2)
    data = bytearray(path.read_bytes())
    at = answers_at(bytes(data))
    data[at + 13] = 0b100
    with_fresh_checksum(data, at - framing.HEADER_BYTES)
    path.write_bytes(with_fresh_chain(bytes(data), night.journal.id, 2))
    assert "incarnation 2 was fenced after 4 frames" in refused(night)


@pytest.mark.parametrize("incarnation", [1, 2, 3])
def test_a_removed_strand_is_found(night: DiskNight, incarnation: int) -> None:
    strand(night, incarnation).unlink()
    refused(night)


def test_a_strand_cut_short_is_found(night: DiskNight) -> None:
    living = night.gates[0].incarnation
    path = strand(night, living)
    data = path.read_bytes()
    *_, last = framing.frames(data)
    path.write_bytes(data[: last.offset])
    assert f"of incarnation {living}" in refused(night)


def test_a_strand_of_another_show_put_in_its_place_is_found(
    night: DiskNight, tmp_path: Path
) -> None:
    other = DiskNight(tmp_path / "other")
    other.ask(0, [answer(1)], [answer(2)])
    strand(night, 2).write_bytes(strand(other, 2).read_bytes())
    assert f"belongs to journal {other.journal.id:016x}" in refused(night)


def test_answers_to_a_question_that_no_record_opens_are_found(tmp_path: Path) -> None:
    night = DiskNight(tmp_path / "journal")
    night.answers(0, [answer(1)])
    assert "question 1 was answered, but no record opens it" in refused(night)
    night.control(Opened(night.clock.at_ms, 0))
    assert recount(night).counted == 1


def test_a_journal_without_a_show_says_so(tmp_path: Path) -> None:
    world = DiskNight(tmp_path / "other").world
    journal = DiskJournal.create(world, tmp_path / "journal")
    with pytest.raises(DataDamaged, match="no show"):
        Recounter(journal).run()
