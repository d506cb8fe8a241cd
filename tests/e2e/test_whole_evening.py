"""A whole evening with real parts: one node, a phone, a wall and a console in a real browser.

Phones poll every two seconds in mode hand, so that time-outs here are generous. Screenshots of the
last run are kept in build/screenshots.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from living_node import LivingNode, wait_until
from playwright.sync_api import Browser, BrowserContext, Page, expect

from hairpin.node.data import open_journal
from hairpin.tally.verify import parse_head, verify

pytestmark = pytest.mark.e2e

PICTURES = Path(__file__).parents[2] / "build" / "screenshots"
PATIENCE_MS = 30_000
TOO_SOON_MS = 500  # a second press of the console within 0.4 s is a double click

SHOW = """
id = "evening"
title = "Evening"
languages = ["en"]
mode = "hand"
audience = { low = 10, high = 100 }
cell_min = 1
best_country_min = 2
contenders = 1
reserves = 1
claim_deadline = "10m"

[winner]
text = "See you backstage"

[[questions]]
text = "How many strings has a violin?"
choices = ["3", "4", "5"]
right = 2

[[questions]]
text = "Which is the larger?"
choices = ["Violin", "Viola"]
right = 2
"""
OTHERS = ("1FR", "1FR", "1FR", "0GB", "0GB", "2GB")


class Evening:
    """Pages on one node; console steps go through the console's own keys."""

    def __init__(self, browser: Browser, node: LivingNode) -> None:
        self.node = node
        self.mistakes: list[str] = []
        facts = node.facts
        size = {"width": 1280, "height": 720}
        self._stage = browser.new_context(viewport=size, locale="en-GB", reduced_motion="reduce")
        self._phone = browser.new_context(
            viewport={"width": 390, "height": 844}, locale="en-GB", reduced_motion="reduce"
        )
        self.head = ""
        self.console = self._page(self._stage, f"{facts.private}/console?token={facts.token}")
        self.wall = self._page(self._stage, f"{facts.private}/wall")
        self.phone = self._page(self._phone, f"{facts.public}/")
        self.fans = [node.join(who) for who in OTHERS]

    def _page(self, context: BrowserContext, address: str) -> Page:
        page = context.new_page()
        page.on("pageerror", lambda error: self.mistakes.append(str(error)))
        page.goto(address)
        return page

    def picture(self, page: Page, name: str) -> None:
        PICTURES.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=PICTURES / f"{name}.png")

    def key(self, letter: str, done: str) -> None:
        """A step by its key, then confirmed."""
        self.console.keyboard.press(letter)
        expect(self.console.locator("#sure-text")).to_be_visible(timeout=PATIENCE_MS)
        self.console.wait_for_timeout(TOO_SOON_MS)
        self.console.get_by_role("button", name="Confirm").click()
        expect(self.console.locator("#reply")).to_have_text(f"Done: {done}", timeout=PATIENCE_MS)

    def tap(self, choice: int) -> None:
        button = self.phone.locator(f'[data-choice="{choice}"]')
        expect(button).to_be_enabled(timeout=PATIENCE_MS)
        button.click()

    def sees(self, tone: str) -> None:
        status = self.phone.locator(".status")
        expect(status).to_have_attribute("data-tone", tone, timeout=PATIENCE_MS)

    def others_answer(self, question: int, choices: tuple[int, ...]) -> None:
        for ticket, choice in zip(self.fans, choices, strict=True):
            elapsed_ms = 20_000  # slower than the phone in the browser
            assert self.node.answer(ticket, question, 1 << choice, elapsed_ms) == 204

    def bars_are(self, votes: tuple[int, ...], right: int) -> None:
        """The wall's bars, their widths included, are exactly these counts."""
        expect(self.wall.locator("#badge")).to_have_text("Final", timeout=PATIENCE_MS)
        rows = self.wall.locator("#choices li")
        for index, count in enumerate(votes):
            row = rows.nth(index)
            expect(row.locator(".votes")).to_have_text(str(count))
            track, bar = (row.locator(part).bounding_box() for part in (".track", ".bar"))
            assert track
            drawn = bar["width"] if bar else 0.0
            assert drawn == pytest.approx(track["width"] * count / sum(votes), abs=0.6)
            assert ("right" in (row.get_attribute("class") or "").split()) == (index == right)


@pytest.fixture
def evening(browser: Browser, node: Callable[..., LivingNode]) -> Iterator[Evening]:
    evening = Evening(browser, node(SHOW, settings='join_allow = ["127.0.0.1"]'))
    yield evening
    assert not evening.mistakes, evening.mistakes


def test_a_whole_evening(evening: Evening) -> None:
    _a_fan_joins_and_is_counted(evening)
    _the_wall_shows_the_exact_bars_and_survives_a_reload(evening)
    _offline_and_back_is_counted_once(evening)
    _late_is_too_late(evening)
    _a_contender_claims_and_is_approved(evening)
    _the_journal_tells_the_same(evening)


