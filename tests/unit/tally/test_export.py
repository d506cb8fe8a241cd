"""Results for analysts: every cell, small ones suppressed, and nothing of a single fan."""

from __future__ import annotations

import csv
import io
import json

from small_show import FR, GB, Answer, answer, armed, make_question, make_show, opened_ms
from strands import Strands

from hairpin import messages as m
from hairpin.show import Show
from hairpin.tally.book import Book
from hairpin.tally.export import Row, as_csv, as_json, rows
from hairpin.tally.recount import Recount
from hairpin.tally.snapshot import Snapshots

DIRECTOR, GATE = 1, 2


def counted(show: Show, *answers: Answer) -> Book:
    strands = Strands()
    strands.control(DIRECTOR, m.Born(0, "director"))
    strands.control(DIRECTOR, armed(show))
    for question in range(len(show.questions)):
        strands.control(DIRECTOR, m.Opened(opened_ms(question), question))
        strands.control(DIRECTOR, m.Closed(opened_ms(question) + 20_000, question))
    strands.control(GATE, m.Born(0, "gate"))
    strands.answers(GATE, answers)
    strands.seal(GATE)
    book = strands.read(strands.book())
    book.settle([DIRECTOR, GATE])
    return book


def recount_of(book: Book) -> Recount:
    told = Snapshots(book).take(0, None, 0.0)
    return Recount(
        show=book.show.id,
        journalled=sum(q.journalled for q in told.questions),
        counted=sum(q.answers for q in told.questions),
        repeats=sum(q.repeats for q in told.questions),
        questions=told.questions,
        leaders=told.leaders,
        more=told.more,
        fans=told.fans,
        head=told.head,
        strands=2,
        frames=5,
        heads_verified=0,
    )


def some_answers() -> list[Answer]:
    french = [answer(fan, 0b001, country=FR, band=1) for fan in range(3)]
    wrong = [answer(fan, 0b010, country=FR, band=1) for fan in range(10, 12)]
    british = [answer(fan, 0b100, country=GB, band=2) for fan in range(20, 24)]
    return [*french, *wrong, *british, answer(30, 0b001, country=GB, band=0)]


def test_cells_come_in_order_and_small_ones_without_their_number() -> None:
    book = counted(make_show(2, cell_min=3), *some_answers())
    assert rows(book) == [
        Row("q1", "right", 0, "GB", None),
        Row("q1", "right", 1, "FR", 3),
        Row("q1", "wrong", 1, "FR", None),
        Row("q1", "wrong", 2, "GB", 4),
    ]


def test_a_minimum_of_one_suppresses_nothing() -> None:
    book = counted(make_show(1, cell_min=1), *some_answers())
    assert [row.answers for row in rows(book)] == [1, 3, 2, 4]


def test_a_poll_has_answers_and_nobody_right() -> None:
    book = counted(make_show([make_question(1, right=0)], cell_min=1), *some_answers())
    assert {row.outcome for row in rows(book)} == {"answer"}
    assert sum(row.answers or 0 for row in rows(book)) == 10


def test_a_question_that_never_opened_has_no_cells() -> None:
    strands = Strands()
    strands.control(DIRECTOR, armed(make_show(1)))
    assert rows(strands.read(strands.book())) == []


def test_csv_has_a_header_and_an_empty_field_where_a_cell_is_suppressed() -> None:
    book = counted(make_show(2, cell_min=3), *some_answers())
    text = as_csv(book, recount_of(book))
    table = list(csv.reader(io.StringIO(text)))
    assert text.startswith("question,outcome,age_band,country,answers\r\n")
    assert table[1:] == [
        ["q1", "right", "0", "GB", ""],
        ["q1", "right", "1", "FR", "3"],
        ["q1", "wrong", "1", "FR", ""],
        ["q1", "wrong", "2", "GB", "4"],
    ]


def test_json_has_exact_totals_and_null_where_a_count_is_suppressed() -> None:
    book = counted(make_show(2, cell_min=3), *some_answers())
    found = recount_of(book)
    document = json.loads(as_json(book, found))
    assert document["head"] == found.head
    assert document["cell_min"] == 3
    assert document["questions"][0] == {
        "id": "q1",
        "status": "final",
        "version": 1,
        "answers": 10,
        "right": 4,
        "wrong": 6,
        "by_choice": [4, None, 4],
        "best_country": {"country": "FR", "right": 3, "answers": 5},
        "published": [],
    }
    assert document["questions"][1]["by_choice"] == [0, 0, 0]
    assert [cell["answers"] for cell in document["cells"]] == [None, 3, None, 4]


def test_no_export_names_a_fan() -> None:
    fan = 1_618_033
    book = counted(make_show(1, cell_min=1), answer(fan))
    found = recount_of(book)
    assert found.leaders[0].fan == fan
    for text in (as_csv(book, found), as_json(book, found)):
        assert str(fan) not in text
