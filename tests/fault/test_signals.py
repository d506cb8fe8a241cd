"""Processes that stand still, die at the wrong moment, or are asked to end."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from living_node import LivingNode, wait_until
from raw_http import RawClient
from shows import by_hand, question

from hairpin.frame import Kind
from hairpin.node.data import open_journal
from hairpin.world import RealClock

pytestmark = pytest.mark.fault

SETTINGS = 'join_allow = ["127.0.0.0/8"]\n'
Nodes = Callable[..., LivingNode]


def status(node: LivingNode, question: int = 0) -> str:
    text: str = node.tally()["questions"][question]["status"]
    return text


def children(pid: int) -> set[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return {int(child) for child in text.split()}


def lives(pid: int) -> bool:
    """A zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


# --- standing still -------------------------------------------------------------------------------


def test_a_result_waits_for_a_gate_that_stands_still_and_names_it(node: Nodes) -> None:
    running = node(by_hand(), settings=SETTINGS)
    tickets = [running.join() for _ in range(20)]
    running.step("open", 0)
    running.wait_state("open")
    assert [running.answer(ticket, 0, 1) for ticket in tickets] == [204] * 20
    frozen = running.facts.gates[0]
    wait_until(lambda: len(running.tally()["gates"]) == 2, "reports of both gates")
    incarnations = {gate["pid"]: gate["incarnation"] for gate in running.tally()["gates"]}
    running.kill(frozen, signal.SIGSTOP)
    running.step("close", 0)
    wait_until(lambda: status(running) == "provisional", "a provisional result")
    wait_until(
        lambda: running.tally()["questions"][0]["missing"] == [incarnations[frozen]],
        "the other gate's close marker",
    )
    running.step("reveal", 0)
    assert running.tally()["questions"][0]["status"] == "provisional"
    running.kill(frozen, signal.SIGCONT)
    wait_until(lambda: status(running) == "final", "the final result")
    tally = running.tally()["questions"][0]
    assert (tally["missing"], tally["answers"]) == ([], 20)
    assert running.interrupt() == 0
    assert running.recounter().run().counted == 20


def test_a_gate_that_stands_still_and_dies_is_fenced(node: Nodes) -> None:
    running = node(by_hand(), settings=SETTINGS)
    running.step("open", 0)
    frozen = running.facts.gates[1]
    running.kill(frozen, signal.SIGSTOP)
    running.step("close", 0)
    wait_until(lambda: status(running) == "provisional", "a provisional result")
    running.kill(frozen)
    wait_until(lambda: status(running) == "final", "the final result")


def test_answers_are_taken_while_the_stage_stands_still(node: Nodes) -> None:
    running = node(by_hand(), settings=SETTINGS)
    tickets = [running.join() for _ in range(10)]
    running.step("open", 0)
    running.wait_state("open")
    running.kill(running.facts.stage, signal.SIGSTOP)
    assert [running.answer(ticket, 0, 1) for ticket in tickets] == [204] * 10
    running.kill(running.facts.stage, signal.SIGCONT)
    wait_until(lambda: running.tally()["counted"] == 10, "the count")


# --- dying ----------------------------------------------------------------------------------------


def test_a_gate_born_while_the_stage_stands_still_does_not_outlive_its_parent(
    node: Nodes,
) -> None:
    """It waits for the running order; if nobody ever tells it, it must end all the same."""
    running = node(by_hand())
    facts = running.facts
    running.kill(facts.stage, signal.SIGSTOP)
    running.kill(facts.gates[0])
    born = wait_until(
        lambda: children(running.pid) - {facts.stage, *facts.gates}, "a gate in its place"
    )
    running.kill_parent()
    wait_until(lambda: not any(lives(pid) for pid in (*born, facts.gates[1])), "all gates' end")
    running.kill(facts.stage)
    running.start()
    assert running.now()["state"] == "waiting"


