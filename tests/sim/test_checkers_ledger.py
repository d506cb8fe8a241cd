"""The ledger's checker can fail, each of its equations by itself."""

from __future__ import annotations

import pytest

from sim.checkers import Violation
from sim.checkers.ledger import Ledger


def sent(*answers: tuple[int, int, int]) -> Ledger:
    """A ledger of phones that sent (fan, question, choice) and were acknowledged."""
    ledger = Ledger()
    for fan, question, choice in answers:
        ledger.send(fan, question, choice)
        ledger.hear(fan, question, 204)
    return ledger


def violated(ledger: Ledger, counted: dict[int, dict[int, int]], repeats: int = 0) -> str:
    journalled = {question: len(fans) for question, fans in counted.items()}
    with pytest.raises(Violation) as found:
        ledger.settle(counted, journalled, dict.fromkeys(counted, repeats))
    return found.value.invariant


def test_a_balanced_ledger_is_settled() -> None:
    ledger = sent((1, 0, 1), (2, 0, 2))
    ledger.send(2, 0, 4)
    ledger.hear(2, 0, 204)
    ledger.send(3, 0, 1)
    ledger.hear(3, 0, 410)
    ledger.send(4, 0, 1)
    ledger.hear(4, 0, 0)
    ledger.give_up(4, 0)
    ledger.settle({0: {1: 1, 2: 2}}, {0: 3}, {0: 1})


def test_an_acknowledged_answer_that_is_not_counted_is_found() -> None:
    assert violated(sent((1, 0, 1), (2, 0, 1)), {0: {1: 1}}) == "acknowledged is within counted"


def test_a_counted_answer_that_nobody_sent_is_found() -> None:
    assert violated(sent((1, 0, 1)), {0: {1: 1, 9: 1}}) == "counted is within sent"


def test_another_choice_than_the_one_that_was_sent_is_found() -> None:
    assert violated(sent((1, 0, 1)), {0: {1: 2}}) == "counted as sent"


def test_a_repeat_too_many_is_found() -> None:
    assert violated(sent((1, 0, 1)), {0: {1: 1}}, repeats=1) == "journalled = counted + repeats"


def test_an_answer_without_an_outcome_is_found() -> None:
    ledger = sent((1, 0, 1))
    ledger.send(2, 0, 1)
    ledger.hear(2, 0, 0)
    expected = "sent is acknowledged, refused or unanswered"
    assert violated(ledger, {0: {1: 1}}) == expected


def test_a_request_that_is_forgotten_is_found() -> None:
    ledger = sent((1, 0, 1))
    ledger.send(1, 0, 1)
    assert violated(ledger, {0: {1: 1}}) == "every request has one outcome"


def test_a_reply_to_nobody_and_a_forged_ticket_that_counts_are_found() -> None:
    with pytest.raises(Violation, match="replied is within sent"):
        Ledger().hear(1, 0, 204)
    Ledger().forged(401)
    with pytest.raises(Violation, match="only issued tickets answer"):
        Ledger().forged(204)
