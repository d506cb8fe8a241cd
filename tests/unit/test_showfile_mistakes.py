"""Every mistake in a show file is named with its place, what was found and what is allowed."""

from __future__ import annotations

import pytest

from hairpin.errors import Finding, YourMistake
from hairpin.showfile import read_show
from hairpin.showfile.settings import QUESTION_BYTES_MAX

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


def findings(text: str) -> tuple[Finding, ...]:
    with pytest.raises(YourMistake) as caught:
        read_show(text, "night.toml")
    return caught.value.findings


def only(text: str) -> Finding:
    (finding,) = findings(text)
    return finding


def edited(old: str, new: str) -> str:
    assert MINIMAL.count(old) >= 1, old
    return MINIMAL.replace(old, new, 1)


TOP_MISTAKES = [
    ('id = "night"', 'id = "The Night"', "id (line 1)", '"The Night"', "a-z"),
    ('id = "night"\n', "", "id", "nothing", "a-z"),
    ('title = "The night"\n', "", "title", "nothing", "1 to 80"),
    ('title = "The night"', 'title = " "', "title (line 2)", '" "', "1 to 80"),
    ("The night", "x" * 81, "title (line 2)", "81 characters", "1 to 80"),
    ("The night", "a\\tb", "title (line 2)", '"a\\tb"', "control"),
    ("audience = { low = 10, high = 100 }\n", "", "audience", "nothing", "low, high"),
    ("low = 10,", "low = 101,", "audience.low (line 3)", "101", "`high`, which is 100"),
    ("low = 10,", "low = 0,", "audience.low (line 3)", "0", "from 1 to"),
    ("low = 10,", "low = true,", "audience.low (line 3)", "true", "whole number"),
    (", high = 100", "", "audience.high (line 3)", "nothing", "whole number"),
    ("high = 100", "high = 2_000_000_000", "tickets_per_fan", "6000000000", "at most 4294967295"),
]

LINES_MISTAKES = [
    ("titel = 1", "titel (line 1)", "an unknown setting", "did you mean title?"),
    ("zebra = 1", "zebra (line 1)", "an unknown setting", "id, title, languages"),
    ('languages = "en"', "languages (line 1)", '"en"', "list of 1 to 30"),
    ("languages = []", "languages (line 1)", "a list of 0", "list of 1 to 30"),
    ('languages = ["en", "English"]', "languages[1] (line 1)", '"English"', "language tag"),
    ('languages = ["en", "en"]', "languages[1] (line 1)", '"en" again', "once"),
    ('mode = "clok"', "mode (line 1)", '"clok"', '"clock" or "hand"'),
    ("start = 2027-06-20T20:00:00", "start (line 1)", "2027-06-20 20:00:00", "offset from UTC"),
    ('start = "tonight"', "start (line 1)", '"tonight"', "offset from UTC"),
    ("tickets_per_fan = 0.5", "tickets_per_fan (line 1)", "0.5", "from 1 to 100"),
    ("tickets_per_fan = nan", "tickets_per_fan (line 1)", "nan", "from 1 to 100"),
    ('age_bands = ["young", "old"]', "age_bands (line 1)", "a list of 2", "exactly 3"),
    ('age_bands = ["a", "b", 3]', "age_bands[2] (line 1)", "3", "1 to 40"),
    ('allowance = "soon"', "allowance (line 1)", '"soon"', "1m30s"),
    ("allowance = -1", "allowance (line 1)", "-1", "0s to 8m"),
    ('elapsed_floor = "1m"', "elapsed_floor (line 1)", '"1m"', "0s to 10s"),
    ("reveal_after = 1.5", "reveal_after (line 1)", "1.5", "0s to 1d"),
    ('tie_break = "coin"', "tie_break (line 1)", '"coin"', '"share" or "draw"'),
    ('tie_break = "draw"', "draw_seed", "nothing", "publish before"),
    ('draw_seed = "s"', "draw_seed (line 1)", '"s"', 'only with tie_break = "draw"'),
    ("cell_min = 0", "cell_min (line 1)", "0", "from 1 to"),
    ("best_country_min = 0", "best_country_min (line 1)", "0", "from 1 to"),
    ("contenders = 0", "contenders (line 1)", "0", "1 to 100"),
    ("reserves = 101", "reserves (line 1)", "101", "0 to 100"),
    ('claim_deadline = "59s"', "claim_deadline (line 1)", '"59s"', "1m to 30d"),
    ('accent = "orange"', "accent (line 1)", '"orange"', "#ff8a3d"),
    ('accent = "#333333"', "accent (line 1)", "a contrast of 1.5 : 1", "at least 3 : 1"),
    ("winner = 1", "winner (line 1)", "1", "a table of text, image, link"),
    ('winner.link = "http://a.org/x"', "winner.link (line 1)", '"http://a.org/x"', "https://"),
    ('winner.image = "w.svg"', "winner.image (line 1)", '"w.svg"', ".png"),
    ('retention.names = "1m"', "retention.names (line 1)", '"1m"', "whole days"),
    ("retention.keys = 7", "retention.keys (line 1)", "7", "whole days"),
    ('retention.key = "7d"', "retention.key (line 1)", "an unknown", "did you mean keys?"),
]

