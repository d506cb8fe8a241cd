"""A journal without one of its strands is found out by a recount, whatever was published."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_show import answer, armed, make_show, opened_ms, records_of

from hairpin import messages as m
from hairpin.errors import DataDamaged
from hairpin.frame import Kind
from hairpin.journal import Writer, encode_control
from hairpin.journal.disk import DiskJournal
from hairpin.tally.recount import Recounter
from hairpin.world import real_world


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
