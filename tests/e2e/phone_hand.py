"""A hand on the phone's page: what a fan does and sees, in the words of the page's own states."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from phone_fake import Fake, serving
from playwright.sync_api import Browser, Page, Route, expect

BLOCKED_STORAGE = """
  Object.defineProperty(window, "localStorage", { get() { throw new DOMException("blocked") } });
"""


class Hand:
    def __init__(self, page: Page, fake: Fake, url: str) -> None:
        self.page = page
        self.fake = fake
        self.url = url
        self.mistakes: list[str] = []
        page.on("pageerror", lambda error: self.mistakes.append(str(error)))
        page.on("console", self._hear)

    def _hear(self, message: Any) -> None:
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.mistakes.append(message.text)

    # what a fan does

    def come(self) -> Hand:
        self.page.goto(self.url)
        expect(self.page.locator(".view")).to_be_visible()
        return self

    def join(self, band: int = 1) -> Hand:
        self.come()
        self.page.locator(".band").nth(band).click()
        expect(self.page.locator(".join")).to_have_count(0)
        return self

    def wake(self) -> None:
        """As when the network comes back: the phone asks again before its time."""
        self.page.evaluate("dispatchEvent(new Event('online'))")

    def tap(self, choice: int) -> None:
        self.choice(choice).click()

    def choice(self, choice: int) -> Any:
        return self.page.locator(f'[data-choice="{choice}"]')

    # what a fan sees

    def sees_question(self, number: int) -> None:
        expect(self.page.locator(".question .show")).to_contain_text(str(number))

    def sees_phase(self, phase: str) -> None:
        expect(self.page.locator(f'.question[data-phase="{phase}"]')).to_be_visible()

    def sees_status(self, tone: str, words: str | re.Pattern[str] = "") -> None:
        status = self.page.locator(".status")
        expect(status).to_have_attribute("data-tone", tone, timeout=15_000)
        expect(status).to_contain_text(words)

    def sees(self, selector: str, words: str | re.Pattern[str]) -> None:
        expect(self.page.locator(selector)).to_contain_text(words)

    def kept(self) -> dict[str, Any]:
        """What the phone remembers."""
        kept: dict[str, Any] = self.page.evaluate(
            "JSON.parse(localStorage.getItem('hairpin.first-light'))"
        )
        return kept

    def fan(self) -> int:
        return self.fake.tickets[self.kept()["ticket"]]


@contextmanager
def holding(browser: Browser, **context: Any) -> Iterator[Hand]:
    """A phone before a fresh fake show. A mistake in any script fails the test."""
    fake = Fake()
    defaults = {"viewport": {"width": 390, "height": 844}, "locale": "en-GB"}
    settings = {**defaults, "reduced_motion": "reduce", **context}
    with serving(fake) as url:
        phone = browser.new_context(**settings)
        hand = Hand(phone.new_page(), fake, url)
        try:
            yield hand
            assert not hand.mistakes, hand.mistakes
        finally:
            phone.close()


def lose_reply(times: int) -> Any:
    """A route handler: the server hears the request, the phone never hears the reply."""
    left = times

    def handle(route: Route) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            route.continue_()
            return
        route.fetch()
        route.abort()

    return handle
