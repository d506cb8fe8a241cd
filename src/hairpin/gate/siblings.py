"""Gates of one machine share the load: who has more connections than the mean passes idle ones on.

A shared listening socket gives connections to whoever wakes first, and one that is kept alive stays
where it is, also when more gates start later. So now and then the surplus changes hands: a
descriptor goes over a Unix socket (SCM_RIGHTS), and the client notices nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from pathlib import Path
from typing import Protocol

import structlog

from hairpin.messages import GateReport
from hairpin.world import Clock

log = structlog.get_logger()

ALIVE_MS = 1_500
"""Whose last report is older takes no connections."""
FDS_MAX = 200
"""In one message; Linux takes 253."""
TOLERANCE = 0.03
SURPLUS_MIN = 8
"""A few connections more than the mean are no burden."""


class Connections(Protocol):
    """What can be shared: the hot loop's idle connections."""

    @property
    def connections(self) -> int: ...
    def give(self, count: int) -> list[int]: ...
    def take_back(self, sock: socket.socket) -> None: ...


def shares(mine: int, others: dict[int, int]) -> dict[int, int]:
    """How many connections to pass to which sibling, so that all come to have the mean.

    Everyone above the mean does the same sum, and gives in proportion to what the others lack.
    """
    mean = (mine + sum(others.values())) / (1 + len(others))
    surplus = mine - mean
    if surplus <= max(SURPLUS_MIN, mean * TOLERANCE):
        return {}
    lacks = {sibling: max(mean - count, 0.0) for sibling, count in others.items()}
    lack = sum(lacks.values())
    given = {sibling: int(surplus * part / lack) for sibling, part in lacks.items()}
    return {sibling: count for sibling, count in given.items() if count}


class Siblings:
    """The other gates of this machine, as far as their reports tell."""

    def __init__(
        self, directory: Path, incarnation: int, connections: Connections, clock: Clock
    ) -> None:
        """`directory`: where each gate has its socket, named by its incarnation."""
        self._directory = directory
        self._incarnation = incarnation
        self._connections = connections
        self._clock = clock
        self._heard: dict[int, tuple[int, float]] = {}
        self.passed = 0
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind(str(self._path(incarnation)))
        asyncio.get_running_loop().add_reader(self._socket.fileno(), self._receive)

    def _path(self, incarnation: int) -> Path:
        return self._directory / f"gate-{incarnation}"

    def report(self, report: GateReport) -> None:
        if report.incarnation != self._incarnation:
            self._heard[report.incarnation] = (report.connections, self._clock.monotonic_ms())

    def share(self) -> None:
        """Pass the surplus on; what a sibling does not take stays here."""
        since_ms = self._clock.monotonic_ms() - ALIVE_MS
        self._heard = {who: news for who, news in self._heard.items() if news[1] >= since_ms}
        others = {who: count for who, (count, _) in self._heard.items()}
        if not others:
            return
        for sibling, count in shares(self._connections.connections, others).items():
            self._pass(sibling, count)

    def _pass(self, sibling: int, count: int) -> None:
        while count > 0:
            fds = self._connections.give(min(count, FDS_MAX))
            if not fds:
                return
            socks = [socket.socket(fileno=fd) for fd in fds]
            try:
                # Connected anew each time: a sibling that was restarted has another name.
                with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
                    out.setblocking(False)
                    out.connect(str(self._path(sibling)))
                    socket.send_fds(out, [b"c"], fds)
            except OSError as error:
                log.info("a gate takes no connections", incarnation=sibling, why=error.strerror)
                for sock in socks:
                    self._connections.take_back(sock)
                return
            for sock in socks:
                sock.close()  # the sibling's copies live on
            self.passed += len(fds)
            count -= len(fds)

    def _receive(self) -> None:
        """Take what siblings passed."""
        for _ in range(8):  # then others may have their turn
            try:
                _, fds, _, _ = socket.recv_fds(self._socket, 1, FDS_MAX + 53)
            except OSError:
                return
            for fd in fds:
                self._connections.take_back(socket.socket(fileno=fd))

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._socket.fileno())
        self._receive()
        self._socket.close()
        with contextlib.suppress(OSError):
            self._path(self._incarnation).unlink()
