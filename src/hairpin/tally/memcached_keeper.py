"""The keeper of a node that counts with memcached: statuses from the journal, counts from there.

What it says is approximate, whatever happens: repeats are counted, nobody is ranked, and what
memcached forgets is gone. The journal is written as ever, and a recount of it is exact.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from hairpin import frame as framing
from hairpin import messages as m
from hairpin.country import CODES
from hairpin.errors import DataDamaged
from hairpin.frame import Frame, Kind
from hairpin.journal import Follower, Journal, decode_control
from hairpin.show import Question
from hairpin.tally.lines import Strand
from hairpin.tally.memcached import Server
from hairpin.tally.memcached_courier import Courier, Reading
from hairpin.tally.memcached_keys import CELLS, shaped
from hairpin.tally.memcached_load import by_question
from hairpin.tally.snapshot import best_country
from hairpin.world import World

_RATE_WINDOW_MS = 1_000
STATUS = f"{m.APPROXIMATE}: memcached"
STALE = f"{STATUS}, stale"


class CountedLine:
    """One question, as far as the journal tells."""

    def __init__(self, question: Question) -> None:
        self.question = question
        self.right = question.right
        """The right answer when the question opened: by it answers are counted."""
        self.opened = False
        self.void = False
        self.reason = ""
        self.journalled = 0

    def good(self) -> npt.NDArray[np.bool]:
        """For each of the 256 choice masks: is it right?"""
        return np.array([self.question.is_right(mask, self.right) for mask in range(256)])


class MemcachedKeeper:
    """In the place of `keeper.Keeper`. `start` it in the process that is to count."""

    def __init__(self, journal: Journal, world: World, server: Server) -> None:
        self._journal = journal
        self._clock = world.clock
        self._followers: dict[int, Follower] = {}
        self._strands: dict[int, Strand] = {}
        self._armed: m.Armed | None = None
        self._lines: list[CountedLine] = []
        self._rates: deque[tuple[int, int]] = deque()
        self._told: tuple[Reading, float, int, tuple[int, ...]] | None = None
        self._steps = 0
        """Frames that were read."""
        self.courier = Courier(journal, world, server, self._good)

    def start(self) -> None:
        self.courier.start()

    def close(self) -> None:
        self.courier.close()

    def synced(self, news: m.Synced) -> None:
        """Read what became durable. Raises DataDamaged if a strand cannot be read."""
        follower = self._followers.get(news.incarnation)
        if follower is None:
            follower = self._followers[news.incarnation] = self._journal.follow(news.incarnation)
        if news.frames <= follower.frames:
            return
        for frame in follower.read(news.frames):
            self._apply(frame)
        self.courier.tell(m.Synced(news.incarnation, follower.frames))

    def catch_up(self, news: Iterable[m.Synced]) -> dict[int, DataDamaged]:
        """The same for many strands; returns those that are damaged."""
        damaged: dict[int, DataDamaged] = {}
        for one in news:
            try:
                self.synced(one)
            except DataDamaged as damage:
                damaged[one.incarnation] = damage
        return damaged

    def tick(self) -> m.TallySnapshot | None:
        """A snapshot if anything changed since the last one."""
        armed, now_ms = self._armed, self._clock.now_ms()
        born = tuple(self._journal.incarnations())
        told = (self.courier.reading, self._rate(now_ms), self._steps, born)
        known = self._told
        if armed is None or (known and known[0] is told[0] and known[1:] == told[1:]):
            return None
        self._told = told
        reading, rate, *_ = told
        oldest_ms = self.courier.take_oldest_ms()
        strands = {n: (s.frames, s.chain) for n, s in self._strands.items() if s.frames}
        return m.TallySnapshot(
            at_ms=now_ms,
            oldest_ms=None if oldest_ms is None else armed.epoch_ms + oldest_ms,
            answers_per_s=rate,
            questions=tuple(self._tally(i, reading, born) for i in range(len(self._lines))),
            leaders=(),
            more=0,
            ranks=(),
            fans=0,
            head=framing.head(strands),
            positions={str(n): frames for n, (frames, _) in strands.items()},
        )

    @property
    def busy(self) -> bool:
        """The courier's thread has news of its own."""
        return True

    async def clocks(self, _: tuple[int, ...]) -> m.ClocksReply:
        """Nobody is a contender."""
        return m.ClocksReply(())

    # --- from the journal -------------------------------------------------------------------------

    def _apply(self, frame: Frame) -> None:
        strand = self._strands.setdefault(frame.incarnation, Strand())
        strand.frames, strand.chain = frame.sequence + 1, frame.chain
        self._steps += 1
        if frame.kind is Kind.ANSWERS:
            self._answers(frame)
        elif frame.kind is Kind.SEAL:
            strand.ended = True
        else:
            self._control(decode_control(frame.body), strand)

    def _answers(self, frame: Frame) -> None:
        try:
            for question, records in by_question(frame):
                self._lines[question].journalled += len(records)
        except (IndexError, ValueError) as error:
            raise DataDamaged(
                f"journal damaged: frame {frame.sequence} of incarnation {frame.incarnation} "
                f"holds no answers to this show: {error}",
                "Keep the files as they are, and restore them from a copy.",
            ) from error

    def _control(self, record: m.AnyControl, strand: Strand) -> None:
        match record:
            case m.Born():
                strand.role = record.role
            case m.Marked():
                strand.marked.update(record.questions)
            case m.Fenced():
                self._strands.setdefault(record.incarnation, Strand()).fenced_at = record.frames
            case m.Armed():
                self._armed = record
                self._lines = [CountedLine(question) for question in record.show.questions]
                self.courier.arm(record.show)
            case m.Opened():
                self._lines[record.question].opened = True
            case m.Corrected():
                self._correct(self._lines[record.question], record)
            case m.Voided():
                line = self._lines[record.question]
                line.void, line.reason = True, record.reason
            case _:
                pass  # it says nothing about counts

    def _correct(self, line: CountedLine, record: m.Corrected) -> None:
        if line.opened:
            line.reason = f"corrected ({record.reason}), but counted by the answer before that"
        else:
            line.right = record.right

    def _good(self, question: int) -> npt.NDArray[np.bool]:
        return self._lines[question].good()

    # --- what is told -----------------------------------------------------------------------------

    def _tally(self, index: int, reading: Reading, born: tuple[int, ...]) -> m.QuestionTally:
        line = self._lines[index]
        cells = shaped(reading.cells.get(index, np.zeros(CELLS, np.int64)))
        answers, right = int(cells.sum()), int(cells[..., 1].sum())
        by_band, by_country = cells.sum(axis=1).tolist(), cells.sum(axis=0)
        countries = {
            CODES[n]: m.Cell(int(by_country[n].sum()), int(by_country[n, 1]))
            for n in np.flatnonzero(by_country.sum(axis=1)).tolist()
        }
        shares = {code: (cell.right, cell.answers) for code, cell in countries.items()}
        assert self._armed is not None, "questions come with the show"
        minimum = self._armed.show.best_country_min
        return m.QuestionTally(
            question=index,
            id=line.question.id,
            status=self._status(line, reading),
            version=0,
            reason=told_reason(line, reading),
            missing=self._missing(index, born) if line.opened and not line.void else (),
            journalled=line.journalled,
            repeats=0,
            answers=answers,
            by_choice=None,
            by_age_band=tuple(m.Cell(wrong + good, good) for wrong, good in by_band),
            by_country=countries,
            right=right,
            wrong=answers - right if line.right else 0,
            best_country=best_country(shares, minimum) if line.right else None,
        )

    @staticmethod
    def _status(line: CountedLine, reading: Reading) -> str:
        if line.void:
            return "void"
        return STATUS if reading.stale_ms is None else STALE

    def _missing(self, question: int, born: tuple[int, ...]) -> tuple[int, ...]:
        """Of all strands that there are, those that may still get answers to it."""
        known = {n: self._strands.setdefault(n, Strand()) for n in born}
        return tuple(n for n, strand in known.items() if not strand.done_with(question))

    def _rate(self, now_ms: int) -> float:
        """Answers per second over the last second, as they were journalled."""
        answers = sum(line.journalled for line in self._lines)
        self._rates.append((now_ms, answers))
        while len(self._rates) > 2 and self._rates[1][0] <= now_ms - _RATE_WINDOW_MS:
            self._rates.popleft()
        then_ms, then = self._rates[0]
        return round((answers - then) * 1000 / max(now_ms - then_ms, 1), 1)


def told_reason(line: CountedLine, reading: Reading) -> str:
    """What is known to be wrong with a count, in words; empty if nothing is."""
    if line.void:
        return line.reason
    found = [line.reason] if line.reason else []
    if reading.stale_ms is not None:
        found.append(f"memcached does not serve since {_clock_time(reading.stale_ms)}")
    if reading.lost_ms is not None:
        found.append(f"memcached lost its counts before {_clock_time(reading.lost_ms)}")
    for count, what in (
        (reading.evicted, "counters evicted"),
        (reading.refused, "increments refused"),
        (reading.unconfirmed, "answers unconfirmed"),
    ):
        if count:
            found.append(f"{count} {what}")
    return "; ".join(found)


def _clock_time(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%H:%M:%S} UTC"