QUESTION_MISTAKES = [
    ('text = "Louder?"\n', "", "questions[0].text (line 5)", "nothing", "1 to 200"),
    ("Louder?", "x" * 201, "questions[0].text (line 6)", "201 characters", "1 to 200"),
    ('"Louder?"', '{ en = "L", de = "L" }', "questions[0].text.de (line 6)", "unknown", "en"),
    ('"Louder?"', "{}", "questions[0].text.en (line 6)", "nothing", "1 to 200"),
    ('["Yes", "No"]', '["Yes"]', "questions[0].choices (line 7)", "a list of 1", "2 to 8"),
    ('["Yes", "No"]', '"Yes"', "questions[0].choices (line 7)", '"Yes"', "2 to 8"),
    (
        *('["Yes", "No"]', '["Yes",\n"Yes"]', "questions[0].choices[1] (line 8)", '"Yes"'),
        "not the same as choice 1",
    ),
    (
        *('"No"', '{ text = "No", img = "n.png" }', "questions[0].choices[1].img (line 7)"),
        *("unknown", "image?"),
    ),
    ('"No"', "7", "questions[0].choices[1] (line 7)", "7", "a text of 1 to 80"),
    ("right = 1", "right = 0", "questions[0].right (line 8)", "0", "1 to 2"),
    ("right = 1", "right = 3", "questions[0].right (line 8)", "3", "1 to 2"),
    ("right = 1", "right = true", "questions[0].right (line 8)", "true", "1 to 2"),
    ("right = 1", "right = []", "questions[0].right (line 8)", "[]", "leave `right` out"),
    ("right = 1", "right = [1, 1]", "questions[0].right (line 8)", "[1, 1]", "1 to 2"),
    ("right = 1", "multiple = 1", "questions[0].multiple (line 8)", "1", "true or false"),
    ("right = 1", 'image = "/a.png"', "questions[0].image (line 8)", '"/a.png"', "beside"),
    ("right = 1", 'image = "../a.png"', "questions[0].image (line 8)", '"../a.png"', "beside"),
    ("right = 1", 'image = "a\\\\b.png"', "questions[0].image (line 8)", "a\\\\b.png", "with /"),
    ("right = 1", 'id = "q2"', "questions[1].id (line 12)", '"q2"', "once"),
    ("right = 1", 'id = "Q"', "questions[0].id (line 8)", '"Q"', "a-z"),
    ('opens = "0:01:00"\n', "", "questions[0].opens (line 5)", "nothing", 'mode = "hand"'),
    ('"0:01:00"', "00:01:00", "questions[0].opens (line 9)", "00:01:00", '"0:01:30"'),
    ('"0:01:00"', '"0:1"', "questions[0].opens (line 9)", '"0:1"', '"0:01:30"'),
    (
        *('"0:01:00"', "2027-06-20T20:10:00", "questions[0].opens (line 9)"),
        *("2027-06-20 20:10:00", "as there is no start"),
    ),
    ('duration = "20s"\n', "", "questions[0].duration (line 5)", "nothing", "how long"),
    ('duration = "20s"', "duration = 0", "questions[0].duration (line 10)", "0", "1s to 1d"),
    ('"0:02:00"', '"0:01:22"', "questions[1].opens (line 15)", "1m22s after", "1m23s or later"),
    ('"0:02:00"', '"0:00:30"', "questions[1].opens (line 15)", "30s after", "1m23s or later"),
]


def expect(finding: Finding, place: str, found: str, allowed: str) -> None:
    assert finding.place == place
    assert found in finding.found
    assert allowed in finding.allowed


@pytest.mark.parametrize(("old", "new", "place", "found", "allowed"), TOP_MISTAKES)
def test_a_mistake_in_the_event(old: str, new: str, place: str, found: str, allowed: str) -> None:
    expect(only(edited(old, new)), place, found, allowed)


