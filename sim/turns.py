"""Processes side by side, where their code never awaits: they take turns at their calls of ports.

Each runs in a thread of its own, but only one at a time. Whose turn it is says the seed.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sim.process import Process

Act = Callable[[], None]


class _Player:
    def __init__(self, process: Process, act: Act) -> None:
        self.process = process
        self.act = act
        self.turn = threading.Semaphore(0)
        self.error: BaseException | None = None


class Turns:
    """Not reentrant: whoever is playing starts no other round."""

    def __init__(self, dice: random.Random, chance: float = 0.1) -> None:
        """`chance`: that a call gives the turn to somebody else."""
        self._dice = dice
        self._chance = chance
        self._players: list[_Player] = []
        """Who has not ended, in the order in which they were named."""
        self._current: _Player | None = None
        self._over = threading.Semaphore(0)

    def play(self, acts: Iterable[tuple[Process, Act]]) -> None:
        """All of them, until each has ended; each process at most once. Raises what one raises."""
        players = [_Player(process, act) for process, act in acts]
        if not players:
            return
        threads = [threading.Thread(target=self._live, args=(p,), daemon=True) for p in players]
        for thread in threads:
            thread.start()
        self._players = players[:]
        for player in players:
            player.process.turns = self
        self._hand_over()
        self._over.acquire()
        for player, thread in zip(players, threads, strict=True):
            thread.join()
            player.process.turns = None
        for player in players:
            if player.error is not None:
                raise player.error

    def offer(self) -> None:
        if len(self._players) > 1 and self._dice.random() < self._chance:
            self.stand_aside()

    def stand_aside(self) -> bool:
        own = self._current
        others = [player for player in self._players if player is not own]
        if own is None or not others:
            return False
        self._current = self._dice.choice(others)
        self._current.turn.release()
        own.turn.acquire()
        return True

    def _live(self, player: _Player) -> None:
        player.turn.acquire()
        try:
            player.process.context.run(player.act)
        except BaseException as error:
            player.error = error
        self._players.remove(player)
        self._hand_over()

    def _hand_over(self) -> None:
        if not self._players:
            self._current = None
            self._over.release()
            return
        self._current = self._dice.choice(self._players)
        self._current.turn.release()
