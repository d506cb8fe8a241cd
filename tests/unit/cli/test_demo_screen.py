from __future__ import annotations

import io

import msgspec
from rich.console import Console

from hairpin.cli.demo_screen import DemoScreen, hairpin
from hairpin.messages import BestCountry, Cell, Leader
from hairpin.rehearsal.ledger import Ledger, LedgerQuestion

LEDGER = Ledger(
    show="first-light",
    balanced=True,
    problems=(),
    fans=2_000,
    visitors=1,
    sent=2_100,
    acknowledged=2_050,
    unanswered=20,
    refused={"closed": 25, "bad_ticket": 5},
    journalled=2_051,
    repeats=60,
    counted=1_991,
    recounted=1_991,
    questions=(
        LedgerQuestion(
            id="q1",
            by_choice=(1_000, 991),
            by_age_band=(Cell(700, 300), Cell(800, 500), Cell(491, 200)),
            by_country={"FR": Cell(1_991, 1_000)},
            right=1_000,
            wrong=991,
            best_country=BestCountry(country="FR", right=1_000, answers=1_991),
        ),
    ),
    leaderboard=(
        Leader(rank=1, fan=4_711, right=1, total_ms=812, country="FR", age_band=1, tied=1),
    ),
    wall_lag_ms_p99=84.0,
    latency_ms_p50=1.5,
    latency_ms_p99=7.25,
    seconds=70.0,
)


def printed(ledger: Ledger) -> str:
    file = io.StringIO()
    DemoScreen(Console(file=file, width=100, color_system=None)).ledger(ledger)
    return file.getvalue()


def test_the_rate_draws_a_hairpin() -> None:
    assert hairpin([0.0, 50.0, 100.0, 50.0, 0.0]) == "< ▄█▄ >"
    assert hairpin([0.0, 0.0]) == "<  >"
    assert hairpin([]) == "<>"


def test_a_ledger_that_balances_says_so_with_its_numbers() -> None:
    text = printed(LEDGER)
    assert "The ledger balances." in text
    for words in (
        "FR  50% right",
        "4711",
        "0.812",
        "2,051",
        "bad_ticket 5, closed 25",
        "1 visitors",
    ):
        assert words in text, words


def test_a_ledger_that_does_not_balance_names_each_problem() -> None:
    lost = "question q1: 1 fans were acknowledged, but not counted: fans 7"
    text = printed(msgspec.structs.replace(LEDGER, balanced=False, problems=(lost, "more [b]")))
    assert "The ledger does not balance:" in text
    assert f"- {lost}" in text
    assert "- more [b]" in text