@pytest.mark.parametrize(("line", "place", "found", "allowed"), LINES_MISTAKES)
def test_a_mistake_in_a_setting(line: str, place: str, found: str, allowed: str) -> None:
    expect(only(f"{line}\n{MINIMAL}"), place, found, allowed)


@pytest.mark.parametrize(("old", "new", "place", "found", "allowed"), QUESTION_MISTAKES)
def test_a_mistake_in_a_question(old: str, new: str, place: str, found: str, allowed: str) -> None:
    expect(only(edited(old, new)), place, found, allowed)


def test_every_forgotten_language_is_named() -> None:
    text = 'languages = ["en", "fr"]\n' + edited('"Louder?"', '{ en = "Louder?" }').replace(
        '"Yes"', '{ fr = "Oui" }', 1
    )
    assert [finding.place for finding in findings(text)] == [
        "questions[0].text.fr (line 7)",
        "questions[0].choices[0].en (line 8)",
    ]


def test_all_mistakes_are_named_at_once_in_the_order_of_lines() -> None:
    text = edited("low = 10", "low = 1000").replace("right = 1", "rigth = 1").replace("20s", "x")
    assert [finding.place for finding in findings("cell_min = 0\n" + text)] == [
        "cell_min (line 1)",
        "audience.low (line 4)",
        "questions[0].rigth (line 9)",
        "questions[0].duration (line 11)",
        "questions[1].duration (line 17)",
    ]


def test_a_question_that_is_not_a_table_is_one_mistake() -> None:
    text = MINIMAL.partition("[[questions]]")[0] + "questions = [1]\n"
    assert only(text).place == "questions[0] (line 5)"


def test_no_questions() -> None:
    text = MINIMAL.partition("[[questions]]")[0]
    assert only(text).place == "questions"
    assert only(text + "questions = []\n").found == "a list of 0"


def test_more_questions_than_an_index_can_name() -> None:
    head, _, rest = MINIMAL.partition("[[questions]]")
    first = "[[questions]]" + rest.partition("[[questions]]")[0].replace("opens", "#")
    assert "1 to 200" in only('mode = "hand"\n' + head + first * 201).allowed


def test_an_image_that_is_not_there_is_a_mistake() -> None:
    text = edited("right = 1", 'image = "no.png"')
    with pytest.raises(YourMistake) as caught:
        read_show(text, "night.toml", lambda path: path != "no.png")
    (finding,) = caught.value.findings
    assert finding.place == "questions[0].image (line 8)"
    assert finding.found == '"no.png", which is no file'


def test_an_opening_before_the_start_is_a_mistake() -> None:
    text = "start = 2027-06-20T20:00:00+02:00\n" + edited('"0:01:00"', "2027-06-20T19:59:59")
    assert "from the start (2027-06-20 20:00:00+02:00)" in only(text).allowed


def test_a_wrong_start_is_not_blamed_on_the_openings() -> None:
    text = 'start = "soon"\n' + edited('"0:01:00"', "2027-06-20T19:59:59")
    assert only(text).place == "start (line 1)"


def test_a_question_that_is_too_large_in_all_languages_is_a_mistake() -> None:
    languages = ["en", "fr", "ar", "de", "es", "it", "pt", "nl", "sv", "fi"]
    choices = ", ".join(f'"{n}{"x" * 79}"' for n in range(8))
    text = edited('["Yes", "No"]', f"[{choices}]")
    finding = only(f"languages = {languages}\n".replace("'", '"') + text)
    assert finding.place == "questions[0] (line 6)"
    assert str(QUESTION_BYTES_MAX) in finding.allowed


# --- not TOML ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "place", "found", "allowed"),
    [
        ("title = The night\n", "line 1, column 9", '"title = The night"', "Invalid value"),
        ('id = "a"\nid = "b"\n', "line 2, column 9", '"id = \\"b\\""', "overwrite"),
        ('id = "a\n', "line 1, column 8", '"id = \\"a"', "Illegal character"),
        ('id = """a', "end of document", '"id = \\"\\"\\"a"', "Unterminated"),
        ("a = " + "[" * 20_000, "the file", "[[[", "TOML"),
        ("a = " + "9" * 5_000, "the file", "999", "TOML"),
    ],
)
def test_toml_that_cannot_be_read(text: str, place: str, found: str, allowed: str) -> None:
    finding = only(text)
    assert finding.place == place
    assert found in finding.found
    assert allowed in finding.allowed
