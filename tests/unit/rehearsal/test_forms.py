from __future__ import annotations

from hairpin.rehearsal.forms import FIRST_JUNK, GET, HEAD_BYTES_MAX, POST, USER_AGENTS, forms
from hairpin.rehearsal.requests import forged

FORMS = forms("http://127.0.0.1:8000")


def test_requests_are_as_long_as_a_browsers_and_an_answer_has_an_empty_body() -> None:
    for browser in range(len(USER_AGENTS)):
        post = b"POST /a/" + b"x" * 32 + FORMS.of(POST, browser)
        assert 400 < len(post) < 700
        assert b"\r\nContent-Length: 0\r\n" in post
        assert b"\r\nOrigin: http://127.0.0.1:8000\r\n" in post
        assert b"\r\nHost: 127.0.0.1:8000\r\n" in post
        assert post.endswith(b"\r\n\r\n")
        assert b"Content-Length" not in FORMS.of(GET, browser)
        assert USER_AGENTS[browser].encode() in FORMS.of(GET, browser)


def test_junk_is_whole_and_some_of_it_is_longer_than_any_head() -> None:
    texts = [FORMS.of(form, 0) for form in range(FIRST_JUNK, FIRST_JUNK + FORMS.junk)]
    assert len(set(texts)) == len(texts) > 4
    assert all(text.endswith(b"\r\n\r\n") for text in texts)
    assert max(map(len, texts)) > HEAD_BYTES_MAX


def test_cheats_try_four_ways_and_none_is_the_real_answer() -> None:
    real = b"AAAAAAAAAAAAAAAAAAAA"
    tail = b"/02040000c30"
    lines = {forged(real, tail, number) for number in range(4)}
    assert len(lines) == 4
    assert b"POST /a/" + real + tail not in lines
