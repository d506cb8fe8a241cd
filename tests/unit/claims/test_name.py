"""Names from everywhere are fit for the screen; tricks are not."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hairpin.claims.name import NAME_CHARS_MAX, UnfitNameError, clean_name


@pytest.mark.parametrize(
    ("given_name", "shown"),
    [
        ("Ana", "Ana"),
        ("  Zoë \n van  der Berg ", "Zoë van der Berg"),
        ("Zoe\u0308", "Zo\u00eb"),
        ("Nguyễn Thị Minh", "Nguyễn Thị Minh"),
        ("محمّد", "محمّد"),
        ("میر\u200cحسین", "میر\u200cحسین"),
        ("👩\u200d🚀 7", "👩\u200d🚀 7"),
        ("李小龙", "李小龙"),
        ("x" * NAME_CHARS_MAX, "x" * NAME_CHARS_MAX),
    ],
)
def test_fit(given_name: str, shown: str) -> None:
    assert clean_name(given_name) == shown


@pytest.mark.parametrize(
    ("given_name", "reason"),
    [
        ("", "no letter"),
        (" \u00a0 ", "no letter"),
        ("...", "no letter"),
        ("\u200d\u200d", "no letter"),
        ("x" * (NAME_CHARS_MAX + 1), "41 characters"),
        ("x" * 100_000, "at most 40"),
        ("Ana\u202egnp", r"U\+202E"),
        ("Ana\u2067", r"U\+2067"),
        ("Ana\x00", r"U\+0000"),
        ("Ana\x1b[31m", r"U\+001B"),
        ("Ana\ue000", r"U\+E000"),
        ("a" + "\u0301\u0302\u0303\u0304\u0305\u0306", "marks"),
    ],
)
def test_unfit(given_name: str, reason: str) -> None:
    with pytest.raises(UnfitNameError, match=reason):
        clean_name(given_name)


@given(st.text(max_size=60))
def test_what_comes_out_is_clean_already(text: str) -> None:
    try:
        name = clean_name(text)
    except UnfitNameError:
        return
    assert clean_name(name) == name
    assert unicodedata.is_normalized("NFC", name)
    assert len(name) >= 1
    assert not any(unicodedata.category(char) in ("Cc", "Cs", "Co", "Cn") for char in name)
