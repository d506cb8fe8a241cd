"""The keeper follows the journal, as far as it is durable, and says what it counted.

What needs the journal a second time, a refold or the contenders' clocks, is read in another thread
while counting goes on; what was read is taken over here, all at once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future
from functools import partial

from hairpin.answer import Records
from hairpin.errors import DataDamaged
from hairpin.frame import Frame, Kind
from hairpin.journal import Follower, Journal
from hairpin.messages import ClocksReply, Synced, TallySnapshot
from hairpin.tally.batch import answers_of
from hairpin.tally.book import Book
from hairpin.tally.cells import QuestionCount
from hairpin.tally.contenders import AnswersOfFans, clocks
from hairpin.tally.replay import Replays, replay
from hairpin.tally.rounds import read_in_rounds
from hairpin.tally.snapshot import Snapshots
from hairpin.world import Clock

_RATE_WINDOW_MS = 1_000


class Keeper:
    """Live counts. Feed it `Synced` news; ask it for a snapshot when `tick` says so."""

    def __init__(self, journal: Journal, clock: Clock, worker: Executor | None = None) -> None:
        """`worker`: what reads the journal again, if not a thread."""
        self._journal = journal
        self._clock = clock
        self._followers: dict[int, Follower] = {}
        self._replays = Replays(journal, worker)
        self._contenders = AnswersOfFans(self._replays)
        self._refolding: tuple[int, Future[QuestionCount]] | None = None
        self._unreadable: set[int] = set()
        """Stale questions that damage keeps from being refolded."""
        self.book = Book(partial(replay, self._replays))
        self._snapshots = Snapshots(self.book)
        self._dirty = True
        self._oldest_ms: int | None = None
        self._rates: deque[tuple[int, int]] = deque()
        self._rate_told = 0.0
        self._answers = 0

    def synced(self, news: Synced) -> None:
        """Read what became durable. News that came twice or late changes nothing."""
        for frame in self._read(news):
            self.book.apply(frame)

    def catch_up(self, news: Iterable[Synced]) -> dict[int, DataDamaged]:
        """The same for many strands that nothing was read of yet, once directors were read.

        Words are held for few questions at a time. Returns the strands that end in damage.
        """
        strands = {one.incarnation: self._read(one) for one in news}
        return read_in_rounds(self.book, strands, self._journal.incarnations())

    def tick(self) -> TallySnapshot | None:
        """Fold what is final now; a snapshot if anything changed since the last one.

        Raises DataDamaged, once, if a question cannot be refolded: it stays provisional.
        """
        self._refold()
        missing = [line.missing for line in self.book.lines]
        if self._waiting():
            settled = self.book.settle(self._journal.incarnations())
            self._dirty |= bool(settled) or missing != [li.missing for li in self.book.lines]
        now = self._clock.now_ms()
        rate = self._rate(now)
        if self.book.armed is None or not (self._dirty or rate != self._rate_told):
            return None
        snapshot = self._snapshots.take(now, self._oldest_ms, rate)
        self._dirty = False
        self._oldest_ms = None
        self._rate_told = rate
        return snapshot

    @property
    def busy(self) -> bool:
        """Will a `tick` have news, or may it have, although no strand has any?"""
        return self._dirty or self._refolding is not None or self._rate_told != 0

    async def clocks(self, fans: tuple[int, ...]) -> ClocksReply:
        """Both clocks of some fans' answers, from the journal. Raises DataDamaged."""
        read = partial(self._contenders.read, fans, self.book.positions())
        answers = await asyncio.wrap_future(self._replays.begin(read))
        return ClocksReply(clocks(self.book.lines, answers))

    def close(self) -> None:
        """End what still reads."""
        self._replays.close()

    def _refold(self) -> None:
        """Take over what was recounted, and begin with the next stale question."""
        while True:
            if self._refolding is None:
                stale = [n for n in self.book.stale() if n not in self._unreadable]
                if not stale:
                    return
                recount = partial(self.book.recount, stale[0])
                self._refolding = stale[0], self._replays.begin(recount)
            index, future = self._refolding
            if not future.done():
                return
            self._refolding = None
            self._unreadable.add(index)
            self.book.refold(index, future.result())
            self._unreadable.discard(index)
            self._dirty = True

    def _read(self, news: Synced) -> Iterator[Frame]:
        follower = self._followers.get(news.incarnation)
        if follower is None:
            follower = self._journal.follow(news.incarnation)
            self._followers[news.incarnation] = follower
        if news.frames <= follower.frames:
            return
        self._dirty = True
        for frame in follower.read(news.frames):
            if frame.kind is Kind.ANSWERS:
                self._note(answers_of(frame))
            yield frame

    def _waiting(self) -> bool:
        return any(line.awaits_fold for line in self.book.lines)

    def _note(self, records: Records) -> None:
        self._answers += len(records)
        armed = self.book.armed
        if armed is not None and len(records):
            oldest = armed.epoch_ms + int(records["received_ms"].min())
            self._oldest_ms = min(oldest, self._oldest_ms or oldest)

    def _rate(self, now_ms: int) -> float:
        """Answers per second over the last second."""
        self._rates.append((now_ms, self._answers))
        while len(self._rates) > 2 and self._rates[1][0] <= now_ms - _RATE_WINDOW_MS:
            self._rates.popleft()
        then_ms, then = self._rates[0]
        # Nothing came while nobody looked.
        then_ms = max(then_ms, now_ms - _RATE_WINDOW_MS)
        return round((self._answers - then) * 1000 / max(now_ms - then_ms, 1), 1)
