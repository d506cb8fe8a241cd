"""Compile every kernel ahead of time, so that no fan waits for it."""

from __future__ import annotations

import numpy as np

from hairpin.answer import RECORD
from hairpin.gate.admit import Admission, answer_text
from hairpin.gate.warm import warm as warm_hot_loop
from hairpin.messages import GateQuestion
from hairpin.show import Choice, Question, TieBreak
from hairpin.tally.cells import Clamp, QuestionCount, Scores
from hairpin.tally.leaderboard import leaderboard, rank_rows
from hairpin.tally.words import only_question, pairs_of
from hairpin.ticket import TicketKey, claim_code, issue, verify


def warm() -> None:
    """Use every kernel once. Seconds in a new installation, a fraction of one after that."""
    key = TicketKey(0, bytes(16), bytes(16))
    ticket = issue(1, 0, 0, key)
    verify(ticket, key)
    claim_code(key.claim, 1, 0, 0)
    warm_hot_loop()
    admission = Admission(key)
    admission.set_questions((GateQuestion(2, False, 0, 2, False),), 0)
    admission.admit(np.frombuffer(answer_text(ticket, 0, 1, 1), np.uint8), np.array([1], np.int64))
    question = Question("warm", {}, (Choice({}), Choice({})), 1, False, 0, 1)
    count = QuestionCount(question, Clamp(0, 0, 0))
    records = np.zeros(2, RECORD)
    records["choice"] = 1
    count.add(records)
    count.check(pairs_of(records))
    only_question(pairs_of(records))
    scores = Scores()
    scores.fold(count.words, question, 1)
    scores.unfold(count.words, question, 1)
    scores.fold(count.words, question, 1)
    leaderboard(scores.correct, scores.total_ms, frozenset(), 1, TieBreak.DRAW, "")
    leaderboard(scores.correct, scores.total_ms, frozenset(), 1, TieBreak.SHARE, "")
    rank_rows(scores.correct, scores.total_ms, scores.origins)
