from __future__ import annotations

import base64

import msgspec
import numpy as np
import pytest

from hairpin.rehearsal.phones import Phones, fan_number


def ticket(fan: int) -> str:
    return base64.urlsafe_b64encode(fan.to_bytes(4, "little") + bytes(11)).decode()


def phones(fans: int = 1_000, late_share: float = 0.05) -> Phones:
    return Phones(np.random.default_rng(1), fans, ["FR", "GB", "ZZ"], 7, late_share)


def test_a_fan_number_is_the_first_four_bytes_little_endian() -> None:
    assert fan_number(ticket(0x01020304)) == 0x01020304


@pytest.mark.parametrize("text", ["", "abc", "!" * 20, "A" * 19, "A" * 24])
def test_what_is_no_ticket_is_refused(text: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        fan_number(text)


def test_a_reply_to_a_join_is_kept_and_found_by_number() -> None:
    crowd = phones()
    crowd.admit(17, b'{"ticket": "%s", "claim": "secret"}' % ticket(4711).encode())
    assert crowd.ticket_of(17) == ticket(4711)
    assert crowd.claim_of(17) == "secret"
    assert crowd.fan_of(4711) == 17
    assert crowd.fan_of(17) is None
    assert crowd.holds.sum() == crowd.joined == 1


def test_most_join_before_the_show_and_a_few_during_it() -> None:
    first = phones(fans=20_000).first_question
    late = first[first >= 0]
    assert 0.03 < len(late) / len(first) < 0.07
    assert set(late.tolist()) == set(range(7))


def test_fans_come_only_from_countries_of_the_show() -> None:
    crowd = phones()
    lines = {line.tobytes() for line in crowd.join_lines(np.arange(len(crowd)))}
    assert lines <= {b"POST /t/%d%s" % (b, c) for b in range(3) for c in (b"FR", b"GB", b"ZZ")}


def test_a_show_in_countries_that_nobody_listed_has_a_crowd_too() -> None:
    crowd = Phones(np.random.default_rng(1), 100, ["TV", "NU"], 7, 0.0)
    assert {crowd.codes[index] for index in crowd.country} == {"TV", "NU"}
