"""After a restart and in a recount a result goes on from the version that people saw."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_show import answer, armed, make_show, opened_ms, records_of
from strands import Strands

from hairpin import frame as framing
from hairpin import messages as m
from hairpin.errors import DataDamaged
from hairpin.frame import Kind
from hairpin.journal import Writer, encode_control
from hairpin.journal.disk import DiskJournal
from hairpin.tally.book import Book
from hairpin.tally.recount import Recounter
from hairpin.world import real_world

DIRECTOR, GATE = 1, 2
EVERYONE = [DIRECTOR, GATE]
CLOSED_MS = opened_ms(0) + 20_000


def published(version: int, reason: str, gate_frames: int = 3) -> m.Published:
    """A result that rests on this many frames of the gate; its answer is in the second one."""
    positions = {str(DIRECTOR): 4, str(GATE): gate_frames}
    return m.Published(CLOSED_MS, 0, version, reason, 1, 1, "", positions)


def read_again(*after: m.AnyControl) -> Book:
    """A book that reads a closed question with one answer, and then what came after."""
    strands = Strands()
    opening = (armed(make_show(1)), m.Opened(opened_ms(0), 0), m.Closed(CLOSED_MS, 0))
    for record in (m.Born(0, "director"), *opening, *after):
        strands.control(DIRECTOR, record)
    strands.control(GATE, m.Born(0, "gate"))
    strands.answers(GATE, [answer(5)])
    strands.control(GATE, m.Marked(0, (0,)))
    book = strands.read(strands.book())
    assert book.settle(EVERYONE) == [0]
    return book


@pytest.mark.parametrize(
    ("after", "version", "reason"),
    [
        ((), 1, ""),
        ((published(1, ""),), 1, ""),
        ((published(3, "a typing mistake"),), 3, "a typing mistake"),
        ((published(3, ""), m.Corrected(0, 0, 0b10, "a typing mistake")), 4, "a typing mistake"),
        ((published(3, ""), m.Voided(0, 0, "unclear")), 4, "unclear"),
        ((published(3, "", gate_frames=1),), 4, "late answers"),
    ],
    ids=["first", "same", "corrected before", "corrected since", "voided since", "late answers"],
)
def test_the_version_goes_on(after: tuple[m.AnyControl, ...], version: int, reason: str) -> None:
    line = read_again(*after).lines[0]
    assert (line.version, line.reason) == (version, reason)


def test_a_correction_before_the_result_is_final_keeps_its_reason() -> None:
    line = read_again(m.Corrected(0, 0, 0b10, "a typing mistake")).lines[0]
    assert (line.version, line.reason) == (1, "a typing mistake")


class Written:
    """A journal on disk: two directors, and gates that the last published head does not name."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.journal = DiskJournal.create(real_world(), directory)
        first = self.strand("director", armed(make_show(2)))
        self.strand("gate")
        second = self.strand("director", m.Opened(opened_ms(0), 0))
        last = self.strand("gate")
        last.commit(Kind.ANSWERS, records_of([answer(5)]).tobytes(), 1)
        self.control(second, m.Leased(0, last.incarnation, 0, 10))
        for writer in (first, second, last):
            writer.seal()

    def strand(self, role: str, *records: m.AnyControl) -> Writer:
        writer = self.journal.writer()
        for record in (m.Born(0, role), *records):
            self.control(writer, record)
        return writer

    @staticmethod
    def control(writer: Writer, record: m.AnyControl) -> None:
        writer.commit(Kind.CONTROL, encode_control(record), 1)


@pytest.mark.parametrize("removed", [1, 2, 3, 4])
def test_a_recount_misses_a_removed_strand(tmp_path: Path, removed: int) -> None:
    written = Written(tmp_path)
    assert Recounter(written.journal).run().counted == 1
    (path,) = tmp_path.glob(f"{removed:08x}-*.hpj")
    path.unlink()
    with pytest.raises(DataDamaged, match="journal"):
        Recounter(written.journal).run()


def test_a_recount_misses_the_record_that_opened_a_question(tmp_path: Path) -> None:
    journal = DiskJournal.create(real_world(), tmp_path)
    for role in ("director", "gate"):
        writer = journal.writer()
        Written.control(writer, m.Born(0, role))
        if role == "director":
            Written.control(writer, armed(make_show(1)))
        else:
            writer.commit(Kind.ANSWERS, records_of([answer(5)]).tobytes(), 1)
        writer.seal()
    with pytest.raises(DataDamaged, match="no record opens it"):
        Recounter(journal).run()


def test_what_the_frames_of_a_recount_hold_is_what_was_written(tmp_path: Path) -> None:
    written = Written(tmp_path)
    recounter = Recounter(written.journal)
    found = recounter.run()
    assert found.frames == framing_count(tmp_path)
    assert np.array_equal(recounter.counted_fans(0), [5])


def framing_count(directory: Path) -> int:
    files = directory.glob("*.hpj")
    return sum(1 for file in files for _ in framing.frames(file.read_bytes()))
