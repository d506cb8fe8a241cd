"""Words and cells of one question: clamps, limits, replaced answers, folding."""

from __future__ import annotations

import numpy as np
import pytest
from small_show import FR, GB, Answer, answer, make_question, records_of

from hairpin.errors import YourMistake
from hairpin.show import ALLOWANCE_MS_MAX, ELAPSED_FLOOR_MS_MAX, Question
from hairpin.tally.cells import Clamp, OutOfRange, QuestionCount, Scores
from hairpin.tally.words import NO_ANSWER, RECEIVED_MAX_MS, parts_of

OPENED = 60_000
CLAMP = Clamp(OPENED, allowance_ms=3_000, floor_ms=200)
QUESTION = make_question(1)


def count_of(
    *answers: Answer, question: Question = QUESTION, clamp: Clamp = CLAMP
) -> QuestionCount:
    count = QuestionCount(question, clamp)
    count.add(records_of(answers))
    return count


def word_of(count: QuestionCount, fan: int) -> tuple[int, int, int]:
    """(received since the opening, elapsed, choice)."""
    return parts_of(int(count.words[fan]))


@pytest.mark.parametrize(
    ("received_ms", "claimed_ms", "elapsed_ms"),
    [
        (5_000, 5_000, 5_000),
        (5_000, 3_500, 3_500),
        (5_000, 2_000, 2_000),  # all of the allowance
        (5_000, 1_999, 2_000),  # more than the allowance
        (5_000, 0, 2_000),
        (5_000, 5_001, 5_000),  # longer than since the opening
        (5_000, 2**32 - 1, 5_000),
        (1_000, 0, 200),  # below human reaction time
        (1_000, 199, 200),
        (1_000, 201, 201),
        (100, 100, 200),  # the floor goes beyond the receipt
        (0, 0, 200),
        (-300, 0, 200),  # within the clock skew before the opening
    ],
)
def test_a_claim_is_bounded_by_receipt_allowance_and_floor(
    received_ms: int, claimed_ms: int, elapsed_ms: int
) -> None:
    count = count_of(answer(4, took_ms=claimed_ms, received_ms=received_ms))
    assert word_of(count, 4) == (max(received_ms, 0), elapsed_ms, 1)


def test_answers_before_the_show_began_to_count_time_are_bounded_too() -> None:
    """A restart on a machine whose clock was set back opens before the epoch."""
    count = count_of((4, 500, 100, 0, 1, 0, FR), clamp=Clamp(-1_000, 3_000, 0))
    assert word_of(count, 4) == (1_500, 100, 1)


def test_times_saturate_at_27_bits_and_no_word_is_all_ones() -> None:
    eight = make_question(1, choices=(QUESTION.choices * 3)[:8], multiple=True)
    late = (0, 2**32 - 1, 2**32 - 1, 0, 0xFF, 2, 249)
    for allowance in (0, ALLOWANCE_MS_MAX):
        for floor in (0, ELAPSED_FLOOR_MS_MAX):
            count = count_of(late, question=eight, clamp=Clamp(0, allowance, floor))
            assert count.words[0] != NO_ANSWER
            assert word_of(count, 0) == (2**27 - 2, RECEIVED_MAX_MS, 0xFF)
            assert count.answers == 1
            assert list(count.fans()) == [0]


@pytest.mark.parametrize(("received_ms", "claimed_ms"), [(0, 0), (ALLOWANCE_MS_MAX + 9, 0)])
def test_the_widest_bounds_fit(received_ms: int, claimed_ms: int) -> None:
    clamp = Clamp(0, ALLOWANCE_MS_MAX, ELAPSED_FLOOR_MS_MAX)
    count = count_of((1, received_ms, claimed_ms, 0, 1, 0, FR), clamp=clamp)
    assert word_of(count, 1) == (received_ms, ELAPSED_FLOOR_MS_MAX, 1)
    count = count_of((1, received_ms, 2**32 - 1, 0, 1, 0, FR), clamp=clamp)
    assert word_of(count, 1) == (received_ms, max(received_ms, ELAPSED_FLOOR_MS_MAX), 1)


@pytest.mark.parametrize(("allowance", "floor"), [(-1, 0), (480_001, 0), (0, -1), (0, 10_001)])
def test_bounds_that_no_word_can_hold_are_refused(allowance: int, floor: int) -> None:
    with pytest.raises(YourMistake, match=r"the tally counts with 0 to \d+ ms"):
        Clamp(0, allowance, floor)


