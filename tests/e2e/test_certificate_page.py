"""The page of a certificate in a browser: it draws, fits a phone, fetches nothing, fits paper."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from rehearsed import FANS, QUESTIONS, STARTED_MS, findings
from small_show import make_show

from hairpin.node.arming_papers import as_page
from hairpin.rehearsal.certificate import Machine, Signed, certify, facts

pytestmark = pytest.mark.e2e

TITLE = "A <b>small</b> show"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    show = make_show(QUESTIONS, audience_low=1_000, audience_high=FANS, title={"en": TITLE})
    machine = Machine("quiz-1", "A processor", 2, 8 << 30, "Linux 6.1", "CPython 3.11")
    certified = facts(show, "0.1.0", "c0de", {"gates": 2})
    made = certify(show, certified, machine, findings(), STARTED_MS)
    path = tmp_path / "certificate.html"
    path.write_text(as_page(Signed(made, "ab" * 32)), "utf-8")
    return path


@pytest.mark.parametrize("width", [1_280, 390])
@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_the_page_stands_alone(browser: Browser, file: Path, width: int, scheme: str) -> None:
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)  # type: ignore[arg-type]
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.goto(file.as_uri())
    expect(page.get_by_role("heading", level=1)).to_have_text(TITLE)
    expect(page.locator(".verdict")).to_have_text("go")
    expect(page.get_by_role("img", name="Answers per second in the busiest burst")).to_be_visible()
    wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    assert not page.evaluate(wide), "nothing hangs over the edge"
    light = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(250, 247, 241)"
    assert light == (scheme == "light")
    assert (asked, said) == ([file.as_uri()], [])
    page.close()


def test_it_prints_on_one_sheet(browser: Browser, file: Path) -> None:
    page = browser.new_page()
    page.goto(file.as_uri())
    pdf = page.pdf(prefer_css_page_size=True)
    page.close()
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) == 1
