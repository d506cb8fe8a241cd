"""Can everyone use the phone's page? WCAG 2.2 AA by axe-core in all states, and more."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from phone_fake import now_ms, text
from phone_hand import Hand, holding
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.e2e

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
TARGET_PX_MIN = 44
HEAR = """
  window.heard = [];
  addEventListener("DOMContentLoaded", () => {
    const live = document.getElementById("live");
    new MutationObserver(() => heard.push(live.textContent))
      .observe(live, { childList: true, characterData: true, subtree: true });
  });
"""


def every_state(hand: Hand) -> Iterator[str]:
    """Walks a phone through all that it can show; yields the name of each state on show."""
    fake, page = hand.fake, hand.page
    fake.next_at = now_ms() + 252_000
    hand.come()
    yield "join"
    page.locator(".band").first.click()
    expect(page.locator(".waiting .time")).not_to_be_empty()
    yield "waiting"
    fake.open(0)
    hand.wake()
    hand.sees_status("none")
    yield "open"
    fake.answer_status = 503
    hand.tap(1)
    hand.sees_status("sending")
    yield "still sending"
    fake.answer_status = None
    hand.sees_status("counted")
    yield "counted"
    fake.close()
    hand.sees_phase("closed")
    yield "closed"
    rows = [{"right": 1, "fans": 17_000, "total_ms": [0, 90_000]}]
    fake.rank(rows, fans=18_000)
    fake.reveal([100, 600, 200, 100])
    expect(page.locator(".place")).not_to_be_empty()
    yield "right"
    yield from after_the_first(hand)


def after_the_first(hand: Hand) -> Iterator[str]:
    fake, page = hand.fake, hand.page
    fake.open(1)
    hand.sees_question(2)
    hand.tap(0)
    yield "several choices"
    page.locator(".foot .send").click()
    hand.sees_status("counted")
    fake.reveal([100, 600, 200, 100])
    hand.sees_phase("revealed")
    yield "wrong"
    fake.open(2)
    hand.sees_question(3)
    fake.answer_status = 410
    hand.tap(1)
    hand.sees_status("late")
    yield "too late, with pictures"
    fake.reveal([40, 60], over=True)
    hand.sees_phase("revealed")
    yield "over, after a poll"
    fake.announce([hand.fan()], [])
    expect(page.locator(".claim form")).to_be_visible()
    page.get_by_role("button", name=page.locator(".claim .send").inner_text()).click()
    yield "claim"
    page.locator("#name").fill("Ada L.")
    page.locator(".claim [type=checkbox]").check()
    page.locator(".claim .send").click()
    expect(page.locator(".claim form")).to_have_count(0)
    yield "claimed"
    fake.approve(hand.fan(), "Ada L.", {"text": text("See you"), "image": None, "link": "/w"})
    expect(page.locator(".claim .word")).to_be_visible()
    yield "word"


@pytest.fixture(scope="module")
def axe() -> Any:
    try:
        from axe_playwright_python.sync_playwright import Axe
    except ImportError:
        message = "axe-core is missing: pip install axe-playwright-python"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return Axe()


@pytest.mark.parametrize(("scheme", "locale"), [("dark", "en-GB"), ("light", "ar-EG")])
def test_axe_finds_no_violation_in_any_state(
    browser: Browser, axe: Any, scheme: str, locale: str
) -> None:
    found: dict[str, list[str]] = {}
    options = {"runOnly": {"type": "tag", "values": RULES}}
    with holding(browser, color_scheme=scheme, locale=locale) as hand:
        for state in every_state(hand):
            violations = axe.run(hand.page, options=options).response["violations"]
            found[state] = [f"{one['id']}: {one['nodes'][0]['html']}" for one in violations]
    assert len(found) == 14
    assert not {state: ids for state, ids in found.items() if ids}


@pytest.mark.parametrize(
    "size",
    [{"width": 320, "height": 640}, {"width": 195, "height": 422}],  # the smallest; 390 at 200 %
    ids=["320 px", "zoom 200 %"],
)
def test_nothing_overflows_and_everything_can_be_touched(
    browser: Browser, size: dict[str, int]
) -> None:
    with holding(browser, viewport=size, locale="fr-FR") as hand:
        for state in every_state(hand):
            assert page_overflow_px(hand.page) <= 0, state
            assert small_targets(hand.page) == [], state


def page_overflow_px(page: Page) -> int:
    root = "document.documentElement"
    return int(page.evaluate(f"{root}.scrollWidth - {root}.clientWidth"))


def small_targets(page: Page) -> list[str]:
    """Visible controls under the least size; a checkbox counts with its label."""
    found: list[str] = page.evaluate(
        """least => [...document.querySelectorAll("button, select, input, a[href]")]
            .map(one => one.closest("label.consent") ?? one)
            .map(one => [one, one.getBoundingClientRect()])
            .filter(([, box]) => box.height && Math.min(box.width, box.height) < least)
            .map(([one, box]) => `${one.outerHTML} ${box.width}x${box.height}`)""",
        TARGET_PX_MIN,
    )
    return found


def test_arabic_runs_from_right_to_left_and_marks_other_languages(browser: Browser) -> None:
    with holding(browser, locale="ar-EG") as hand:
        hand.join()
        expect(hand.page.locator("html")).to_have_attribute("dir", "rtl")
        hand.fake.open(0)
        hand.sees_status("none", "المس إجابتك")
        words = hand.page.locator("h1 span")
        expect(words).to_have_attribute("lang", "en")
        expect(words).to_have_attribute("dir", "ltr")
        box, mark = hand.choice(0).bounding_box(), hand.choice(0).locator(".box").bounding_box()
        assert mark["x"] > box["x"] + box["width"] / 2


def test_the_language_is_chosen_and_kept(browser: Browser) -> None:
    with holding(browser) as hand:
        hand.join()
        hand.page.locator("#language select").select_option("fr")
        hand.sees("h1", "Vous y êtes")
        hand.sees("#title", "Première lueur")
        expect(hand.page.locator("#language select")).to_be_focused()
        hand.page.reload()
        hand.sees("h1", "Vous y êtes")
        expect(hand.page.locator("html")).to_have_attribute("lang", "fr")


def test_a_screen_reader_hears_states_and_only_two_times(browser: Browser) -> None:
    with holding(browser) as hand:
        hand.page.add_init_script(HEAR)
        hand.page.clock.install()
        hand.join()
        hand.fake.silent_while_open_ms = 600_000
        hand.fake.open(0, duration_ms=30_000)
        hand.page.clock.run_for(2_000)
        hand.sees_question(1)
        hand.page.clock.run_for(29_000)
        heard = hand.page.evaluate("heard")
    assert heard[0] == "You are in"
    assert heard[1].startswith("Question 1 of 3. Which song")
    assert heard[2:4] == ["10 seconds left", "5 seconds left"]
    assert heard[4:] == ["Time is up. The right answer comes in a moment."]


def test_the_keyboard_alone_joins_and_answers(browser: Browser) -> None:
    with holding(browser) as hand:
        hand.come()
        tab_to(hand.page, ".band")
        hand.page.keyboard.press("Enter")
        hand.sees("h1", "You are in")
        hand.fake.open(1)
        hand.sees_question(2)
        tab_to(hand.page, '[data-choice="0"]')
        assert outline_px(hand.page) >= 2
        hand.page.keyboard.press("Space")
        tab_to(hand.page, '[data-choice="2"]')
        hand.page.keyboard.press("Space")
        tab_to(hand.page, ".foot .send")
        hand.page.keyboard.press("Enter")
        hand.sees_status("counted")
        assert [choice for choice, _ in hand.fake.counted.values()] == [0b0101]


def tab_to(page: Page, selector: str) -> None:
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"the Tab key never reaches {selector}")


def outline_px(page: Page) -> float:
    return float(page.evaluate("parseFloat(getComputedStyle(document.activeElement).outlineWidth)"))


def test_nothing_moves_when_the_result_comes(browser: Browser) -> None:
    with holding(browser) as hand:
        hand.join()
        hand.fake.open(0)
        hand.tap(1)
        hand.sees_status("counted")
        before = [hand.choice(at).bounding_box() for at in range(4)]
        hand.fake.reveal([10, 60, 20, 10])
        hand.sees_phase("revealed")
        assert [hand.choice(at).bounding_box() for at in range(4)] == before


def test_who_asked_for_less_motion_gets_none(browser: Browser) -> None:
    with holding(browser, reduced_motion="reduce") as hand:
        hand.fake.answer_status = 503
        hand.join()
        hand.fake.open(0)
        hand.tap(1)
        hand.sees_status("sending")
        assert hand.page.evaluate("document.getAnimations().length") == 0
