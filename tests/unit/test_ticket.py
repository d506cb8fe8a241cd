"""Tickets and claim codes: what they are, and what is refused."""

from __future__ import annotations

import base64
import logging

import msgspec
import numpy as np
import pytest
import siphash24

from hairpin.ticket import (
    FAN_MAX,
    TICKET_BYTES,
    TICKET_CHARS,
    Ticket,
    TicketKey,
    claim_code,
    claim_code_holds,
    issue,
    issue_many,
    siphash7,
    verify,
)

KEY = TicketKey(7, bytes(range(16)), bytes(range(16, 32)))


def test_a_ticket_is_its_fields_and_the_siphash_tag_of_them() -> None:
    text = issue(0x01020304, 2, 75, KEY)
    raw = base64.urlsafe_b64decode(text)
    assert len(text) == TICKET_CHARS
    assert len(raw) == TICKET_BYTES
    assert raw[:7] == bytes([4, 3, 2, 1, 2, 75, 7])
    assert raw[7:] == siphash24.siphash24(raw[:7], key=KEY.ticket).digest()


def test_siphash_gives_the_vector_of_its_paper_for_seven_bytes() -> None:
    """Aumasson and Bernstein, reference vectors: key 00..0f, message 00..06."""
    k0, k1 = KEY.words()
    message = int.from_bytes(bytes(range(7)), "little")
    tag = int(siphash7(np.uint64(message), k0, k1)).to_bytes(8, "little")
    assert tag.hex() == "37d1018bf50002ab"


@pytest.mark.parametrize("fan", [0, 1, FAN_MAX])
def test_the_outermost_fan_numbers_have_tickets(fan: int) -> None:
    text = issue(fan, 2, 249, KEY)
    assert verify(text, KEY) == Ticket(fan, 2, 249)


def test_many_tickets_are_each_the_one_ticket() -> None:
    fans, origins = [5, 4_000_000_000, 0], [(0, 1), (2, 200), (1, 0)]
    single = [issue(fan, *origin, KEY) for fan, origin in zip(fans, origins, strict=True)]
    assert issue_many(fans, origins, KEY) == single
    assert issue_many([], [], KEY) == []


def test_a_ticket_under_another_key_is_refused() -> None:
    text = issue(1, 0, 0, KEY)
    assert verify(text, msgspec.structs.replace(KEY, ticket=bytes(16))) is None


def test_a_ticket_under_another_key_number_is_refused_even_if_its_tag_holds() -> None:
    older = msgspec.structs.replace(KEY, number=6)
    assert verify(issue(1, 0, 0, older), KEY) is None
    assert verify(issue(1, 0, 0, older), older) == Ticket(1, 0, 0)


@pytest.mark.parametrize(
    "text",
    ["", "A" * 19, "A" * 21, "=" * 20, "é" * 20, "A" * 19 + "\n", "\ud800" * 20, "\0" * 20],
)
def test_what_is_not_twenty_base64url_characters_is_no_ticket(text: str) -> None:
    assert verify(text, KEY) is None


def test_a_ticket_in_the_other_base64_alphabet_is_refused() -> None:
    fan = next(n for n in range(1000) if "-" in issue(n, 0, 0, KEY))
    assert verify(issue(fan, 0, 0, KEY).replace("-", "+"), KEY) is None


def test_no_repr_and_no_message_shows_a_key() -> None:
    record = logging.LogRecord("x", 1, "x", 1, "%r %s", (KEY, [KEY]), None)
    for shown in (repr(KEY), str(KEY), f"{KEY}", repr([KEY]), record.getMessage()):
        assert "number=7" in shown
        assert KEY.ticket.hex() not in shown
        assert repr(KEY.ticket) not in shown
        assert repr(KEY.claim) not in shown


def test_a_claim_code_is_the_siphash_of_the_fan_under_the_claim_key() -> None:
    code = claim_code(KEY.claim, 0x01020304, 2, 75)
    expected = siphash24.siphash24(bytes([4, 3, 2, 1, 2, 75, 0]), key=KEY.claim).digest()
    assert code == expected[::-1].hex()


def test_a_claim_code_holds_only_for_its_own_fan_band_country_and_key() -> None:
    code = claim_code(KEY.claim, 9, 1, 75)
    assert claim_code_holds(code, KEY.claim, 9, 1, 75)
    assert not claim_code_holds(code, KEY.claim, 8, 1, 75)
    assert not claim_code_holds(code, KEY.claim, 9, 2, 75)
    assert not claim_code_holds(code, KEY.claim, 9, 1, 76)
    assert not claim_code_holds(code, KEY.ticket, 9, 1, 75)


@pytest.mark.parametrize("code", ["", "0" * 15, "0" * 17, "é" * 16, "\ud800" * 16])
def test_any_other_text_is_no_claim_code(code: str) -> None:
    assert not claim_code_holds(code, KEY.claim, 9, 1, 75)


def test_the_ticket_does_not_give_the_claim_code_away() -> None:
    text = issue(9, 1, 75, KEY)
    tag = base64.urlsafe_b64decode(text)[7:]
    assert claim_code(KEY.claim, 9, 1, 75) not in (tag.hex(), tag[::-1].hex())
