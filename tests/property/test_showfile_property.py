"""Whatever the text: a show, or mistakes with places. Whatever was written: it is read back."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from hairpin.errors import YourMistake
from hairpin.sheet import import_questions
from hairpin.show import CHOICES_MAX, Show
from hairpin.showfile import read_show
from hairpin.showfile.lines import lines_of
from hairpin.showfile.values import span

ANNOTATED = (Path(__file__).parents[2] / "examples/annotated.toml").read_text("utf-8")
LINES = ANNOTATED.splitlines()

words = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\u2028\u2029"),
    min_size=1,
    max_size=40,
).filter(lambda text: text.strip() == text and not text.startswith("#"))
durations_ms = st.integers(1_000, 86_400_000)


def show_or_mistakes(text: str) -> Show | YourMistake:
    try:
        return read_show(text, "any.toml")
    except YourMistake as mistake:
        assert mistake.findings
        for finding in mistake.findings:
            line = re.search(r"\(line (\d+)\)", finding.place)
            assert line is None or 1 <= int(line[1]) <= len(text.splitlines())
        return mistake


@given(st.text(max_size=200))
def test_any_text_is_a_show_or_a_mistake(text: str) -> None:
    assert isinstance(show_or_mistakes(text), YourMistake)


@given(st.sets(st.integers(0, len(LINES) - 1), min_size=1, max_size=4))
def test_a_show_file_with_lines_left_out_is_a_show_or_mistakes(left_out: set[int]) -> None:
    show_or_mistakes("\n".join(line for n, line in enumerate(LINES) if n not in left_out))


scalars = st.one_of(
    st.booleans().map(lambda flag: str(flag).lower()),
    st.integers(-(10**12), 10**12).map(str),
    st.floats().map(str),
    st.sampled_from(["[]", "{}", "[{}]", '""', "2027-06-20", "20:00:00", '"30d"', "[[1], 2]"]),
)


@given(st.integers(0, len(LINES) - 1), scalars)
def test_a_setting_with_any_other_value_is_a_show_or_mistakes(number: int, value: str) -> None:
    lines = list(LINES)
    lines[number] = re.sub(r"= .*", lambda _: f"= {value}", lines[number])
    show_or_mistakes("\n".join(lines))


@given(durations_ms)
def test_a_span_reads_back_as_itself(value_ms: int) -> None:
    text = (
        'id = "n"\ntitle = "n"\nmode = "hand"\naudience = { low = 1, high = 2 }\n'
        f'[[questions]]\ntext = "?"\nchoices = ["a", "b"]\nduration = "{span(value_ms)}"\n'
    )
    assert read_show(text, "n.toml").questions[0].duration_ms == value_ms


@given(
    st.lists(
        st.tuples(
            st.text(alphabet="ab.'# =[]{}", min_size=1),
            st.sampled_from(["1", '"[]#"', "[\n1,\n2]", '"""\na = 1\n"""', "{ z = '}' }"]),
        ),
        unique_by=lambda pair: pair[0],
        max_size=8,
    )
)
def test_every_key_is_found_on_the_line_on_which_it_was_written(
    pairs: list[tuple[str, str]],
) -> None:
    text, written = "", {}
    for key, value in pairs:
        written[(key,)] = text.count("\n") + 1
        text += f"{json.dumps(key)} = {value} # [[comment]]\n"
    found = {place: line for place, line in lines_of(text).items() if len(place) == 1}
    assert found == written


questions = st.lists(
    st.tuples(words, st.lists(words, min_size=2, max_size=CHOICES_MAX, unique=True)),
    min_size=1,
    max_size=5,
)


@given(questions, st.sampled_from(",;\t"))
def test_a_sheet_of_any_texts_is_imported_as_it_is(
    rows: list[tuple[str, list[str]]], delimiter: str
) -> None:
    file = io.StringIO()
    writer = csv.writer(file, delimiter=delimiter)
    writer.writerow(["question", *(f"choice {n}" for n in range(1, CHOICES_MAX + 1))])
    for question, choices in rows:
        writer.writerow([question, *choices])
    show = read_show(import_questions("q.csv", file.getvalue().encode()), "q.toml")
    assert [
        (question.text["en"], [choice.text["en"] for choice in question.choices])
        for question in show.questions
    ] == rows


@given(st.binary(max_size=300))
def test_any_bytes_are_a_sheet_or_a_mistake(data: bytes) -> None:
    try:
        read_show(import_questions("any.csv", data), "any.toml")
    except YourMistake as mistake:
        assert mistake.remedy


cells = st.one_of(st.sampled_from(["", "x", "1", "C", "yes", "60s", "#REF!", "0:10:00"]), words)
headings = st.sampled_from(
    ["question", "question (fr)", "a", "b", "c (fr)", "right", "multiple", "opens", "duration", "?"]
)


@given(st.lists(headings, max_size=8), st.lists(st.lists(cells, max_size=8), max_size=4))
def test_any_sheet_becomes_a_good_show_file_or_mistakes(
    head: list[str], rows: list[list[str]]
) -> None:
    file = io.StringIO()
    csv.writer(file).writerows([head, *rows])
    try:
        read_show(import_questions("any.csv", file.getvalue().encode()), "any.toml")
    except YourMistake as mistake:
        assert mistake.findings or not any(head)
