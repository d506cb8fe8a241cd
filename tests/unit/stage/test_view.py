"""The view: the latest event of each kind for everyone, and never a queue."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from hairpin.errors import EngineDown
from hairpin.messages import ClaimRow, Winner
from hairpin.order import Step
from hairpin.stage.documents import cues, now_body
from hairpin.stage.events import Audience
from hairpin.stage.view import STREAMS_MAX, StageView

OPEN, CLOSE, REVEAL = Step.OPEN, Step.CLOSE, Step.REVEAL
SHOWN = [(0, OPEN), (0, CLOSE), (0, REVEAL)]


def set_order(view: StageView, make: Any, *steps: Any, winners: Any = ()) -> None:
    order = make.order(view.show, *steps)
    body = now_body(view.show, order, {}, None, winners, make.media, len(steps))
    view.set_order(body, cues(view.show, order, make.media))


@pytest.fixture
def view(make: Any) -> StageView:
    return StageView(make.show(), make.clock())


async def take(stream: AsyncIterator[bytes], count: int) -> dict[str, Any]:
    """The next events by kind; fails if a kind comes twice."""
    events: dict[str, Any] = {}
    for _ in range(count):
        chunk = await asyncio.wait_for(anext(stream), 5)
        first, second, end = chunk.decode().split("\n", 2)
        assert end == "\n"
        kind = first.removeprefix("event: ")
        assert kind not in events
        events[kind] = msgspec.json.decode(second.removeprefix("data: "))
    return events


async def nothing_more(stream: AsyncIterator[bytes]) -> bool:
    waiting = asyncio.ensure_future(anext(stream))
    done, _ = await asyncio.wait([waiting], timeout=0.05)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    return not done


async def test_on_connecting_the_latest_of_each_kind(view: StageView, make: Any) -> None:
    set_order(view, make)
    set_order(view, make, (0, OPEN))
    view.set_tally(make.snapshot(at_ms=make.start_ms + 500))
    events = await take(view.subscribe(Audience.WALL), 3)
    assert list(events) == ["show", "order", "tally"]
    assert events["show"]["show"] == "first-light"
    assert events["order"]["state"] == "open"
    assert events["tally"]["at"] == make.start_ms + 500


async def test_an_order_event_carries_the_clock_of_its_sending(view: StageView, make: Any) -> None:
    set_order(view, make, (0, OPEN))
    first = await take(view.subscribe(Audience.WALL), 2)
    view.clock.at_ms += 7_000  # type: ignore[attr-defined]
    second = await take(view.subscribe(Audience.WALL), 2)
    assert second["order"].pop("now") == first["order"].pop("now") + 7_000
    assert first == second


async def test_a_slow_browser_gets_only_the_latest_of_each_kind(view: StageView, make: Any) -> None:
    set_order(view, make, (0, OPEN))
    stream = view.subscribe(Audience.WALL)
    await take(stream, 2)
    for step in range(1, 1_000):
        view.set_tally(make.snapshot(at_ms=make.start_ms + step))
        set_order(view, make, *SHOWN[: step % 3 + 1])
    events = await take(stream, 2)
    assert events["tally"]["at"] == make.start_ms + 999
    assert events["order"]["state"] == "open"
    assert await nothing_more(stream)


async def test_one_that_falls_asleep_in_the_middle_goes_on_with_the_latest(
    view: StageView, make: Any
) -> None:
    set_order(view, make, (0, OPEN))
    view.set_tally(make.snapshot(at_ms=make.start_ms))
    stream = view.subscribe(Audience.WALL)
    await take(stream, 2)
    view.set_tally(make.snapshot(at_ms=make.start_ms + 9))
    assert (await take(stream, 1))["tally"]["at"] == make.start_ms + 9
    assert await nothing_more(stream)


async def test_an_event_is_encoded_once_for_all(view: StageView, make: Any) -> None:
    set_order(view, make, (0, OPEN))
    view.set_tally(make.snapshot())
    made = [view._make]
    calls: list[tuple[Audience, str]] = []

    def counting(audience: Audience, kind: str) -> bytes:
        calls.append((audience, kind))
        return made[0](audience, kind)

    view._make = counting  # type: ignore[method-assign]
    for _ in range(20):
        await take(view.subscribe(Audience.WALL), 3)
    assert sorted(calls) == [(Audience.WALL, kind) for kind in ("order", "show", "tally")]


async def test_the_wall_never_gets_what_is_the_consoles(view: StageView, make: Any) -> None:
    set_order(view, make, (0, OPEN))
    view.set_tally(make.snapshot())
    view.set_gates({1: make.report(1)})
    row = ClaimRow(11, 1, 1, 900, "Ana", "claimed", ())
    view.set_claims([row])
    wall = await take(view.subscribe(Audience.WALL), 3)
    console = await take(view.subscribe(Audience.CONSOLE), 3)
    assert not {"upcoming", "mode", "claims"} & set(wall["order"])
    assert not {"gates", "refused", "acknowledged"} & set(wall["tally"])
    assert wall["tally"]["question"]["by_choice"] is None
    assert console["order"]["mode"] == "clock"
    assert [cue["right"] for cue in console["order"]["upcoming"]] == [2, 2, 2]
    assert console["order"]["claims"][0]["name"] == "Ana"
    assert console["tally"]["question"]["by_choice"] == [37, 60, 3]
    assert console["tally"]["acknowledged"] == 100


async def test_gates_and_claims_wake_the_console_only(view: StageView, make: Any) -> None:
    set_order(view, make)
    view.set_tally(make.snapshot())
    wall, console = view.subscribe(Audience.WALL), view.subscribe(Audience.CONSOLE)
    await take(wall, 3)
    await take(console, 3)
    row = ClaimRow(11, 1, 1, 900, "Ana", "claimed", ())
    view.set_gates({1: make.report(1)})
    view.set_claims([row])
    assert set(await take(console, 2)) == {"order", "tally"}
    view.set_claims([row])
    assert await nothing_more(console), "nothing changed"
    assert await nothing_more(wall)


async def test_the_close_uncovers_the_counts_at_once(view: StageView, make: Any) -> None:
    set_order(view, make, (0, OPEN))
    view.set_tally(make.snapshot())
    stream = view.subscribe(Audience.WALL)
    await take(stream, 3)
    set_order(view, make, *SHOWN[:2])
    assert (await take(stream, 2))["tally"]["question"]["by_choice"] == [37, 60, None]


async def test_the_leaderboard_waits_for_the_reveal(view: StageView, make: Any) -> None:
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


async def test_a_quiet_stream_keeps_proxies_awake(make: Any) -> None:
    view = StageView(make.show(), make.clock(), heartbeat_s=0.01)
    stream = view.subscribe(Audience.WALL)
    await take(stream, 1)
    assert await anext(stream) == b": awake\n\n"


async def test_streams_are_counted_bounded_and_ended(view: StageView) -> None:
    streams = [view.subscribe(Audience.WALL) for _ in range(STREAMS_MAX)]
    for stream in streams:
        await anext(stream)
    assert view.streams(Audience.WALL) == STREAMS_MAX
    with pytest.raises(EngineDown, match="256 browsers"):
        view.subscribe(Audience.CONSOLE)
    view.close()
    for stream in streams:
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
    assert view.streams(Audience.WALL) == 0
