"""Who is first: by number right, then by total time. Ties share a rank, or a seed draws."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

from hairpin.kernel import compiled
from hairpin.messages import RankRow
from hairpin.show import TieBreak
from hairpin.ticket import siphash7

U = np.uint64
QUANTILES = 32
_LAST = U(0xFFFF_FFFF_FFFF_FFFF)


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
) -> int:
    """The best fans in order, into `fans` and `keys` (same length); returns how many.

    Key: (255 - right) << 32 | total_ms, smaller is better. Fans with equal keys stand in the order
    of a keyed hash of their number if `draws`, else in the order of their numbers.
    """
    room = len(fans)
    lots = np.zeros(room, np.uint64)
    found = 0
    for fan in range(len(correct)):
        if correct[fan] == 0:
            continue
        key = (U(255 - correct[fan]) << U(32)) | U(total_ms[fan])
        if found == room and key > keys[room - 1]:
            continue
        if np.any(struck == np.uint32(fan)):
            continue
        lot = siphash7(U(fan), k0, k1) if draws else U(fan)
        at = found
        while at > 0 and (key < keys[at - 1] or (key == keys[at - 1] and lot < lots[at - 1])):
            at -= 1
        if at == room:
            continue
        for j in range(min(found, room - 1), at, -1):
            fans[j], keys[j], lots[j] = fans[j - 1], keys[j - 1], lots[j - 1]
        fans[at], keys[at], lots[at] = np.uint32(fan), key, lot
        found = min(found + 1, room)
    return found


@compiled
def count_key(
    correct: npt.NDArray[np.uint8],
    total_ms: npt.NDArray[np.uint32],
    right: int,
    total: int,
) -> int:
    """How many fans have exactly this many right in exactly this time."""
    same = 0
    for fan in range(len(correct)):
        if correct[fan] == right and total_ms[fan] == total:
            same += 1
    return same


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
    found = best_fans(correct, total_ms, out, draws, k0, k1, fans, keys)
    listed: list[Place] = []
    for i in range(found):
        right, total = 255 - int(keys[i] >> U(32)), int(keys[i] & U(0xFFFFFFFF))
        same = [j for j in range(found) if keys[j] == keys[i]]
        rank = i + 1 if draws else same[0] + 1
        listed.append(Place(rank, int(fans[i]), right, total, 1 if draws else len(same)))
    return listed, 0 if draws or not listed else _share_last(listed, correct, total_ms, out)


def _share_last(
    listed: list[Place],
    correct: npt.NDArray[np.uint8],
    total_ms: npt.NDArray[np.uint32],
    struck: npt.NDArray[np.uint32],
) -> int:
    """Complete `tied` of the last rank; returns how many of its fans are not listed."""
    last = listed[-1]
    same = count_key(correct, total_ms, last.right, last.total_ms)
    known = struck[struck < len(correct)]
    same -= int(np.sum((correct[known] == last.right) & (total_ms[known] == last.total_ms)))
    shown = [place for place in listed if place.rank == last.rank]
    for place in shown:
        place.tied = same
    return same - len(shown)


def rank_rows(
    correct: npt.NDArray[np.uint8], total_ms: npt.NDArray[np.uint32], seen: npt.NDArray[np.bool]
) -> tuple[RankRow, ...]:
    """For each number of right answers: how many fans, and their times at even quantiles."""
    rows = []
    for right in range(int(correct.max(initial=0)), -1, -1):
        times = np.sort(total_ms[(correct == right) & seen])
        if len(times):
            at = np.linspace(0, len(times) - 1, min(QUANTILES + 1, len(times))).astype(np.int64)
            rows.append(RankRow(right, len(times), tuple(int(t) for t in times[at])))
    return tuple(rows)
