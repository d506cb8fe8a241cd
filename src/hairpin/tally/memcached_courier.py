"""The courier: carries answers from the journal into memcached, and the sums back.

A thread of its own, since memcached may be slow, hang or be away, and the running order must not.
"""

from __future__ import annotations

import threading

import msgspec
import numpy as np
import structlog

from hairpin.errors import EngineDown, HairpinError
from hairpin.journal import Journal
from hairpin.messages import Synced
from hairpin.show import Show
from hairpin.tally.lines import Positions
from hairpin.tally.memcached import Server, Unconfirmed
from hairpin.tally.memcached_card import (
    Card,
    card_of,
    counted_note,
    evictions,
    expect_own,
    read_card,
    read_counted,
    write_card,
)
from hairpin.tally.memcached_keys import CELLS, SHARDS, Deltas, Scheme, cell_name
from hairpin.tally.memcached_load import Good, Load, Waiting
from hairpin.world import World

log = structlog.get_logger()

REST_S = 0.2
"""At least this long between two rounds unless more waits, and as long as the last one took."""
IDLE_S = 1.0
"""How often a memcached with which nothing is to be done is asked whether it still has its card."""
BACK_OFF_S = 5.0
"""At most this long between two attempts to reach a memcached that does not serve."""


class Reading(msgspec.Struct, frozen=True):
    """What was last read back, and what is known to be wrong with it. Times: ms since 1970."""

    cells: dict[int, Deltas]
    """Question index to counts."""
    stale_ms: int | None = None
    """Since when memcached does not serve; None while it does."""
    lost_ms: int | None = None
    """When it was found that it had lost its counts."""
    evicted: int = 0
    """Items thrown out since the first count."""
    refused: int = 0
    """Increments that it did not take."""
    unconfirmed: int = 0
    """Answers that left when the connection broke: counted or not, nobody knows."""


