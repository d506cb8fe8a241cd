"""Fan numbers: leased in blocks, never twice."""

from __future__ import annotations

import asyncio

from gate_stand import settle

from hairpin.bus.local import LocalBus
from hairpin.errors import EngineDown
from hairpin.gate.leases import Leases
from hairpin.messages import TOPIC_LEASE, LeaseReply, LeaseRequest


class Owner:
    """Gives away `numbers` of them; fails while `down`."""

    def __init__(self, numbers: int) -> None:
        self.numbers = numbers
        self.given = 0
        self.asked: list[LeaseRequest] = []
        self.down = False
        self.bus = LocalBus()
        self.bus.serve(TOPIC_LEASE, LeaseRequest, self.lease)

    async def lease(self, request: LeaseRequest) -> LeaseReply:
        self.asked.append(request)
        if self.down:
            raise EngineDown("no disk")
        first, count = self.given, min(request.count, self.numbers - self.given)
        self.given += count
        return LeaseReply(first, count)


async def taken(leases: Leases, wanted: int) -> list[int]:
    fans = leases.take(wanted)
    await settle()
    return fans


async def test_gates_that_share_an_owner_never_share_a_number() -> None:
    owner = Owner(100_000)
    gates = [Leases(owner.bus, number) for number in (2, 3, 4)]
    fans: list[int] = []
    for turn in range(200):
        fans += await taken(gates[turn % 3], turn % 7)
    assert len(fans) == len(set(fans)) > 500
    assert all(0 <= fan < owner.given for fan in fans)
    assert {request.incarnation for request in owner.asked} == {2, 3, 4}


async def test_the_next_block_is_asked_for_before_it_is_needed() -> None:
    owner = Owner(100_000)
    leases = Leases(owner.bus, 2)
    leases.refill()
    await settle()
    fans: list[int] = []
    while len(fans) < 20_000:
        fans += await taken(leases, 50)
    assert fans == list(range(len(fans))), "somebody had to wait"
    assert len(owner.asked) < 20, "blocks grow"


async def test_one_request_at_a_time() -> None:
    owner = Owner(100_000)
    leases = Leases(owner.bus, 2)
    for _ in range(10):
        assert leases.take(1) == []
    await settle()
    assert len(owner.asked) == 1


async def test_all_numbers_are_issued_and_then_no_more() -> None:
    owner = Owner(700)
    leases = Leases(owner.bus, 2)
    fans: list[int] = []
    for _ in range(100):
        fans += await taken(leases, 10)
    assert sorted(fans) == list(range(700))
    assert leases.exhausted
    asked = len(owner.asked)
    assert await taken(leases, 1) == []
    assert len(owner.asked) == asked


async def test_an_owner_that_is_down_is_asked_again() -> None:
    owner = Owner(100)
    owner.down = True
    leases = Leases(owner.bus, 2)
    assert await taken(leases, 1) == []
    assert not leases.exhausted
    owner.down = False
    assert await taken(leases, 1) == []  # this asks; the numbers come for the next one
    assert await taken(leases, 1) == [0]


async def test_nobody_at_the_other_end_is_no_crash() -> None:
    leases = Leases(LocalBus(), 2)
    leases.refill()
    await settle()
    assert leases.take(1) == []
    await asyncio.sleep(0)
