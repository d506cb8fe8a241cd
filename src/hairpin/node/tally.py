"""Which engine counts: the exact tally, or memcached where `--tally` asks for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol

import structlog

from hairpin.errors import DataDamaged
from hairpin.journal import Journal
from hairpin.messages import ClocksReply, Synced, TallySnapshot
from hairpin.show import Show
from hairpin.tally.keeper import Keeper
from hairpin.tally.memcached import Address, Server
from hairpin.tally.memcached_card import expect_own, memory_bytes_of, read_card
from hairpin.tally.memcached_keeper import MemcachedKeeper
from hairpin.tally.memcached_keys import Scheme
from hairpin.world import World

log = structlog.get_logger()

_MIB = 1 << 20


class TallyEngine(Protocol):
    """What the stage asks of whoever counts."""

    def synced(self, news: Synced) -> None:
        """A strand is durable so far. Raises DataDamaged if it cannot be read."""
        ...

    def catch_up(self, news: Iterable[Synced]) -> dict[int, DataDamaged]:
        """The same for all strands of the past, directors excepted; returns what is damaged."""
        ...

    def tick(self) -> TallySnapshot | None:
        """The counts, if anything changed since the last ones; always after arming.

        Raises DataDamaged if what must be counted anew cannot be read.
        """
        ...

    @property
    def busy(self) -> bool:
        """Is a `tick` wanted even if no strand grows?"""
        ...

    async def clocks(self, fans: tuple[int, ...]) -> ClocksReply: ...

    def close(self) -> None:
        """End what still reads or writes."""
        ...


def check_tally(address: Address | None, journal: Journal, show: Show) -> None:
    """Can it count there? Asked before anything starts; None: in the stage process, exactly.

    Raises YourMistake if another show is counted there; EngineDown if nobody answers.
    """
    if address is None:
        return
    server = Server(address)
    try:
        expect_own(read_card(server), journal.id, server)
        _compare_memory(server, show)
    finally:
        server.close()


def _compare_memory(server: Server, show: Show) -> None:
    needed, given = Scheme(show.heavy).memory_bytes(len(show.questions)), memory_bytes_of(server)
    if needed > given:
        log.warning(
            "memcached may throw counters out",
            has_mib=given // _MIB,
            needs_mib=-(-needed // _MIB),
            when="fans of every country answer",
            remedy=f"memcached -m {-(-needed // _MIB)}",
        )


@contextmanager
def opened_tally(address: Address | None, journal: Journal, world: World) -> Iterator[TallyEngine]:
    """The engine, until the stage ends."""
    if address is None:
        keeper: TallyEngine = Keeper(journal, world.clock)
    else:
        keeper = counting = MemcachedKeeper(journal, world, Server(address))
        counting.start()
    try:
        yield keeper
    finally:
        keeper.close()
