"""Wall and console while memcached counts: they say that it is approximate, and show no votes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect
from stage_hand import Hand, holding

pytestmark = pytest.mark.e2e


@pytest.fixture
def hand(browser: Browser) -> Iterator[Hand]:
    with holding(browser, reduced_motion="reduce") as hand:
        yield hand


def approximate(tally: dict[str, Any], status: str, reason: str = "") -> dict[str, Any]:
    """The event, as a node with `--tally memcached://...` would have sent it."""
    changes = {"status": status, "reason": reason, "version": 0, "by_choice": None}
    tally["question"] |= changes
    for question in tally["questions"]:
        question |= changes
    return tally


@pytest.mark.parametrize("scene", ["open", "closed", "final", "poll"])
def test_the_wall_never_calls_it_final(hand: Hand, scene: str) -> None:
    tally = hand.go("/wall", scene)["wall"]["tally"]
    hand.send("wall", "tally", approximate(tally, "approximate: memcached"))
    expect(hand.page.locator("#badge")).to_have_text("Approximate: memcached")
    expect(hand.page.locator("#answers")).to_have_text(f"{tally['question']['answers']:,}")
    assert hand.mistakes == []


def test_the_wall_says_that_its_numbers_stand_still_and_leaves_votes_empty(hand: Hand) -> None:
    tally = hand.go("/wall", "final")["wall"]["tally"]
    hand.send("wall", "tally", approximate(tally, "approximate: memcached, stale"))
    expect(hand.page.locator("#badge")).to_have_text("Approximate: memcached, not current")
    assert set(hand.page.locator("#choices .votes").all_inner_texts()) == {""}


def test_the_wall_says_it_in_french(hand: Hand) -> None:
    tally = hand.go("/wall?lang=fr", "final")["wall"]["tally"]
    hand.send("wall", "tally", approximate(tally, "approximate: memcached"))
    expect(hand.page.locator("#badge")).to_have_text("Approximatif : memcached")


def test_the_console_says_what_is_wrong_with_the_count(hand: Hand) -> None:
    tally = hand.go("/console", "final")["console"]["tally"]
    reason = "memcached does not serve since 21:04:05 UTC"
    hand.send("console", "tally", approximate(tally, "approximate: memcached, stale", reason))
    status = hand.page.locator("#now-status")
    expect(status).to_contain_text("approximate (memcached, stale)")
    expect(status).to_contain_text(reason)
    expect(hand.page.locator("#choices-rows tr td").first).to_have_text("–")
    assert hand.mistakes == []
