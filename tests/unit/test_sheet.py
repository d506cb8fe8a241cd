"""A spreadsheet of questions: which columns and cells mean what, and what is wrong with a cell."""

from __future__ import annotations

import csv
import io
import zipfile
from datetime import time, timedelta
from pathlib import Path

import openpyxl
import pytest

from hairpin.errors import YourMistake
from hairpin.sheet import import_questions
from hairpin.show import Mode, Show
from hairpin.showfile import read_show

EXAMPLE = Path(__file__).parents[2] / "examples/questions.csv"
HEAD = "question,choice 1,choice 2,choice 3,right,opens\n"


def imported(data: str | bytes, language: str = "en") -> Show:
    data = data.encode() if isinstance(data, str) else data
    return read_show(import_questions("my questions.csv", data, language), "imported")


def mistakes(data: str | bytes) -> list[str]:
    data = data.encode() if isinstance(data, str) else data
    with pytest.raises(YourMistake) as caught:
        import_questions("q.csv", data)
    return [str(finding) for finding in caught.value.findings]


def refused(data: bytes) -> YourMistake:
    with pytest.raises(YourMistake) as caught:
        import_questions("q.csv", data)
    assert caught.value.remedy
    return caught.value


def workbook(*rows: tuple[object, ...]) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    for row in rows:
        sheet.append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


# --- what comes out -------------------------------------------------------------------------------


def test_the_example() -> None:
    show = imported(EXAMPLE.read_bytes())
    assert (show.id, show.title["en"]) == ("my-questions", "my questions")
    assert show.languages == ("en", "fr")
    assert show.mode is Mode.CLOCK
    strings, percussion, song = show.questions
    assert strings.text["fr"].startswith("Combien de cordes")
    assert [choice.text["fr"] for choice in strings.choices] == ["4", "5", "6", "7"]
    assert (strings.right, strings.opens_after_ms, strings.duration_ms) == (0b100, 600_000, 60_000)
    assert strings.explanation == {"en": "E, A, D, G, B and E.", "fr": "Mi, la, ré, sol, si et mi."}
    assert (percussion.right, percussion.multiple) == (0b101, True)
    assert song.poll
    assert len(song.choices) == 2


def test_a_workbook_gives_the_same_show_as_its_csv() -> None:
    with EXAMPLE.open(encoding="utf-8", newline="") as file:
        rows = [tuple(row) for row in csv.reader(file)]
    text = import_questions("q.xlsx", workbook(*rows))
    assert text.replace("q.xlsx", "q.csv") == import_questions("q.csv", EXAMPLE.read_bytes())


