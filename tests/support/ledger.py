"""The ledger of section 5 of the design, for whoever has sent the answers himself."""

from __future__ import annotations

from living_node import LivingNode, wait_until
from small_crowd import SmallCrowd

from hairpin.tally.recount import Recount, Recounter


def check_ledger(crowd: SmallCrowd, recounter: Recounter, recount: Recount, asked: int) -> None:
    """As sets of (fan, question): acknowledged within counted within sent; each counted once."""
    counted = {(int(fan), q) for q in range(asked) for fan in recounter.counted_fans(q)}
    assert not crowd.acknowledged - counted, "acknowledged, and not counted"
    assert not counted - crowd.sent, "counted, and never sent"
    assert recount.counted == len(counted), "counted twice"
    assert recount.journalled == recount.counted + recount.repeats
    assert len(set(crowd.numbers)) == len(crowd.numbers), "a fan number issued twice"


def end_and_check(node: LivingNode, crowd: SmallCrowd, asked: int) -> Recount:
    """Everyone goes home, the node ends; then the ledger, the recount, and what was told live.

    Every question below `asked` must have been closed.
    """
    crowd.stop()
    for question in range(asked):
        wait_final(node, question)
    live = node.tally()
    assert node.interrupt() == 0, node.errors()
    recounter = node.recounter()
    recount = recounter.run()
    print(f"replies {dict(crowd.statuses)}")
    print(f"sent {len(crowd.sent)}, acknowledged {len(crowd.acknowledged)}")
    print(f"counted {recount.counted}, repeats {recount.repeats}, strands {recount.strands}")
    check_ledger(crowd, recounter, recount, asked)
    assert [q.status for q in recount.questions[:asked]] == ["final"] * asked
    told = [q["answers"] for q in live["questions"][:asked]]
    assert told == [q.answers for q in recount.questions[:asked]]
    assert recount.heads_verified >= asked
    return recount


def wait_final(node: LivingNode, question: int) -> None:
    """Until the result of a closed question is final, as the console hears it."""

    def final() -> bool:
        return bool(node.tally()["questions"][question]["status"] == "final")

    wait_until(final, f"the final result of question {question}; {node.errors()[-2_000:]}")
