"""What a snapshot says: best country, right masks, status, leaders with their origins."""

from __future__ import annotations

import pytest
from small_show import FR, GB, US, answer, armed, make_question, make_show, opened_ms
from strands import Strands

from hairpin import messages as m
from hairpin.messages import BestCountry
from hairpin.show import Question
from hairpin.tally.snapshot import Snapshots, best_country, right_masks

DIRECTOR, GATE = 1, 2


@pytest.mark.parametrize(
    ("countries", "answers_min", "best"),
    [
        ({}, 1, None),
        ({"FR": (1, 2), "GB": (2, 3)}, 1, BestCountry("GB", 2, 3)),
        ({"FR": (1, 1), "GB": (5, 9)}, 2, BestCountry("GB", 5, 9)),  # too few to be the best
        ({"FR": (1, 1)}, 2, None),
        ({"FR": (1, 1)}, 0, BestCountry("FR", 1, 1)),
        ({"GB": (1, 2), "FR": (2, 4)}, 1, BestCountry("FR", 2, 4)),  # equal shares: more answers
        ({"GB": (2, 4), "FR": (2, 4)}, 1, BestCountry("FR", 2, 4)),  # then the code
        ({"ZZ": (9, 9), "FR": (1, 9)}, 1, BestCountry("FR", 1, 9)),  # unknown never wins
        ({"ZZ": (9, 9)}, 1, None),
        ({"FR": (0, 9), "GB": (0, 8)}, 1, BestCountry("FR", 0, 9)),
    ],
)
def test_the_best_country_has_the_largest_share_of_enough_answers(
    countries: dict[str, tuple[int, int]], answers_min: int, best: BestCountry | None
) -> None:
    assert best_country(countries, answers_min) == best


def test_right_masks_are_what_is_right_of_all_that_may_be_sent() -> None:
    single, several = make_question(1), make_question(1, multiple=True)
    for question in (single, several):
        for right in range(8):
            masks = right_masks(question, right)
            assert [n for n in range(8) if question.is_right(n, right)] == masks


def counted(*questions: Question) -> tuple[Strands, Snapshots]:
    strands = Strands()
    strands.control(DIRECTOR, m.Born(0, "director"))
    strands.control(DIRECTOR, armed(make_show(questions or 2)))
    strands.control(DIRECTOR, m.Opened(opened_ms(0), 0))
    strands.control(GATE, m.Born(0, "gate"))
    strands.answers(
        GATE,
        [
            answer(1, 0b001, 900, country=FR, band=0),
            answer(2, 0b001, 800, country=GB, band=2),
            answer(3, 0b010, 700, country=US),
            answer(2, 0b010, 950, country=GB, band=2),
        ],
    )
    book = strands.read(strands.book())
    return strands, Snapshots(book)


def test_while_counting_nobody_leads_and_nothing_is_looked_up() -> None:
    strands, snapshots = counted()
    told = snapshots.take(5, 4, 2.5)
    assert (told.at_ms, told.oldest_ms, told.answers_per_s) == (5, 4, 2.5)
    assert (told.leaders, told.more, told.fans, told.ranks) == ((), 0, 0, ())
    question = told.questions[0]
    assert (question.status, question.version, question.missing) == ("counting", 0, ())
    assert (question.journalled, question.answers, question.repeats) == (4, 3, 1)
    assert question.by_choice == (2, 1, 0)
    assert (question.right, question.wrong) == (2, 1)
    assert told.questions[1].answers == 0
    assert strands.replays == 0


def test_positions_and_head_are_those_of_all_strands_with_frames() -> None:
    strands, snapshots = counted()
    told = snapshots.take(0, None, 0.0)
    assert told.positions == {"1": 3, "2": 2}
    assert told.head == snapshots.take(9, 1, 1.0).head
    strands.control(GATE, m.Marked(0, (0,)))
    snapshots._book.apply(strands.frames[GATE][-1])
    assert snapshots.take(0, None, 0.0).head != told.head


def test_leaders_come_with_country_and_age_band_of_their_ticket() -> None:
    strands, snapshots = counted()
    book = snapshots._book
    for record in (m.Closed(0, 0), m.Revealed(0, 0, 1)):
        book.apply(strands.control(DIRECTOR, record))
    book.apply(strands.control(GATE, m.Marked(0, (0,))))
    assert book.settle([DIRECTOR, GATE]) == [0]
    told = snapshots.take(0, None, 0.0)
    assert told.leaders == (
        m.Leader(1, 2, 1, 800, "GB", 2, 1),
        m.Leader(2, 1, 1, 900, "FR", 0, 1),
    )
    assert told.fans == 3
    assert [(row.right, row.fans) for row in told.ranks] == [(1, 2), (0, 1)]
    assert strands.replays == 0


def test_a_poll_has_neither_right_nor_wrong_nor_a_best_country() -> None:
    _, snapshots = counted(make_question(1, right=0))
    question = snapshots.take(0, None, 0.0).questions[0]
    assert (question.answers, question.right, question.wrong) == (3, 0, 0)
    assert question.best_country is None
    assert question.by_choice == (2, 1, 0)


def test_a_picked_set_counts_for_each_of_its_choices() -> None:
    strands = Strands()
    strands.control(DIRECTOR, m.Born(0, "director"))
    show = make_show([make_question(1, multiple=True, right=0b011)])
    strands.control(DIRECTOR, armed(show))
    strands.control(DIRECTOR, m.Opened(opened_ms(0), 0))
    strands.answers(GATE, [answer(1, 0b011), answer(2, 0b111), answer(3, 0b001)])
    book = strands.read(strands.book())
    question = Snapshots(book).take(0, None, 0.0).questions[0]
    assert question.by_choice == (3, 2, 1)
    assert (question.right, question.wrong) == (1, 2)
