"""Any night, exported: the product and the independent verifier agree in every number."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import msgspec
import outsider
import pytest
from any_night import SHOW, AnyNight, steps
from hypothesis import given, settings
from hypothesis import strategies as st

from hairpin.journal import Readable
from hairpin.journal.export import survey, write_file
from hairpin.journal.exported import ExportedJournal
from hairpin.show import TieBreak
from hairpin.tally.verify import DoesNotHold, verify

verifier = outsider.load()
DRAWN = msgspec.structs.replace(SHOW, tie_break=TieBreak.DRAW, contenders=2)


def ours(journal: Readable, head: str) -> dict[str, Any]:
    """What the product says, without the grounds on which the show was armed."""
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(verify(journal, head)))
    del found["recount"]["permission"]
    return found


@settings(deadline=None, max_examples=60)
@given(st.lists(steps, max_size=14), st.booleans(), st.booleans())
def test_both_agree_on_every_head(
    played: list[tuple[object, ...]], draws: bool, ends: bool
) -> None:
    with tempfile.TemporaryDirectory() as place:
        directory = Path(place) / "journal"
        any_night = AnyNight(directory, DRAWN if draws else SHOW)
        for step in played:
            any_night.play(step)
        night = any_night.night
        if ends or night.keeper.book.unasked():
            any_night.finish()
        export = Path(place) / "night.tar"
        found = survey(night.journal)
        write_file(night.world.disk, export, night.journal, found)
        exported = ExportedJournal(night.world.disk, export)
        heads = {record.head for record in night.keeper.book.published}
        for head in (found.head, *sorted(heads)):
            told = ours(exported, head)
            assert verifier.check(export, head) == told
            assert verifier.check(directory, head) == told
            assert ours(night.journal, head) == told
        nowhere = "0" * 32
        with pytest.raises(DoesNotHold, match="head of nothing in it"):
            verify(exported, nowhere)
        with pytest.raises(verifier.DoesNotHold, match="head of nothing in it"):
            verifier.check(export, nowhere)
