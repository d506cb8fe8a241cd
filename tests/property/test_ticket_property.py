"""Tickets for any fan: they come back whole, and no changed one gets in."""

from __future__ import annotations

import base64

import siphash24
from hypothesis import given, settings
from hypothesis import strategies as st

from hairpin.ticket import (
    FAN_MAX,
    Ticket,
    TicketKey,
    claim_code,
    claim_code_holds,
    issue,
    verify,
)

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
bytes_of_key = st.binary(min_size=16, max_size=16)
keys = st.builds(TicketKey, st.integers(0, 255), bytes_of_key, bytes_of_key)
fans = st.integers(0, FAN_MAX)
bands = st.integers(0, 255)
countries = st.integers(0, 255)


@settings(deadline=None)
@given(keys, fans, bands, countries)
def test_a_ticket_comes_back_whole(key: TicketKey, fan: int, band: int, country: int) -> None:
    text = issue(fan, band, country, key)
    assert set(text) <= set(ALPHABET)
    assert verify(text, key) == Ticket(fan, band, country)


@settings(deadline=None)
@given(keys, fans, bands, countries)
def test_the_tag_is_what_an_independent_siphash_computes(
    key: TicketKey, fan: int, band: int, country: int
) -> None:
    raw = base64.urlsafe_b64decode(issue(fan, band, country, key))
    assert raw[7:] == siphash24.siphash24(raw[:7], key=key.ticket).digest()


@settings(deadline=None, max_examples=40)
@given(keys, fans, st.sampled_from(ALPHABET + "+/= !é"))
def test_one_changed_character_anywhere_is_refused(key: TicketKey, fan: int, new: str) -> None:
    text = issue(fan, 1, 75, key)
    for at, old in enumerate(text):
        if old != new:
            assert verify(text[:at] + new + text[at + 1 :], key) is None


@settings(deadline=None)
@given(keys, keys, fans)
def test_no_other_key_opens_it(key: TicketKey, other: TicketKey, fan: int) -> None:
    text = issue(fan, 0, 0, key)
    assert (verify(text, other) is not None) == (
        (key.number, key.ticket) == (other.number, other.ticket)
    )


@settings(deadline=None)
@given(st.text(max_size=40), keys)
def test_no_text_that_anybody_sends_is_a_ticket(text: str, key: TicketKey) -> None:
    assert verify(text, key) is None


@settings(deadline=None)
@given(keys, fans, fans, st.integers(0, 2), st.integers(0, 249))
def test_a_claim_code_belongs_to_one_fan(
    key: TicketKey, fan: int, other: int, band: int, country: int
) -> None:
    code = claim_code(key.claim, fan, band, country)
    assert len(code) == 16
    assert claim_code_holds(code, key.claim, other, band, country) == (fan == other)
