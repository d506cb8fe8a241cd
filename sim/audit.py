"""After the night: the journal is counted again, by the product and with pencil and paper."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import TYPE_CHECKING

from hairpin.errors import DataDamaged
from hairpin.frame import Frame, Kind
from hairpin.journal.disk import DiskJournal
from hairpin.stage.past import directors
from hairpin.tally.recount import Recount, Recounter
from sim.checkers import Violation, results
from sim.checkers.chains import Chains
from sim.checkers.steps import Steps
from sim.model import Reckoning

if TYPE_CHECKING:
    from sim.court import Court

SKEW_MS = 1_000
FANS_CHECKED = 3
"""Of so many questions the recount's set of fans is asked for; each reads the whole journal."""


def audit(journal: DiskJournal, court: Court, quiet: bool = False) -> Recount:
    """Raises Violation where the books differ; DataDamaged, EngineDown where there are none.

    `quiet`: nothing went wrong in this night.
    """
    recounter = Recounter(journal)
    recount = recounter.run()
    owners = directors(journal)
    others = [n for n in journal.incarnations() if n not in owners]
    chains, frames = Chains(), []
    for incarnation in [*owners, *others]:
        for frame in journal.follow(incarnation).read():
            chains.take(frame)
            frames.append((int(frame.kind), frame.body))
    model = Reckoning(frames)
    _check_running_order(frames, court)
    results.check_tallies("the recount", recount.questions, model)
    results.check_leaders("the recount", recount.leaders, recount.more, model)
    if court.snapshot is not None:
        results.check_tallies("the live result", court.snapshot.questions, model)
        results.check_leaders("the live result", court.snapshot.leaders, court.snapshot.more, model)
        results.check_same(court.snapshot.questions, recount.questions)
    results.check_times(model, _closes(model), SKEW_MS)
    questions = range(len(model.show.questions))
    counted = {n: {fan: c.choice for fan, c in model.counted(n).items()} for n in questions}
    for n in court.sample(questions, FANS_CHECKED):
        results.check_fans(n, recounter.counted_fans(n).tolist(), counted[n])
    court.ledger.settle(
        counted,
        {q.question: q.journalled for q in recount.questions},
        {q.question: q.repeats for q in recount.questions},
        model.opened,
        quiet,
    )
    court.numbers.settle()
    return recount


def check_forgery(journal: DiskJournal, forge: Callable[[Frame], int], dice: random.Random) -> None:
    """Somebody changes an answer in all mirrors: whoever recounts must find that out."""
    answers = [
        frame
        for incarnation in journal.incarnations()
        for frame in journal.follow(incarnation).read()
        if frame.kind is Kind.ANSWERS
    ]
    if not answers:
        return
    forged = dice.choice(answers)
    forge(forged)
    try:
        Recounter(journal).run()
    except DataDamaged:
        return
    place = f"frame {forged.sequence} of incarnation {forged.incarnation}"
    raise Violation("whoever changes the journal is found out", f"{place} was forged")


def _check_running_order(frames: list[tuple[int, bytes]], court: Court) -> None:
    steps = Steps()
    for kind, body in frames:
        if kind == Kind.CONTROL:
            record = json.loads(body)
            steps.take(record)
            if record["type"] == "leased":
                court.numbers.lease(record)


def _closes(model: Reckoning) -> dict[int, int]:
    """When each question closed by the clock."""
    closes = {}
    for question, opened_ms in model.opened.items():
        duration_ms = model.show.questions[question].duration_ms
        if duration_ms is not None:
            closes[question] = opened_ms + duration_ms
    return closes
