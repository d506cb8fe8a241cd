"""A hand on wall and console: a browser page before a fake private listener of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, Page

FAKE = Path(__file__).parent / "stage_fake.py"
SERIOUS = ("serious", "critical")


class Hand:
    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.mistakes: list[str] = []
        self._fake = httpx.Client(base_url=url, timeout=10)
        page.on("pageerror", lambda error: self.mistakes.append(str(error)))
        page.on("console", self._hear)

    def _hear(self, message: Any) -> None:
        # A refused or failed request is told by the page itself.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.mistakes.append(message.text)

    def scene(self, name: str) -> dict[str, Any]:
        """Sends the events of a scene to whoever listens; returns them by stream and kind."""
        events: dict[str, Any] = self._fake.post(f"/fake/scene/{name}").raise_for_status().json()
        return events

    def send(self, stream: str, event: str, data: dict[str, Any]) -> None:
        told = {"stream": stream, "event": event, "data": data}
        self._fake.post("/fake/send", json=told).raise_for_status()

    def control(self, **told: Any) -> dict[str, Any]:
        state: dict[str, Any] = self._fake.post("/fake/control", json=told).json()
        return state

    @property
    def orders(self) -> list[dict[str, Any]]:
        """The steps that the page asked for."""
        orders: list[dict[str, Any]] = self.control()["orders"]
        return orders

    def go(self, path: str, scene: str) -> dict[str, Any]:
        events = self.scene(scene)
        self.page.goto(self.url + path)
        return events

    def text(self, selector: str) -> str:
        return self.page.locator(selector).inner_text()

    def module(self, path: str, expression: str, argument: Any = None) -> Any:
        """Evaluates `expression` of the exports `m` of a module of the page and argument `a`."""
        return self.page.evaluate(
            f"async (a) => {{ const m = await import({json.dumps(path)}); return {expression}; }}",
            argument,
        )

    def violations(self) -> list[str]:
        """Serious violations of accessibility rules on the page as it is now."""
        from axe_playwright_python.sync_playwright import Axe

        found = Axe().run(self.page).response["violations"]
        return [
            f"{rule['id']}: {rule['nodes'][0]['html'][:120]} ({rule['nodes'][0]['failureSummary']})"
            for rule in found
            if rule["impact"] in SERIOUS
        ]

    def close(self) -> None:
        self._fake.close()


@contextmanager
def holding(browser: Browser, **context: Any) -> Iterator[Hand]:
    """A page before a fresh fake. A mistake in any script, or of the CSP, fails the test."""
    with subprocess.Popen([sys.executable, str(FAKE)], stdout=subprocess.PIPE, text=True) as fake:
        assert fake.stdout is not None
        url = fake.stdout.readline().strip()
        settings = {"viewport": {"width": 1920, "height": 1080}, "locale": "en-GB", **context}
        window = browser.new_context(**settings)
        hand = Hand(window.new_page(), url)
        try:
            yield hand
            assert not hand.mistakes, hand.mistakes
        finally:
            hand.close()
            window.close()
            fake.kill()
