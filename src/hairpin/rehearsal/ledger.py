"""The ledger: what was sent, acknowledged, journalled and counted must agree, to the last answer.

Pure: the crowd's record, the live tally and the recount come in, the verdict goes out. Every check
is one function that yields a sentence for what it found wrong, with numbers and some of the fans.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np
import numpy.typing as npt

from hairpin.messages import BestCountry, Cell, Leader, QuestionTally
from hairpin.rehearsal.record import CrowdRecord

Fans = npt.NDArray[np.uint32]

SHOWN_FANS = 5
"""How many fan numbers a problem names."""
COMPARED = (
    "journalled",
    "repeats",
    "answers",
    "by_choice",
    "by_age_band",
    "by_country",
    "right",
    "wrong",
    "best_country",
)
"""What must be equal, live and recounted; how often a result was published may differ."""


class Counts(msgspec.Struct, frozen=True):
    """One way of counting the whole show: live, or again from the journal."""

    journalled: int
    counted: int
    repeats: int
    questions: tuple[QuestionTally, ...]
    leaders: tuple[Leader, ...]


class LedgerQuestion(msgspec.Struct, frozen=True):
    id: str
    by_choice: tuple[int, ...]
    by_age_band: tuple[Cell, ...]
    by_country: dict[str, Cell]
    right: int
    wrong: int
    best_country: BestCountry | None


class Ledger(msgspec.Struct, frozen=True):
    """The report of one rehearsal. `sent`, `acknowledged`, `unanswered`, `refused` and
    `journalled` count requests; `counted` and `recounted` count (fan, question) pairs."""

    show: str
    balanced: bool
    problems: tuple[str, ...]
    fans: int
    visitors: int
    """Fans counted who are not of the crowd: people with a browser."""
    sent: int
    acknowledged: int
    unanswered: int
    refused: dict[str, int]
    journalled: int
    repeats: int
    counted: int
    recounted: int
    questions: tuple[LedgerQuestion, ...]
    leaderboard: tuple[Leader, ...]
    wall_lag_ms_p99: float | None
    """From the oldest answer in a picture of the wall until the wall had it; None: no picture."""
    latency_ms_p50: float
    latency_ms_p99: float
    seconds: float


def audit(
    crowd: CrowdRecord,
    live: Counts,
    recount: Counts,
    counted_fans: tuple[Fans, ...],
    wall_lag_ms_p99: float | None,
    seconds: float,
) -> Ledger:
    """Section 5 of the design. `counted_fans`: per question the fan numbers that the recount
    counted, u32, ascending, each once."""
    own = crowd.number[crowd.joined]
    problems = (
        *_requests(crowd),
        *_tickets(own),
        *_sums(live, "live"),
        *_sums(recount, "recounted"),
        *_live_is_recounted(live, recount),
        *_acknowledged_is_journalled(crowd, recount, counted_fans, own),
        *_sets(crowd, recount, counted_fans, own),
    )
    everyone = np.unique(np.concatenate([*counted_fans, np.zeros(0, dtype=np.uint32)]))
    totals = crowd.totals
    return Ledger(
        show=totals.show,
        balanced=not problems,
        problems=problems,
        fans=totals.fans,
        visitors=len(np.setdiff1d(everyone, own)),
        sent=totals.sent,
        acknowledged=totals.acknowledged,
        unanswered=totals.unanswered,
        refused=totals.refused,
        journalled=live.journalled,
        repeats=live.repeats,
        counted=live.counted,
        recounted=recount.counted,
        questions=tuple(
            msgspec.convert(q, LedgerQuestion, from_attributes=True) for q in recount.questions
        ),
        leaderboard=recount.leaders,
        wall_lag_ms_p99=wall_lag_ms_p99,
        latency_ms_p50=totals.latency_ms_p50,
        latency_ms_p99=totals.latency_ms_p99,
        seconds=seconds,
    )


def crowd_problems(crowd: CrowdRecord) -> tuple[str, ...]:
    """What can be checked where neither the live count nor the journal can be seen."""
    own = crowd.number[crowd.joined]
    return (*_requests(crowd), *_tickets(own), *_acknowledged_was_sent(crowd))


def _acknowledged_was_sent(crowd: CrowdRecord) -> Iterator[str]:
    never = int((crowd.acknowledged & ~crowd.sent).sum())
    if never:
        yield f"{never} answers were acknowledged that the crowd never sent"


def _requests(crowd: CrowdRecord) -> Iterator[str]:
    totals = crowd.totals
    refused = sum(totals.refused.values())
    outcomes = totals.acknowledged + refused + totals.unanswered
    if totals.sent != outcomes:
        yield (
            f"the crowd sent {totals.sent} requests, but {totals.acknowledged} acknowledged + "
            f"{refused} refused + {totals.unanswered} unanswered = {outcomes}"
        )
    if totals.forged_accepted:
        yield f"{totals.forged_accepted} of {totals.forged} forged answers were acknowledged"
    if totals.junk_accepted:
        yield f"{totals.junk_accepted} of {totals.junk} requests of junk were accepted"


def _tickets(own: Fans) -> Iterator[str]:
    numbers, times = np.unique(own, return_counts=True)
    twice = numbers[times > 1]
    if len(twice):
        yield f"{len(twice)} fan numbers were given to more than one fan: {_some(twice)}"


def _sums(counts: Counts, name: str) -> Iterator[str]:
    """journalled = counted + repeats, for each question and for all."""
    for question in counts.questions:
        if question.journalled != question.answers + question.repeats:
            yield (
                f"question {question.id}, {name}: {question.journalled} journalled, but "
                f"{question.answers} counted + {question.repeats} repeats"
            )
    if counts.journalled != counts.counted + counts.repeats:
        yield (
            f"{name}: {counts.journalled} journalled, but {counts.counted} counted + "
            f"{counts.repeats} repeats"
        )


def _live_is_recounted(live: Counts, recount: Counts) -> Iterator[str]:
    for name in ("journalled", "counted", "repeats"):
        shown, found = getattr(live, name), getattr(recount, name)
        if shown != found:
            yield f"{name}: live {shown}, recounted {found}"
    if len(live.questions) != len(recount.questions):
        yield f"questions: live {len(live.questions)}, recounted {len(recount.questions)}"
    for shown_q, found_q in zip(live.questions, recount.questions, strict=False):
        for name in COMPARED:
            shown, found = getattr(shown_q, name), getattr(found_q, name)
            if shown != found:
                yield f"question {found_q.id}, {name}: live {shown}, recounted {found}"
    if live.leaders != recount.leaders:
        differ = [
            f"place {place}: live {shown}, recounted {found}"
            for place, (shown, found) in enumerate(
                zip(live.leaders, recount.leaders, strict=False), start=1
            )
            if shown != found
        ]
        lengths = f"{len(live.leaders)} places live, {len(recount.leaders)} recounted"
        yield f"leaderboard: {differ[0] if differ else lengths}"


def _acknowledged_is_journalled(
    crowd: CrowdRecord, recount: Counts, counted_fans: tuple[Fans, ...], own: Fans
) -> Iterator[str]:
    """Each acknowledged request is a journalled record. Where strangers answered too, at least one
    record of each counted stranger is not the crowd's."""
    strangers = sum(len(np.setdiff1d(fans, own)) for fans in counted_fans)
    if crowd.totals.acknowledged > recount.journalled - strangers:
        yield (
            f"{crowd.totals.acknowledged} requests of the crowd were acknowledged, but only "
            f"{recount.journalled - strangers} of its answers can be in the journal"
        )


