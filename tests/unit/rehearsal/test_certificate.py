"""A certificate: what it pins, what un-arms a show, and that nobody changes a byte of it."""

from __future__ import annotations

import hashlib
import json

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from rehearsed import FANS, QUESTIONS, STARTED_MS, findings
from small_show import make_question, make_show

from hairpin.errors import DataDamaged, YourMistake
from hairpin.rehearsal.certificate import (
    Certificate,
    Facts,
    Machine,
    canonical,
    certify,
    differences,
    facts,
    key_name,
    need,
    sign,
    verify,
)
from hairpin.rehearsal.findings import Option
from hairpin.show import Mode, Show

SHOW = make_show(QUESTIONS, audience_low=1_000, audience_high=FANS)
CONFIGURATION: dict[str, Option] = {"gates": 2, "queue_max": 65_536, "public_url": ""}
MACHINE = Machine("quiz-1", "A processor", 2, 8 << 30, "Linux 6.1", "CPython 3.11")
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
DATED_MS = STARTED_MS + 120_000


def facts_of(
    show: Show = SHOW, version: str = "0.1.0", code: str = "c0de", **more: Option
) -> Facts:
    return facts(show, version, code, CONFIGURATION | more)


def certificate(show: Show = SHOW) -> Certificate:
    return certify(show, facts_of(show), MACHINE, findings(), DATED_MS)


FILE = sign(certificate(), KEY)


# --- what un-arms ---------------------------------------------------------------------------------


def test_nothing_differs_from_itself() -> None:
    assert not differences(facts_of(), facts_of())


def test_a_corrected_typo_does_not_un_arm() -> None:
    """Nor does another title, picture, right answer or day."""
    question = make_question(1, text={"en": "Corrected?"}, right=0b100, explanation={"en": "So."})
    corrected = make_show(
        [question, *SHOW.questions[1:]],
        title={"en": "Corrected"},
        start_ms=DATED_MS,
        audience_low=1_000,
        audience_high=FANS,
    )
    assert corrected.hash() != SHOW.hash()
    assert not differences(facts_of(), facts_of(corrected))


def changed(**changes: object) -> Show:
    return make_show(QUESTIONS, **{"audience_low": 1_000, "audience_high": FANS, **changes})


def with_question(**changes: object) -> Show:
    questions = [make_question(1), make_question(2, **changes), make_question(3)]
    return make_show(questions, audience_low=1_000, audience_high=FANS)


UN_ARMING = [
    (facts_of(version="0.2.0"), "version: certified 0.1.0 (code c0de), now 0.2.0 (code c0de)"),
    (facts_of(code="beef"), "version: certified 0.1.0 (code c0de), now 0.1.0 (code beef)"),
    (
        facts_of(make_show(4, audience_low=1_000, audience_high=FANS)),
        "questions: certified 3, now 4",
    ),
    (
        facts_of(with_question(duration_ms=60_000)),
        "question 2, duration_ms: certified 20,000, now 60,000",
    ),
    (
        facts_of(with_question(duration_ms=None)),
        "question 2, duration_ms: certified 20,000, now by hand",
    ),
    (
        facts_of(with_question(opens_after_ms=121_000)),
        "question 2, opens_after_ms: certified 120,000, now 121,000",
    ),
    (
        facts_of(with_question(choices=make_question(1).choices[:2])),
        "question 2, choices: certified 3, now 2",
    ),
    (facts_of(changed(mode=Mode.HAND)), "mode: certified clock, now hand"),
    (facts_of(changed(audience_low=2_000)), "audience.low: certified 1,000, now 2,000"),
    (facts_of(gates=4), "setting gates: certified 2, now 4"),
    (facts_of(tally="memcached"), "setting tally: certified not there, now 'memcached'"),
]


