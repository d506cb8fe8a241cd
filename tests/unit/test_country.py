"""Countries: one byte each, for ever the same one."""

from __future__ import annotations

import hashlib
import re

from hairpin.country import CODES, COUNTRIES_MAX, INDEX, UNKNOWN


def test_every_code_has_one_place_and_fits_a_byte() -> None:
    assert len(set(CODES)) == len(CODES) <= COUNTRIES_MAX
    assert all(re.fullmatch("[A-Z]{2}", code) for code in CODES)
    assert all(CODES[INDEX[code]] == code for code in CODES)
    assert CODES[UNKNOWN] == "ZZ"


def test_the_places_of_today_never_change() -> None:
    """Tickets and journals hold the place; a new country goes to the end."""
    first = " ".join(CODES[:250])
    assert hashlib.sha256(first.encode()).hexdigest()[:16] == "1bd6309c3544a957"
    assert (INDEX["FR"], INDEX["GB"], INDEX["NO"], INDEX["ZW"]) == (75, 77, 167, 249)
