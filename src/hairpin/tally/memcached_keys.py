"""The account's counting scheme as keys: one counter for every way to answer, split into shards.

    q{n}age{a}{country}{shard}{right|wrong}{1-100}      for example q1age2gb7wrong66

n and a count from 1, the country is its ISO 3166-1 code in small letters (`zz`: unknown). The
country's shard is 1-15 for a heavy country of the show and 1-3 for any other; the last number is
1-100. The sum over all shards of a cell is its count. docs/memcached.md tells how it came to this.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hairpin.answer import Records
from hairpin.country import CODES, COUNTRIES_MAX
from hairpin.show import AGE_BANDS

SHARDS = 100
"""Random numbers at the end of a key."""
COUNTRY_SHARDS_HEAVY = 15
COUNTRY_SHARDS = 3
OUTCOMES = ("wrong", "right")

ITEM_BYTES = 96
"""What memcached takes for one of these counters: 48 of its own, 8 of CAS, a key of up to 21 with
its end, a number with its line end. Every one of them fits its smallest chunk, of 96 bytes."""
INDEX_BYTES = 12
"""And in its hash table: 8 a bucket, doubled at 1.5 counters a bucket, rounded up."""

Deltas = npt.NDArray[np.int64]
"""Counts of one question by cell, flat; `cells` says which is which."""
CELLS = AGE_BANDS * COUNTRIES_MAX * len(OUTCOMES)


class CellName(NamedTuple):
    """What one counter counts, within a question; the same order as in `Deltas`."""

    band: int
    country: int
    right: int


def cell_name(place: int) -> CellName:
    rest, right = divmod(place, len(OUTCOMES))
    return CellName(*divmod(rest, COUNTRIES_MAX), right)


def by_cell(records: Records, good: npt.NDArray[np.bool]) -> Deltas:
    """How many of these answers, all to one question, belong to each cell. Repeats count too.

    `good`: for each of the 256 choice masks, is it right? Raises ValueError for a record that no
    gate could have admitted.
    """
    if int(records["age_band"].max()) >= AGE_BANDS or int(records["country"].max()) >= len(CODES):
        raise ValueError("a record's age band or country does not exist")
    bands = records["age_band"].astype(np.int64)
    places = (bands * COUNTRIES_MAX + records["country"]) * len(OUTCOMES) + good[records["choice"]]
    return np.bincount(places, minlength=CELLS)


def shaped(deltas: Deltas) -> Deltas:
    """The same counts as (age band, country, wrong or right)."""
    return deltas.reshape(AGE_BANDS, COUNTRIES_MAX, len(OUTCOMES))


class Scheme:
    """The keys of one show. `heavy`: codes of the countries with more shards than others."""

    def __init__(self, heavy: Sequence[str]) -> None:
        self.heavy = frozenset(heavy)

    def country_shards(self, country: int) -> int:
        return COUNTRY_SHARDS_HEAVY if CODES[country] in self.heavy else COUNTRY_SHARDS

    def key(self, question: int, cell: CellName, country_shard: int, shard: int) -> str:
        """The counter of a cell in one shard; both shards count from 1, `question` from 0."""
        return f"{self._stem(question, cell, country_shard)}{shard}"

    def keys(self, question: int, cell: CellName) -> Iterator[str]:
        """All shards of a cell: 1,500 or 300."""
        for country_shard in range(1, self.country_shards(cell.country) + 1):
            stem = self._stem(question, cell, country_shard)
            yield from (f"{stem}{shard}" for shard in range(1, SHARDS + 1))

    def keys_per_question(self) -> int:
        """How many counters a question may have, if fans of all countries answer it."""
        shards = sum(self.country_shards(country) for country in range(len(CODES)))
        return shards * SHARDS * AGE_BANDS * len(OUTCOMES)

    def memory_bytes(self, questions: int) -> int:
        """What memcached needs in order not to evict, if every counter of a show is in use."""
        return questions * self.keys_per_question() * (ITEM_BYTES + INDEX_BYTES)

    def _stem(self, question: int, cell: CellName, country_shard: int) -> str:
        country = CODES[cell.country].lower()
        outcome = OUTCOMES[cell.right]
        return f"q{question + 1}age{cell.band + 1}{country}{country_shard}{outcome}"
