"""A node that counts with memcached, while the stage is killed and memcached goes away; and the
same data counted exactly afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from living_node import LivingNode, wait_until
from memcached_server import Memcached
from shows import by_hand
from small_crowd import SmallCrowd

pytestmark = pytest.mark.fault

FANS = 150
SEED = 5
SETTINGS = 'join_allow = ["127.0.0.0/8"]\n'
STATUS = "approximate: memcached"


@pytest.fixture
def crowds() -> Iterator[list[SmallCrowd]]:
    crowds: list[SmallCrowd] = []
    yield crowds
    for crowd in crowds:
        crowd.stop()


def told(node: LivingNode, question: int) -> dict[str, Any]:
    found: dict[str, Any] = node.tally()["questions"][question]
    return found


def ask(node: LivingNode, crowd: SmallCrowd, question: int) -> None:
    node.step("open", question)
    crowd.ask(question)


def test_a_night_with_memcached_and_its_exact_end(
    node: Callable[..., LivingNode], memcached: Memcached, crowds: list[SmallCrowd]
) -> None:
    show = by_hand(more='heavy_countries = ["FR"]')
    running = node(show, settings=SETTINGS, arguments=["--tally", memcached.url])
    crowd = SmallCrowd(running.port, FANS, SEED)
    crowds.append(crowd)
    crowd.start()

    # A question as it should be: everything that is journalled is counted, repeats included.
    ask(running, crowd, 0)
    crowd.wait_answered()
    running.step("close", 0)
    wait_until(lambda: not told(running, 0)["missing"], "the gates to be done")
    wait_until(
        lambda: told(running, 0)["answers"] == told(running, 0)["journalled"] >= FANS,
        "memcached to have it all",
    )
    first = told(running, 0)
    assert (first["status"], first["by_choice"], first["reason"]) == (STATUS, None, "")
    running.step("reveal", 0)
    assert running.now()["result"]["status"] == "provisional"

    # The stage dies: the next one goes on where it was, and does not count the first one again.
    ask(running, crowd, 1)
    stage = running.facts.stage
    running.kill(stage)
    running.wait_replaced(stage)
    crowd.wait_answered()
    wait_until(lambda: told(running, 1)["answers"] >= FANS // 2, "the new stage to count")
    assert told(running, 0)["answers"] == first["answers"]
    running.step("close", 1)
    running.step("reveal", 1)

    # memcached dies: phones and the running order do not notice.
    memcached.kill()
    ask(running, crowd, 2)
    crowd.wait_answered()
    wait_until(lambda: told(running, 2)["status"] == f"{STATUS}, stale", "the loss to be told")
    running.step("close", 2)
    memcached.start()
    wait_until(lambda: told(running, 2)["answers"] >= FANS, "what had waited in the journal")
    third = told(running, 2)
    assert third["status"] == STATUS
    assert "memcached lost its counts before" in third["reason"]
    assert told(running, 0)["answers"] == 0
    running.step("reveal", 2)
    assert running.order("announce") == 409
    crowd.stop()
    crowds.clear()
    assert running.interrupt() == 0

    # The same data, counted exactly.
    exact = node(show, settings=SETTINGS, data=running.data)
    for question in range(3):
        wait_until(
            lambda question=question: told(exact, question)["status"] == "final",
            f"the exact result of question {question}",
        )
        assert told(exact, question)["answers"] == FANS
    assert exact.tally()["fans"] == FANS
    assert exact.order("announce") == 200
