"""The keeper follows the journal, as far as it is durable, and says what it counted."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from hairpin.answer import Records
from hairpin.frame import Kind
from hairpin.journal import Follower, Journal
from hairpin.messages import ClocksReply, Synced, TallySnapshot
from hairpin.tally.book import Book, answers_of
from hairpin.tally.contenders import answers_of_fans, clocks
from hairpin.tally.lines import Positions
from hairpin.tally.snapshot import Snapshots
from hairpin.world import Clock

_RATE_WINDOW_MS = 1_000


class Keeper:
    """Live counts. Feed it `Synced` news; ask it for a snapshot when `tick` says so."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock
        self._followers: dict[int, Follower] = {}
        self.book = Book(self._replay)
        self._snapshots = Snapshots(self.book)
        self._dirty = True
        self._oldest_ms: int | None = None
        self._rates: deque[tuple[int, int]] = deque()
        self._rate_told = 0.0
        self._answers = 0

    def synced(self, news: Synced) -> None:
        """Read what became durable. News that came twice or late changes nothing."""
        follower = self._followers.get(news.incarnation)
        if follower is None:
            follower = self._journal.follow(news.incarnation)
            self._followers[news.incarnation] = follower
        if news.frames <= follower.frames:
            return
        for frame in follower.read(news.frames):
            if frame.kind is Kind.ANSWERS:
                self._note(answers_of(frame))
            self.book.apply(frame)
        self._dirty = True

    def tick(self) -> TallySnapshot | None:
        """Fold what is final now; a snapshot if anything changed since the last one."""
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

    def clocks(self, fans: tuple[int, ...]) -> ClocksReply:
        """Both clocks of some fans' answers, from the journal."""
        answers = answers_of_fans(fans, self._replay(self.book.positions()))
        return ClocksReply(clocks(self.book.lines, answers))

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
        return round((self._answers - then) * 1000 / max(now_ms - then_ms, 1), 1)

    def _replay(self, upto: Positions) -> Iterator[Records]:
        for incarnation, frames in upto.items():
            for frame in self._journal.follow(incarnation).read(frames):
                if frame.kind is Kind.ANSWERS:
                    yield answers_of(frame)
