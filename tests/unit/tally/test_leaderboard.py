"""Who is first, who shares a rank, who is drawn, and the histogram of all ranks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from hairpin.messages import RankRow
from hairpin.show import TieBreak
from hairpin.tally.leaderboard import QUANTILES, leaderboard, rank_rows

Row = tuple[int, int, int, int, int]


def scores(*rows: tuple[int, int]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint32]]:
    """(right, total ms) of fans 0, 1, 2, ..."""
    return np.array([r for r, _ in rows], np.uint8), np.array([t for _, t in rows], np.uint32)


def board(
    rows: list[tuple[int, int]],
    places: int,
    struck: frozenset[int] = frozenset(),
    tie_break: TieBreak = TieBreak.SHARE,
    seed: str = "seed",
) -> tuple[list[Row], int]:
    listed, more = leaderboard(*scores(*rows), struck, places, tie_break, seed)
    return [(p.rank, p.fan, p.right, p.total_ms, p.tied) for p in listed], more


def test_more_right_comes_first_and_then_the_shorter_time() -> None:
    rows = [(1, 10), (3, 900), (2, 5), (3, 800), (0, 0)]
    assert board(rows, 10) == (
        [(1, 3, 3, 800, 1), (2, 1, 3, 900, 1), (3, 2, 2, 5, 1), (4, 0, 1, 10, 1)],
        0,
    )


def test_nobody_right_is_nobody_listed() -> None:
    assert board([(0, 0), (0, 5)], 3) == ([], 0)
    assert board([], 3) == ([], 0)


def test_equal_fans_share_a_rank_in_the_order_of_their_numbers() -> None:
    rows = [(1, 7), (2, 7), (1, 7), (2, 7), (1, 8)]
    assert board(rows, 10)[0] == [
        (1, 1, 2, 7, 2),
        (1, 3, 2, 7, 2),
        (3, 0, 1, 7, 2),
        (3, 2, 1, 7, 2),
        (5, 4, 1, 8, 1),
    ]


@pytest.mark.parametrize(("places", "more"), [(1, 4), (2, 3), (4, 1), (5, 0), (6, 0)])
def test_who_shares_the_last_rank_without_a_place_is_counted(places: int, more: int) -> None:
    rows = [(1, 7)] * 5
    listed, found = board(rows, places)
    assert found == more
    assert [row[1] for row in listed] == list(range(5))[:places]
    assert {(row[0], row[4]) for row in listed} == {(1, 5)}


def test_more_counts_only_the_last_rank() -> None:
    rows = [(2, 1), (1, 7), (1, 7), (1, 7), (1, 8)]
    assert board(rows, 2) == ([(1, 0, 2, 1, 1), (2, 1, 1, 7, 3)], 2)


def test_a_struck_fan_is_neither_listed_nor_tied_nor_more() -> None:
    rows = [(1, 7)] * 5 + [(2, 1)]
    assert board(rows, 2, frozenset({5, 0, 3})) == ([(1, 1, 1, 7, 3), (1, 2, 1, 7, 3)], 1)
    assert board(rows, 2, frozenset({1_000_000}))[0][0][1] == 5
    assert board(rows, 9, frozenset(range(6))) == ([], 0)


def test_a_draw_gives_every_fan_a_rank_of_their_own_by_the_seed() -> None:
    rows = [(1, 7)] * 50
    first, more = board(rows, 50, tie_break=TieBreak.DRAW)
    assert more == 0
    assert [row[0] for row in first] == list(range(1, 51))
    assert sorted(row[1] for row in first) == list(range(50))
    assert [row[1] for row in first] != list(range(50))
    assert {row[4] for row in first} == {1}
    assert board(rows, 50, tie_break=TieBreak.DRAW)[0] == first, "the same seed, the same draw"
    assert board(rows, 50, tie_break=TieBreak.DRAW, seed="other")[0] != first


def test_a_draw_is_the_same_whoever_else_is_drawn() -> None:
    rows = [(1, 7)] * 30
    order = [row[1] for row in board(rows, 30, tie_break=TieBreak.DRAW)[0]]
    short = [row[1] for row in board(rows, 5, tie_break=TieBreak.DRAW)[0]]
    without = [row[1] for row in board(rows, 30, frozenset({order[1]}), TieBreak.DRAW)[0]]
    assert short == order[:5]
    assert without == [fan for fan in order if fan != order[1]]


def test_a_draw_never_goes_over_the_score() -> None:
    rows = [(1, fan // 3) for fan in range(30)]
    listed = board(rows, 30, tie_break=TieBreak.DRAW)[0]
    assert [row[3] for row in listed] == sorted(row[3] for row in listed)


def test_the_outermost_scores_fit() -> None:
    rows = [(255, 0), (255, 2**32 - 1), (1, 2**32 - 1)]
    assert [row[1:4] for row in board(rows, 3)[0]] == [
        (0, 255, 0),
        (1, 255, 2**32 - 1),
        (2, 1, 2**32 - 1),
    ]


def test_ranks_are_listed_from_the_best_and_only_for_who_was_seen() -> None:
    correct, total = scores((2, 30), (2, 10), (0, 0), (0, 0), (1, 5))
    seen = np.array([1, 2, 3, 0, 5], np.uint16)
    assert rank_rows(correct, total, seen) == (
        RankRow(2, 2, (10, 30)),
        RankRow(1, 1, (5,)),
        RankRow(0, 1, (0,)),
    )
    assert rank_rows(*scores(), np.zeros(0, np.uint16)) == ()


def test_many_equal_ranks_are_told_by_even_quantiles() -> None:
    count = 1_000
    correct, total = scores(*((3, n) for n in range(count)))
    (row,) = rank_rows(correct, total, np.ones(count, np.uint16))
    assert row.fans == count
    assert len(row.total_ms) == QUANTILES + 1
    assert (row.total_ms[0], row.total_ms[-1]) == (0, count - 1)
    for place, total_ms in enumerate(row.total_ms):
        assert abs(total_ms - place * (count - 1) / QUANTILES) <= 1


@pytest.mark.parametrize("tie_break", list(TieBreak))
@pytest.mark.parametrize("spread", [3, 5_000])
def test_many_blocks_of_fans_are_as_one_sorted_list(tie_break: TieBreak, spread: int) -> None:
    """Whole blocks are passed over where nobody is good enough; who ties in them still counts."""
    rng = np.random.default_rng(spread)
    correct = rng.integers(0, 4, 20_000).astype(np.uint8)
    total = rng.integers(0, spread, len(correct)).astype(np.uint32)
    key = [(-int(r), int(t)) for r, t in zip(correct, total, strict=True)]
    first = min(key)
    struck = frozenset(fan for fan in range(0, len(key), 3) if key[fan] == first)
    listed, more = leaderboard(correct, total, struck, 40, tie_break, "seed")
    left = [fan for fan in range(len(key)) if correct[fan] and fan not in struck]
    left.sort(key=lambda fan: (key[fan], fan))
    assert [key[place.fan] for place in listed] == [key[fan] for fan in left[:40]]
    last = key[left[39]]
    if tie_break is TieBreak.SHARE:
        assert [place.fan for place in listed] == left[:40]
        assert more == sum(key[fan] == last for fan in left[40:])
        assert listed[-1].tied == sum(key[fan] == last for fan in left)
    else:
        assert more == 0
        assert not struck & {place.fan for place in listed}
