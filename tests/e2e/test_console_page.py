"""The console before a fake private listener: what it shows, and that a step takes two acts."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect
from stage_hand import Hand, holding
from stage_scenes import SHOWN, head_of

pytestmark = pytest.mark.e2e

TOO_SOON_MS = 400  # as in console-steps.js: a second press within it is a double click


@pytest.fixture
def console(browser: Browser) -> Iterator[Hand]:
    with holding(browser) as hand:
        yield hand


def ready(hand: Hand, scene: str, path: str = "/console") -> None:
    hand.go(path, scene)
    expect(hand.page.locator("#order li")).to_have_count(7)


def pause(hand: Hand) -> None:
    hand.page.wait_for_timeout(TOO_SOON_MS + 100)


def asked(hand: Hand, question: str) -> None:
    expect(hand.page.locator("#sure-text")).to_have_text(question)


def test_a_question_opens_in_two_steps(console: Hand) -> None:
    ready(console, "final")
    console.page.get_by_role("button", name="Open question 4").click()
    asked(console, "Open question 4 now?")
    assert console.orders == []
    pause(console)
    console.page.get_by_role("button", name="Confirm").click()
    expect(console.page.locator("#reply")).to_have_text("Done: Open question 4")
    expect(console.page.locator("#now-state")).to_have_text("Question 4 is open")
    expect(console.page.locator("#now-time")).to_have_text(re.compile(r"closes in 0:\d\d"))
    assert console.orders == [{"do": "open", "question": 3}]


def test_a_question_opens_and_closes_by_keyboard(console: Hand) -> None:
    ready(console, "final")
    console.page.keyboard.press("o")
    asked(console, "Open question 4 now?")
    pause(console)
    console.page.keyboard.press("Enter")
    expect(console.page.locator("#now-state")).to_have_text("Question 4 is open")
    console.page.keyboard.press("c")
    asked(console, "Close question 4 now?")
    pause(console)
    console.page.keyboard.press("Enter")
    expect(console.page.locator("#now-state")).to_have_text("Question 4 is closed")
    console.page.keyboard.press("r")
    asked(console, "Show the right answer of question 4 now?")
    pause(console)
    console.page.keyboard.press("Enter")
    expect(console.page.locator("#now-state")).to_have_text("Question 4 is revealed")
    assert [order["do"] for order in console.orders] == ["open", "close", "reveal"]


def test_escape_cancels(console: Hand) -> None:
    ready(console, "open")
    console.page.keyboard.press("c")
    asked(console, "Close question 3 now?")
    console.page.keyboard.press("Escape")
    expect(console.page.locator("#sure")).to_be_hidden()
    expect(console.page.locator("#reply")).to_have_text("Cancelled: nothing was done.")
    assert console.orders == []


def test_without_confirmation_nothing_is_done(console: Hand) -> None:
    ready(console, "open")
    console.page.keyboard.press("c")
    expect(console.page.locator("#reply")).to_have_text(
        "Not confirmed in time: nothing was done.", timeout=10_000
    )
    expect(console.page.locator("#sure")).to_be_hidden()
    assert console.orders == []


def test_a_double_press_is_one_press(console: Hand) -> None:
    ready(console, "open")
    console.page.evaluate(
        """() => {
          document.querySelector('[data-key="step-close"]').click();
          document.querySelector('#sure-yes').click();
        }"""
    )
    asked(console, "Close question 3 now?")
    assert console.orders == []


def test_a_refusal_stands_in_its_place(console: Hand) -> None:
    ready(console, "final")
    refusal = {"error": "question 3 is still open: close it first", "remedy": "press C"}
    console.control(refusal=[409, refusal])
    console.page.keyboard.press("o")
    pause(console)
    console.page.keyboard.press("Enter")
    expect(console.page.locator("#reply")).to_have_text(
        "Open question 4. 409 question 3 is still open: close it first. press C"
    )
    expect(console.page.locator("#reply")).to_have_attribute("data-kind", "trouble")
    expect(console.page.locator("#now-state")).to_have_text("Question 3 is revealed")


def test_no_answer_from_the_server_is_not_taken_for_success(console: Hand) -> None:
    ready(console, "open")
    console.page.route("**/api/order", lambda route: route.abort())
    console.page.keyboard.press("c")
    pause(console)
    console.page.keyboard.press("Enter")
    expect(console.page.locator("#reply")).to_contain_text("It is not known whether")


def test_the_clock_is_held_and_armed_again_by_one_key(console: Hand) -> None:
    ready(console, "clock")
    button, time = console.page.locator("#hold-button"), console.page.locator("#now-time")
    expect(button).to_have_text("Hold the clock H")
    expect(time).to_have_text(re.compile(r"next opens in 4:\d\d"))
    console.page.keyboard.press("h")
    asked(console, "Hold the clock? Then no further question opens by itself.")
    assert console.orders == []
    pause(console)
    console.page.keyboard.press("Enter")
    expect(console.page.locator("#reply")).to_have_text("Done: Hold the clock")
    expect(console.page.get_by_text("The clock is held", exact=True)).to_be_visible()
    expect(button).to_have_text("Arm the clock H")
    expect(time).to_have_text("next opens when you say so")
    console.page.reload()
    expect(console.page.get_by_text("The clock is held", exact=True)).to_be_visible()
    console.page.keyboard.press("h")
    expect(console.page.locator("#sure-text")).to_have_text(
        re.compile(r"^Let the clock go on\? Question 4 opens at \d\d:\d\d:\d\d\.$")
    )
    pause(console)
    console.page.keyboard.press("Enter")
    expect(button).to_have_text("Hold the clock H")
    expect(console.page.locator("#hold-state")).to_be_empty()
    expect(time).to_have_text(re.compile(r"next opens in 4:\d\d"))
    assert console.orders == [{"do": "hold"}, {"do": "arm"}]


def test_arming_says_that_a_question_is_overdue(console: Hand) -> None:
    ready(console, "held")
    order = console.control()["events"]["console"]["order"]
    order["upcoming"][3]["due_at"] = order["now"] - 60_000
    console.send("console", "order", order)
    console.page.get_by_role("button", name="Arm the clock").click()
    expect(console.page.locator("#sure-text")).to_have_text(
        re.compile(r"Question 4 was due at \d\d:\d\d:\d\d, and opens next\.$")
    )


def test_there_is_no_clock_to_hold_by_hand_or_when_no_question_waits(console: Hand) -> None:
    ready(console, "final")
    expect(console.page.locator("#hold-button")).to_be_hidden()
    order = console.go("/console", "clock")["console"]["order"]
    expect(console.page.locator("#hold-button")).to_be_visible()
    for cue in order["upcoming"]:
        cue["state"] = "revealed"
    console.send("console", "order", order)
    expect(console.page.locator("#hold-button")).to_be_hidden()
    console.page.keyboard.press("h")
    expect(console.page.locator("#sure")).to_be_hidden()


def test_only_possible_steps_can_be_pressed(console: Hand) -> None:
    ready(console, "open")
    for name, possible in (("open", False), ("close", True), ("reveal", False)):
        button = console.page.locator(f'[data-key="step-{name}"]')
        assert button.is_enabled() is possible
    console.page.keyboard.press("o")
    expect(console.page.locator("#sure")).to_be_hidden()


def test_void_needs_a_reason(console: Hand) -> None:
    ready(console, "open")
    console.page.get_by_role("button", name="Void question 3").click()
    console.page.locator("#ask-yes").click()
    expect(console.page.locator("#ask-problem")).to_have_text(
        "Write a reason: 1 to 200 characters."
    )
    assert console.orders == []
    console.page.get_by_label("Reason").fill(" the picture was missing ")
    console.page.locator("#ask-yes").click()
    expect(console.page.locator("#reply")).to_have_text("Done: Void question 3")
    assert console.orders == [{"do": "void", "question": 2, "reason": "the picture was missing"}]


def test_a_correction_names_all_right_choices(console: Hand) -> None:
    ready(console, "final")
    for _ in range(2):
        console.page.keyboard.press("ArrowUp")
    console.page.keyboard.press("k")
    expect(console.page.locator("#ask-title")).to_have_text("Correct question 1")
    console.page.get_by_label("B Venice").uncheck()
    console.page.get_by_label("Reason").fill("two count")
    console.page.keyboard.press("Enter")
    expect(console.page.locator("#ask-problem")).to_have_text("Mark at least one choice.")
    console.page.get_by_label("C Paris").check()
    console.page.get_by_label("B Venice").check()
    console.page.locator("#ask-yes").click()
    expect(console.page.locator("#reply")).to_have_text("Done: Correct question 1")
    assert console.orders == [
        {"do": "correct", "question": 0, "reason": "two count", "right": [1, 2]}
    ]


def test_letters_typed_as_a_reason_are_not_commands(console: Hand) -> None:
    ready(console, "open")
    console.page.keyboard.press("v")
    console.page.get_by_label("Reason").press_sequentially("rock")
    expect(console.page.locator("#sure")).to_be_hidden()
    console.page.keyboard.press("Escape")
    expect(console.page.locator("#ask")).to_be_hidden()
    assert console.orders == []


def test_single_letter_keys_can_be_switched_off(console: Hand) -> None:
    ready(console, "open")
    console.page.keyboard.press("?")
    expect(console.page.locator("#help-keys div")).to_have_count(11)
    console.page.get_by_label("Single-letter keys are on").uncheck()
    console.page.locator("#help-close").click()
    console.page.reload()
    expect(console.page.locator("#order li")).to_have_count(7)
    console.page.keyboard.press("c")
    expect(console.page.locator("#sure")).to_be_hidden()


def test_a_claim_is_approved_in_two_steps_and_struck_with_a_reason(console: Hand) -> None:
    ready(console, "over")
    rows = console.page.locator("#claims-rows > tr")
    expect(rows).to_have_count(4)
    row = rows.first
    row.locator("summary").click()
    assert row.locator("details tbody tr").first.locator("th, td").all_inner_texts() == [
        "1",
        "1.400 s",
        "1.180 s",
        "0.220 s",
    ]
    expect(rows.nth(2).get_by_role("button", name="Approve")).to_be_disabled()  # not claimed
    row.get_by_role("button", name="Approve fan 4711").click()
    asked(console, "Show the name “Amélie Moreau” on the wall?")
    pause(console)
    console.page.keyboard.press("Enter")
    expect(console.page.locator("#reply")).to_have_text("Done: Approve Amélie Moreau")
    rows.nth(1).get_by_role("button", name="Strike … fan 17022").click()
    console.page.get_by_label("Reason").fill("answered before the video")
    console.page.locator("#ask-yes").click()
    expect(console.page.locator("#reply")).to_have_text("Done: Strike fan 17022")
    assert console.orders == [
        {"do": "approve", "fan": 4711},
        {"do": "strike", "fan": 17022, "reason": "answered before the video"},
    ]


def test_contenders_are_announced_when_all_is_over(console: Hand) -> None:
    ready(console, "over")
    order = console.control()["events"]["console"]["order"]
    expect(console.page.locator('[data-key="step-announce"]')).to_be_disabled()
    console.send("console", "order", {**order, "contenders": None, "claims": []})
    expect(console.page.locator('[data-key="step-announce"]')).to_be_enabled()
    console.page.keyboard.press("a")
    pause(console)
    console.page.keyboard.press("Enter")
    expect(console.page.locator("#reply")).to_have_text("Done: Announce contenders")
    assert console.orders == [{"do": "announce"}]


def test_the_counts_are_the_counts(console: Hand) -> None:
    events = console.go("/console", "open")["console"]
    tally, counts = events["tally"], events["tally"]["question"]
    gauge = console.page.locator
    expect(gauge('[data-gauge="rate"] dd')).to_have_text(f"{tally['answers_per_s']:,.0f}")
    for name in ("counted", "acknowledged", "journalled", "repeats", "fans"):
        expect(gauge(f'[data-gauge="{name}"] dd')).to_have_text(f"{tally[name]:,}")
    refused = console.page.locator("#refused div").evaluate_all(
        "rows => Object.fromEntries(rows.map(row => [...row.children].map(c => c.textContent)))"
    )
    assert refused == {
        reason.replace("_", " "): str(count) for reason, count in tally["refused"].items()
    }
    for index, votes in enumerate(counts["by_choice"]):
        cells = console.page.locator("#choices-rows tr").nth(index).locator("td")
        expect(cells.first).to_have_text(f"{votes:,}")
    expect(console.page.locator("#choices-rows .right th")).to_contain_text("B Cello")
    expect(console.page.locator("#gates-rows tr")).to_have_count(2)


def test_the_chosen_question_has_the_head_of_its_result(console: Hand) -> None:
    ready(console, "corrected")
    told = console.page.locator("#order .told")
    expect(told).to_have_count(1)
    expect(told).to_have_text(re.compile(rf"^Result 2, told .*, journal {head_of(SHOWN)}$"))
    console.page.keyboard.press("ArrowUp")
    expect(told.locator("code")).to_have_text(head_of(SHOWN - 1))
    console.page.locator('[data-key="cue-4"]').click()
    expect(told).to_have_count(0)


def test_nothing_is_marked_while_all_is_well(console: Hand) -> None:
    tally = console.go("/console", "open")["console"]["tally"]
    expect(console.page.locator("#gates-rows tr")).to_have_count(2)
    expect(console.page.locator(".trouble:visible")).to_have_count(0)
    expect(console.page.locator("#banner")).to_be_empty()
    tally["gates"][0]["journal_error"] = "No space left on device"
    tally["oldest_at"] -= 60_000
    console.send("console", "tally", tally)
    expect(console.page.locator("#gates-rows .trouble")).to_have_text("No space left on device")
    expect(console.page.locator('[data-gauge="lag"] .trouble')).to_have_text(
        re.compile(r"^6\d\.\d s$")
    )
    console.send("console", "tally", {**tally, "gates": []})
    expect(console.page.locator("#gates-none")).to_contain_text("No gate has reported")


def test_a_silent_gate_is_marked(console: Hand) -> None:
    tally = console.go("/console", "open")["console"]["tally"]
    expect(console.page.locator("#gates-rows tr")).to_have_count(2)
    tally["gates"][1]["at_ms"] -= 20_000
    console.send("console", "tally", tally)
    expect(console.page.locator("#gates-rows .trouble")).to_have_text(re.compile(r"^2\d s ago$"))


def test_a_lost_line_is_loud(console: Hand) -> None:
    ready(console, "open")
    expect(console.page.locator("#line")).to_have_text("Live")
    console.control(paused=True)
    expect(console.page.locator("#banner")).to_contain_text("NOT CONNECTED since")
    console.control(paused=False)
    expect(console.page.locator("#banner")).to_be_empty(timeout=10_000)
    expect(console.page.locator("#line")).to_have_text("Live")


def test_the_focus_stays_where_it_was_when_the_order_changes(console: Hand) -> None:
    ready(console, "final")
    console.page.locator('[data-key="cue-4"]').focus()
    facts = console.page.locator('[data-key="cue-5"] .facts')
    before = facts.inner_text()
    order = console.control()["events"]["console"]["order"]
    order["upcoming"][5]["due_at"] += 60_000
    console.send("console", "order", order)
    expect(facts).not_to_have_text(before)
    assert console.page.evaluate("document.activeElement.dataset.key") == "cue-4"


def test_the_console_speaks_french(console: Hand) -> None:
    ready(console, "open", "/console?lang=fr")
    expect(console.page.locator("#now-state")).to_have_text("La question 3 est ouverte")
    expect(console.page.locator("html")).to_have_attribute("lang", "fr")


@pytest.mark.parametrize("language", ["en", "fr"])
def test_both_languages_have_the_same_words(console: Hand, language: str) -> None:
    console.go("/console", "waiting")
    for path in ("/console-words.js", "/wall-words.js"):
        words = console.module(path, "[Object.keys(m.WORDS.en), Object.keys(m.WORDS[a])]", language)
        assert sorted(words[0]) == sorted(words[1]), path


@pytest.mark.parametrize("width", [1920, 1280, 800])
def test_the_console_has_no_serious_accessibility_violation(console: Hand, width: int) -> None:
    console.page.set_viewport_size({"width": width, "height": 900})
    for scene in ("waiting", "open", "clock", "held", "over"):
        ready(console, scene)
        assert console.violations() == [], scene
        assert console.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), scene
    ready(console, "final")
    console.page.keyboard.press("o")
    assert console.violations() == []
    console.page.keyboard.press("Escape")
    console.page.keyboard.press("k")
    expect(console.page.locator("#ask")).to_be_visible()
    assert console.violations() == []
    console.page.keyboard.press("Escape")
    console.page.keyboard.press("?")
    assert console.violations() == []


def test_it_says_by_which_certificate_the_show_is_armed(console: Hand) -> None:
    ready(console, "final")
    armed = console.page.locator("#armed")
    expect(armed).to_have_text("Armed by certificate 5b0c1d9a77e2 of 11/23/2026")


def test_an_override_stays_in_sight_with_its_reason(console: Hand) -> None:
    ready(console, "held")
    armed = console.page.locator("#armed")
    expect(armed).to_have_text("Override: the <b>sponsor</b> insists")
    expect(armed).to_have_attribute("title", re.compile("setting gates"))
    ready(console, "held", "/console?lang=fr")
    expect(armed).to_have_text("Passage en force : the <b>sponsor</b> insists")
