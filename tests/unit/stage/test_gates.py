"""Counters over all gates never go backwards, whoever dies."""

from __future__ import annotations

from typing import Any

from hairpin.stage.gates import DEAD_MAX, GateBook


def test_sums_over_gates(make: Any) -> None:
    book = GateBook()
    book.update({1: make.report(1), 2: make.report(2, refused={"late": 1, "ticket": 4})})
    assert (book.acknowledged, book.tickets, book.commits) == (200, 100, 18)
    assert book.refused() == {"late": 4, "ticket": 4}
    assert book.requests() == {"answer": 206, "now": 14}
    assert [report.incarnation for report in book.alive()] == [1, 2]


def test_a_dead_gate_counts_on(make: Any) -> None:
    book = GateBook()
    book.update({1: make.report(1), 2: make.report(2)})
    book.update({2: make.report(2), 3: make.report(3, acknowledged=5)})
    assert book.acknowledged == 205
    assert [report.incarnation for report in book.alive()] == [2, 3]


def test_an_older_report_is_ignored(make: Any) -> None:
    book = GateBook()
    book.update({1: make.report(1, at_ms=200, acknowledged=9)})
    book.update({1: make.report(1, at_ms=100, acknowledged=4)})
    assert book.acknowledged == 9


def test_a_crash_loop_costs_no_memory_and_no_count(make: Any) -> None:
    book = GateBook()
    for incarnation in range(10 * DEAD_MAX):
        book.update({incarnation: make.report(incarnation, acknowledged=1)})
    assert book.acknowledged == 10 * DEAD_MAX
    assert book.refused() == {"late": 30 * DEAD_MAX}
    assert len(book._last) <= DEAD_MAX + 1
    book.update({0: make.report(0, at_ms=make.start_ms + 1, acknowledged=1)})
    assert book.acknowledged == 10 * DEAD_MAX, "a long dead gate was counted twice"
