"""The hot loop of a gate: compiled sweeps take what is hot, the ordinary server gets the rest.

One turn reads every ready socket once, decides all answers and joins in one batch, replies, and
hands on what it does not take: a `Connection` serves those, and gives them back when they are idle.
"""

from __future__ import annotations

import asyncio
import socket

import numpy as np

from hairpin.gate import slices
from hairpin.gate.connection import IDLE_TIMEOUT_MS, Connection
from hairpin.gate.doors import Doors
from hairpin.gate.sweeper import COLD_MAX, ReplyTable, Sweeper, Verdicts

COLD_BUSY = 4
"""Connections handed over in one turn while answers come: a page costs as much as fifty of them."""
BUSY = 64
"""A turn with so many requests is a busy one."""
LAST_TURNS = 100
"""At the end of the process, for all that arrived before; it must not wait for a flood to end."""
REFUSED_MS = 2_000
"""How long a connection beyond the limit may take to ask for its 503."""

_NONE: Verdicts = np.zeros(0, np.int64)


class Burst:
    """All hot connections of one gate process."""

    def __init__(
        self, doors: Doors, listener: socket.socket, files_max: int, queue_max: int
    ) -> None:
        """`files_max`: how many descriptors this process may have open; `queue_max`: how many
        answers a commit may take."""
        self._doors = doors
        self._sweeper = Sweeper(listener, files_max, queue_max)
        self._listening = False
        self._crowded = False
        self._cold_tasks: set[asyncio.Task[None]] = set()
        self._table = ReplyTable(doors.replies)
        self._failed: asyncio.Future[None]
        self._goes_on = False

    @property
    def connections(self) -> int:
        return self._sweeper.connections

    @property
    def handing(self) -> int:
        """Connections on their way to the ordinary server, which does not know of them yet."""
        return len(self._cold_tasks)

    def start(self) -> asyncio.Future[None]:
        """Serve until `stop`. The future fails if a turn does, after which nothing is served."""
        loop = asyncio.get_running_loop()
        self._failed = loop.create_future()
        self._listen(True)
        loop.add_reader(self._sweeper.fileno(), self._told)
        return self._failed

    def _told(self) -> None:
        """Something is ready; the turn that goes on where the last one stopped will see it, too."""
        if not self._goes_on:
            self._go_on()

    def _go_on(self) -> None:
        self._goes_on = False
        if self._failed.done() or self._sweeper.closed:
            return
        loop = asyncio.get_running_loop()
        try:
            self.turn()
        except Exception as error:
            loop.remove_reader(self._sweeper.fileno())
            self._failed.set_exception(error)
        else:
            self._goes_on = self._sweeper.unfinished
            if self._goes_on:  # once in each turn of the event loop: others want theirs
                loop.call_soon(self._go_on)

    def stop(self) -> None:
        """Answer what has arrived, and close all hot connections."""
        self._listen(False)
        for _ in range(LAST_TURNS):
            if self._failed.done():
                break
            self.turn()
            if self._sweeper.quiet:
                break
        asyncio.get_running_loop().remove_reader(self._sweeper.fileno())
        self._sweeper.end()

    def tend(self) -> None:
        """Now and then: end what says nothing for too long."""
        if self._sweeper.closed:
            return
        now_ms = self._doors.clock.now_ms()
        self._sweeper.close_idle(now_ms - IDLE_TIMEOUT_MS, now_ms - REFUSED_MS)
        self._let_in()

    # --- one turn ---------------------------------------------------------------------------------

    def turn(self) -> None:
        """Read every socket that is ready once, decide, reply, hand on."""
        doors, sweeper = self._doors, self._sweeper
        doors.stirred.set()
        replies = doors.replies
        if self._table.replies is not replies:
            self._table = ReplyTable(replies)
        now_ms = doors.clock.now_ms()
        cold_room = COLD_BUSY if sweeper.found > BUSY else COLD_MAX
        sweeper.sweep(doors.room(), cold_room, now_ms, self._table.etag)
        handed = sweeper.reply(self._table, self._decide(now_ms))
        if handed:
            self._hand_over(handed)
        if sweeper.ended:
            self._let_in()
        elif sweeper.crowded:
            self._listen(False)  # until somebody leaves, or `tend` comes by
            self._crowded = True

    def _decide(self, now_ms: int) -> Verdicts:
        doors, sweeper = self._doors, self._sweeper
        text = sweeper.answers()
        answers = len(text) // slices.TEXT_BYTES
        verdicts = _NONE
        if answers:
            verdicts = doors.answers.decide(text, np.full(answers, now_ms, np.int64))
        if sweeper.found > answers:
            kinds = sweeper.kinds()
            doors.requests["now"] += kinds[slices.NOW] + kinds[slices.NOW_SAME]
            doors.requests["join"] += kinds[slices.JOIN]
            doors.refused["connections"] += kinds[slices.REFUSED]
            if kinds[slices.JOIN]:
                statuses = doors.join_many(*sweeper.joins(), sweeper.tickets, sweeper.claims)
                sweeper.joined[: len(statuses)] = statuses
        return verdicts

    def _listen(self, wanted: bool) -> None:
        if wanted != self._listening:
            self._sweeper.listen(wanted)
        self._listening = wanted
        self._crowded = False

    def _let_in(self) -> None:
        if self._crowded:
            self._listen(True)

    # --- to the ordinary server, to siblings, and back --------------------------------------------

    def _hand_over(self, handed: dict[int, tuple[bytes, bytes]]) -> None:
        loop = asyncio.get_running_loop()
        for fd, (rest, unsent) in handed.items():
            task = loop.create_task(self._serve(socket.socket(fileno=fd), rest, unsent))
            self._cold_tasks.add(task)
            task.add_done_callback(self._cold_tasks.discard)

    async def _serve(self, sock: socket.socket, rest: bytes, unsent: bytes) -> None:
        connection = Connection(self._doors, self.take_back, rest)
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(lambda: connection, sock)
        except OSError:  # the client is gone
            sock.close()
        else:
            connection.begin(unsent)

    def take_back(self, sock: socket.socket) -> None:
        """Serve this idle connection again; owns it from now on."""
        self._sweeper.adopt(sock, self._doors.clock.now_ms())

    def give(self, count: int) -> list[int]:
        """Up to `count` idle connections to pass on; the caller owns their descriptors."""
        return self._sweeper.give(count)
