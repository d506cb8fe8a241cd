"""Rows for broadcast graphics: stable keys, no secrets, nothing that a spreadsheet would run."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hairpin.messages import Published, Winner
from hairpin.order import Step
from hairpin.stage.documents import cues, last_told, now_body
from hairpin.stage.outputs import (
    LEADER_KEYS,
    QUESTION_KEYS,
    RESULT_KEYS,
    as_csv,
    as_json,
    as_xml,
    join_svg,
    leader_rows,
    question_rows,
    result_rows,
    said,
)
from hairpin.stage.view import StageView

OPEN, CLOSE, REVEAL, VOID = Step.OPEN, Step.CLOSE, Step.REVEAL, Step.VOID
SHOWN = [(0, OPEN), (0, CLOSE), (0, REVEAL)]
EVERY_STATE = [[], SHOWN[:1], SHOWN[:2], SHOWN, [(0, OPEN), (0, VOID)]]


def view_after(
    make: Any, *steps: Any, winners: Any = (), published: Any = None, **changes: Any
) -> StageView:
    view = StageView(make.show(**changes), make.clock())
    order = make.order(view.show, *steps)
    body = now_body(view.show, order, {}, None, winners, make.media, 1)
    view.set_order(body, cues(view.show, order, make.media, published))
    view.set_tally(make.snapshot())
    return view


def question(view: StageView, language: str = "en", now_ms: int = 0) -> Any:
    current = view.current()
    cue = None if current is None else view.cues[current]
    told = last_told(view.cues)
    (row,) = question_rows(view.show, cue, view.wall_tally(), language, now_ms, told)
    return row


def results(view: StageView, language: str = "en") -> list[Any]:
    current = view.current()
    cue = None if current is None else view.cues[current]
    return list(result_rows(view.show, cue, view.wall_tally(), language))


@pytest.mark.parametrize("steps", EVERY_STATE)
def test_keys_are_stable(make: Any, steps: Any) -> None:
    view = view_after(make, *steps)
    assert tuple(question(view)) == QUESTION_KEYS
    assert {tuple(row) for row in results(view)} <= {RESULT_KEYS}
    rows = leader_rows(view.show, view.wall_tally(), "en")
    assert {tuple(row) for row in rows} <= {LEADER_KEYS}


def test_every_key_is_documented() -> None:
    text = Path("docs/broadcast.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"`(\w+)`", text))
    numbered = {re.sub(r"_\d$", "_1", key) for key in QUESTION_KEYS}
    assert numbered | set(RESULT_KEYS) | set(LEADER_KEYS) <= documented


def test_before_the_first_question(make: Any) -> None:
    view = view_after(make)
    row = question(view)
    assert (row["show"], row["state"], row["of"]) == ("First light", "waiting", 3)
    assert row["question"] is None
    assert results(view) == []


def test_an_open_question(make: Any) -> None:
    row = question(view_after(make, (0, OPEN)), "fr", make.start_ms + 4_200)
    assert (row["number"], row["state"], row["answers"]) == (1, "open", 100)
    assert (row["question"], row["image"]) == ("Quel groupe ? 1", "/media/bb.jpg")
    assert (row["choice_1"], row["image_1"], row["choice_3"]) == (
        "Le premier",
        "/media/aa.png",
        "Le tiers",
    )
    assert row["seconds_left"] == 16
    assert row["choice_4"] is None
    assert (row["count_1"], row["percent_1"], row["right_1"]) == (None, None, None)
    assert row["explanation"] is None


def test_after_the_close_bars_and_no_secret(make: Any) -> None:
    view = view_after(make, *SHOWN[:2])
    row = question(view, now_ms=make.start_ms + 99_000)
    assert (row["count_1"], row["percent_1"], row["count_3"]) == (37, 37.0, None)
    assert (row["right_2"], row["explanation"], row["seconds_left"]) == (None, None, 0)
    for line in results(view):
        assert (line["right"], line["right_percent"], line["is_right"]) == (None, None, None)
    assert results(view)[1]["label"] == ""


def test_after_the_reveal(make: Any) -> None:
    view = view_after(make, *SHOWN)
    row = question(view)
    assert [row[f"right_{n}"] for n in (1, 2, 3, 4)] == [0, 1, 0, None]
    assert row["explanation"] == "Because 1 & right 2"
    lines = results(view)
    assert [(line["group"], line["key"]) for line in lines] == [
        ("all", ""),
        ("best_country", "FR"),
        ("choice", "1"),
        ("choice", "2"),
        ("choice", "3"),
        ("age_band", "0"),
        ("age_band", "1"),
        ("age_band", "2"),
        ("country", "FR"),
        ("country", "GB"),
    ]
    everyone, best, _, second = lines[:4]
    assert (everyone["answers"], everyone["right"], everyone["right_percent"]) == (100, 60, 60.0)
    assert (best["right"], best["right_percent"]) == (50, 71.4)
    assert (second["label"], second["share_percent"], second["is_right"]) == ("Second 1", 60.0, 1)
    assert lines[5]["answers"] is None, "an age band with four fans is suppressed"


def test_the_head_stays_while_the_next_question_is_asked(make: Any) -> None:
    told = {n: Published(7 + n, n, 1, "", 100, 60, f"head {n}", {}) for n in (0, 1)}
    before, shown, next_one = (
        view_after(make, *steps, published=told)
        for steps in (SHOWN[:2], SHOWN, [*SHOWN, (1, OPEN), (1, CLOSE)])
    )
    heads = [(row["head"], row["head_number"]) for row in map(question, (before, shown, next_one))]
    assert heads == [(None, None), ("head 0", 1), ("head 0", 1)]
    assert {row["head"] for row in results(before)} == {None}
    assert {row["head"] for row in results(shown)} == {"head 0"}


def test_a_void_question_keeps_its_secret(make: Any) -> None:
    view = view_after(make, (0, OPEN), (0, VOID))
    row = question(view)
    assert (row["right_2"], row["explanation"]) == (None, None)


def test_a_question_that_has_not_opened_has_no_rows(make: Any) -> None:
    view = view_after(make, (0, OPEN))
    assert result_rows(view.show, view.cues[1], view.wall_tally(), "en") == []


def test_leaders(make: Any) -> None:
    view = view_after(make, *SHOWN, winners=[Winner(1, 11, "Ana")])
    first, second = leader_rows(view.show, view.wall_tally(), "en")
    assert first == {
        "rank": 1,
        "tied": 1,
        "fan": 11,
        "name": "Ana",
        "country": "FR",
        "age_band": "18 to 35",
        "right": 1,
        "total_ms": 1_234,
        "seconds": 1.234,
        "more": 3,
    }
    assert (second["name"], second["age_band"]) == (None, "over 35")
    assert leader_rows(view.show, None, "en") == []


def test_no_tally_yet(make: Any) -> None:
    view = view_after(make, (0, OPEN))
    (row,) = question_rows(view.show, view.cues[0], None, "en", 0)
    assert (row["choice_1"], row["answers"]) == ("First 1", None)
    assert result_rows(view.show, view.cues[0], None, "en") == []


def test_a_missing_translation_falls_back(make: Any) -> None:
    assert said(make.show(), {"en": "yes"}, "fr") == "yes"
    assert said(make.show(), {"de": "ja"}, "fr") == "ja"


def test_json_is_an_array_of_flat_objects(make: Any) -> None:
    rows = msgspec.json.decode(as_json([question(view_after(make, *SHOWN))]))
    assert isinstance(rows, list)
    assert not any(isinstance(value, (dict, list)) for value in rows[0].values())


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1"])
def test_no_formula_reaches_a_spreadsheet(text: str) -> None:
    assert as_csv(("a",), [{"a": text}]).decode().split("\r\n", 1)[1].lstrip('"')[0] == "'"


def test_csv() -> None:
    rows: Any = [{"a": -1, "b": 'say "hi", please'}, {"a": None, "b": "two\nlines"}]
    lines = list(csv.reader(io.StringIO(as_csv(("a", "b"), rows).decode())))
    assert lines == [["a", "b"], ["-1", 'say "hi", please'], ["", "two\nlines"]]
    assert as_csv(("a", "b"), []) == b"a,b\r\n"


@given(st.text())
def test_xml_holds_any_text(text: str) -> None:
    root = ElementTree.fromstring(as_xml("results", ("label",), [{"label": text}]))
    assert root.tag == "results"
    found = root.findtext("row/label")
    if re.fullmatch("[^\x00-\x1f\ufffe\uffff]*", text):
        assert found == text


def test_the_qr_code_scales_and_has_its_quiet_zone() -> None:
    svg = ElementTree.fromstring(join_svg("http://192.168.1.20:8000/"))
    assert "viewBox" in svg.attrib
    assert "width" not in svg.attrib
    assert join_svg("http://a/") != join_svg("http://b/")
