"""Processes of a contender: what they cost, where they run, how they end."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from hairpin.errors import EngineDown

ROOT = Path(__file__).resolve().parent.parent
PATIENCE_S = 60.0
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def tree(pid: int) -> list[int]:
    """`pid` and all that descend from it and live."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [pid]
    for parent in found:
        found.extend(children.get(parent, []))
    return found


def cpu_s(pids: Sequence[int]) -> float:
    """User and system time of these processes, their threads included."""
    return sum(_times_s(pid, slice(11, 13)) for pid in pids)


def cpu_s_of_tree(pid: int) -> float:
    """The same of a process and its descendants, those that have ended included."""
    return sum(_times_s(each, slice(11, 15)) for each in tree(pid))


def _times_s(pid: int, which: slice) -> float:
    return sum(map(int, _stat(pid)[which])) * _TICK_S


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on; none if it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return text.rpartition(")")[2].split()


def free_port(count: int = 1) -> int:
    """The first of `count` ports in a row on which nobody listens on loopback."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port + count <= 65_536 and all(_free(port + i) for i in range(count)):
            return port


def _free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


class Server:
    """A child process, pinned to one core, with what it says kept in a file."""

    def __init__(
        self,
        command: Sequence[str],
        core: int,
        directory: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._log = directory / "server.log"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "bench.pinned", str(core), *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=ROOT,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )

    @property
    def pids(self) -> list[int]:
        return tree(self._process.pid)

    def cpu_s(self) -> float:
        return cpu_s(self.pids)

    def wait_until(self, holds: Callable[[], bool], what: str) -> None:
        """Ends it and raises EngineDown if the process ends by itself or patience does."""
        deadline = time.monotonic() + PATIENCE_S
        while not holds():
            if self._process.poll() is not None or time.monotonic() > deadline:
                code = self._process.poll()
                self.end()
                raise EngineDown(
                    f"waited for {what}; exit code {code}: {self.said()}",
                    f"The whole log is {self._log}.",
                )
            time.sleep(0.02)

    def wait_listening(self, port: int) -> None:
        self.wait_until(lambda: _answers(port), f"a server on port {port}")

    def said(self) -> str:
        """The end of its log."""
        return self._log.read_text(errors="replace")[-500:].strip()

    def end(self) -> None:
        """SIGTERM, time to finish, then SIGKILL to its whole session."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(PATIENCE_S / 2)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(PATIENCE_S)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
