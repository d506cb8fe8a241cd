"""Gates share the connections evenly: from the beginning, and after another one starts."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from living_node import LivingNode, wait_until
from raw_http import RawClient
from shows import by_hand

Node = Callable[..., LivingNode]
CLIENTS = 240
NOW = b"GET /now HTTP/1.1\r\nHost: a\r\n\r\n"


def counts(node: LivingNode) -> dict[int, int]:
    """Open connections of each living gate, by incarnation."""
    return {gate["incarnation"]: gate["connections"] for gate in node.tally()["gates"]}


def even(node: LivingNode, gates: int, total: int) -> bool:
    found = list(counts(node).values())
    mean = total / gates
    return len(found) == gates and all(abs(count - mean) <= 0.2 * mean for count in found)


def test_connections_that_stay_open_are_shared_also_with_a_gate_that_starts_later(
    node: Node,
) -> None:
    running = node(by_hand(), gates=3)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(RawClient(running.port)) for _ in range(CLIENTS)]
        for client in clients:
            client.send(NOW)
        assert all(client.reply().status == 200 for client in clients)
        wait_until(lambda: even(running, 3, CLIENTS), "even shares")

        victim = running.facts.gates[0]
        running.kill(victim)
        running.wait_replaced(victim)
        left = []
        for client in clients:
            client.send(NOW)
            with contextlib.suppress(AssertionError):  # those of the dead gate are broken
                if client.reply().status == 200:
                    left.append(client)
        assert CLIENTS * 0.5 < len(left) < CLIENTS * 0.8
        wait_until(lambda: even(running, 3, len(left)), "even shares with the new gate")
        for client in left:
            client.send(NOW)
        assert all(client.reply().status == 200 for client in left), "none was lost on the way"
