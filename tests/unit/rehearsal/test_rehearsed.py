from __future__ import annotations

import datetime
import tomllib
from pathlib import Path

import pytest

from hairpin.rehearsal.rehearsed import HAND_S, durations_s, rehearsed, stretches, toml_value
from hairpin.show import Mode, Show
from hairpin.showfile import read_show

EXAMPLES = Path(__file__).parents[3] / "examples"


def example(name: str) -> tuple[dict[str, object], Show]:
    text = (EXAMPLES / name).read_text("utf-8")
    return tomllib.loads(text), read_show(text, name)


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.toml")))
@pytest.mark.parametrize("window_s", [None, 4.0, 90.0])
def test_any_show_can_be_rehearsed_by_the_clock(name: str, window_s: float | None) -> None:
    document, show = example(name)
    text = rehearsed(document, show, 3_000_000, window_s)
    copied = read_show(text, "the copy")
    assert copied.mode is Mode.CLOCK
    assert copied.start_ms is None
    assert copied.audience_high >= 3_000_000
    assert copied.id == show.id
    assert copied.languages == show.languages
    for question, own, open_s in zip(
        copied.questions, show.questions, durations_s(show, window_s), strict=True
    ):
        assert (question.text, question.choices, question.right) == (
            own.text,
            own.choices,
            own.right,
        )
        assert question.duration_ms == round(1000 * open_s)
        if own.opens_after_ms is not None and window_s is None:
            assert question.opens_after_ms == own.opens_after_ms


def test_a_window_stretches_people_as_it_stretches_the_question() -> None:
    _, show = example("first-light.toml")
    assert set(stretches(show, None)) == {1.0}
    assert set(stretches(show, 60.0)) == {5.0}
    assert set(durations_s(show, 60.0)) == {60.0}


def test_what_a_producer_would_close_is_closed_by_the_clock() -> None:
    _, show = example("by-hand.toml")
    by_hand = [q.duration_ms is None for q in show.questions]
    assert any(by_hand)
    for open_s, hand, stretch in zip(
        durations_s(show, None), by_hand, stretches(show, None), strict=True
    ):
        assert not hand or (open_s, stretch) == (HAND_S, 1.0)


def test_values_come_back_as_they_were() -> None:
    value = {
        "a b": ['x"\\', "\x7f\n", "é"],
        "n": [1, 2.5, True],
        "t": {"at": datetime.datetime(2026, 11, 23, 20, 0, tzinfo=datetime.UTC)},
    }
    assert tomllib.loads(f"v = {toml_value(value)}")["v"] == value
