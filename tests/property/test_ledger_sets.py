"""The ledger's verdict against plain Python sets, for any night."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hairpin.messages import QuestionTally
from hairpin.rehearsal.ledger import Counts, audit
from hairpin.rehearsal.record import CrowdRecord, CrowdTotals

FANS = 12
fans = st.sets(st.integers(0, FANS - 1))
numbers = st.lists(st.integers(0, 40), min_size=FANS, max_size=FANS, unique=True)


def row(members: set[int]) -> np.ndarray:
    return np.isin(np.arange(FANS), sorted(members))[None, :]


def counts(answers: int, repeats: int) -> Counts:
    question = QuestionTally(
        question=0,
        id="q1",
        status="final",
        version=1,
        reason="",
        missing=(),
        journalled=answers + repeats,
        repeats=repeats,
        answers=answers,
        by_choice=(answers,),
        by_age_band=(),
        by_country={},
        right=answers,
        wrong=0,
        best_country=None,
    )
    return Counts(answers + repeats, answers, repeats, (question,), ())


@given(numbers, fans, fans, st.sets(st.integers(0, 60)), st.integers(0, 5))
def test_it_balances_exactly_if_the_sets_and_sums_do(
    number: list[int], sent: set[int], acknowledged: set[int], counted: set[int], repeats: int
) -> None:
    own = set(number)
    totals = CrowdTotals(
        show="s", fans=FANS, sent=len(acknowledged), acknowledged=len(acknowledged), refused={}
    )
    record = CrowdRecord(
        totals,
        np.array(number, dtype=np.uint32),
        np.ones(FANS, dtype=np.bool_),
        row(sent),
        row(acknowledged),
    )
    tally = counts(len(counted), repeats)
    pairs = (np.array(sorted(counted), dtype=np.uint32),)
    ledger = audit(record, tally, tally, pairs, None, 1.0)
    sent_numbers = {number[fan] for fan in sent}
    acknowledged_numbers = {number[fan] for fan in acknowledged}
    strangers = counted - own
    assert ledger.visitors == len(strangers)
    assert ledger.balanced == (
        acknowledged_numbers <= counted
        and counted & own <= sent_numbers
        and len(acknowledged) <= len(counted) + repeats - len(strangers)
    )