def _sets(
    crowd: CrowdRecord, recount: Counts, counted_fans: tuple[Fans, ...], own: Fans
) -> Iterator[str]:
    """For each question, acknowledged is in counted, and counted is in sent."""
    if len(counted_fans) != len(recount.questions) or len(crowd.sent) != len(counted_fans):
        yield (
            f"questions: the crowd knows {len(crowd.sent)}, the recount {len(recount.questions)}, "
            f"its sets {len(counted_fans)}"
        )
    rows = zip(recount.questions, counted_fans, crowd.sent, crowd.acknowledged, strict=False)
    for question, counted, sent_row, acknowledged_row in rows:
        sent = crowd.number[sent_row & crowd.joined]
        acknowledged = crowd.number[acknowledged_row & crowd.joined]
        if len(counted) != question.answers:
            yield (
                f"question {question.id}: {question.answers} counted, "
                f"but {len(counted)} fans in the recount's set"
            )
        lost = np.setdiff1d(acknowledged, counted)
        if len(lost):
            yield (
                f"question {question.id}: {len(lost)} fans were acknowledged, but not counted: "
                f"{_some(lost)}"
            )
        never = np.setdiff1d(np.intersect1d(counted, own), sent)
        if len(never):
            yield (
                f"question {question.id}: {len(never)} fans were counted, but never answered: "
                f"{_some(never)}"
            )


def _some(fans: Fans) -> str:
    listed = ", ".join(str(fan) for fan in fans[:SHOWN_FANS])
    return f"fans {listed}, ..." if len(fans) > SHOWN_FANS else f"fans {listed}"