def test_the_first_received_answer_counts_whatever_comes_first() -> None:
    first, second = answer(9, 0b001, 1_000), answer(9, 0b010, 2_000)
    for order in ([first, second], [second, first], [second, first, second, first]):
        count = count_of(*order)
        assert word_of(count, 9) == (1_000, 1_000, 0b001)
        assert count.answers == 1
        assert count.repeats == len(order) - 1
        assert count.cells.sum() == 1
        assert count.cells[0b001, 1, FR] == 1


def test_a_replaced_word_takes_its_choice_out_of_the_same_cell_row() -> None:
    count = count_of(answer(9, 0b010, 2_000), answer(8, 0b010, 2_000, band=2, country=GB))
    assert count.cells[0b010, 1, FR] == count.cells[0b010, 2, GB] == 1
    count.add(records_of([answer(9, 0b100, 1_500)]))
    assert count.cells[0b010, 1, FR] == 0
    assert count.cells[0b100, 1, FR] == 1
    assert count.cells[0b010, 2, GB] == 1
    assert count.cells.sum() == 2


def test_of_two_at_the_same_time_the_shorter_and_then_the_lower_choice_counts() -> None:
    a, b, c = (
        (3, 65_000, took, 0, choice, 0, FR) for took, choice in ((4000, 4), (3500, 4), (3500, 2))
    )
    for order in ([a, b, c], [c, b, a], [b, a, c]):
        assert word_of(count_of(*order), 3) == (5_000, 3_500, 2)


def test_fans_of_any_number_find_room() -> None:
    count = count_of(answer(0), answer(4_095), answer(4_096), answer(70_000))
    assert list(count.fans()) == [0, 4_095, 4_096, 70_000]


@pytest.mark.parametrize(
    ("choice", "band", "country"),
    [(0, 0, 0), (0b011, 0, 0), (0b1000, 0, 0), (255, 0, 0), (1, 3, 0), (1, 0, 250), (1, 0, 255)],
)
def test_a_record_that_no_gate_admits_is_refused_before_anything_is_counted(
    choice: int, band: int, country: int
) -> None:
    count = QuestionCount(QUESTION, CLAMP)
    with pytest.raises(OutOfRange):
        count.add(records_of([answer(1), (2, 60_000, 0, 0, choice, band, country)]))
    assert (count.journalled, count.answers, count.cells.sum()) == (0, 0, 0)


def test_several_choices_are_legal_where_several_may_be_picked() -> None:
    question = make_question(1, multiple=True, right=0b101)
    count = count_of(answer(1, 0b101), answer(2, 0b111), question=question)
    assert count.answers == 2


def test_nothing_added_is_nothing_counted() -> None:
    count = count_of()
    assert (count.journalled, count.answers, count.repeats) == (0, 0, 0)
    assert list(count.fans()) == []


def test_a_fold_adds_and_an_unfold_takes_back() -> None:
    scores = Scores()
    one = count_of(answer(1, 0b001, 1_000), answer(2, 0b010), answer(3, 0b001, 2_000))
    scores.fold(one.words, QUESTION, 0b001)
    assert list(scores.correct[:5]) == [0, 1, 0, 1, 0]
    assert list(scores.total_ms[:5]) == [0, 1_000, 0, 2_000, 0]
    assert list(np.flatnonzero(scores.origins)) == [1, 2, 3]
    assert scores.origin(2) == ("FR", 1)
    scores.unfold(one.words, QUESTION, 0b001)
    assert not scores.correct.any()
    assert not scores.total_ms.any()


def test_one_of_several_right_answers_is_enough_but_a_set_must_be_exact() -> None:
    answers = [answer(1, 0b001), answer(2, 0b010), answer(3, 0b100)]
    single, exact = Scores(), Scores()
    single.fold(count_of(*answers).words, QUESTION, 0b011)
    assert list(single.correct[:4]) == [0, 1, 1, 0]
    several = make_question(1, multiple=True)
    answers = [answer(fan, mask) for fan, mask in ((1, 0b001), (2, 0b011), (3, 0b111))]
    exact.fold(count_of(*answers, question=several).words, several, 0b011)
    assert list(exact.correct[:4]) == [0, 0, 1, 0]


def test_a_poll_is_seen_and_scores_nobody() -> None:
    scores = Scores()
    scores.fold(count_of(answer(5)).words, make_question(1, right=0), 0)
    assert scores.origins[5]
    assert not scores.correct.any()


def test_scores_grow_with_the_fans() -> None:
    scores = Scores()
    scores.fold(count_of(answer(1)).words, QUESTION, 1)
    scores.fold(count_of(answer(9_000)).words, QUESTION, 1)
    scores.fold(count_of(answer(1)).words, QUESTION, 1)
    assert (scores.correct[1], scores.correct[9_000], scores.total_ms[1]) == (2, 1, 2_000)
    assert len(scores.correct) == len(scores.total_ms) == len(scores.origins)
