"""The setting `heavy_countries`: checked, optional, and without effect on shows that lack it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from small_show import make_show

from hairpin import messages as m
from hairpin.errors import YourMistake
from hairpin.show import HEAVY_COUNTRIES, Show
from hairpin.showfile import read_show

ROOT = Path(__file__).parents[2]
FILE = """
id = "night"
title = "The night"
mode = "hand"
audience = { low = 10, high = 100 }
heavy_countries = %s
[[questions]]
text = "?"
choices = ["a", "b"]
"""


def test_codes_are_taken_as_they_stand() -> None:
    show = read_show(FILE % '["FR", "NO", "ZZ"]', "night.toml")
    assert show.heavy == ("FR", "NO", "ZZ")
    assert read_show(FILE % "[]", "night.toml").heavy == ()


@pytest.mark.parametrize(
    ("written", "place", "found"),
    [
        ('"FR"', "heavy_countries", '"FR"'),
        ('["fr"]', "heavy_countries[0]", '"fr"'),
        ('["FR", "UK"]', "heavy_countries[1]", '"UK"'),
        ("[33]", "heavy_countries[0]", "33"),
        ('["FR", "GB", "FR"]', "heavy_countries[2]", '"FR" again'),
    ],
)
def test_what_is_no_list_of_codes_is_named(written: str, place: str, found: str) -> None:
    with pytest.raises(YourMistake) as caught:
        read_show(FILE % written, "night.toml")
    (finding,) = caught.value.findings
    assert finding.place == f"{place} (line 6)"
    assert finding.found == found


def test_a_show_without_it_has_the_accounts_countries_and_the_hash_that_it_had() -> None:
    show = make_show(1)
    assert show.heavy == HEAVY_COUNTRIES
    assert b"heavy" not in msgspec.json.encode(show)
    named = msgspec.structs.replace(show, heavy_countries=HEAVY_COUNTRIES)
    assert named.hash() != show.hash()
    assert named.heavy == show.heavy


def test_it_survives_the_journal_and_a_journal_without_it_is_read() -> None:
    for show in (make_show(1), make_show(1, heavy_countries=("FR",))):
        armed = m.Armed(0, 0, show, show.hash(), (None,))
        again = msgspec.json.decode(msgspec.json.encode(armed), type=m.Armed)
        assert again.show == show
        assert again.show.hash() == show.hash()


def test_the_examples_read_as_before() -> None:
    for name in ("first-light.toml", "by-hand.toml"):
        text = (ROOT / "examples" / name).read_text("utf-8")
        show: Show = read_show(text, name)
        assert isinstance(show.heavy_countries, msgspec.UnsetType)