def _a_fan_joins_and_is_counted(evening: Evening) -> None:
    evening.picture(evening.wall, "wall-waiting")
    evening.phone.locator(".band").nth(1).click()
    expect(evening.phone.locator(".join")).to_have_count(0)
    evening.key("o", "Open question 1")
    evening.node.wait_state("open")
    evening.tap(1)
    evening.sees("counted")
    evening.picture(evening.phone, "phone-counted")
    evening.others_answer(0, (1, 1, 0, 2, 0, 1))
    expect(evening.wall.locator("#answers")).to_have_text("7", timeout=PATIENCE_MS)
    evening.picture(evening.wall, "wall-open")
    evening.picture(evening.console, "console-open")


def _the_wall_shows_the_exact_bars_and_survives_a_reload(evening: Evening) -> None:
    evening.key("c", "Close question 1")
    evening.key("r", "Reveal question 1")
    evening.bars_are((2, 4, 1), right=1)
    evening.wall.reload()
    evening.bars_are((2, 4, 1), right=1)
    evening.picture(evening.wall, "wall-final")
    expect(evening.phone.locator('.question[data-tone="right"]')).to_be_visible(timeout=PATIENCE_MS)
    evening.picture(evening.phone, "phone-right")


def _offline_and_back_is_counted_once(evening: Evening) -> None:
    evening.key("o", "Open question 2")
    expect(evening.phone.locator('[data-choice="1"]')).to_be_enabled(timeout=PATIENCE_MS)
    expect(evening.phone.locator(".question .show")).to_contain_text("2", timeout=PATIENCE_MS)
    evening.phone.context.set_offline(True)
    evening.tap(1)
    evening.sees("sending")
    evening.picture(evening.phone, "phone-offline")
    evening.phone.context.set_offline(False)
    evening.sees("counted")
    evening.others_answer(1, (0, 1, 1, 1, 0, 1))
    question = wait_until(
        lambda: (q := evening.node.tally()["questions"][1])["answers"] == 7 and q, "seven answers"
    )
    assert question["journalled"] - question["repeats"] == 7


def _late_is_too_late(evening: Evening) -> None:
    """A second phone shows the open question, but hears of the close only by the reply."""
    facts = evening.node.facts
    browser = evening.phone.context.browser
    assert browser is not None
    late = browser.new_context(viewport={"width": 390, "height": 844}, locale="fr-FR").new_page()
    late.goto(f"{facts.public}/")
    late.locator(".band").first.click()
    choice = late.locator('[data-choice="0"]')
    expect(choice).to_be_enabled(timeout=PATIENCE_MS)
    late.route("**/now", lambda route: route.abort())
    evening.key("c", "Close question 2")
    evening.node.wait_state("closed")
    choice.click()
    expect(late.locator(".status")).to_have_attribute("data-tone", "late", timeout=PATIENCE_MS)
    evening.picture(late, "phone-too-late")
    late.context.close()


def _a_contender_claims_and_is_approved(evening: Evening) -> None:
    evening.key("r", "Reveal question 2")
    evening.bars_are((2, 5), right=1)
    expect(evening.wall.locator("#rate")).to_have_text(re.compile("^Journal "))
    evening.head = evening.wall.locator("#rate").inner_text().removeprefix("Journal ")
    evening.key("a", "Announce contenders")
    claim = evening.phone.locator(".claim")
    expect(claim).to_be_visible(timeout=PATIENCE_MS)
    evening.phone.get_by_label("The name to show").fill("Ada L.")
    evening.phone.get_by_role("checkbox").check()
    evening.picture(evening.phone, "phone-claim")
    evening.phone.get_by_role("button", name="Claim my place").click()
    expect(claim).to_contain_text("Your claim is in", timeout=PATIENCE_MS)
    approve = evening.console.get_by_role("button", name=re.compile("^Approve"))
    expect(approve.first).to_be_enabled(timeout=PATIENCE_MS)
    evening.picture(evening.console, "console-claim")
    approve.first.click()
    evening.console.wait_for_timeout(TOO_SOON_MS)
    evening.console.keyboard.press("Enter")
    expect(evening.wall.locator("#winner-name")).to_have_text("Ada L.", timeout=PATIENCE_MS)
    evening.picture(evening.wall, "wall-winner")
    expect(claim.locator(".word")).to_contain_text("See you backstage", timeout=PATIENCE_MS)
    evening.picture(evening.phone, "phone-winner")


def _the_journal_tells_the_same(evening: Evening) -> None:
    live = evening.node.tally()
    found = evening.node.recounter().run()
    assert (found.journalled, found.counted) == (live["journalled"], live["counted"])
    assert found.counted == 14
    assert found.heads_verified == 2
    (result,) = verify(open_journal(evening.node.data), parse_head(evening.head)).results
    assert (result.question, result.version, result.answers) == ("q2", 1, 7)
    names = [file for file in evening.node.data.rglob("*") if file.is_file()]
    holders = [file.name for file in names if b"Ada" in file.read_bytes()]
    assert holders == ["winners.json"]
    assert json.loads((evening.node.data / "winners.json").read_text())
