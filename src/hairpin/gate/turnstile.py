"""So many requests of the ordinary server in each turn of the event loop, and no more.

A page costs as much as fifty answers. Whatever asks for pages, or sends junk that needs the strict
parser to be refused, waits here in order, so that the hot loop gets its turn in between.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

PER_TURN = 8


class Turnstile:
    """Calls what is given to `enter` in that order, PER_TURN in each turn of the event loop.

    It holds at most one call of each connection, and so is as bounded as they are.
    """

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()
        self._scheduled = False

    def enter(self, call: Callable[[], None]) -> None:
        self._waiting.append(call)
        self._schedule()

    def _schedule(self) -> None:
        if self._waiting and not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        self._scheduled = False
        for _ in range(min(PER_TURN, len(self._waiting))):
            self._waiting.popleft()()
        self._schedule()
