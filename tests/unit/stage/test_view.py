"""The view: the latest event of each kind for everyone."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from hairpin.messages import ClaimRow, Permission, Published, Winner
from hairpin.order import Step
from hairpin.stage.documents import cues, now_body
from hairpin.stage.events import Audience
from hairpin.stage.view import StageView

OPEN, CLOSE, REVEAL = Step.OPEN, Step.CLOSE, Step.REVEAL
SHOWN = [(0, OPEN), (0, CLOSE), (0, REVEAL)]


def set_order(view: StageView, make: Any, *steps: Any, winners: Any = ()) -> None:
    order = make.order(view.show, *steps)
    body = now_body(view.show, order, {}, None, winners, make.media, len(steps))
    view.set_order(body, cues(view.show, order, make.media))


@pytest.fixture
def view(make: Any) -> StageView:
    return StageView(make.show(), make.clock())


class Browser:
    """Takes the news when it likes."""

    def __init__(self, view: StageView, audience: Audience) -> None:
        self._view = view
        self._audience = audience
        self._seen = view.nothing_seen()

    def take(self) -> dict[str, Any]:
        """What is new since it took the last, by kind; fails if a kind comes twice."""
        news = self._view.news(self._audience, self._seen).decode()
        self._seen = self._view.versions(self._audience)
        events: dict[str, Any] = {}
        for event in news.split("\n\n")[:-1]:
            first, second = event.split("\n")
            kind = first.removeprefix("event: ")
            assert kind not in events
            events[kind] = msgspec.json.decode(second.removeprefix("data: "))
        return events


def wall(view: StageView) -> Browser:
    return Browser(view, Audience.WALL)


def console(view: StageView) -> Browser:
    return Browser(view, Audience.CONSOLE)


def test_on_connecting_the_latest_of_each_kind(view: StageView, make: Any) -> None:
    set_order(view, make)
    set_order(view, make, (0, OPEN))
    view.set_tally(make.snapshot(at_ms=make.start_ms + 500))
    events = wall(view).take()
    assert list(events) == ["show", "order", "tally"]
    assert events["show"]["show"] == "first-light"
    assert events["order"]["state"] == "open"
    assert events["tally"]["at"] == make.start_ms + 500


def test_the_head_of_the_last_result_comes_with_the_order(view: StageView, make: Any) -> None:
    told = {0: Published(7, 0, 1, "", 100, 60, "ab12", {"1": 5})}
    seen = {"index": 0, "version": 1, "at": 7, "head": "ab12"}
    for steps, last in ((SHOWN[:2], None), (SHOWN, seen), ([*SHOWN, (1, OPEN)], seen)):
        order = make.order(view.show, *steps)
        body = now_body(view.show, order, {}, None, (), make.media, len(steps))
        view.set_order(body, cues(view.show, order, make.media, told))
        assert wall(view).take()["order"]["told"] == last
        event = console(view).take()["order"]
        assert event["told"] == last
        assert [cue["told"] for cue in event["upcoming"]] == [seen, None, None]


def test_an_order_event_carries_the_clock_of_its_sending(view: StageView, make: Any) -> None:
    set_order(view, make, (0, OPEN))
    first = wall(view).take()
    view.clock.at_ms += 7_000  # type: ignore[attr-defined]
    second = wall(view).take()
    assert second["order"].pop("now") == first["order"].pop("now") + 7_000
    assert first == second


def test_a_slow_browser_gets_only_the_latest_of_each_kind(view: StageView, make: Any) -> None:
    set_order(view, make, (0, OPEN))
    browser = wall(view)
    browser.take()
    for step in range(1, 1_000):
        view.set_tally(make.snapshot(at_ms=make.start_ms + step))
        set_order(view, make, *SHOWN[: step % 3 + 1])
    events = browser.take()
    assert list(events) == ["order", "tally"]
    assert events["tally"]["at"] == make.start_ms + 999
    assert events["order"]["state"] == "open"
    assert browser.take() == {}


def test_an_event_is_encoded_once_for_all(view: StageView, make: Any) -> None:
    set_order(view, make, (0, OPEN))
    view.set_tally(make.snapshot())
    made = [view._make]
    calls: list[tuple[Audience, str]] = []

    def counting(audience: Audience, kind: str) -> bytes:
        calls.append((audience, kind))
        return made[0](audience, kind)

    view._make = counting  # type: ignore[method-assign]
    for _ in range(20):
        wall(view).take()
    assert sorted(calls) == [(Audience.WALL, kind) for kind in ("order", "show", "tally")]


def test_the_wall_never_gets_what_is_the_consoles(view: StageView, make: Any) -> None:
    set_order(view, make, (0, OPEN))
    view.set_tally(make.snapshot())
    view.set_gates({1: make.report(1)})
    view.permission = Permission("override", reason="no time")
    row = ClaimRow(11, 1, 1, 900, "Ana", "claimed", ())
    view.set_claims([row])
    shown, told = wall(view).take(), console(view).take()
    assert not {"upcoming", "mode", "permission", "claims"} & set(shown["order"])
    assert not {"gates", "refused", "acknowledged"} & set(shown["tally"])
    assert shown["tally"]["question"]["by_choice"] is None
    assert told["order"]["mode"] == "clock"
    assert told["order"]["permission"]["reason"] == "no time"
    assert [cue["right"] for cue in told["order"]["upcoming"]] == [2, 2, 2]
    assert told["order"]["claims"][0]["name"] == "Ana"
    assert told["tally"]["question"]["by_choice"] == [37, 60, 3]
    assert told["tally"]["acknowledged"] == 100


def test_gates_and_claims_are_news_for_the_console_only(view: StageView, make: Any) -> None:
    set_order(view, make)
    view.set_tally(make.snapshot())
    public, own = wall(view), console(view)
    public.take()
    own.take()
    row = ClaimRow(11, 1, 1, 900, "Ana", "claimed", ())
    view.set_gates({1: make.report(1)})
    view.set_claims([row])
    assert set(own.take()) == {"order", "tally"}
    view.set_gates({1: make.report(1)})
    view.set_claims([row])
    assert own.take() == {}, "nothing changed"
    assert public.take() == {}


def test_the_close_uncovers_the_counts_at_once(view: StageView, make: Any) -> None:
    set_order(view, make, (0, OPEN))
    view.set_tally(make.snapshot())
    browser = wall(view)
    browser.take()
    set_order(view, make, *SHOWN[:2])
    assert browser.take()["tally"]["question"]["by_choice"] == [37, 60, None]


def test_the_leaderboard_waits_for_the_reveal(view: StageView, make: Any) -> None:
    set_order(view, make, (0, OPEN))
    view.set_tally(make.snapshot(leaders=(), more=0))
    set_order(view, make, *SHOWN[:2])
    view.set_tally(make.snapshot(at_ms=make.start_ms + 1))
    closed = view.wall_tally()
    set_order(view, make, *SHOWN, winners=[Winner(1, 11, "Ana")])
    revealed = view.wall_tally()
    assert closed is not None
    assert revealed is not None
    assert (closed.leaders, closed.more) == ((), 0)
    assert [leader.name for leader in revealed.leaders] == ["Ana", None]


def test_the_curve_of_the_question_on_show(view: StageView, make: Any) -> None:
    set_order(view, make, (0, OPEN))
    for at_ms, answers in ((500, 100), (1_000, 150), (900, 120)):
        view.set_tally(make.snapshot(make.tally(0, answers), at_ms=make.start_ms + at_ms))
    shown = view.wall_tally()
    assert shown is not None
    assert shown.rate_history == ((0, 0), (500, 100), (1_000, 150))
    set_order(view, make, *SHOWN, (1, OPEN))
    shown = view.wall_tally()
    assert shown is not None
    assert shown.rate_history == (), "the last question's curve under the next one"


def test_after_the_close_only_new_answers_prolong_the_curve(view: StageView, make: Any) -> None:
    set_order(view, make, (0, OPEN))
    view.set_tally(make.snapshot(make.tally(0, 100), at_ms=make.start_ms + 500))
    set_order(view, make, *SHOWN[:2])
    for at_ms, answers in ((20_000, 100), (20_500, 101), (30_000, 101)):
        view.set_tally(make.snapshot(make.tally(0, answers), at_ms=make.start_ms + at_ms))
    shown = view.wall_tally()
    assert shown is not None
    assert shown.rate_history == ((0, 0), (500, 100), (20_500, 101))


def test_how_late_the_wall_is(view: StageView, make: Any) -> None:
    view.set_tally(make.snapshot(oldest_ms=make.start_ms - 40))
    view.set_tally(make.snapshot(oldest_ms=None))
    view.set_tally(make.snapshot(oldest_ms=make.start_ms + 10))
    assert (view.wall_lag.count, view.wall_lag.sum_ms) == (2, 40)