def test_the_children_of_a_dead_parent_end_in_order(node: Nodes) -> None:
    running = node(by_hand(), settings=SETTINGS)
    facts = running.facts
    ticket = running.join()
    running.step("open", 0)
    running.wait_state("open")
    assert running.answer(ticket, 0, 1) == 204
    running.kill_parent()
    pids = (facts.stage, *facts.gates)
    wait_until(lambda: not any(lives(pid) for pid in pids), "the children's end")
    assert unsealed(running) == []


def test_a_question_goes_on_where_it_was(node: Nodes) -> None:
    running = node(by_hand([question(duration_s=3_600)]), settings=SETTINGS)
    ticket = running.join()
    running.step("open", 0)
    running.wait_state("open")
    before = running.now()["question"]
    running.kill_all()
    running.start()
    assert running.now()["question"] == before
    assert running.answer(ticket, 0, 1) == 204


def test_a_question_whose_time_passed_meanwhile_is_closed(node: Nodes) -> None:
    running = node(by_hand([question(duration_s=5), question()]), settings=SETTINGS)
    ticket = running.join()
    running.step("open", 0)
    running.wait_state("open")
    assert running.answer(ticket, 0, 1) == 204
    running.kill_all()
    closes_at = opened_at(running, 0) + 5_000
    wait_until(lambda: RealClock().now_ms() > closes_at, "the end of its time")
    running.start()
    assert running.answer(ticket, 0, 1) == 410
    running.wait_state("closed")
    wait_until(lambda: status(running) == "final", "the final result")
    assert running.tally()["questions"][0]["answers"] == 1


def opened_at(node: LivingNode, question: int) -> int:
    recounter = node.recounter()
    recounter.run()
    at = recounter.book.lines[question].opened_ms
    assert at is not None
    return at


def test_where_the_node_is_cannot_be_told_and_it_runs_on(node: Nodes) -> None:
    running = node(by_hand())
    facts = running.facts
    place = running.data / "node.json"
    place.unlink()
    place.mkdir()
    try:
        running.kill(facts.gates[0])
        wait_until(lambda: "out of date" in running.errors(), "a warning")
        assert running.now()["state"] == "waiting"
        assert lives(running.pid)
    finally:
        place.rmdir()
    assert running.interrupt() == 0


# --- ending ---------------------------------------------------------------------------------------


def unsealed(node: LivingNode) -> list[int]:
    """Strands whose last frame is no seal."""
    journal = open_journal(node.data)
    found = []
    for incarnation in journal.incarnations():
        kinds = [frame.kind for frame in journal.follow(incarnation).read()]
        if not kinds or kinds[-1] is not Kind.SEAL:
            found.append(incarnation)
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_ends_everything_in_order(node: Nodes, number: signal.Signals) -> None:
    running = node(by_hand(), settings=SETTINGS)
    facts = running.facts
    ticket = running.join()
    running.step("open", 0)
    running.wait_state("open")
    with contextlib.ExitStack() as open_connections:
        for port in (running.port, running.port, running.port + 1):
            idle = RawClient(port)
            open_connections.enter_context(idle)
            idle.send(b"GET /now HT")
        listening = RawClient(running.port + 1)
        open_connections.enter_context(listening)
        listening.send(
            b"GET /events/wall HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %b\r\n\r\n"
            % facts.token.encode()
        )
        assert running.answer(ticket, 0, 1) == 204
        # As a terminal does it: the whole foreground group hears of it.
        os.killpg(running.pid, number)
        assert running.exit_code() == 0
    assert not any(lives(pid) for pid in (facts.stage, *facts.gates))
    assert unsealed(running) == []
    assert not (running.data / "node.json").exists()
    assert "Traceback" not in running.errors()
    assert "had to be killed" not in running.errors()
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", running.port))
    assert running.recounter().run().counted == 1


def test_a_second_signal_does_no_harm(node: Nodes) -> None:
    running = node(by_hand())
    running.kill(running.pid, signal.SIGINT)
    running.kill(running.pid, signal.SIGINT)
    assert running.interrupt() == 0
    assert unsealed(running) == []
