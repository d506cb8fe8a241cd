"""Each way in which a night can be wrong is one problem, with its numbers."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from hairpin.messages import Cell, Leader, QuestionTally
from hairpin.rehearsal.ledger import Counts, Ledger, audit
from hairpin.rehearsal.record import CrowdRecord, CrowdTotals

FANS = np.array([10, 11, 12, 13], dtype=np.uint32)
SENT = np.array([[1, 1, 1, 0]], dtype=np.bool_)
ACKNOWLEDGED = np.array([[1, 1, 0, 0]], dtype=np.bool_)
COUNTED = np.array([10, 11, 12], dtype=np.uint32)
LEADER = Leader(rank=1, fan=10, right=1, total_ms=900, country="FR", age_band=1, tied=1)
QUESTION = QuestionTally(
    question=0,
    id="q1",
    status="final",
    version=1,
    reason="",
    missing=(),
    journalled=4,
    repeats=1,
    answers=3,
    by_choice=(2, 1),
    by_age_band=(Cell(1, 1), Cell(1, 1), Cell(1, 0)),
    by_country={"FR": Cell(3, 2)},
    right=2,
    wrong=1,
    best_country=None,
)
COUNTS = Counts(journalled=4, counted=3, repeats=1, questions=(QUESTION,), leaders=(LEADER,))


def crowd(**changes: object) -> CrowdRecord:
    """A crowd that agrees with COUNTS, but for `changes` of its totals or of its rows."""
    totals = CrowdTotals(
        show="s", fans=4, sent=7, acknowledged=3, refused={"closed": 2}, unanswered=2, forged=1
    )
    rows: dict[str, object] = {
        "number": FANS,
        "joined": np.ones(4, dtype=np.bool_),
        "sent": SENT,
        "acknowledged": ACKNOWLEDGED,
    }
    for name, value in changes.items():
        if isinstance(value, np.ndarray):
            rows[name] = value
        else:
            setattr(totals, name, value)
    return CrowdRecord(totals, **rows)


def judged(
    record: CrowdRecord | None = None,
    live: Counts = COUNTS,
    recount: Counts = COUNTS,
    counted: np.ndarray = COUNTED,
) -> Ledger:
    return audit(record or crowd(), live, recount, (counted,), 40.0, 60.0)


def changed(**fields: object) -> Counts:
    question = msgspec.structs.replace(QUESTION, **fields)
    return msgspec.structs.replace(COUNTS, questions=(question,))


def test_a_good_night_balances() -> None:
    ledger = judged()
    assert ledger.problems == ()
    assert ledger.balanced
    assert (ledger.sent, ledger.journalled, ledger.counted, ledger.recounted) == (7, 4, 3, 3)
    assert ledger.visitors == 0


def test_the_report_has_the_keys_that_were_promised() -> None:
    report = msgspec.json.decode(msgspec.json.encode(judged()))
    promised = (
        "show fans sent acknowledged unanswered refused journalled repeats counted recounted "
        "questions leaderboard wall_lag_ms_p99 seconds"
    )
    assert set(promised.split()) <= set(report)
    of_question = "id by_choice by_age_band by_country right wrong best_country"
    assert set(report["questions"][0]) == set(of_question.split())


def test_strangers_are_visitors_and_no_problem() -> None:
    bigger = changed(answers=4, journalled=5)
    bigger = msgspec.structs.replace(bigger, journalled=5, counted=4)
    ledger = judged(live=bigger, recount=bigger, counted=np.append(COUNTED, np.uint32(99)))
    assert ledger.balanced
    assert ledger.visitors == 1


def test_a_stranger_does_not_hide_a_lost_answer() -> None:
    stranger_for_12 = np.array([10, 11, 99], dtype=np.uint32)
    ledger = judged(record=crowd(acknowledged=SENT), counted=stranger_for_12)
    assert any("1 fans were acknowledged, but not counted: fans 12" in p for p in ledger.problems)


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"record": crowd(unanswered=1)}, "3 acknowledged + 2 refused + 1 unanswered = 6"),
        ({"record": crowd(forged_accepted=1)}, "1 of 1 forged answers were acknowledged"),
        (
            {"record": crowd(number=np.array([10, 11, 12, 10], dtype=np.uint32))},
            "1 fan numbers were given to more than one fan: fans 10",
        ),
        ({"live": changed(repeats=0)}, "question q1, live: 4 journalled, but 3 counted + 0 rep"),
        ({"recount": changed(journalled=9)}, "question q1, recounted: 9 journalled, but 3 cou"),
        (
            {"live": msgspec.structs.replace(COUNTS, journalled=5)},
            "journalled: live 5, recounted 4",
        ),
        ({"live": changed(by_choice=(1, 2))}, "q1, by_choice: live (1, 2), recounted (2, 1)"),
        ({"live": changed(by_country={"GB": Cell(3, 2)})}, "question q1, by_country"),
        ({"live": changed(right=3)}, "question q1, right: live 3, recounted 2"),
        ({"live": msgspec.structs.replace(COUNTS, questions=())}, "questions: live 0, recounted 1"),
        ({"live": msgspec.structs.replace(COUNTS, leaders=())}, "0 places live, 1 recounted"),
        (
            {
                "live": msgspec.structs.replace(
                    COUNTS, leaders=(msgspec.structs.replace(LEADER, total_ms=901),)
                )
            },
            "leaderboard: place 1",
        ),
        (
            {"record": crowd(acknowledged=5)},
            "5 requests of the crowd were acknowledged, but only 4",
        ),
        (
            {"counted": np.array([10, 12, 12], dtype=np.uint32)},
            "question q1: 1 fans were acknowledged, but not counted: fans 11",
        ),
        (
            {"counted": np.array([10, 11, 13], dtype=np.uint32)},
            "question q1: 1 fans were counted, but never answered: fans 13",
        ),
        ({"counted": COUNTED[:2]}, "question q1: 3 counted, but 2 fans in the recount's set"),
        ({"record": crowd(sent=np.zeros((0, 4), dtype=np.bool_))}, "questions: the crowd knows 0"),
    ],
)
def test_each_wrong_is_named(how: dict[str, object], says: str) -> None:
    ledger = judged(**how)
    assert not ledger.balanced
    assert any(says in problem for problem in ledger.problems), ledger.problems


def test_of_many_fans_some_are_named() -> None:
    numbers = np.arange(100, dtype=np.uint32)
    rows = np.ones((1, 100), dtype=np.bool_)
    record = crowd(number=numbers, joined=rows[0], sent=rows, acknowledged=rows)
    ledger = judged(record=record, counted=numbers[:0])
    (lost,) = [problem for problem in ledger.problems if "not counted" in problem]
    assert lost.endswith("100 fans were acknowledged, but not counted: fans 0, 1, 2, 3, 4, ...")
