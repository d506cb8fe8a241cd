"""The keys of the account's scheme: one template, all shards, and what they need."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from small_show import FR, GB, ZZ, answer, records_of

from hairpin.country import CODES
from hairpin.show import HEAVY_COUNTRIES
from hairpin.tally.memcached_keys import CELLS, CellName, Scheme, by_cell, cell_name, shaped

DOCS = Path(__file__).parents[3] / "docs" / "memcached.md"
TEMPLATE = re.compile(r"q(\d+)age([123])([a-z]{2})(\d+)(right|wrong)(\d+)")
GOOD = np.array([mask & 1 for mask in range(256)], np.bool)
SCHEME = Scheme(HEAVY_COUNTRIES)


def test_a_key_as_in_the_documentation() -> None:
    assert SCHEME.key(0, CellName(1, GB, 0), 7, 66) == "q1age2gb7wrong66"
    assert SCHEME.key(199, CellName(2, ZZ, 1), 15, 100) == "q200age3zz15right100"
    text = DOCS.read_text("utf-8")
    assert "q{n}age{a}{country}{shard}{right|wrong}{1-100}" in text
    assert "q1age2gb7wrong66" in text


@pytest.mark.parametrize(("country", "shards"), [(FR, 3), (GB, 15), (ZZ, 15)])
def test_all_shards_of_a_cell(country: int, shards: int) -> None:
    keys = list(SCHEME.keys(3, CellName(0, country, 1)))
    parts = [TEMPLATE.fullmatch(key) for key in keys]
    assert len(set(keys)) == len(keys) == shards * 100
    found = {(int(p[4]), int(p[6])) for p in parts if p}
    assert found == {(s, n) for s in range(1, shards + 1) for n in range(1, 101)}
    assert {(p[1], p[2], p[3], p[5]) for p in parts if p} == {
        ("4", "1", CODES[country].lower(), "right")
    }


def test_no_two_cells_share_a_counter() -> None:
    """Numbers stand beside each other in a key only where letters part them."""
    places = [place for place in range(CELLS) if cell_name(place).country in (0, FR, GB, 100)]
    keys = [
        key
        for question in (0, 9, 10)
        for p in places
        for key in SCHEME.keys(question, cell_name(p))
    ]
    assert len(set(keys)) == len(keys)


def test_how_many_counters_and_how_much_memory_as_documented() -> None:
    keys = sum(
        len(list(SCHEME.keys(0, cell_name(place))))
        for place in range(CELLS)
        if cell_name(place).country < len(CODES)
    )
    assert SCHEME.keys_per_question() == keys == 471_600
    text = DOCS.read_text("utf-8")
    assert "471,600 counters and 49 MiB" in text
    assert "340 MiB for 7" in text
    mebibytes = [SCHEME.memory_bytes(questions) / 2**20 for questions in (1, 7, 42)]
    assert [round(mib) for mib in mebibytes] == [49, 340, 2040]
    assert max(len(key) for key in SCHEME.keys(199, CellName(2, GB, 0))) == 20


def test_a_show_without_heavy_countries_splits_all_alike() -> None:
    assert {Scheme(()).country_shards(country) for country in range(len(CODES))} == {3}


def test_answers_by_cell_are_all_counted_and_repeats_too() -> None:
    answers = [
        answer(1, 0b001, band=0, country=FR),
        answer(1, 0b001, band=0, country=FR),
        answer(2, 0b010, band=0, country=FR),
        answer(3, 0b011, band=2, country=GB),
    ]
    deltas = by_cell(records_of(answers), GOOD)
    found = {cell_name(place): int(deltas[place]) for place in np.flatnonzero(deltas).tolist()}
    assert found == Counter({(0, FR, 1): 2, (0, FR, 0): 1, (2, GB, 1): 1})
    assert shaped(deltas)[0, FR].tolist() == [1, 2]


@pytest.mark.parametrize("changes", [{"band": 3}, {"country": len(CODES)}])
def test_what_no_gate_could_have_admitted_is_refused(changes: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="does not exist"):
        by_cell(records_of([answer(1, **changes)]), GOOD)  # type: ignore[arg-type]
