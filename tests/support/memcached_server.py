"""A real memcached on a free port of this machine, started and ended by the test that wants it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from living_node import wait_until

from hairpin.errors import EngineDown
from hairpin.tally.memcached import Address, Server


def program() -> str:
    """Its path. Without one: a failure where everything has to be there, else a skip by name."""
    found = shutil.which("memcached", path=os.environ.get("PATH", "") + ":/usr/bin:/usr/local/bin")
    if found is None:
        reason = "memcached is not installed (Debian: apt-get install memcached)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


class Memcached:
    """`start` it again after `kill`: on the same port, and empty, as memcached is."""

    def __init__(self, memory_mib: int = 64) -> None:
        self._program = program()
        self._memory_mib = memory_mib
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = Address("127.0.0.1", probe.getsockname()[1])

    @property
    def url(self) -> str:
        return str(self.address)

    def start(self) -> None:
        command = [self._program, "-l", "127.0.0.1", "-p", str(self.address.port), "-U", "0"]
        command += ["-m", str(self._memory_mib), "-t", "2"]
        if os.geteuid() == 0:
            command += ["-u", "nobody"]
        self._process = subprocess.Popen(
            command, cwd=Path("/"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_until(self._serves, f"memcached on port {self.address.port}")

    def _serves(self) -> bool:
        server = Server(self.address)
        try:
            server.connect()
        except EngineDown:
            assert self._process is not None
            assert self._process.poll() is None, "memcached ended by itself"
            return False
        server.close()
        return True

    def kill(self) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait(30)
            self._process = None

    def restart(self) -> None:
        self.kill()
        self.start()

    def hang(self) -> None:
        """It takes connections and bytes, and answers nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        threads = Path(f"/proc/{self._process.pid}/task")
        wait_until(
            lambda: all(
                (thread / "stat").read_text().rpartition(") ")[2].startswith("T")
                for thread in threads.iterdir()
            ),
            "memcached to stand still",
        )

    def go_on(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)
