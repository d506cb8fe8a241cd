"""The crowd's requests: which one a free connection sends next, and what became of each.

Costs are counted in microseconds here: one call per request sent and one per reply, no task and no
future. Everything else was planned in `script` before the question opened.
"""

from __future__ import annotations

import heapq
import random
from collections import deque

import msgspec

from hairpin.rehearsal.connections import Connection
from hairpin.rehearsal.phones import Phones
from hairpin.rehearsal.record import Record, reason
from hairpin.rehearsal.script import Kind, Round
from hairpin.world import Clock

RETRY_BASE_MS = 1_000.0
RETRY_CAP_MS = 10_000.0
THINK_MS = 250.0
"""From holding a ticket to the first answer, for those who join in the middle of a question."""

RETRYABLE = (409, 429, 503)
ASK_LINE = b"GET /now"

_ASK = int(Kind.ASK)
_DROP = int(Kind.DROP)
_FORGED = int(Kind.FORGED)


class Joining:
    """The task of a connection that carries a join; `event` is the fan."""


JOINING = Joining()
Task = Round | Joining


class Traffic:
    """Queues of what is due, retries with full jitter, and the book of outcomes."""

    def __init__(self, phones: Phones, record: Record, clock: Clock, dice: random.Random) -> None:
        self.phones = phones
        self.record = record
        self._now_ms = clock.monotonic_ms
        self._dice = dice
        self._due: deque[tuple[Round, int]] = deque()
        self._joins: deque[int] = deque()
        self._again: list[tuple[float, int, Task, int]] = []
        self._order = 0
        self._need_ticket: dict[int, list[tuple[Round, int]]] = {}

    @property
    def waiting(self) -> int:
        """Requests that are due and found no free connection yet."""
        return len(self._due) + len(self._joins)

    @property
    def retrying(self) -> int:
        return len(self._again)

    def release(self, rounds: list[Round], now_ms: float) -> None:
        """Everything planned until `now_ms` is due."""
        for round_ in rounds:
            end = int(round_.at_ms.searchsorted(now_ms - round_.opened_ms, side="right"))
            if end > round_.released:
                self._due.extend((round_, event) for event in range(round_.released, end))
                round_.released = end
        again = self._again
        while again and again[0][0] <= now_ms:
            _, _, task, event = heapq.heappop(again)
            if isinstance(task, Round):
                self._due.append((task, event))
            else:
                self._joins.append(event)

    def join(self, fan: int) -> None:
        """This fan wants a ticket now."""
        self.phones.joining[fan] = 1
        self._joins.append(fan)

    def next_request(self, connection: Connection) -> bool:
        now = self._now_ms()
        while self._due:
            round_, event = self._due.popleft()
            if now > round_.give_up_ms:
                self._give_up(round_, event)
            elif self._send(connection, round_, event, now):
                return True
        if not self._joins:
            return False
        fan = self._joins.popleft()
        connection.task = JOINING
        connection.event = fan
        self.record.totals.joins += 1
        connection.post(self.phones.join_line(fan), now)
        return True

    def replied(self, connection: Connection, status: int, body: bytes) -> None:
        task, event = connection.task, connection.event
        if isinstance(task, Round):
            if task.kind[event] != _ASK:
                self._answered(task, event, status, self._now_ms() - connection.at_ms)
        else:
            self._joined(event, status, body)

    def lost(self, connection: Connection) -> None:
        task, event = connection.task, connection.event
        if not isinstance(task, Round):
            self._join_again(event)
        elif task.kind[event] != _ASK:
            self.record.totals.unanswered += 1
            if task.kind[event] != _FORGED:
                self._retry(task, event)

    def _send(self, connection: Connection, round_: Round, event: int, now: float) -> bool:
        """Send one event of a question; False if it must wait for the fan's ticket."""
        kind = round_.kind[event]
        totals = self.record.totals
        if kind == _ASK:
            totals.now_requests += 1
            connection.task, connection.event = round_, event
            connection.get(ASK_LINE, now)
            return True
        fan = round_.fan[event]
        ticket = self.phones.ticket[fan]
        if ticket is None:
            self._wait_for_ticket(round_, event, fan)
            return False
        if kind == _FORGED:
            totals.forged += 1
            line = forged(ticket, round_.tail(event), event)
        else:
            self.record.sent[round_.question][fan] = 1
            line = b"POST /a/" + ticket + round_.tail(event)
        totals.sent += 1
        connection.task, connection.event = round_, event
        connection.post(line, now)
        if event not in round_.tries:
            self.record.behind_ms.append(now - round_.opened_ms - round_.at_ms[event])
            if kind == _DROP:
                connection.hang_up()
        return True

    def _wait_for_ticket(self, round_: Round, event: int, fan: int) -> None:
        if not self.phones.joining[fan]:
            self.join(fan)
        round_.tries.setdefault(event, 0)  # its planned time is over: not the crowd's lateness
        self._need_ticket.setdefault(fan, []).append((round_, event))

    def _answered(self, round_: Round, event: int, status: int, latency_ms: float) -> None:
        record = self.record
        record.latency_ms.append(latency_ms)
        kind = round_.kind[event]
        if status == 204:
            record.totals.acknowledged += 1
            if kind == _FORGED:
                record.totals.forged_accepted += 1
            else:
                record.acknowledged[round_.question][round_.fan[event]] = 1
            return
        record.refuse(status)
        if status in RETRYABLE and kind != _FORGED:
            self._retry(round_, event)

    def _joined(self, fan: int, status: int, body: bytes) -> None:
        if status == 201:
            try:
                self.phones.admit(fan, body)
                for round_, event in self._need_ticket.pop(fan, ()):
                    self._later(self._now_ms() + THINK_MS, round_, event)
                return
            except msgspec.DecodeError:
                status = 0
        refused = self.record.totals.joins_refused
        refused[reason(status)] = refused.get(reason(status), 0) + 1
        if status in RETRYABLE:
            self._join_again(fan)

    def _join_again(self, fan: int) -> None:
        wait = self._dice.uniform(0.0, 2.0 * RETRY_BASE_MS)
        self._later(self._now_ms() + wait, JOINING, fan)

    def _retry(self, round_: Round, event: int) -> None:
        """The same bytes again after a full-jitter wait, unless it would be too late anyway."""
        tries = round_.tries.get(event, 0)
        round_.tries[event] = tries + 1
        wait = self._dice.uniform(0.0, min(RETRY_CAP_MS, RETRY_BASE_MS * 2.0**tries))
        at = self._now_ms() + wait
        if at > round_.retry_until_ms:
            self._give_up(round_, event)
        else:
            self._later(at, round_, event)

    def _give_up(self, round_: Round, event: int) -> None:
        if round_.kind[event] not in (_ASK, _FORGED):
            self.record.totals.given_up += 1

    def _later(self, at_ms: float, task: Task, event: int) -> None:
        self._order += 1
        heapq.heappush(self._again, (at_ms, self._order, task, event))


def forged(ticket: bytes, tail: bytes, number: int) -> bytes:
    """An answer that no gate may accept: made up, altered, cut short, or an impossible choice."""
    kind = number % 4
    if kind == 0:
        ticket = random.Random(number).randbytes(10).hex().encode()
    elif kind == 1:
        ticket = ticket[:7] + (b"A" if ticket[7:8] != b"A" else b"B") + ticket[8:]
    elif kind == 2:
        ticket = ticket[:13]
    else:
        tail = tail[:3] + b"00" + tail[5:]  # no choice at all
    return b"POST /a/" + ticket + tail
