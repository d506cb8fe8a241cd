"""The wall before a fake private listener: every number on it is the number that was sent."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, expect
from stage_hand import Hand, holding
from stage_scenes import ANSWERS, QUESTIONS, RIGHT, SHOWN, head_of

from hairpin.country import CODES

pytestmark = pytest.mark.e2e


@pytest.fixture
def wall(browser: Browser) -> Iterator[Hand]:
    with holding(browser, reduced_motion="reduce") as hand:
        yield hand


def width(locator: Locator) -> float:
    """Where it comes to rest: bars grow into their width."""
    locator.evaluate("bar => bar.getAnimations().forEach((one) => one.finish())")
    box = locator.bounding_box()
    return 0.0 if box is None else box["width"]


def share(part: int, whole: int) -> str:
    return f"{int(100 * part / whole + 0.5)}%"


def shown(hand: Hand, scene: str) -> None:
    expect(hand.page.locator(f'#wall[data-scene="{scene}"]')).to_be_visible()


def test_waiting_shows_the_title_and_how_to_join(wall: Hand) -> None:
    wall.go("/wall", "waiting")
    shown(wall, "waiting")
    expect(wall.page.locator("#waiting-title")).to_have_text("First Light")
    expect(wall.page.locator("#starts")).to_have_text(re.compile(r"^Begins in 4:1\d$"))
    expect(wall.page.locator("#join-address")).to_have_text("firstlight.example")
    code = wall.page.get_by_role("img", name="firstlight.example")
    assert code.evaluate("image => image.decode().then(() => image.naturalWidth > 0)")


def test_the_page_may_be_told_another_address_to_join(wall: Hand) -> None:
    wall.go("/wall?join=http://192.168.1.20:8000/", "waiting")
    expect(wall.page.locator("#join-address")).to_have_text("192.168.1.20:8000")


def test_an_open_question_counts_without_telling_how_it_goes(wall: Hand) -> None:
    events = wall.go("/wall", "open")["wall"]
    shown(wall, "open")
    answers = events["tally"]["question"]["answers"]
    expect(wall.page.locator("#answers")).to_have_text(f"{answers:,}")
    expect(wall.page.locator("#rate")).to_have_text(
        f"{round(events['tally']['answers_per_s']):,} a second"
    )
    expect(wall.page.locator("#seconds")).to_have_text(re.compile(r"^\d+$"))
    seconds = int(wall.text("#seconds"))
    expect(wall.page.locator("#seconds")).to_have_text(str(seconds - 1))
    expect(wall.page.locator("#choices li")).to_have_count(4)
    expect(wall.page.locator("#choices .bar").first).to_be_hidden()
    expect(wall.page.locator("#result")).to_be_hidden()
    expect(wall.page.locator("#badge")).to_be_hidden()


def test_the_hairpin_grows_with_the_answers(wall: Hand) -> None:
    events = wall.go("/wall", "open")["wall"]
    edge = wall.page.locator("#hairpin .edge").first
    expect(edge).to_have_attribute("d", re.compile("Q.*Q"))
    before = edge.get_attribute("d") or ""
    tally = events["tally"]
    last_ms, answers = tally["rate_history"][-1]
    tally["rate_history"].append([last_ms + 1500, answers + 9000])
    tally["question"]["answers"] = answers + 9000
    wall.send("wall", "tally", tally)
    expect(wall.page.locator("#answers")).to_have_text(f"{answers + 9000:,}")
    expect(edge).not_to_have_attribute("d", before)
    expect(wall.page.locator("#hairpin")).to_have_attribute(
        "aria-label", re.compile(r"\d answers, at most [\d,]+ a second")
    )


def test_after_the_close_it_counts(wall: Hand) -> None:
    wall.go("/wall", "closed")
    shown(wall, "closed")
    expect(wall.page.locator("#badge")).to_have_text("Counting")
    expect(wall.page.locator("#answers")).to_have_text("20,000")
    expect(wall.page.locator("#peak")).to_have_text(re.compile(r"^most: [\d,]+ a second$"))
    expect(wall.page.locator("#result")).to_be_hidden()


def test_the_bars_are_exactly_the_counts(wall: Hand) -> None:
    counts = wall.go("/wall", "final")["wall"]["tally"]["question"]
    shown(wall, "revealed")
    rows = wall.page.locator("#choices li")
    for index, votes in enumerate(counts["by_choice"]):
        row = rows.nth(index)
        expect(row.locator(".votes")).to_have_text(f"{votes:,}")
        expect(row.locator(".share-of")).to_have_text(share(votes, ANSWERS))
        track = width(row.locator(".track"))
        assert width(row.locator(".bar")) == pytest.approx(track * votes / ANSWERS, abs=0.6)
        assert ("right" in (row.get_attribute("class") or "").split()) == (index == RIGHT)
    expect(rows.nth(RIGHT).locator(".tick")).to_have_text("✓ right answer")
    expect(wall.page.locator("#share strong")).to_have_text(share(counts["right"], ANSWERS))
    expect(wall.page.locator("#share small")).to_have_text(f"{counts['right']:,} of 20,000")
    expect(wall.page.locator("#badge")).to_have_text("Final")
    for index, cell in enumerate(counts["by_age_band"]):
        band = wall.page.locator("#ages li").nth(index)
        expect(band.locator("strong")).to_have_text(share(cell["right"], cell["answers"]))
        expected = width(band.locator(".track")) * cell["right"] / cell["answers"]
        assert width(band.locator(".bar")) == pytest.approx(expected, abs=0.6)


def test_the_map_and_its_table_hold_every_country(wall: Hand) -> None:
    counts = wall.go("/wall", "final")["wall"]["tally"]["question"]
    expect(wall.page.locator("#map path.counted")).to_have_count(len(counts["by_country"]))
    best = counts["best_country"]
    expect(wall.page.locator("#map path.best")).to_have_attribute("data-country", best["country"])
    expect(wall.page.locator("#best small")).to_have_text(
        f"{share(best['right'], best['answers'])} of {best['answers']} answers"
    )
    rows = wall.page.locator("#map-table tbody tr").evaluate_all(
        "rows => rows.map(row => [...row.cells].map(cell => cell.textContent))"
    )
    assert sorted(row[1:] for row in rows) == sorted(
        [share(cell["right"], cell["answers"]), f"{cell['answers']:,}"]
        for cell in counts["by_country"].values()
    )
    label = wall.page.locator("#map").get_attribute("aria-label") or ""
    assert label.startswith(f"The world by share right: {len(counts['by_country'])} countries.")


def test_the_map_has_a_place_for_every_code(wall: Hand) -> None:
    wall.go("/wall", "waiting")
    places = wall.module("/wall-map.js", "Object.keys(m.PLACES)")
    assert sorted(places) == sorted(set(CODES) - {"ZZ"})


def test_the_scale_lets_most_answers_lie_between_its_ends(wall: Hand) -> None:
    wall.go("/wall", "waiting")
    rows = [
        {"value": 0.0, "weight": 2},
        {"value": 0.5, "weight": 90},
        {"value": 0.71, "weight": 90},
    ]
    low, high = wall.module("/wall-map.js", "m.scaleEnds(a)", rows)
    assert (low, high) == pytest.approx((0.5, 0.75))


@pytest.mark.parametrize("scene", ["open", "closed", "final", "poll", "void", "over", "winner"])
def test_a_reload_loses_nothing(wall: Hand, scene: str) -> None:
    wall.go("/wall", scene)
    before = picture(wall)
    wall.page.reload()
    assert picture(wall) == before


def picture(hand: Hand) -> list[Any]:
    """All that is shown, but what time alone changes."""
    expect(hand.page.locator('#wall:not([data-scene="none"])')).to_be_visible()
    edge = hand.page.locator("#hairpin .edge").first
    expect(edge).to_have_attribute("d", re.compile("Q"))
    hand.page.evaluate("new Promise(done => setTimeout(done, 400))")
    words = hand.page.locator("#wall").inner_text()
    scene = hand.page.locator("#wall").get_attribute("data-scene")
    closed = scene in ("closed", "revealed", "void")
    return [
        scene,
        [line for line in words.splitlines() if not re.search(r"\d:\d\d|^\d{1,2}$", line)],
        hand.page.locator("#map path.counted").count(),
        edge.get_attribute("d") if closed else None,
    ]


def test_provisional_and_corrected_results_say_so(wall: Hand) -> None:
    wall.go("/wall", "revealed")
    expect(wall.page.locator("#badge")).to_have_text("Provisional")
    wall.scene("corrected")
    expect(wall.page.locator("#badge")).to_have_text("Corrected")
    expect(wall.page.locator("#explanation .version")).to_have_text(
        "Result 2: the cello part, not the clarinet’s"
    )


def test_a_void_question_tells_nothing_of_right_and_wrong(wall: Hand) -> None:
    wall.go("/wall", "void")
    expect(wall.page.locator("#badge")).to_have_text("Does not count")
    expect(wall.page.locator("#choices .right")).to_have_count(0)
    expect(wall.page.locator("#result")).to_be_hidden()


def test_a_poll_has_no_right_answer(wall: Hand) -> None:
    wall.go("/wall", "poll")
    expect(wall.page.locator("#share strong")).to_have_text("20,000")
    expect(wall.page.locator("#choices .right")).to_have_count(0)
    expect(wall.page.locator("#best")).to_be_hidden()


def test_suppressed_counts_are_named_not_drawn(wall: Hand) -> None:
    tally = wall.go("/wall", "final")["wall"]["tally"]
    tally["question"]["by_choice"][3] = None
    tally["question"]["by_age_band"][2] = {"answers": None, "right": None}
    wall.send("wall", "tally", tally)
    row = wall.page.locator("#choices li").nth(3)
    expect(row.locator(".votes")).to_have_text("too few to show")
    assert width(row.locator(".bar")) == 0
    expect(wall.page.locator("#ages li strong").nth(2)).to_have_text("too few to show")


def test_markup_in_texts_stays_text(wall: Hand) -> None:
    events = wall.go("/wall", "open")["wall"]
    order = events["order"]
    order["question"]["text"] = {"en": "<img src=x onerror=alert(1)>"}
    order["question"]["id"] = "other"
    wall.send("wall", "order", order)
    expect(wall.page.locator("#text")).to_have_text("<img src=x onerror=alert(1)>")


def test_the_leaderboard_shares_ranks_and_counts_the_rest(wall: Hand) -> None:
    leaders = wall.go("/wall", "over")["wall"]["tally"]["leaders"]
    shown(wall, "leaders")
    rows = wall.page.locator("#leaders-rows tr")
    expect(rows).to_have_count(10)
    for index, leader in enumerate(leaders):
        cells = rows.nth(index).locator("th, td").all_inner_texts()
        assert cells[0] == str(leader["rank"])
        assert cells[1] == f"fan {leader['fan']:05d}"
        assert cells[3:] == [f"{leader['right']} of 7", f"{leader['total_ms'] / 1000:.3f} s"]
    expect(wall.page.locator("#leaders-more")).to_have_text("and 3 more on rank 10")


def test_a_photograph_of_result_or_leaderboard_has_the_head(wall: Hand) -> None:
    last = len(QUESTIONS) - 1
    for scene, place, question in (("over", "#leaders-head", last), ("final", "#rate", SHOWN)):
        wall.go("/wall", scene)
        head = head_of(question)
        groups = " ".join(head[at : at + 4] for at in range(0, len(head), 4))
        expect(wall.page.locator(place)).to_have_text(f"Journal {groups}")
        expect(wall.page.locator(place)).to_be_visible()
    wall.scene("revealed")
    expect(wall.page.locator("#badge")).to_have_text("Provisional")
    expect(wall.page.locator("#rate")).to_have_text("")


def test_the_winner_stands_there_by_name(wall: Hand) -> None:
    wall.go("/wall", "winner")
    shown(wall, "winner")
    expect(wall.page.locator("#winner-name")).to_have_text("Amélie Moreau")
    expect(wall.page.locator("#winner-line")).to_have_text("France, 7 of 7 right in 9.749 s")
    assert wall.page.locator("#winner-others li").all_inner_texts() == ["2Kenji", "3Lucía F."]


def test_the_last_result_stays_before_the_leaderboard(wall: Hand) -> None:
    events = wall.go("/wall", "final")["wall"]
    over = {**events["order"], "state": "over"}
    wall.send("wall", "order", over)
    shown(wall, "revealed")
    wall.page.reload()
    shown(wall, "revealed")
    winners = [{"rank": 1, "fan": 4711, "name": "Amélie Moreau"}]
    told = {"over": {**over, "winners": winners}, "tally": events["tally"]}
    scene = "m.sceneOf(a.over, a.tally, a.ended, 100000)"
    for ended, expected in (
        (85_001, "revealed"),
        (85_000, "leaders"),
        (70_001, "leaders"),
        (70_000, "winner"),
        (None, "winner"),  # a screen that came later
    ):
        assert wall.module("/wall-scene.js", scene, {**told, "ended": ended}) == expected


@pytest.mark.parametrize("scene", ["waiting", "open", "final", "over", "winner"])
def test_the_overlay_is_transparent(wall: Hand, scene: str) -> None:
    wall.go("/wall?overlay=1", scene)
    for selector in ("html", "body", "#wall"):
        style = wall.page.locator(selector).evaluate(
            "element => [getComputedStyle(element).backgroundColor,"
            " getComputedStyle(element).backgroundImage]"
        )
        assert style == ["rgba(0, 0, 0, 0)", "none"], selector
    assert wall.page.locator("body").evaluate("e => getComputedStyle(e).overflow") == "hidden"
    # Nothing that can be seen stands above the lower third.
    top = wall.page.locator("#wall").evaluate(
        """wall => Math.min(...[...wall.querySelectorAll("h1, h2, p, li, td, svg.mark, strong")]
          .filter(element => element.checkVisibility() && element.textContent.trim() !== "")
          .map(element => element.getBoundingClientRect().top))"""
    )
    assert top > 1080 / 3 * 2


@pytest.mark.parametrize("size", [(1920, 1080), (1280, 720), (1024, 768), (3840, 2160)])
def test_the_picture_scales_to_the_window(wall: Hand, size: tuple[int, int]) -> None:
    wall.page.set_viewport_size({"width": size[0], "height": size[1]})
    wall.go("/wall", "final")
    shown(wall, "revealed")
    box = wall.page.locator("#wall").bounding_box()
    assert box is not None
    scale = min(size[0] / 1920, size[1] / 1080)
    assert (box["width"], box["height"]) == pytest.approx((1920 * scale, 1080 * scale), abs=1)
    assert wall.page.evaluate(
        "document.documentElement.scrollWidth <= innerWidth"
        " && document.documentElement.scrollHeight <= innerHeight"
    )


def test_the_wall_speaks_french(wall: Hand) -> None:
    wall.go("/wall?lang=fr", "final")
    expect(wall.page.locator("html")).to_have_attribute("lang", "fr")
    expect(wall.page.locator("#title")).to_have_text("Première lumière")
    expect(wall.page.locator("#badge")).to_have_text("Définitif")
    expect(wall.page.locator("#share small")).to_have_text(re.compile(r"^12\s277 sur 20\s000$"))


def test_a_lost_line_is_told_and_taken_up_again(wall: Hand) -> None:
    wall.go("/wall", "open")
    shown(wall, "open")
    wall.control(paused=True)
    expect(wall.page.locator("#line")).to_contain_text("Connection lost")
    wall.scene("final")
    wall.control(paused=False)
    shown(wall, "revealed")
    expect(wall.page.locator("#line")).to_be_hidden()


def test_less_motion_means_one_step_a_second(wall: Hand) -> None:
    wall.go("/wall", "open")
    expect(wall.page.locator("#hairpin .edge").first).to_have_attribute("d", re.compile("Q"))
    still, moving = (steps_drawn(wall, motion) for motion in ("reduce", "no-preference"))
    assert still <= 3
    assert moving > 2 * still


def steps_drawn(hand: Hand, motion: Any) -> int:
    """How often the hairpin changes in two seconds."""
    hand.page.emulate_media(reduced_motion=motion)
    drawn: int = hand.page.evaluate(
        """() => new Promise(done => {
          let changes = 0;
          new MutationObserver(() => { changes += 1; }).observe(
            document.querySelector("#hairpin .edge"), { attributeFilter: ["d"] });
          setTimeout(() => done(changes), 2000);
        })"""
    )
    return drawn


def test_the_rates_hold_every_answer(wall: Hand) -> None:
    wall.go("/wall", "waiting")
    points = [[0, 0], [2000, 300], [5000, 1200], [9000, 1400], [20000, 1400]]
    rates = wall.module("/wall-rates.js", "m.rates(a, 20000, 20000, true, 160)", points)
    assert len(rates) == 160
    assert sum(rates) * 20 / 160 == pytest.approx(1400, rel=0.02)
    assert rates[-1] == pytest.approx(0, abs=1e-6)
    half = wall.module("/wall-rates.js", "m.rates(a, 20000, 5000, false, 160)", points[:3])
    assert half[39] > 0
    assert set(half[40:]) == {0}
    assert set(wall.module("/wall-rates.js", "m.rates([], 20000, 9000, false)")) == {0}


def test_events_arrive_whole_however_the_bytes_are_cut(wall: Hand) -> None:
    wall.go("/wall", "waiting")
    stream = ': awake\n\nevent: order\ndata: {"a": 1}\n\ndata: x\r\ndata: y\r\n\r\n: awake\n\n'
    cut = """a.map((_, at) => {
      const parser = new m.EventParser();
      const text = a.join("");
      return [...parser.push(text.slice(0, at)), ...parser.push(text.slice(at))];
    })"""
    for events in wall.module("/stage-events.js", cut, list(stream)):
        assert events == [
            {"event": "order", "data": '{"a": 1}'},
            {"event": "message", "data": "x\ny"},
        ]


@pytest.mark.parametrize("address", ["/wall", "/wall?overlay=1"])
def test_the_wall_has_no_serious_accessibility_violation(wall: Hand, address: str) -> None:
    for scene in ("waiting", "open", "closed", "corrected", "void", "over", "winner"):
        wall.go(address, scene)
        expect(wall.page.locator('#wall:not([data-scene="none"])')).to_be_visible()
        assert wall.violations() == [], scene


LONG = "Which of these composers never wrote a symphony that was first performed by a river? " * 2


@pytest.mark.parametrize("address", ["/wall", "/wall?overlay=1"])
@pytest.mark.parametrize("scene", ["open", "final"])
def test_long_texts_find_room(wall: Hand, address: str, scene: str) -> None:
    events = wall.go(address, scene)["wall"]
    question = events["order"]["question"]
    question["text"] = {"en": LONG}
    question["choices"] = [{"text": {"en": f"Composer of long name {n}"}} for n in range(8)]
    question["id"] = "long"
    events["tally"]["question"]["by_choice"] = [2500] * 8
    wall.send("wall", "order", events["order"])
    wall.send("wall", "tally", events["tally"])
    expect(wall.page.locator("#choices li")).to_have_count(8)
    expect(wall.page.locator("#text")).to_have_text(LONG.strip())
    boxes = wall.page.evaluate(
        """() => Object.fromEntries(["#text", "#choices", "#hairpin", "#ages"].map(selector => {
          const element = document.querySelector(selector);
          const box = element.getBoundingClientRect();
          return [selector, element.checkVisibility() ? [box.top, box.bottom] : null];
        }))"""
    )
    shown_boxes = [boxes[s] for s in ("#text", "#choices", "#ages", "#hairpin") if boxes[s]]
    for above, below in itertools.pairwise(shown_boxes):
        assert above[1] <= below[0] + 1, boxes


def test_a_question_without_an_end_counts_nothing_down(wall: Hand) -> None:
    order = wall.go("/wall", "open")["wall"]["order"]
    expect(wall.page.locator("#seconds")).to_be_visible()
    order["question"]["closes_at"] = None
    order["version"] += 1
    wall.send("wall", "order", order)
    expect(wall.page.locator("#seconds")).to_be_hidden()
    expect(wall.page.locator("#hairpin .future")).to_have_attribute("d", re.compile("H"))
    # Half a minute at least, then always a little more than has passed.
    assert wall.module("/wall-rates.js", "m.spanOf(0, null, 1000)") == 30_000
    assert wall.module("/wall-rates.js", "m.spanOf(0, null, 100000)") == pytest.approx(115_000)