@pytest.mark.parametrize(("now", "told"), UN_ARMING, ids=[told for _, told in UN_ARMING])
def test_each_fact_un_arms_and_says_from_what_to_what(now: Facts, told: str) -> None:
    assert [str(difference) for difference in differences(facts_of(), now)] == [told]


def test_a_larger_audience_also_needs_more_tickets() -> None:
    told = differences(facts_of(), facts_of(changed(audience_high=FANS * 2)))
    assert [one.fact for one in told] == ["audience.high", "audience.tickets_max"]


# --- what it says ---------------------------------------------------------------------------------


def test_the_verdict_is_held_against_the_show_and_its_front_door() -> None:
    asked = need(facts_of(public_url="https://quiz.example.org"))
    assert (asked.fans, asked.questions, asked.shortest_s) == (FANS, QUESTIONS, 20.0)
    assert asked.public_url == "https://quiz.example.org"
    by_hand = make_show([make_question(1, duration_ms=None, opens_after_ms=None)], mode=Mode.HAND)
    assert need(facts_of(by_hand)).shortest_s is None


def test_it_is_dated_and_named_after_show_and_time() -> None:
    made = certificate()
    assert made.dated == "2026-11-23 19:45:20 UTC"
    assert made.name == "small-20261123T194520Z"
    assert made.verdict.go


def test_its_id_comes_from_all_that_it_says() -> None:
    made = certificate()
    blank = msgspec.structs.replace(made, id="")
    assert made.id == hashlib.blake2b(canonical(blank), digest_size=16).hexdigest()[:12]
    other = certify(SHOW, facts_of(gates=3), MACHINE, findings(), DATED_MS)
    assert other.id != made.id


# --- the signature --------------------------------------------------------------------------------


def test_what_was_signed_is_read_back() -> None:
    signed = verify(FILE, "c.json")
    assert signed.certificate == certificate()
    assert signed.public_key == KEY.public_key().public_bytes_raw().hex()
    assert len(key_name(signed.public_key)) == 16


def test_anyone_can_check_it_with_a_json_library_and_ed25519() -> None:
    document = json.loads(FILE)
    body = json.dumps(
        document["certificate"], sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(document["public_key"]))
    key.verify(bytes.fromhex(document["signature"]), body.encode())


@given(at=st.integers(0, len(FILE) - 1), bit=st.integers(0, 7))
def test_a_changed_byte_is_refused(at: int, bit: int) -> None:
    """Wherever it is: in a number, a key, the signature, or the white space between."""
    touched = bytearray(FILE)
    touched[at] ^= 1 << bit
    with pytest.raises((DataDamaged, YourMistake)) as told:
        verify(bytes(touched), "c.json")
    assert "c.json" in told.value.message
    assert told.value.remedy


def test_other_letters_of_the_same_signature_are_refused() -> None:
    document = json.loads(FILE)
    for name in ("public_key", "signature"):
        touched = FILE.replace(document[name].encode(), document[name].upper().encode())
        assert touched != FILE
        with pytest.raises(DataDamaged, match=r"c\.json"):
            verify(touched, "c.json")


def test_better_numbers_are_refused() -> None:
    touched = FILE.replace(b'"p999_ms": 48.0', b'"p999_ms": 12.0')
    assert touched != FILE
    with pytest.raises(DataDamaged, match="the signature does not belong to this content"):
        verify(touched, "c.json")


def test_the_same_content_in_another_layout_is_refused() -> None:
    with pytest.raises(DataDamaged, match="written anew"):
        verify(msgspec.json.format(FILE, indent=4), "c.json")


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"certificate": 1}', b"\xff"])
def test_what_is_no_certificate_is_told(data: bytes) -> None:
    with pytest.raises(DataDamaged, match=r"c\.json is not a certificate"):
        verify(data, "c.json")


def test_another_format_is_told_as_such() -> None:
    newer = msgspec.structs.replace(certificate(), format=2)
    with pytest.raises(YourMistake, match="another format than 1"):
        verify(sign(newer, KEY), "c.json")
