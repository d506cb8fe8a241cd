"""What the show file's reader accepts, and what its settings mean."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from hairpin.show import Mode, Question, Retention, TieBreak
from hairpin.showfile import images, read_show
from hairpin.showfile.values import CONTRAST_MIN, STAGE, contrast, span

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.toml"))

MINIMAL = """\
id = "night"
title = "The night"
audience = { low = 10, high = 100 }

[[questions]]
text = "Louder?"
choices = ["Yes", "No"]
right = 1
opens = "0:01:00"
duration = "20s"

[[questions]]
text = "Softer?"
choices = ["Yes", "No"]
opens = "0:02:00"
duration = "20s"
"""


def edited(old: str, new: str) -> str:
    assert MINIMAL.count(old) >= 1, old
    return MINIMAL.replace(old, new, 1)


def question(lines: str) -> Question:
    """The first question, with some lines instead of its choices and the right one."""
    text = edited('choices = ["Yes", "No"]\nright = 1\n', lines + "\n")
    return read_show(text, "night.toml").questions[0]


def test_a_minimal_show_gets_the_documented_defaults() -> None:
    show = read_show(MINIMAL, "night.toml")
    assert show.languages == ("en",)
    assert show.mode is Mode.CLOCK
    assert show.start_ms is None
    assert show.tickets_max == 300
    assert [band["en"] for band in show.age_bands] == ["≤ 24", "25–39", "≥ 40"]
    assert (show.allowance_ms, show.elapsed_floor_ms, show.reveal_after_ms) == (3_000, 300, 3_000)
    assert (show.tie_break, show.draw_seed) == (TieBreak.SHARE, "")
    assert (show.cell_min, show.best_country_min) == (5, 30)
    assert (show.contenders, show.reserves, show.claim_deadline_ms) == (10, 5, 900_000)
    assert show.word.text == show.title
    assert show.retention == Retention(names_days=30, records_days=30, keys_days=7)
    assert [q.id for q in show.questions] == ["q1", "q2"]
    assert [q.opens_after_ms for q in show.questions] == [60_000, 120_000]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_examples_have_no_mistake_and_their_images_are_there(path: Path) -> None:
    show = read_show(path.read_text("utf-8"), path.name, lambda p: (path.parent / p).is_file())
    assert show.id == path.stem


def test_the_demo_show_is_what_the_demo_needs() -> None:
    text = (ROOT / "examples/first-light.toml").read_text("utf-8")
    show = read_show(text, "first-light.toml")
    assert len(show.questions) == 7
    assert show.languages == ("en", "fr", "ar")
    assert (show.mode, show.start_ms) == (Mode.CLOCK, None)
    assert (show.audience_low, show.audience_high) == (20_000, 250_000)
    assert [q.opens_after_ms for q in show.questions] == [(5 + 10 * n) * 60_000 for n in range(7)]
    assert {q.duration_ms for q in show.questions} == {12_000}
    assert any(q.multiple for q in show.questions)
    assert any(q.poll for q in show.questions)
    assert any(not q.multiple and q.right.bit_count() == 2 for q in show.questions)


def test_a_plain_text_is_the_same_in_every_language() -> None:
    show = read_show('languages = ["en", "fr"]\n' + MINIMAL, "night.toml")
    assert show.title == {"en": "The night", "fr": "The night"}


def test_norway_stays_a_string() -> None:
    assert question('choices = ["NO", "SE"]').choices[0].text == {"en": "NO"}


def test_choices_may_be_texts_tables_of_languages_or_tables_with_an_image() -> None:
    choices = question(
        'choices = ["A", { en = "B" }, { text = "C" }, { text = { en = "D" }, image = "d.png" }]'
    ).choices
    assert [choice.text["en"] for choice in choices] == ["A", "B", "C", "D"]
    assert [choice.image for choice in choices] == [None, None, None, "d.png"]


@pytest.mark.parametrize(
    ("right", "mask"), [("right = 2", 0b010), ("right = [1, 3]", 0b101), ("", 0)]
)
def test_right_counts_from_one_and_becomes_a_mask(right: str, mask: int) -> None:
    assert question(f'choices = ["A", "B", "C"]\n{right}').right == mask


@pytest.mark.parametrize(
    ("written", "ms"),
    [
        *(('"90s"', 90_000), ('"1m30s"', 90_000), ('"0:01:30"', 90_000), ("90", 90_000)),
        *(('"1s500ms"', 1_500), ('"2h"', 7_200_000), ('"00:00:20"', 20_000), ('"1d"', 86_400_000)),
    ],
)
def test_durations(written: str, ms: int) -> None:
    text = edited('duration = "20s"', f"duration = {written}").partition("\n[[questions]]\n")
    first = text[2].partition("[[questions]]")[0]
    show = read_show(f"{text[0]}\n[[questions]]\n{first}", "night.toml")
    assert show.questions[0].duration_ms == ms


@pytest.mark.parametrize(
    "written",
    [
        *('"0:10:00"', '"00:10:00"', '"10m"', '"600s"', "600"),
        *("2027-06-20T20:10:00+02:00", "2027-06-20T18:10:00Z", "2027-06-20T20:10:00"),
    ],
)
def test_an_opening_is_an_offset_or_a_date_and_time(written: str) -> None:
    text = "start = 2027-06-20T20:00:00+02:00\n" + edited('"0:02:00"', written)
    show = read_show(text, "night.toml")
    assert show.questions[1].opens_after_ms == 600_000
    assert show.start_ms == datetime.fromisoformat("2027-06-20T18:00:00Z").timestamp() * 1_000


def test_by_hand_no_question_needs_a_time() -> None:
    text = 'mode = "hand"\n' + "".join(
        line for line in MINIMAL.splitlines(True) if not line.startswith(("opens", "duration"))
    )
    show = read_show(text, "night.toml")
    assert {(q.opens_after_ms, q.duration_ms) for q in show.questions} == {(None, None)}


def test_images_are_listed_with_their_places() -> None:
    text = edited('"Yes", "No"]', '{ text = "Yes", image = "yes.png" }, "No"]\nimage = "a/b.webp"')
    show = read_show(text + '[winner]\nimage = "w.jpg"\n', "night.toml")
    assert images(show) == (
        ("winner.image", "w.jpg"),
        ("questions[0].image", "a/b.webp"),
        ("questions[0].choices[0].image", "yes.png"),
    )


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    assert contrast("#ff8a3d", STAGE) > CONTRAST_MIN


def test_a_span_is_written_as_it_is_read() -> None:
    assert [span(ms) for ms in (0, 1, 90_000, 86_400_000, 3_600_500)] == [
        *("0s", "1ms", "1m30s", "1d", "1h500ms"),
    ]
