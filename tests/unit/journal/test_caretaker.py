"""A mirror is filled in the background, and nobody waits for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cared_journal import MEMBER, Cared, bring_up, write
from structlog.testing import capture_logs

from hairpin.journal.caretaker import Caretaker


@pytest.fixture
def cared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cared]:
    for name in ("REST_S", "LOOK_S", "RETRY_S"):
        monkeypatch.setattr(f"hairpin.journal.caretaker.{name}", 0.001)
    cared = Cared(tmp_path, 2)
    cared.night()
    yield cared
    cared.end()


def tend_until(caretaker: Caretaker, done: Callable[[], bool]) -> None:
    for _ in range(4_000):
        caretaker.tend()
        if done():
            return
        time.sleep(0.005)
    raise AssertionError("it does not come to that")


def test_nothing_to_do_costs_nothing(cared: Cared) -> None:
    caretaker = Caretaker(cared.world, cared.journal.mirrors)
    caretaker.tend()
    assert caretaker.rest_s is None
    caretaker.close()


def test_a_stale_mirror_becomes_a_member_in_the_background(cared: Cared) -> None:
    cared.lose(1)
    writer = cared.born()
    write(writer, b"meanwhile")
    mirrors = cared.journal.mirrors
    caretaker = Caretaker(cared.world, mirrors)
    assert caretaker.rest_s == 0.0
    tend_until(caretaker, lambda: cared.states()["b"] == MEMBER)
    bring_up(writer)  # learns of it
    tend_until(caretaker, lambda: caretaker.rest_s is None)
    assert cared.files(1) == cared.files(0)
    caretaker.close()


def test_a_mirror_that_hangs_is_not_waited_for(cared: Cared) -> None:
    cared.lose(1)
    caretaker = Caretaker(cared.world, cared.journal.mirrors)
    cared.disk.hang(cared.places[1])
    for _ in range(20):
        caretaker.tend()  # returns at once, or the test's time is over
    assert cared.states()["b"] != MEMBER
    cared.disk.mend(cared.places[1])
    tend_until(caretaker, lambda: cared.states()["b"] == MEMBER)
    caretaker.close()


def test_a_disk_that_fails_is_tried_again_and_told_once(cared: Cared) -> None:
    cared.lose(1)
    caretaker = Caretaker(cared.world, cared.journal.mirrors)
    cared.disk.fail(cared.places[1])
    with capture_logs() as logs:
        for _ in range(40):
            caretaker.tend()
            time.sleep(0.002)
    told = [entry for entry in logs if entry["event"] == "a mirror cannot be filled"]
    assert len(told) == 1
    cared.disk.mend(cared.places[1])
    tend_until(caretaker, lambda: cared.states()["b"] == MEMBER)
    caretaker.close()