class Courier:
    """`start` makes rounds until `close`; a test may call `round` itself.

    Feed it `arm` and `tell`; `reading` and `take_oldest_ms` are what comes back.
    """

    def __init__(self, journal: Journal, world: World, server: Server, good: Good) -> None:
        self._journal = journal
        self._clock = world.clock
        self._dice = world.dice
        self._random = np.random.default_rng(int.from_bytes(world.dice.secret(8), "big"))
        self._server = server
        self._waiting = Waiting(journal, good)
        self._show: Show | None = None
        self._card: Card | None = None
        self._durable: Positions = {}
        self._counted: Positions = {}
        self._unread: set[int] = set()
        self._oldest_ms: int | None = None
        self._wake = threading.Event()
        self._end = threading.Event()
        self._thread: threading.Thread | None = None
        self.reading = Reading({})

    # --- from the event loop ----------------------------------------------------------------------

    def arm(self, show: Show) -> None:
        """The show whose answers these are."""
        self._show = show
        self._wake.set()

    def tell(self, news: Synced) -> None:
        """How far a strand is durable."""
        self._durable = self._durable | {news.incarnation: news.frames}
        self._wake.set()

    def take_oldest_ms(self) -> int | None:
        """The oldest answer that readings brought since the last call, since the show's epoch."""
        oldest_ms, self._oldest_ms = self._oldest_ms, None
        return oldest_ms

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="memcached", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends after the round that is on its way."""
        self._end.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
        self._server.close()

    # --- in the thread ----------------------------------------------------------------------------

    def _run(self) -> None:
        failures = 0
        try:
            while not self._end.is_set():
                began_ms = self._clock.monotonic_ms()
                self._wake.clear()
                try:
                    more = self.round()
                    failures = 0
                except HairpinError as error:
                    failures += 1
                    more = True
                    if failures == 1:
                        why, remedy = error.message, error.remedy
                        log.error("memcached does not count", why=why, remedy=remedy)
                self._rest(began_ms, failures, more)
                if not more:
                    self._wake.wait(IDLE_S)
        finally:
            self._stale()

    def _rest(self, began_ms: float, failures: int, more: bool) -> None:
        if failures:
            longest_s = min(REST_S * 2**failures, BACK_OFF_S)
            self._end.wait(longest_s * self._dice.uniform(0.5, 1.0))
            return
        took_s = (self._clock.monotonic_ms() - began_ms) / 1000
        self._end.wait(took_s if more else max(REST_S, took_s))

    def round(self) -> bool:
        """Carry what waits, and read what it made of the sums; is there more to carry?

        Raises HairpinError if memcached does not serve us; then everything waits, except what had
        left and was not confirmed.
        """
        show = self._show
        if show is None:
            return False
        try:
            self._recognise(show)
            load = self._waiting.load(self._durable, self._counted)
            if load.counted:
                self._deliver(load, Scheme(show.heavy))
            self._unread |= self._waiting.touched
            self._waiting.touched.clear()
            self._read_back(Scheme(show.heavy))
        except HairpinError:
            self._stale()
            raise
        self._arrived(load)
        return self._waiting.more(self._durable, self._counted)

    def _stale(self) -> None:
        if self.reading.stale_ms is None:
            self._note(stale_ms=self._clock.now_ms())

    def _arrived(self, load: Load) -> None:
        known = [ms for ms in (self._oldest_ms, load.oldest_ms) if ms is not None]
        self._oldest_ms = min(known, default=None)
        if self.reading.stale_ms is not None:
            log.info("memcached counts again", server=str(self._server.address))
            self._note(stale_ms=None)

    def _recognise(self, show: Show) -> None:
        """Are the counters still there, and ours?"""
        found = read_card(self._server)
        expect_own(found, self._journal.id, self._server)
        if self._card is None:
            self._counted = read_counted(self._server) if found else {}
        evicted, lost_ms = (found.evictions, found.lost_ms) if found else (None, None)
        if found is None and self._card is not None:
            lost_ms = self._clock.now_ms()
            log.critical("memcached lost its counts", server=str(self._server.address))
            self._server.put(*counted_note(self._counted))
        if evicted is None:
            evicted = evictions(self._server)
        card = card_of(self._journal.id, show, evicted, lost_ms)
        if card != found:
            write_card(self._server, card)
            self._unread.update(self._waiting.hit)
        self._card = card
        self._note(lost_ms=lost_ms)

    def _deliver(self, load: Load, scheme: Scheme) -> None:
        """At most once: what left and was not confirmed is not sent again."""
        counted = self._counted | load.counted
        try:
            refused = self._server.add(self._increments(load, scheme), counted_note(counted))
        except Unconfirmed:
            self._counted = counted
            self._note(unconfirmed=self.reading.unconfirmed + load.answers)
            raise
        except EngineDown:
            self._waiting.forget()
            raise
        self._counted = counted
        self._note(refused=self.reading.refused + refused)

    def _increments(self, load: Load, scheme: Scheme) -> list[tuple[str, int]]:
        """One for each cell, into a shard that chance picks: a load draws once for all of it."""
        increments = []
        for question, deltas in load.deltas.items():
            for place in np.flatnonzero(deltas).tolist():
                cell = cell_name(place)
                country_shard = self._random.integers(1, scheme.country_shards(cell.country) + 1)
                shard = self._random.integers(1, SHARDS + 1)
                key = scheme.key(question, cell, int(country_shard), int(shard))
                increments.append((key, int(deltas[place])))
        return increments

    def _read_back(self, scheme: Scheme) -> None:
        if not self._unread:
            return
        cells = dict(self.reading.cells)
        for question in sorted(self._unread):
            cells[question] = np.zeros(CELLS, np.int64)
            for place in np.flatnonzero(self._waiting.hit[question]).tolist():
                keys = scheme.keys(question, cell_name(place))
                cells[question][place] = self._server.total(keys)
        assert self._card is not None
        self._note(cells=cells, evicted=max(evictions(self._server) - self._card.evictions, 0))
        self._unread.clear()

    def _note(self, **changes: object) -> None:
        """A new reading only where something is new: the keeper tells it then."""
        known = self.reading
        fresh = {
            name: value
            for name, value in changes.items()
            if name == "cells" or getattr(known, name) != value
        }
        if fresh:
            self.reading = msgspec.structs.replace(known, **fresh)
