"""When the director journals a result as told."""

from __future__ import annotations

from pathlib import Path

import msgspec
from disk_night import DiskNight, FixedClock
from small_show import answer

from hairpin import messages as m
from hairpin.bus.local import LocalBus
from hairpin.claims.desk import ClaimsDesk
from hairpin.journal import decode_control
from hairpin.stage.director import Director
from hairpin.stage.past import read_past
from hairpin.stage.view import StageView


def test_a_result_that_is_being_refolded_is_published_when_it_is_done(tmp_path: Path) -> None:
    """Until then its version may be new already, but its head covers answers not yet counted."""
    night = DiskNight(tmp_path / "journal")
    night.open()
    night.answers(0, [answer(1)])
    night.close()
    night.mark()
    snapshot = night.snapshot()
    assert snapshot is not None
    director = director_of(night, tmp_path)
    first, other = snapshot.questions
    refolding = msgspec.structs.replace(first, status="provisional")
    director.tallied(msgspec.structs.replace(snapshot, questions=(refolding, other)))
    assert published(night) == []
    director.tallied(snapshot)
    director.tallied(snapshot)
    assert [(told.version, told.answers) for told in published(night)] == [(1, 1)]
    assert published(night)[0].head == snapshot.head


def test_a_head_that_phones_do_not_show_reaches_the_console_all_the_same(tmp_path: Path) -> None:
    night = DiskNight(tmp_path / "journal")
    night.open()
    night.answers(0, [answer(1)])
    night.close()
    snapshot = night.snapshot()
    assert snapshot is not None
    director = director_of(night, tmp_path)
    director.tallied(snapshot)
    version = director.version
    night.mark()
    final = night.snapshot()
    assert final is not None
    director.tallied(final)
    (told,) = published(night)
    assert [cue.told and cue.told.head for cue in director._view.cues] == [told.head, None]
    assert director.version == version, "nothing changed for the phones"


def director_of(night: DiskNight, place: Path) -> Director:
    clock = FixedClock()
    return Director(
        clock,
        night.journal,
        night.director,
        LocalBus(),
        read_past(night.journal, [night.director.incarnation]),
        ClaimsDesk(night.world, place / "winners.json", bytes(16)),
        StageView(night.show, clock),
        {},
    )


def published(night: DiskNight) -> list[m.Published]:
    records = [
        decode_control(frame.body)
        for frame in night.journal.follow(night.director.incarnation).read()
    ]
    return [record for record in records if isinstance(record, m.Published)]
