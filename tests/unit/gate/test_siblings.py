"""Gates share their connections evenly, and whoever cannot be reached loses nothing."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path

import msgspec
from gate_stand import KEY
from hot_stand import HotStand, drain, hot_stand, whole_replies
from hypothesis import given
from hypothesis import strategies as st

from hairpin.gate.admit import answer_text
from hairpin.gate.siblings import ALIVE_MS, SURPLUS_MIN, TOLERANCE, Siblings, shares
from hairpin.messages import GateReport
from hairpin.ticket import issue

REPORT = GateReport(*(0, 0, 0, 0.0, 0, 0, {}, 0, {}, 0, 0.0, 0.0, 0.0, 0.0), journal_error=None)


def report(incarnation: int, connections: int) -> GateReport:
    return msgspec.structs.replace(REPORT, incarnation=incarnation, connections=connections)


@given(st.lists(st.integers(0, 30_000), min_size=2, max_size=20))
def test_after_one_round_all_have_about_the_mean(counts: list[int]) -> None:
    after = list(counts)
    for giver, mine in enumerate(counts):
        others = {who: count for who, count in enumerate(counts) if who != giver}
        for taker, given_ in shares(mine, others).items():
            assert counts[taker] < mine, "nobody gives to one who has more"
            after[giver] -= given_
            after[taker] += given_
    mean = sum(counts) / len(counts)
    assert sum(after) == sum(counts)
    for count in after:
        # Those just within the tolerance keep what they have, and others do not get it.
        assert abs(count - mean) <= len(counts) * (max(SURPLUS_MIN, mean * TOLERANCE) + 1)


def test_a_few_more_than_the_others_are_no_burden() -> None:
    assert shares(100 + SURPLUS_MIN, {1: 100}) == {}
    assert shares(10_100, {1: 10_000}) == {}
    assert shares(0, {1: 5_000}) == {}


class Gates:
    """Some gates on one runtime directory."""

    def __init__(self, directory: Path, stands: list[HotStand]) -> None:
        self.stands = stands
        self.siblings = [
            Siblings(directory, number, stand.burst, stand.clock)
            for number, stand in enumerate(stands)
        ]

    def tell(self) -> None:
        for number, stand in enumerate(self.stands):
            for sibling in self.siblings:
                sibling.report(report(number, stand.burst.connections))

    def counts(self) -> list[int]:
        return [stand.burst.connections for stand in self.stands]

    def close(self) -> None:
        for sibling in self.siblings:
            sibling.close()


async def test_the_surplus_changes_hands_and_the_clients_notice_nothing(tmp_path: Path) -> None:
    with hot_stand() as one, hot_stand() as two, hot_stand() as three:
        gates = Gates(tmp_path, [one, two, three])
        clients = [one.client() for _ in range(300)]
        await one.rest(30)
        assert gates.counts() == [300, 0, 0]
        gates.tell()
        for sibling in gates.siblings:
            sibling.share()
        await one.rest(30)
        assert gates.counts() == [100, 100, 100]
        for fan, sock in enumerate(clients):
            text = answer_text(issue(fan, 1, 2, KEY), 0, 1, 500)
            sock.sendall(b"POST /a/" + text + b" HTTP/1.1\r\nHost: a\r\n\r\n")
        await one.rest(40)
        for sock in clients:
            (reply,) = whole_replies(drain(sock))
            assert reply.status == 204
            sock.close()
        fans = [fan for stand in gates.stands for fan in stand.writer.answers()["fan"].tolist()]
        assert sorted(fans) == list(range(300))
        gates.close()


async def test_a_sibling_that_is_gone_gets_nothing_and_nothing_is_lost(tmp_path: Path) -> None:
    with hot_stand() as one:
        gates = Gates(tmp_path, [one])
        clients = [one.client() for _ in range(100)]
        await one.rest(20)
        sibling = gates.siblings[0]
        sibling.report(report(7, 0))
        sibling.share()
        await one.rest()
        assert one.burst.connections == 100
        one.clock.at_ms += ALIVE_MS + 1
        sibling.share()
        assert sibling.passed == 0
        for sock in clients:
            with contextlib.closing(sock):
                sock.sendall(b"GET /now HTTP/1.1\r\nHost: a\r\n\r\n")
        await one.rest(20)
        gates.close()


async def test_connections_that_come_in_random_numbers_stay_even(tmp_path: Path) -> None:
    dice = random.Random(5)
    with hot_stand() as one, hot_stand() as two:
        gates = Gates(tmp_path, [one, two])
        clients = []
        for _ in range(6):
            for stand in gates.stands:
                clients += [stand.client() for _ in range(dice.randrange(60))]
            await one.rest(20)
            gates.tell()
            for sibling in gates.siblings:
                sibling.share()
            await one.rest(20)
            low, high = sorted(gates.counts())
            assert high - low <= 2 * max(SURPLUS_MIN, TOLERANCE * high) + 2
        for sock in clients:
            sock.close()
        gates.close()
