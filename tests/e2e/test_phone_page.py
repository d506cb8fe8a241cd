"""The phone's page in a real browser: joining, answers on a bad network, the result, the claim."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from phone_fake import now_ms, text
from phone_hand import BLOCKED_STORAGE, Hand, holding, lose_reply
from playwright.sync_api import Browser, expect

pytestmark = pytest.mark.e2e


@pytest.fixture
def hand(browser: Browser) -> Iterator[Hand]:
    with holding(browser) as hand:
        yield hand


# joining


def test_one_tap_joins_with_the_country_of_the_locale(browser: Browser) -> None:
    with holding(browser, locale="fr-BE") as hand:
        with hand.page.expect_request("**/t/**") as asked:
            hand.join(band=2)
        assert asked.value.method == "POST"
        assert asked.value.url.endswith("/t/2BE")
        assert asked.value.post_data is None
        hand.sees("h1", "Vous y êtes")
        assert len(hand.kept()["ticket"]) == 20


def test_a_reload_never_throws_you_out(hand: Hand) -> None:
    hand.join()
    ticket = hand.kept()["ticket"]
    hand.page.reload()
    hand.sees("h1", "You are in")
    assert hand.kept()["ticket"] == ticket
    assert len(hand.fake.tickets) == 1


def test_a_full_door_is_knocked_at_again(hand: Hand) -> None:
    hand.fake.join_status = 503
    hand.come()
    hand.page.locator(".band").first.click()
    hand.sees(".notice", "We keep trying")
    hand.fake.join_status = None
    hand.sees("h1", "You are in")


def test_without_storage_it_works_in_memory_and_says_so(hand: Hand) -> None:
    hand.page.add_init_script(BLOCKED_STORAGE)
    hand.join()
    hand.sees("#banner", "does not let us remember you")
    hand.fake.open(0)
    hand.tap(1)
    hand.sees_status("counted")


# answering


def test_an_answer_is_counted_with_the_time_since_it_was_shown(hand: Hand) -> None:
    hand.join()
    hand.fake.open(0)
    hand.sees_status("none", "Tap your answer")
    time.sleep(0.4)
    hand.tap(1)
    hand.sees_status("counted", "Counted")
    (sent,) = hand.fake.sends
    assert re.fullmatch(r"[\w-]{20}/0002[0-9a-f]{7}", sent)
    ((choice, elapsed_ms),) = hand.fake.counted.values()
    assert choice == 0b0010
    opened = hand.fake.on_show
    assert opened
    assert 400 <= elapsed_ms <= now_ms() - opened["opened_at"]


def test_a_choice_is_locked_before_it_is_sent(hand: Hand) -> None:
    hand.fake.answer_status = 503
    hand.join()
    hand.fake.open(0)
    hand.tap(1)
    hand.sees_status("sending")
    hand.choice(2).click(force=True)
    hand.fake.answer_status = None
    hand.sees_status("counted")
    assert len(set(hand.fake.sends)) == 1
    expect(hand.choice(1)).to_have_attribute("aria-pressed", "true")
    expect(hand.choice(2)).to_have_attribute("aria-pressed", "false")


def test_offline_it_is_still_sending_and_back_online_counted_once(hand: Hand) -> None:
    hand.join()
    hand.fake.open(0)
    hand.sees_question(1)
    hand.page.context.set_offline(True)
    hand.tap(2)
    hand.sees_status("sending", "No connection")
    assert hand.fake.sends == []
    hand.page.context.set_offline(False)
    hand.sees_status("counted")
    assert len(set(hand.fake.sends)) == 1
    assert len(hand.fake.counted) == 1


def test_a_lost_reply_is_asked_for_with_the_same_bytes(hand: Hand) -> None:
    hand.page.route("**/a/**", lose_reply(times=2))
    hand.join()
    hand.fake.open(0)
    hand.tap(0)
    hand.sees_status("counted")
    assert len(hand.fake.sends) == 3
    assert len(set(hand.fake.sends)) == 1
    assert len(hand.fake.counted) == 1


@pytest.mark.parametrize("status", [409, 429, 503])
def test_these_replies_mean_try_again(hand: Hand, status: int) -> None:
    hand.fake.answer_status = status
    hand.join()
    hand.fake.open(0)
    hand.tap(1)
    hand.sees_status("sending", re.compile(r"Attempt \d"))
    hand.fake.answer_status = None
    hand.sees_status("counted")
    assert len(set(hand.fake.sends)) == 1


def test_retry_after_is_honoured(hand: Hand) -> None:
    hand.fake.answer_status = 503
    hand.fake.answer_headers = {"Retry-After": "2"}
    hand.join()
    hand.fake.open(0)
    with hand.page.expect_response("**/a/**"):
        hand.tap(1)
    begun = time.monotonic()
    hand.fake.answer_status = None
    hand.sees_status("counted")
    assert time.monotonic() - begun > 1.9


def test_after_the_close_it_is_too_late_and_stays_so(hand: Hand) -> None:
    hand.fake.answer_status = 410
    hand.join()
    hand.fake.open(0)
    hand.tap(1)
    hand.sees_status("late", "Too late")
    hand.page.reload()
    hand.sees_status("late", "does not count")
    assert len(hand.fake.sends) == 1


def test_an_answer_on_its_way_survives_a_reload(hand: Hand) -> None:
    hand.fake.answer_status = 503
    hand.join()
    hand.fake.open(0)
    hand.tap(3)
    hand.sees_status("sending")
    hand.page.reload()
    hand.sees_status("sending")
    hand.fake.answer_status = None
    hand.sees_status("counted")
    assert len(set(hand.fake.sends)) == 1
    hand.page.reload()
    hand.sees_status("counted")


def test_a_reload_does_not_turn_the_time_back(hand: Hand) -> None:
    hand.join()
    hand.fake.open(0)
    hand.sees_question(1)
    shown = hand.kept()["shown"]["0"]["at"]
    hand.page.reload()
    hand.sees_question(1)
    before_ms = now_ms() - shown
    hand.tap(1)
    hand.sees_status("counted")
    ((_, elapsed_ms),) = hand.fake.counted.values()
    assert elapsed_ms >= before_ms


def test_an_answer_still_on_its_way_is_named_beside_the_next_question(hand: Hand) -> None:
    hand.fake.answer_status = 503
    hand.join()
    hand.fake.open(0)
    hand.tap(1)
    hand.sees_status("sending")
    hand.fake.open(1)
    hand.sees_question(2)
    hand.sees("#banner", "Your answer to question 1 is still on its way")


def test_several_choices_go_with_one_button(hand: Hand) -> None:
    hand.join()
    hand.fake.open(1)
    send = hand.page.locator(".foot .send")
    expect(send).to_be_disabled()
    for choice in (0, 1, 2, 1):  # the second one is taken back
        hand.tap(choice)
    expect(send).to_have_text("Send 2 choices")
    assert hand.fake.sends == []
    send.click()
    hand.sees_status("counted")
    ((choice, _),) = hand.fake.counted.values()
    assert choice == 0b0101


def test_an_unknown_ticket_joins_again_and_takes_the_answer_along(hand: Hand) -> None:
    hand.join()
    hand.fake.open(0)
    hand.sees_question(1)
    hand.fake.forget_tickets()
    hand.tap(1)
    hand.sees(".join", "does not know your ticket")
    hand.sees(".join", "goes out as soon as you are in")
    hand.page.locator(".band").first.click()
    hand.sees_status("counted")
    first, second = hand.fake.sends
    assert first[:20] != second[:20]
    assert first[20:] == second[20:]


def test_the_page_is_silent_while_a_question_is_open(hand: Hand) -> None:
    hand.page.clock.install()
    hand.join()
    hand.fake.silent_while_open_ms = 60_000
    hand.fake.open(0, duration_ms=60_000)
    hand.sees_question(1)
    reads = hand.fake.reads["/now"]
    hand.page.clock.run_for(55_000)
    assert hand.fake.reads["/now"] == reads
    with hand.page.expect_response("**/now"):
        hand.page.clock.run_for(6_000)
    assert hand.fake.reads["/now"] == reads + 1


def test_a_page_that_nobody_sees_asks_nothing_and_asks_again_when_seen(hand: Hand) -> None:
    hand.join()
    look = "hidden => { Object.defineProperty(document, 'hidden', { get: () => hidden, "
    look += "configurable: true }); document.dispatchEvent(new Event('visibilitychange')); }"
    hand.page.evaluate(look, True)
    time.sleep(1.0)
    reads = hand.fake.reads["/now"]
    time.sleep(1.5)
    assert hand.fake.reads["/now"] == reads
    hand.fake.open(0)
    hand.page.evaluate(look, False)
    hand.sees_question(1)


def test_a_server_that_fails_is_asked_again_and_the_page_says_so(hand: Hand) -> None:
    hand.join()
    hand.fake.now_status = 503
    hand.sees("#banner", "We keep trying")
    hand.fake.now_status = None
    hand.fake.open(0)
    hand.sees_question(1)
    expect(hand.page.locator("#banner")).to_be_empty()


def test_two_tabs_hold_one_answer(hand: Hand) -> None:
    hand.fake.answer_status = 503
    hand.join()
    other = hand.page.context.new_page()
    other.goto(hand.url)
    hand.fake.open(0)
    hand.tap(1)
    expect(other.locator('[data-choice="1"]')).to_have_attribute("aria-pressed", "true")
    other.locator('[data-choice="2"]').click(force=True)
    hand.fake.answer_status = None
    hand.sees_status("counted")
    assert len(set(hand.fake.sends)) == 1


# the result


RANKS = [
    {"right": 1, "fans": 9_000, "total_ms": [0, 60_000]},
    {"right": 0, "fans": 9_000, "total_ms": [0, 0]},
]


def test_right_shows_score_rank_and_how_everyone_chose(hand: Hand) -> None:
    hand.join()
    hand.fake.open(0)
    hand.tap(1)
    hand.sees_status("counted")
    hand.fake.rank(RANKS, fans=18_000)
    hand.fake.close()
    hand.fake.reveal([10, 60, 20, 10])
    hand.sees_phase("revealed")
    hand.sees(".verdict", "Right")
    expect(hand.choice(1)).to_contain_text("Right answer")
    expect(hand.choice(1)).to_contain_text("Your answer")
    expect(hand.choice(1)).to_contain_text("60%")
    hand.sees(".explanation", "twice that night")
    hand.sees(".score", "1 of 1 right")
    hand.sees(".place", re.compile(r"about [\d,]+(st|nd|rd|th) of 18,000"))


def test_a_count_that_is_held_back_is_not_called_nought(hand: Hand) -> None:
    hand.join()
    hand.fake.open(0)
    hand.tap(1)
    hand.sees_status("counted")
    hand.fake.reveal([None, 60, 0, 40])
    expect(hand.choice(0).locator(".share")).to_have_text("–")
    expect(hand.choice(2).locator(".share")).to_have_text("0%")


def test_nothing_tells_right_from_wrong_before_the_reveal(hand: Hand) -> None:
    hand.join()
    hand.fake.open(0)
    hand.tap(1)
    hand.sees_status("counted")
    hand.fake.close()
    hand.sees_phase("closed")
    expect(hand.page.locator(".choice.right, .tag")).to_have_count(0)
    hand.sees(".verdict", "Time is up")


def test_a_correction_turns_the_verdict_and_the_score(hand: Hand) -> None:
    hand.join()
    hand.fake.open(0)
    hand.tap(2)
    hand.sees_status("counted")
    hand.fake.reveal([10, 60, 20, 10])
    hand.sees(".verdict", "Not this time")
    hand.sees(".score", "0 of 1 right")
    before = hand.fake.result
    assert before is not None
    hand.sees(".after", f"100 answers · Journal {before['head']}")
    hand.fake.reveal([10, 60, 20, 10], right=0b0100)
    hand.sees(".verdict", "Right")
    hand.sees(".score", "1 of 1 right")
    hand.sees(".after", "The right answer was corrected.")
    after = hand.fake.result
    assert after is not None
    assert after["head"] != before["head"]
    hand.sees(".after", f"Journal {after['head']}")


def test_a_late_answer_is_not_called_right(hand: Hand) -> None:
    hand.fake.answer_status = 410
    hand.join()
    hand.fake.open(0)
    hand.tap(1)
    hand.sees_status("late")
    hand.fake.reveal([10, 60, 20, 10])
    hand.sees(".verdict", "Too late")
    hand.sees(".score", "0 of 1 right")


def test_a_void_question_counts_for_nobody(hand: Hand) -> None:
    hand.join()
    hand.fake.open(0)
    hand.tap(1)
    hand.sees_status("counted")
    hand.fake.void()
    hand.sees_phase("void")
    hand.sees(".verdict", "This question is out")
    expect(hand.page.locator(".score")).to_be_hidden()


def test_an_earlier_run_of_the_same_show_is_no_answer(hand: Hand) -> None:
    hand.join()
    hand.fake.open(0)
    hand.tap(1)
    hand.sees_status("counted")
    time.sleep(0.01)
    hand.fake.open(0)
    hand.sees_status("none", "Tap your answer")


# the end


def to_the_end(hand: Hand) -> None:
    hand.join()
    hand.fake.open(0)
    hand.tap(1)
    hand.sees_status("counted")
    hand.fake.reveal([10, 60, 20, 10], over=True)
    hand.sees(".scorecard", "That was it")


def test_a_contender_claims_and_gets_the_word(hand: Hand) -> None:
    to_the_end(hand)
    fan = hand.fan()
    hand.fake.announce([fan], [])
    hand.sees(".claim", "You are among the best")
    hand.page.get_by_role("button", name="Claim my place").click()
    hand.sees(".claim .notice", "Write a name that can be shown, and tick the box")
    assert hand.fake.claims == []
    hand.page.get_by_label("The name to show").fill("  Ada L. ")
    hand.page.get_by_role("checkbox").check()
    hand.page.get_by_role("button", name="Claim my place").click()
    hand.sees(".claim", "Your claim is in")
    kept = hand.kept()
    sent = {"ticket": kept["ticket"], "claim": kept["claim"], "name": "Ada L.", "consent": True}
    assert hand.fake.claims == [sent]
    assert "Ada" not in str(kept)
    hand.fake.approve(fan, "Ada L.", {"text": text("See you"), "image": None, "link": "/w"})
    hand.sees(".claim .word", "See you")
    hand.sees(".winners", "Ada L.")
    hand.page.reload()
    hand.sees(".claim", "You are number 1")


def test_a_claim_is_sent_until_it_is_taken(hand: Hand) -> None:
    to_the_end(hand)
    hand.fake.claim_status = 503
    hand.fake.announce([hand.fan()], [])
    hand.page.get_by_label("The name to show").fill("Ada")
    hand.page.get_by_role("checkbox").check()
    hand.page.get_by_role("button", name="Claim my place").click()
    hand.sees(".claim .notice", "Still sending")
    hand.fake.claim_status = None
    hand.sees(".claim", "Your claim is in")


@pytest.mark.parametrize(
    ("status", "words"), [(403, "cannot claim"), (400, "that can be shown"), (410, "is over")]
)
def test_a_claim_that_is_refused_says_why(hand: Hand, status: int, words: str) -> None:
    to_the_end(hand)
    hand.fake.claim_status = status
    hand.fake.announce([hand.fan()], [])
    hand.page.get_by_label("The name to show").fill("Ada")
    hand.page.get_by_role("checkbox").check()
    hand.page.get_by_role("button", name="Claim my place").click()
    hand.sees(".claim", words)


def test_a_reserve_is_asked_when_a_place_becomes_free(hand: Hand) -> None:
    to_the_end(hand)
    hand.fake.announce([hand.fan() + 1], [hand.fan()])
    hand.sees(".claim", "You are next in line")
    expect(hand.page.locator("input")).to_have_count(0)
    hand.fake.announce([hand.fan()], [])
    hand.page.get_by_label("The name to show").fill("Ada")


def test_nobody_else_is_asked_for_a_name(hand: Hand) -> None:
    to_the_end(hand)
    hand.fake.announce([hand.fan() + 1], [hand.fan() + 2])
    hand.fake.approve(hand.fan() + 1, "Grace H.", {"text": text("Hi"), "image": None, "link": None})
    hand.sees(".winners", "Grace H.")
    expect(hand.page.locator("input")).to_have_count(0)
    expect(hand.page.locator(".word")).to_have_count(0)
