"""Rules that the phone computes by itself, held against the same rules in Python."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from phone_hand import Hand, holding
from playwright.sync_api import Browser

from hairpin.show import Choice, Question

pytestmark = pytest.mark.e2e

QUANTILES = 21


@pytest.fixture(scope="module")
def phone(browser: Browser) -> Iterator[Hand]:
    with holding(browser) as hand:
        yield hand.come()


def call(phone: Hand, module: str, function: str, *arguments: Any) -> Any:
    return phone.page.evaluate(
        """async ([module, name, rest]) => (await import(module))[name](...rest)""",
        [module, function, list(arguments)],
    )


@pytest.mark.parametrize("multiple", [False, True])
def test_right_is_what_the_show_calls_right(phone: Hand, multiple: bool) -> None:
    choices = tuple(Choice({"en": word}) for word in "abc")
    for right in range(8):
        question = Question("q", {"en": "?"}, choices, right, multiple, None, None)
        asked = {"right": right, "multiple": multiple}
        for choice in range(1, 8):
            told = call(phone, "/score.js", "isRight", asked, choice)
            assert told == question.is_right(choice, right), (right, choice)


def test_own_rank_is_near_the_true_one(phone: Hand) -> None:
    dice = random.Random(7)
    fans = [(dice.randint(0, 3), int(dice.lognormvariate(8, 1))) for _ in range(3_000)]
    rows = []
    for right in range(4):
        times = sorted(total for score, total in fans if score == right)
        last = len(times) - 1
        quantiles = [times[round(last * at / (QUANTILES - 1))] for at in range(QUANTILES)]
        rows.append({"right": right, "fans": len(times), "total_ms": quantiles})
    for right, total_ms in fans[:60]:
        true = 1 + sum((-other, ms) < (-right, total_ms) for other, ms in fans)
        own = {"right": right, "total_ms": total_ms}
        told = call(phone, "/score.js", "rank", {"rows": rows}, own)
        assert abs(told - true) <= rows[right]["fans"] / (QUANTILES - 1)


def test_a_score_that_the_histogram_does_not_know_has_no_rank(phone: Hand) -> None:
    ranks = {"rows": [{"right": 0, "fans": 9, "total_ms": [0, 0]}]}
    assert call(phone, "/score.js", "rank", ranks, {"right": 1, "total_ms": 5}) is None


def test_a_time_under_the_floor_counts_as_the_floor(phone: Hand) -> None:
    told = phone.page.evaluate(
        """async () => (await import("/score.js")).score(
            [{ state: "revealed", poll: false, right: 1, multiple: false }],
            () => ({ state: "counted", choice: 1, elapsed: 20 }), 300)"""
    )
    assert told == {"right": 1, "of": 1, "total_ms": 300, "counted": 1}


def test_a_reply_from_a_cache_does_not_turn_the_clock_back(phone: Hand) -> None:
    offset_ms = phone.page.evaluate(
        """async () => {
            const clock = new (await import("/shared/clock.js")).ServerClock();
            const local = Date.now();
            clock.observe(local, local + 200, local + 100 + 5000);
            clock.observe(local + 900, local + 901, local + 100 + 5000);
            return clock.now() - Date.now();
        }"""
    )
    assert offset_ms == pytest.approx(5_000, abs=1)


STALE = """async ([state, next_ms]) => {
    const now = Date.now();
    window.asked = 0;
    window.fetch = async () => {
        asked += 1;
        const times = { now, next_at: next_ms && now + next_ms, poll_after_ms: 2000, spread_ms: 0 };
        const headers = { Date: new Date().toUTCString() };
        return new Response(JSON.stringify({ version: 1, state, ...times }), { headers });
    };
    window.clock = new (await import("/shared/clock.js")).ServerClock();
    new (await import("/net.js")).Poll(clock, () => {}, () => {}).run();
}"""


@pytest.mark.parametrize(
    ("state", "next_ms", "asked"),
    [
        ("waiting", None, range(26, 33)),  # every two seconds
        ("open", 600_000, range(26, 33)),  # the result is late
        ("closed", 600_000, range(26, 33)),
        ("revealed", 600_000, range(2, 4)),  # at most a minute apart
        ("waiting", 30_000, range(40, 70)),  # at 29.5 s, and then until it opens
    ],
)
def test_a_document_that_does_not_change_keeps_the_clock_and_the_pace(
    browser: Browser, state: str, next_ms: int | None, asked: range
) -> None:
    with holding(browser) as hand:
        hand.page.goto(f"{hand.url}/nothing")  # an empty page, so that no other script asks
        hand.page.clock.install()
        hand.page.evaluate(STALE, [state, next_ms])
        hand.page.clock.run_for(60_000)
        assert hand.page.evaluate("asked") in asked
        assert abs(hand.page.evaluate("clock.now() - Date.now()")) <= 1_000


@pytest.mark.parametrize(
    "accent", ["#ff8a3d", "#0000c0", "#ffff00", "#000000", "#ffffff", "#777777"]
)
def test_every_accent_of_a_show_can_be_read(phone: Hand, accent: str) -> None:
    style = phone.page.evaluate(
        """async accent => {
            const root = document.createElement("div");
            (await import("/shared/colour.js")).setAccent(root, accent);
            const names = ["--accent-ink", "--accent-on-dark", "--accent-on-light"];
            return names.map(name => root.style.getPropertyValue(name).match(/\\d+/g).map(Number));
        }""",
        accent,
    )
    ink, on_dark, on_light = style
    own = [int(accent[at : at + 2], 16) for at in (1, 3, 5)]
    assert contrast(ink, own) >= 4.5
    assert contrast(on_dark, [23, 21, 31]) >= 4.5
    assert contrast(on_light, [250, 247, 241]) >= 4.5


def contrast(one: list[int], other: list[int]) -> float:
    """WCAG 2.2, contrast ratio."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def luminance(rgb: list[int]) -> float:
    parts = [part / 255 for part in rgb]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
