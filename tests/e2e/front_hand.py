"""nginx before a node of two gates: what the tests of the front share."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
from living_front import LivingFront
from living_node import LivingNode, free_ports
from shows import by_hand, question

JOIN_BURST = 20
SETTINGS = f"""
trusted_proxies = ["127.0.0.1"]
join_allow = ["127.0.9.0/24"]
join_burst = {JOIN_BURST}
join_per_s = 0.001
"""
VENUE = "127.0.9.9"
"""Addresses of ours that nginx sees; gates see only what it says of them."""
MakeFront = Callable[..., LivingFront]


def open_node(node: Callable[..., LivingNode]) -> LivingNode:
    """Two gates; question 1 is open."""
    running = node(by_hand([question()] * 3), settings=SETTINGS)
    running.step("open", 0)
    running.wait_state("open")
    return running


@contextmanager
def fronts(running: LivingNode, directories: pytest.TempPathFactory) -> Iterator[MakeFront]:
    with ExitStack() as ends:

        def make(*gates: str, options: tuple[str, ...] = ()) -> LivingFront:
            """Before these gates; none: before the node."""
            config = directories.mktemp("config") / "hairpin.toml"
            config.write_text(SETTINGS)
            front = LivingFront(
                directories.mktemp("front"),
                [*gates] or [f"127.0.0.1:{running.port}"],
                *("--config", str(config)),
                *options,
            )
            ends.callback(front.end)
            front.start()
            return front

        yield make


def join(front: LivingFront) -> str:
    reply = front.ask("POST", "/t/1FR", VENUE)
    assert reply.status == 201, reply
    ticket: str = json.loads(reply.body)["ticket"]
    return ticket


def answer_path(ticket: str, choice: int = 2, elapsed_ms: int = 900) -> str:
    return f"/a/{ticket}/00{choice:02x}{elapsed_ms:07x}"


def requests_at_gates(node: LivingNode, kind: str) -> int:
    status, text = node.get("/metrics", private=True)
    assert status == 200
    found = re.search(rf'^hairpin_requests_total{{kind="{kind}"}} ([0-9.]+)$', text.decode(), re.M)
    return round(float(found[1])) if found else 0


def dead_gate() -> str:
    """An address where nobody listens."""
    return f"127.0.0.1:{free_ports()}"