def test_cells_of_a_workbook_that_are_not_text() -> None:
    show = imported(
        workbook(
            ("Question", "A", "B", "Right", "Multiple", "Opens", "Duration"),
            ("Which year?", 1984, 1984.5, 2.0, False, time(0, 10), 45),
            (None,) * 7,
            ("Again?", "x", True, None, None, timedelta(hours=25), timedelta(minutes=1)),
        )
    )
    first, second = show.questions
    assert [choice.text["en"] for choice in first.choices] == ["1984", "1984.5"]
    assert (first.right, first.multiple, first.poll) == (0b10, False, False)
    assert (first.opens_after_ms, first.duration_ms) == (600_000, 45_000)
    assert [choice.text["en"] for choice in second.choices] == ["x", "yes"]
    assert (second.opens_after_ms, second.duration_ms) == (90_000_000, 60_000)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("start", ["", "\ufeff", "\n\n"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_delimiters_byte_order_marks_and_line_ends(delimiter: str, start: str, end: str) -> None:
    rows = [
        ["question", "choice 1", "choice 2"],
        ['"One, two; or three?"', "a", "b"],
        ['"He said ""louder""' + end + 'twice"', "c", "d"],
    ]
    show = imported(start + end.join(delimiter.join(row) for row in rows) + end)
    assert show.questions[0].text["en"] == "One, two; or three?"
    assert show.questions[1].text["en"] == 'He said "louder"\ntwice'


def test_headings_in_any_order_in_capitals_and_by_letter() -> None:
    show = imported("RIGHT,b,Choice C,a, QUESTION \nc,y,z,x,Which?\n")
    (question,) = show.questions
    assert [choice.text["en"] for choice in question.choices] == ["x", "y", "z"]
    assert question.right == 0b100


@pytest.mark.parametrize(
    ("right", "mask"),
    [("2", 0b10), ("B", 0b10), ('"1,3"', 0b101), ("a c", 0b101), ("1; 3", 0b101), ("", 0)],
)
def test_right_is_numbers_or_letters(right: str, mask: int) -> None:
    assert imported(f"{HEAD}?,x,y,z,{right},\n").questions[0].right == mask


def test_without_opening_times_the_producer_opens_by_hand() -> None:
    show = imported(HEAD + "?,x,y,,1,\n")
    assert show.mode is Mode.HAND
    assert show.questions[0].duration_ms is None


def test_with_opening_times_a_question_has_a_duration() -> None:
    assert imported(HEAD + "?,x,y,,1,60\n").questions[0].duration_ms == 60_000


def test_columns_without_a_language_are_in_the_one_named() -> None:
    show = imported("question,question (en),a,b\nHein ?,What?,x,y\n", language="fr")
    assert show.languages == ("fr", "en")
    assert show.questions[0].text == {"fr": "Hein ?", "en": "What?"}


def test_every_language_in_its_own_column() -> None:
    show = imported("question (fr),question (pt-BR),a (fr),a (pt-BR),b (fr)\nA,B,C,D,9\n")
    assert show.languages == ("fr", "pt-BR")
    assert show.questions[0].choices[0].text == {"fr": "C", "pt-BR": "D"}
    assert show.questions[0].choices[1].text == {"fr": "9", "pt-BR": "9"}


def test_other_columns() -> None:
    show = imported(
        "id,question,a,b,image,explanation,# mine,\nfirst,?,x,y,img/a.png,Because.,easy,\n"
    )
    (question,) = show.questions
    assert (question.id, question.image) == ("first", "img/a.png")
    assert question.explanation == {"en": "Because."}


def test_texts_cannot_break_out_of_the_file() -> None:
    text = 'a"b\\c]] = 1 # {x}'
    quoted = text.replace('"', '""')
    show = imported(f'question,a,b\n"{quoted}",x,y\n')
    assert show.questions[0].text["en"] == text


# --- what is wrong with a cell --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "mistake"),
    [
        ("questoin,a,b\n?,x,y\n", 'A1: found the heading "questoin"; allowed: did you mean quest'),
        ("question,a,b,Zebra\n?,x,y,1\n", 'D1: found the heading "Zebra"; allowed: question, ch'),
        ("question,a,b,right (fr)\n?,x,y,1\n", 'D1: found the heading "right (fr)"; allowed: '),
        ("question,a,b,choice 9\n?,x,y,1\n", 'D1: found the heading "choice 9"; allowed: '),
        ("question,a,b,choice 1\n?,x,y,1\n", "D1: found the same column as B1; allowed: every"),
        ("question,a,b,a (klingon)\n?,x,y,z\n", 'D1: found "klingon"; allowed: a language tag'),
        ("question,a\n?,x\n", "row 1: found no column `choice 2`; allowed: question, choice 1 to"),
        ("question,a,b\n", "row 2: found nothing; allowed: one row for each question"),
        (HEAD + ",x,y,,1,\n", "A2 (question): found an empty cell; allowed: a text of 1 to 200"),
        (HEAD + "?,x,,z,1,\n", "C2 (choice 2): found an empty cell; allowed: a text of 1 to 80"),
        (HEAD + "?,x,,,1,\n", "C2 (choice 2): found a list of 1; allowed: a list of 2 to 8"),
        (HEAD + "?,x,x,,1,\n", 'C2 (choice 2): found "x"; allowed: not the same as choice 1'),
        (HEAD + "?,x,y,,C,\n", "E2 (right): found 3; allowed: the number of the right choice, 1 t"),
        (HEAD + "?,x,y,,yes,\n", 'E2 (right): found "yes"; allowed: numbers or letters of choices'),
        (HEAD + "?,x,y,,#REF!,\n", "E2 (right): found #REF!; allowed: a value, not the error"),
        (HEAD + "?,x,y,,1,soon\n", 'F2 (opens): found "soon"; allowed: 0s to 30d'),
        (HEAD + "?,x,y,,1,60\n\n?,x,y,,1,\n", "F4 (opens): found nothing; allowed: when it opens"),
        (HEAD + "?,x,y,,1,1m\n?,x,y,,1,2m\n", "F3 (opens): found 2m after the start; allowed: 2m"),
        ("question,a,b,duration\n?,x,y,0\n", "D2 (duration): found 0; allowed: 1s to 1d"),
        ("question,a,b,multiple\n?,x,y,2\n", 'D2 (multiple): found "2"; allowed: yes or no'),
        ("question,a,b,image\n?,x,y,z\n", 'D2 (image): found "z"; allowed: a path beside'),
        ("question,a,b,id\n?,x,y,Q 1\n", 'D2 (id): found "Q 1"; allowed: a short name'),
        ("question,question (fr),a,b\n?,,x,y\n", "B2 (question (fr)): found nothing; allowed: "),
        ("question,a,a (fr),b\n?,x,x,y\n", "row 2 (question (fr)): found nothing; allowed: a te"),
    ],
)
def test_a_mistake_names_its_cell(data: str, mistake: str) -> None:
    named = [found for found in mistakes(data) if found.startswith(mistake)]
    assert len(named) == 1, mistakes(data)


def test_all_mistakes_are_named_at_once_by_rows() -> None:
    found = mistakes("question,a,b,right,note\n,x,y,9,\n?,#N/A,,1,\n")
    assert [mistake.partition(":")[0] for mistake in found] == [
        *("E1", "A2 (question)", "D2 (right)", "B3 (choice 1)", "C3 (choice 2)"),
    ]


def test_a_rule_about_another_question_names_its_row() -> None:
    (mistake,) = mistakes(HEAD + "?,x,y,,1,1m\n\n?,x,y,,1,2m\n")
    assert mistake.endswith("when row 2 is revealed")


# --- what is no sheet -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "q.csv is empty"),
        (b"\n , \n", "q.csv is empty"),
        (b"question\nD\xe9j\xe0 vu?\n", "q.csv is not text in UTF-8: line 2 holds the byte 0xe9"),
        (b'question,a\n"?,x\n', "q.csv, line 2: not CSV: unexpected end of data"),
        (b"\xd0\xcf\x11\xe0" + bytes(600), "q.csv is in the old format of Excel (XLS)"),
        (b"PK\x03\x04 and no more", "q.csv is not a whole XLSX workbook: File is not a zip file"),
        (b"a\n" * 10_001, "q.csv has more than 10000 rows"),
        (bytes(10 * 1024 * 1024 + 1), "q.csv has 10485761 bytes"),
    ],
)
def test_what_is_no_sheet(data: bytes, message: str) -> None:
    assert message in refused(data).message


def test_a_workbook_that_was_cut_off() -> None:
    whole = workbook(("question", "a", "b"), ("?", "x", "y"))
    for size in range(4, len(whole), 97):
        assert "not a whole XLSX workbook" in refused(whole[:size]).message


def test_an_archive_that_is_no_workbook() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("hello.txt", "hello")
    assert "not a whole XLSX workbook" in refused(file.getvalue()).message


def test_a_file_name_that_is_not_unicode() -> None:
    text = import_questions("caf\udce9.csv", b"question,a,b\n?,x,y\n")
    assert text.encode().startswith(b"# Imported from caf?.csv.")
