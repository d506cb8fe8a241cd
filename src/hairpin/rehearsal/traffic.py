"""The crowd's requests: what is due next, in batches, and what became of each.

Costs are counted per batch here: everything was planned in `script` before the question opened, and
whatever happens to a request afterwards happens to an array of them. Requests are known by a code:
their slot (a round, or SLOT_JOINS) in the upper half, the event or fan in the lower one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import msgspec
import numpy as np
import numpy.typing as npt

from hairpin.rehearsal import requests
from hairpin.rehearsal.measure import Row
from hairpin.rehearsal.phones import Phones
from hairpin.rehearsal.record import Record, reason
from hairpin.rehearsal.requests import Events
from hairpin.rehearsal.retries import Retries
from hairpin.rehearsal.script import TIMELY_MS, Habits, Kind, Round, honest
from hairpin.rehearsal.wire import LOST, Batch, Codes, Flag, Outcomes, Reals, pick

RETRY_BASE_MS = 1_000.0
RETRY_CAP_MS = 10_000.0
TRIES_MAX = 40
"""With full jitter, over three minutes: nobody holds on longer."""
THINK_MS = 250.0
"""From holding a ticket to the first answer, for those who join in the middle of a question."""
LOOK_MS = 100.0
"""How often those who need a ticket first are looked at again."""

RETRYABLE = (409, 429, 503)
SLOT_JOINS = 0
SLOT_BITS = 32


class Traffic:
    """Queues of what is due, retries with full jitter, and the book of outcomes.

    All times are milliseconds of the monotonic clock; `shift_ms` leads from it to the node's time
    of day.
    """

    def __init__(
        self, phones: Phones, record: Record, habits: Habits, junk_forms: int, seed: int
    ) -> None:
        self.phones = phones
        self.record = record
        self.shift_ms = 0.0
        self._habits = habits
        self._junk_forms = junk_forms
        self._rng = np.random.default_rng((seed, 1))
        self._rounds: dict[int, Round] = {}
        self._due: deque[Codes] = deque()
        self._due_count = 0
        self._again = Retries()
        self._need_ticket: Codes = np.zeros(0, np.int64)
        self._looked_ms = 0.0

    @property
    def waiting(self) -> int:
        """Requests that are due and found no free connection yet."""
        return self._due_count

    @property
    def retrying(self) -> int:
        return len(self._again) + len(self._need_ticket)

    def add(self, slot: int, round_: Round) -> None:
        """From now on this round's events fall due; slots count from 1."""
        self._rounds[slot] = round_

    def forget(self, now_ms: float, after_ms: float) -> None:
        """Drop the plans of rounds that ended so long ago that nothing of them is under way."""
        for slot, round_ in tuple(self._rounds.items()):
            if now_ms > round_.give_up_ms + after_ms:
                del self._rounds[slot]

    def join(self, fans: Events) -> None:
        """These fans want a ticket now."""
        fans = fans[~self.phones.joining[fans] & ~self.phones.holds[fans]]
        self.phones.joining[fans] = True
        self._queue(fans)

    def release(self, now_ms: float) -> None:
        """Everything planned until `now_ms` is due."""
        for slot, round_ in self._rounds.items():
            end = int(round_.at_ms.searchsorted(now_ms - round_.opened_ms, side="right"))
            if end > round_.released:
                self._queue((slot << SLOT_BITS) + np.arange(round_.released, end))
                round_.released = end
        for codes in self._again.due(now_ms):
            self._queue(codes)
        if len(self._need_ticket) and now_ms - self._looked_ms > LOOK_MS:
            self._looked_ms = now_ms
            self._look_for_tickets(now_ms)

    # --- what to send -----------------------------------------------------------------------------

    def batch(self, room: int, now_ms: float) -> Batch:
        """At most `room` requests, in the order in which they fell due."""
        parts: list[Batch] = []
        for slot, events in _by_slot(self._take(room)):
            if slot == SLOT_JOINS:
                parts.append(requests.joins(self.phones, events))
            elif slot in self._rounds:
                parts.extend(self._of_round(slot, self._rounds[slot], events, now_ms))
        return requests.joined_up(parts)

    def _take(self, room: int) -> Codes:
        taken: list[Codes] = []
        while self._due and room > 0:
            codes = self._due.popleft()
            if len(codes) > room:
                self._due.appendleft(codes[room:])
                codes = codes[:room]
            taken.append(codes)
            room -= len(codes)
            self._due_count -= len(codes)
        return np.concatenate(taken) if taken else np.zeros(0, np.int64)

    def _of_round(self, slot: int, round_: Round, events: Events, now_ms: float) -> Iterator[Batch]:
        kind = round_.kind[events]
        if now_ms > round_.give_up_ms:
            self._give_up(kind)
            return
        code = (slot << SLOT_BITS) + events
        asks, junk = kind == Kind.ASK, kind == Kind.JUNK
        if asks.any():
            yield requests.looks(code[asks])
        if junk.any():
            yield requests.junk(code[junk], events[junk], self._junk_forms)
        answers = ~asks & ~junk
        if not answers.all():
            code, events = code[answers], events[answers]
        holds = self.phones.holds[round_.fan[events]]
        if not holds.all():
            self._wait_for_ticket(round_, events[~holds], code[~holds])
            code, events = code[holds], events[holds]
        made = requests.answers(self.phones, round_, events, code)
        fresh = self._rng.random(len(code)) < self._habits.fresh
        made.flags[fresh] |= np.uint8(Flag.FRESH)
        yield made

    def _wait_for_ticket(self, round_: Round, events: Events, code: Codes) -> None:
        # Their planned time is over: a try that is not the first is not the crowd's lateness.
        round_.tries[events] = np.maximum(round_.tries[events], 1)
        self.join(np.unique(round_.fan[events]).astype(np.int64))
        self._need_ticket = np.concatenate((self._need_ticket, code))

    def _look_for_tickets(self, now_ms: float) -> None:
        """Who holds a ticket by now answers after a moment's thought."""
        waiting, self._need_ticket = self._need_ticket, np.zeros(0, np.int64)
        kept = []
        for slot, events in _by_slot(waiting):
            round_ = self._rounds.get(slot)
            if round_ is None or now_ms > round_.give_up_ms:
                if round_ is not None:
                    self._give_up(round_.kind[events])
                continue
            codes = (slot << SLOT_BITS) + events
            holds = self.phones.holds[round_.fan[events]]
            kept.append(codes[~holds])
            self._again.add(now_ms + THINK_MS, codes[holds])
        self._need_ticket = np.concatenate([self._need_ticket, *kept])

    def _queue(self, codes: Codes) -> None:
        if len(codes):
            self._due.append(codes.astype(np.int64, copy=False))
            self._due_count += len(codes)

    # --- what became of it ------------------------------------------------------------------------

    def settle(self, outcomes: Outcomes, now_ms: float) -> None:
        """Write the outcomes into the book, and plan what is to be tried again."""
        if not len(outcomes.code):
            return
        slots = outcomes.code >> SLOT_BITS
        for slot in np.unique(slots).tolist():
            if slot != SLOT_JOINS and slot not in self._rounds:
                continue
            places = np.flatnonzero(slots == slot)
            part = pick(outcomes, places)
            events = part.code & ((1 << SLOT_BITS) - 1)
            if slot == SLOT_JOINS:
                self._joined(events, part, now_ms)
            else:
                self._settle_round(slot, self._rounds[slot], events, part, now_ms)

    def _joined(self, fans: Events, part: Outcomes, now_ms: float) -> None:
        record, phones = self.record, self.phones
        record.totals.joins += len(fans)
        record.totals.retries += int((phones.tries[fans] > 0).sum())
        status = part.status.copy()
        record.waits["joins"].add(part.latency_ms[status > 0])
        for place in np.flatnonzero(status == 201).tolist():
            body = part.body[place, : part.length[place]].tobytes()
            try:
                phones.admit(int(fans[place]), body)
            except msgspec.DecodeError:
                status[place] = 0
        joined = status == 201
        record.timeline.count(Row.JOINED, now_ms + self.shift_ms, int(joined.sum()))
        for code, number in _counts(status[~joined & (status != LOST)]):
            why = reason(code)
            record.totals.joins_refused[why] = record.totals.joins_refused.get(why, 0) + number
        lost, failed = status == LOST, fans[~joined]
        phones.joining[failed] = False
        phones.refused[fans[~joined & ~lost]] = status[~joined & ~lost]
        again = fans[lost | np.isin(status, RETRYABLE)]
        again = again[phones.tries[again] < TRIES_MAX]
        phones.joining[again] = True
        self._again.add(now_ms + self._jitter(phones.tries[again]), again)
        phones.tries[again] += 1

    def _settle_round(
        self, slot: int, round_: Round, events: Events, part: Outcomes, now_ms: float
    ) -> None:
        kind = round_.kind[events]
        asks, junk = kind == Kind.ASK, kind == Kind.JUNK
        totals, at_ms = self.record.totals, now_ms + self.shift_ms
        if asks.any():
            totals.now_requests += int(asks.sum())
            came = asks & np.isin(part.status, (200, 304))
            self.record.waits["now"].add(part.latency_ms[asks & (part.status > 0)])
            self.record.timeline.count(Row.NOW, at_ms, int(came.sum()))
        if junk.any():
            totals.junk += int(junk.sum())
            totals.junk_accepted += int((junk & (part.status // 100 == 2)).sum())
        answers = ~asks & ~junk
        if answers.all():
            self._answered(slot, round_, events, kind, part, now_ms)
        elif answers.any():
            part = pick(part, answers)
            self._answered(slot, round_, events[answers], kind[answers], part, now_ms)

    def _answered(
        self,
        slot: int,
        round_: Round,
        events: Events,
        kind: npt.NDArray[np.uint8],
        part: Outcomes,
        now_ms: float,
    ) -> None:
        record, status = self.record, part.status
        totals, fan, question = record.totals, round_.fan[events], round_.question
        forgeries = kind == Kind.FORGED
        lost, done = status == LOST, status == 204
        first = round_.tries[events] == 0
        totals.sent += len(events)
        totals.forged += int(forgeries.sum())
        totals.unanswered += int(lost.sum())
        totals.acknowledged += int(done.sum())
        totals.forged_accepted += int((done & forgeries).sum())
        totals.retries += int((~first).sum())
        totals.duplicates += int(((kind == Kind.REPEAT) | (kind == Kind.OTHER)).sum())
        totals.dropped += int(((kind == Kind.DROP) & first & lost).sum())
        record.sent[question, fan[~forgeries]] = True
        record.acknowledged[question, fan[done & ~forgeries]] = True
        record.waits["answers"].add(part.latency_ms[~lost])
        planned = round_.opened_ms + round_.at_ms[events]
        record.waits["behind"].add(np.maximum(part.sent_ms - planned, 0.0)[first])
        for code, number in _counts(status[~lost & ~done]):
            totals.refused[reason(code)] = totals.refused.get(reason(code), 0) + number
        fair = honest(kind)
        at_ms = now_ms + self.shift_ms
        record.timeline.count(Row.ACKNOWLEDGED, at_ms, int((done & fair).sum()))
        record.timeline.count(Row.REFUSED, at_ms, int((fair & ~done & ~lost).sum()))
        again = (lost | np.isin(status, RETRYABLE)) & ~forgeries
        final = fair & ~done & ~again
        self._refuse_for_good(round_, events[final], status[final])
        self._retry(slot, round_, events[again], status[again], now_ms)

    def _refuse_for_good(
        self, round_: Round, events: Events, status: npt.NDArray[np.int16]
    ) -> None:
        """Only who was in time, on a network that holds, could expect a better answer."""
        length_ms = round_.closes_ms - round_.opened_ms
        timely = round_.at_ms[events] < length_ms - TIMELY_MS
        timely &= (status > 0) & (round_.kind[events] != Kind.DROP)
        refused = self.record.totals.refused_honest
        for code, number in _counts(status[timely]):
            refused[reason(code)] = refused.get(reason(code), 0) + number

    def _retry(
        self,
        slot: int,
        round_: Round,
        events: Events,
        status: npt.NDArray[np.int16],
        now_ms: float,
    ) -> None:
        """The same bytes again after a full-jitter wait, unless it would be too late anyway."""
        if not len(events):
            return
        tries = round_.tries[events]
        at_ms = now_ms + self._jitter(tries)
        round_.tries[events] = tries + 1
        hopeless = (at_ms > round_.retry_until_ms) | (tries >= TRIES_MAX)
        self._give_up(round_.kind[events[hopeless]])
        final = hopeless & honest(round_.kind[events])
        self._refuse_for_good(round_, events[final], status[final])
        self._again.add(at_ms[~hopeless], (slot << SLOT_BITS) + events[~hopeless])

    def _give_up(self, kind: npt.NDArray[np.uint8]) -> None:
        self.record.totals.given_up += int((kind <= Kind.DROP).sum())

    def _jitter(self, tries: npt.NDArray[np.uint8]) -> Reals:
        longest = np.minimum(RETRY_CAP_MS, RETRY_BASE_MS * 2.0 ** np.minimum(tries, 8))
        return np.asarray(self._rng.random(len(tries)) * longest, dtype=np.float64)


def _by_slot(codes: Codes) -> Iterator[tuple[int, Events]]:
    slots = codes >> SLOT_BITS
    for slot in np.unique(slots).tolist():
        yield slot, codes[slots == slot] & ((1 << SLOT_BITS) - 1)


def _counts(values: npt.NDArray[np.int16]) -> Iterator[tuple[int, int]]:
    found, numbers = np.unique(values, return_counts=True)
    yield from zip(found.tolist(), numbers.tolist(), strict=True)
