"""Any night through real strands: live, recounted and worked out plainly are one and the same."""

from __future__ import annotations

import tempfile
from pathlib import Path

from any_night import QUESTIONS, AnyNight, steps
from hypothesis import given, settings
from hypothesis import strategies as st

from hairpin import messages as m
from hairpin.tally.recount import Recount, Recounter


@settings(deadline=None, max_examples=100)
@given(st.lists(steps, max_size=14))
def test_live_recounted_and_plain_are_the_same(played: list[tuple[object, ...]]) -> None:
    with tempfile.TemporaryDirectory() as place:
        rehearsed = AnyNight(Path(place) / "journal")
        for step in played:
            rehearsed.play(step)
        live = rehearsed.finish()
        recounter = Recounter(rehearsed.night.journal)
        found = recounter.run()
        same(live, found)
        assert found.heads_verified == len(rehearsed.night.keeper.book.published)
        plain = rehearsed.plain
        for tally in found.questions:
            plain.check(tally)
            counted = recounter.counted_fans(tally.question)
            assert list(counted) == sorted(plain.counted(tally.question))
        listed, more = plain.leaders(list(range(len(QUESTIONS))))
        assert (list(found.leaders), found.more) == (listed, more)
        assert found.fans == len(plain.scores(list(range(len(QUESTIONS)))))


def same(live: m.TallySnapshot, found: Recount) -> None:
    assert live.questions == found.questions
    assert (live.leaders, live.more, live.fans) == (found.leaders, found.more, found.fans)
    assert live.head == found.head
    assert found.journalled == found.counted + found.repeats
