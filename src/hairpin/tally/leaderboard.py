"""Who is first: by number right, then by total time. Ties share a rank, or a seed draws."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

from hairpin.kernel import compiled, inlined
from hairpin.messages import RankRow
from hairpin.show import TieBreak
from hairpin.ticket import siphash7

U = np.uint64
QUANTILES = 32
_LAST = U(0xFFFF_FFFF_FFFF_FFFF)
_BLOCK = 4096
"""Fans that are passed over at once if none of them is good enough."""
_SPANS = 4096
"""Total times of one row of the ranks are told apart by this many equal spans at most."""


@inlined
def _key(right: np.uint8, total: np.uint32) -> U:
    """Smaller is better."""
    return (U(np.uint8(255) - right) << U(32)) | U(total)


@compiled
def _against(
    correct: npt.NDArray[np.uint8], total_ms: npt.NDArray[np.uint32], last: U
) -> tuple[bool, int]:
    """Is any of these fans better than this key, and how many have the same?"""
    most = np.uint8(0)
    for right in correct:
        most = max(most, right)
    least = np.uint8(U(255) - (last >> U(32)))
    if most != least or most == 0:
        return bool(most > least), np.int64(0)  # type: ignore[return-value]
    limit = np.uint32(last & U(0xFFFF_FFFF))
    better, equal = np.uint32(0), np.uint32(0)
    for i in range(len(correct)):
        level = np.uint32(correct[i] == least)
        better |= level & np.uint32(total_ms[i] < limit)
        equal += level & np.uint32(total_ms[i] == limit)
    return bool(better != 0), np.int64(equal)  # type: ignore[return-value]


@compiled
def _place(
    fan: int,
    key: U,
    lot: U,
    found: int,
    fans: npt.NDArray[np.uint32],
    keys: npt.NDArray[np.uint64],
    lots: npt.NDArray[np.uint64],
) -> bool:
    """Put a fan where they belong among the `found` best; False if there is no room for them."""
    at = found
    while at > 0 and (key < keys[at - 1] or (key == keys[at - 1] and lot < lots[at - 1])):
        at -= 1
    if at == len(fans):
        return False
    for j in range(min(found, len(fans) - 1), at, -1):
        fans[j], keys[j], lots[j] = fans[j - 1], keys[j - 1], lots[j - 1]
    fans[at], keys[at], lots[at] = np.uint32(fan), key, lot
    return True


@compiled
def best_fans(
    correct: npt.NDArray[np.uint8],
    total_ms: npt.NDArray[np.uint32],
    struck: npt.NDArray[np.uint32],
    draws: bool,
    k0: U,
    k1: U,
    fans: npt.NDArray[np.uint32],
    keys: npt.NDArray[np.uint64],
) -> tuple[int, int]:
    """The best fans in order, into `fans` and `keys` (same length).

    Returns how many, and how many more have the last one's key. Fans with equal keys stand in the
    order of a keyed hash of their number if `draws`, else in the order of their numbers.
    """
    room = len(fans)
    lots = np.zeros(room, np.uint64)
    found = more = 0
    for start in range(0, len(correct), _BLOCK):
        end = min(start + _BLOCK, len(correct))
        if found == room:
            better, equal = _against(correct[start:end], total_ms[start:end], keys[room - 1])
            if not better and not (draws and equal):
                for out in struck:
                    if start <= out < end and _key(correct[out], total_ms[out]) == keys[room - 1]:
                        equal -= 1
                more += equal
                continue
        for fan in range(start, end):
            key, last = _key(correct[fan], total_ms[fan]), keys[room - 1]
            if correct[fan] == 0 or (found == room and key > last):
                continue
            if np.any(struck == np.uint32(fan)):
                continue
            lot = siphash7(U(fan), k0, k1) if draws else U(fan)
            placed = _place(fan, key, lot, found, fans, keys, lots)
            if found < room:
                found += 1
            elif not placed or keys[room - 1] == last:
                more += 1
            else:
                more = 0
    return found, more


class Place:
    """One line of the leaderboard."""

    __slots__ = ("fan", "rank", "right", "tied", "total_ms")

    def __init__(self, rank: int, fan: int, right: int, total_ms: int, tied: int) -> None:
        self.rank = rank
        self.fan = fan
        self.right = right
        self.total_ms = total_ms
        self.tied = tied


def leaderboard(
    correct: npt.NDArray[np.uint8],
    total_ms: npt.NDArray[np.uint32],
    struck: frozenset[int],
    places: int,
    tie_break: TieBreak,
    seed: str,
) -> tuple[list[Place], int]:
    """The first `places` fans, and how many more share the last rank without being listed."""
    draws = tie_break is TieBreak.DRAW
    digest = hashlib.blake2b(seed.encode(), digest_size=16).digest()
    k0, k1 = np.frombuffer(digest, "<u8").astype(np.uint64)
    fans = np.zeros(places, np.uint32)
    keys = np.full(places, _LAST, np.uint64)
    out = np.array(sorted(struck), np.uint32)
    found, more = best_fans(correct, total_ms, out, draws, k0, k1, fans, keys)
    listed: list[Place] = []
    for i in range(found):
        right, total = 255 - int(keys[i] >> U(32)), int(keys[i] & U(0xFFFFFFFF))
        same = [j for j in range(found) if keys[j] == keys[i]]
        if draws:
            listed.append(Place(i + 1, int(fans[i]), right, total, 1))
        else:
            tied = len(same) + (more if same[-1] == found - 1 else 0)
            listed.append(Place(same[0] + 1, int(fans[i]), right, total, tied))
    return listed, 0 if draws else more


@compiled
def _spread(
    correct: npt.NDArray[np.uint8],
    total_ms: npt.NDArray[np.uint32],
    origins: npt.NDArray[np.uint16],
    shift: int,
    spans: npt.NDArray[np.int64],
) -> None:
    """Count the fans seen, by number right and span of total time, into 2-d `spans`."""
    for fan in range(len(correct)):
        if origins[fan]:
            spans[correct[fan], total_ms[fan] >> np.uint32(shift)] += 1


def rank_rows(
    correct: npt.NDArray[np.uint8],
    total_ms: npt.NDArray[np.uint32],
    origins: npt.NDArray[np.uint16],
) -> tuple[RankRow, ...]:
    """For each number of right answers: how many fans, and their times at even quantiles.

    `origins`: 0 for who was not seen. Times are rounded down by less than 1/2048 of the longest.
    """
    shift = max(int(total_ms.max(initial=0)).bit_length() - _SPANS.bit_length() + 1, 0)
    spans = np.zeros((int(correct.max(initial=0)) + 1, _SPANS), np.int64)
    _spread(correct, total_ms, origins, shift, spans)
    rows = []
    for right in range(len(spans) - 1, -1, -1):
        upto = np.cumsum(spans[right])
        fans = int(upto[-1])
        if fans:
            at = np.linspace(0, fans - 1, min(QUANTILES + 1, fans)).astype(np.int64)
            times = np.searchsorted(upto, at, side="right") << shift
            rows.append(RankRow(right, fans, tuple(int(t) for t in times)))
    return tuple(rows)
