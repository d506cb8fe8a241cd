"""The kernels against a plain model: any order, any duplication, any split gives the same count."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_tally import PlainTally
from small_show import FR, GB, US, ZZ, Answer, make_question, make_show, records_of

from hairpin.show import ALLOWANCE_MS_MAX, ELAPSED_FLOOR_MS_MAX, Question, Show
from hairpin.tally.cells import Clamp, QuestionCount, Scores
from hairpin.tally.leaderboard import leaderboard
from hairpin.tally.lines import Line
from hairpin.tally.snapshot import question_tally
from hairpin.tally.words import parts_of

FANS = 9
OPENED = 50_000
times = st.one_of(
    st.integers(OPENED - 500, OPENED + 6_000),
    st.sampled_from([0, OPENED, OPENED + 2**27 - 2, OPENED + 2**27, 2**32 - 1]),
)
claims = st.one_of(st.integers(0, 6_000), st.sampled_from([2**28 - 1, 2**32 - 1]))
ORIGINS = [(fan % 3, (FR, GB, US, ZZ)[fan % 4]) for fan in range(FANS)]
"""A ticket says once and for all where its fan is from."""


def answers(multiple: bool, question: int = 0) -> st.SearchStrategy[list[Answer]]:
    choices = st.integers(1, 7) if multiple else st.sampled_from([1, 2, 4])
    one = st.builds(
        lambda fan, received, claimed, choice: (
            fan,
            received,
            claimed,
            question,
            choice,
            *ORIGINS[fan],
        ),
        st.integers(0, FANS - 1),
        times,
        claims,
        choices,
    )
    return st.lists(one, max_size=25)


settings_of_a_show = st.builds(
    lambda multiple, right, allowance, floor: make_show(
        [make_question(1, multiple=multiple, right=right)],
        allowance_ms=allowance,
        elapsed_floor_ms=floor,
    ),
    st.booleans(),
    st.integers(0, 7),
    st.sampled_from([0, 500, 3_000, ALLOWANCE_MS_MAX]),
    st.sampled_from([0, 200, ELAPSED_FLOOR_MS_MAX]),
)


def counting(show: Show) -> QuestionCount:
    clamp = Clamp(OPENED, show.allowance_ms, show.elapsed_floor_ms)
    return QuestionCount(show.questions[0], clamp)


def shuffled(data: st.DataObject, given: list[Answer]) -> list[list[Answer]]:
    """Every answer at least once, some again, in any order, in any number of batches."""
    again = data.draw(st.lists(st.sampled_from(given), max_size=8)) if given else []
    order = data.draw(st.permutations([*given, *again]))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(order)), max_size=4)))
    return [order[a:b] for a, b in zip([0, *cuts], [*cuts, len(order)], strict=True)]


@settings(deadline=None, max_examples=80)
@given(settings_of_a_show, st.data())
def test_any_order_duplication_and_split_counts_as_the_plain_model_does(
    show: Show, data: st.DataObject
) -> None:
    sent = data.draw(answers(show.questions[0].multiple))
    plain = PlainTally(show, {0: OPENED}, sent)
    count = counting(show)
    batches = shuffled(data, sent)
    for batch in batches:
        count.add(records_of(batch))
    counted = plain.counted(0)
    assert {int(fan): parts_of(int(count.words[fan])) for fan in count.fans()} == {
        fan: kept[:3] for fan, kept in counted.items()
    }
    assert {
        (int(c), int(b), int(n)): int(count.cells[c, b, n]) for c, b, n in np.argwhere(count.cells)
    } == plain.cells(0)
    assert (count.cells >= 0).all()
    assert count.answers == len(counted)
    assert count.journalled == sum(map(len, batches)) == count.answers + count.repeats


@settings(deadline=None, max_examples=60)
@given(settings_of_a_show, st.data())
def test_merging_is_commutative_associative_and_idempotent(show: Show, data: st.DataObject) -> None:
    a, b, c = (data.draw(answers(show.questions[0].multiple)) for _ in range(3))
    words = {}
    for name, parts in {
        "abc": (a, b, c),
        "cba": (c, b, a),
        "a(bc)": (a, b + c),
        "(ab)c": (a + b, c),
        "aabcb": (a, a, b, c, b),
    }.items():
        count = counting(show)
        for part in parts:
            count.add(records_of(part))
        words[name] = (count.words.tobytes(), count.cells.tobytes(), count.answers)
    assert len(set(words.values())) == 1
    # The same law on the words themselves: two tallies of parts merge to the tally of the whole.
    alone = [counting(show) for _ in range(2)]
    alone[0].add(records_of(a))
    alone[1].add(records_of(b + c))
    assert np.minimum(alone[0].words, alone[1].words).tobytes() == words["abc"][0]


@settings(deadline=None, max_examples=60)
@given(settings_of_a_show, st.data())
def test_a_snapshot_of_a_question_says_what_the_plain_model_says(
    show: Show, data: st.DataObject
) -> None:
    question: Question = show.questions[0]
    plain = PlainTally(show, {0: OPENED}, data.draw(answers(question.multiple)))
    line = Line(question)
    line.count = counting(show)
    line.count.add(records_of(plain.answers))
    plain.check(question_tally(0, line, show.best_country_min))


@settings(deadline=None, max_examples=60)
@given(settings_of_a_show, st.data())
def test_an_unfold_takes_back_exactly_what_a_fold_added(show: Show, data: st.DataObject) -> None:
    question = show.questions[0]
    scores = Scores()
    kept, other = counting(show), counting(show)
    kept.add(records_of(data.draw(answers(question.multiple))))
    other.add(records_of(data.draw(answers(question.multiple))))
    right = data.draw(st.integers(0, 7))
    scores.fold(kept.words, question, 1)
    before = (scores.correct.tobytes(), scores.total_ms.tobytes())
    scores.fold(other.words, question, right)
    scores.unfold(other.words, question, right)
    assert (scores.correct.tobytes(), scores.total_ms.tobytes()) == before


score = st.tuples(st.integers(0, 3), st.integers(0, 4))


@settings(deadline=None, max_examples=80)
@given(st.lists(score, max_size=25), st.sets(st.integers(0, 24)), st.integers(1, 12))
def test_the_leaderboard_is_the_sorted_list(
    rows: list[tuple[int, int]], struck: set[int], places: int
) -> None:
    show = make_show(1)
    correct = np.array([r for r, _ in rows], np.uint8)
    total = np.array([t for _, t in rows], np.uint32)
    listed, more = leaderboard(
        correct, total, frozenset(struck), places, show.tie_break, show.draw_seed
    )
    fans = [fan for fan, row in enumerate(rows) if row[0] and fan not in struck]
    fans.sort(key=lambda fan: (-rows[fan][0], rows[fan][1], fan))
    assert [place.fan for place in listed] == fans[:places]
    for place in listed:
        own = rows[place.fan]
        better = [f for f in fans if (-rows[f][0], rows[f][1]) < (-own[0], own[1])]
        assert (place.right, place.total_ms) == own
        assert place.rank == len(better) + 1
        assert place.tied == sum(rows[f] == own for f in fans)
    rest = fans[places:]
    assert more == sum(rows[f] == rows[fans[places - 1]] for f in rest)
