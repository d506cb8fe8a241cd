"""The crowd against a small gate that keeps its own books: both must agree."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from hairpin.errors import EngineDown, YourMistake
from hairpin.rehearsal.crowd import Crowd, Progress, Settings
from hairpin.rehearsal.record import CrowdRecord, read_record
from hairpin.rehearsal.script import Habits
from hairpin.world import real_world

StartGate = Callable[..., Awaitable[Any]]
LIVELY = Habits(repeats=0.2, drops=0.1, late=0.05, early=0.05, changes_mind=0.1, forges=0.05)


def crowd(url: str, out: Path, seen: list[Progress], fans: int = 150) -> Crowd:
    settings = Settings(url, fans, 12, 7, LIVELY, exit_after_over=True)
    return Crowd(settings, out, real_world(), seen.append)


def balanced(record: CrowdRecord) -> bool:
    totals = record.totals
    outcomes = totals.acknowledged + sum(totals.refused.values()) + totals.unanswered
    return totals.sent == outcomes


def assert_agree(record: CrowdRecord, gate: Any) -> None:
    assert balanced(record)
    for question in range(2):
        counted = gate.counted(question)
        sent = set(record.number[record.sent[question]].tolist())
        acknowledged = set(record.number[record.acknowledged[question]].tolist())
        assert acknowledged <= counted <= sent
    assert record.totals.acknowledged <= len(gate.journal)
    assert record.totals.forged_accepted == 0


async def test_a_whole_show_with_every_habit(start_gate: StartGate, tmp_path: Path) -> None:
    gate, seen = await start_gate(), []
    await crowd(gate.url, tmp_path, seen).run()
    record = read_record(tmp_path)
    assert_agree(record, gate)
    totals = record.totals
    assert totals.acknowledged > 20
    assert {"bad_ticket", "no_such_choice", "not_open", "closed"} <= set(totals.refused)
    assert totals.unanswered > 0, "some connections break before the reply"
    assert totals.now_requests > 0
    assert totals.fans == record.joined.sum() == len(gate.tickets)
    assert totals.claims == len(gate.claims) == 3
    assert all("Synthetic" in claim["name"] and claim["consent"] for claim in gate.claims)
    assert seen[0].joined == 0
    assert seen[-1].of == 2


async def test_dropped_connections_and_503_are_retried(
    start_gate: StartGate, tmp_path: Path
) -> None:
    gate = await start_gate(drop_every=9, overload_every=7)
    await crowd(gate.url, tmp_path, []).run()
    record = read_record(tmp_path)
    assert_agree(record, gate)
    assert record.totals.refused["overloaded"] > 0
    assert record.totals.connections_lost > 0
    repeats = len(gate.journal) - sum(len(gate.counted(question)) for question in range(2))
    assert repeats > 0


async def test_it_outlives_a_node_that_is_away_for_a_while(
    start_gate: StartGate, tmp_path: Path
) -> None:
    gate, seen = await start_gate(), []
    running = asyncio.create_task(crowd(gate.url, tmp_path, seen).run())
    while not gate.journal:
        await asyncio.sleep(0.01)
    gate.deaf = True
    await asyncio.sleep(0.3)
    gate.deaf = False
    at_return = len(gate.journal)
    await running
    assert_agree(read_record(tmp_path), gate)
    assert len(gate.journal) > at_return


async def test_stopping_it_keeps_what_was_sent(start_gate: StartGate, tmp_path: Path) -> None:
    gate = await start_gate()
    running = asyncio.create_task(crowd(gate.url, tmp_path, []).run())
    while len(gate.journal) < 5:
        await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert_agree(read_record(tmp_path), gate)


async def test_an_address_where_nobody_listens_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hairpin.rehearsal.crowd.FIRST_ANSWER_S", 0.2)
    with pytest.raises(EngineDown, match=r"http://127\.0\.0\.1:1 does not answer"):
        await crowd("http://127.0.0.1:1", tmp_path, []).run()


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "http://a/b", "http://a:x", "ftp://a", ""])
def test_an_address_of_another_kind_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(YourMistake, match="allowed: http://HOST or https://HOST"):
        crowd(url, tmp_path, [])
