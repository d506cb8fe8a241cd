"""A real node: `hairpin run` as a process group of its own, on free ports, in its own directory."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec

from hairpin.node.data import NodeFile, open_journal
from hairpin.tally.recount import Recounter

PATIENCE_S = 60.0
"""For what takes a second; a busy machine is no reason to fail."""
_YOUR_MISTAKE = 2


def wait_until(holds: Callable[[], Any], what: str, patience_s: float = PATIENCE_S) -> Any:
    """The first true value of `holds()`; fails naming `what` when patience ends."""
    deadline = time.monotonic() + patience_s
    while not (value := holds()):
        assert time.monotonic() < deadline, f"waited {patience_s:.0f} s for {what}"
        time.sleep(0.02)
    return value


class LivingNode:
    """Starts, asks, wounds and ends one node; signals only processes that it started."""

    def __init__(
        self,
        directory: Path,
        show_text: str,
        *,
        gates: int = 2,
        settings: str = "",
        data: Path | None = None,
        arguments: Iterable[str] = (),
        limits: Callable[[], None] | None = None,
    ) -> None:
        """`settings`: text of a hairpin.toml; `limits` runs in the new process first."""
        self.directory = directory
        self.data = data or directory / "data"
        self.show_path = directory / "show.toml"
        self.show_path.write_text(show_text)
        self.errors_path = directory / "errors.txt"
        self._arguments = ["--gates", str(gates), "--purpose", "rehearsal", *arguments]
        self._settings_path = directory / "hairpin.toml"
        self._settings_path.write_text(settings)
        self._limits = limits
        self._process: subprocess.Popen[bytes] | None = None
        self._groups: list[int] = []
        self.port = 0

    # --- life -------------------------------------------------------------------------------------

    def start(self) -> None:
        """Running on return; again on the same data and ports, once the old one has gone."""
        deadline = time.monotonic() + PATIENCE_S
        while not self._try_start():
            assert time.monotonic() < deadline, f"the node does not start: {self.errors()}"
            time.sleep(0.1)

    def _try_start(self) -> bool:
        again = self.port != 0
        process = self.launch()
        wait_until(lambda: self._serves() or process.poll() is not None, "the node to serve")
        if process.poll() is None:
            return True
        assert process.returncode == _YOUR_MISTAKE, f"code {process.returncode}: {self.errors()}"
        if not again:
            self.port = 0  # somebody else took the ports meanwhile
        return False

    def launch(self) -> subprocess.Popen[bytes]:
        """Begin to start, and wait for nothing."""
        self.port = self.port or free_ports()
        command = [
            *(sys.executable, "-m", "hairpin", "run", str(self.show_path)),
            *("--data", str(self.data), "--port", str(self.port)),
            *("--config", str(self._settings_path), *self._arguments, "--json"),
        ]
        with self.errors_path.open("ab") as errors:
            process = subprocess.Popen(
                command,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,
                preexec_fn=self._limits,
            )
        self._process = process
        self._groups.append(process.pid)
        return process

    def _serves(self) -> bool:
        facts = self._read_facts()
        return facts is not None and facts.pid == self.pid

    def _read_facts(self) -> NodeFile | None:
        try:
            return msgspec.json.decode((self.data / "node.json").read_bytes(), type=NodeFile)
        except (OSError, msgspec.MsgspecError):
            return None

    def interrupt(self) -> int:
        """Ctrl-C; returns the exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        return self.exit_code()

    def exit_code(self) -> int:
        """Waits for the end, which somebody has asked for."""
        assert self._process is not None
        return self._process.wait(PATIENCE_S)

    def end(self) -> None:
        """Whatever state it is in: nothing of it lives on return."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(PATIENCE_S / 2)
        self.kill_all()

    # --- wounds -----------------------------------------------------------------------------------

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def facts(self) -> NodeFile:
        """As node.json tells; while a child is being restarted it still names the old one."""
        facts = self._read_facts()
        assert facts is not None, f"no node runs on {self.data}: {self.errors()}"
        return facts

    @staticmethod
    def kill(pid: int, number: int = signal.SIGKILL) -> None:
        """A pid from `facts`; one that is gone already is no mistake."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)

    def kill_parent(self) -> None:
        """The children notice and end themselves."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(PATIENCE_S)

    def kill_all(self) -> None:
        """Every process that this node ever started."""
        for group in self._groups:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        if self._process is not None:
            self._process.wait(PATIENCE_S)
        self._groups.clear()

    def wait_replaced(self, *pids: int) -> NodeFile:
        """Until none of these is among the node's children, and all children serve."""
        facts: NodeFile = wait_until(
            lambda: (
                (facts := self._read_facts())
                and not set(pids) & {facts.stage, *facts.gates}
                and facts
            ),
            f"processes in the place of {pids}; {self.errors()}",
        )
        return facts

    # --- questions --------------------------------------------------------------------------------

    def errors(self) -> str:
        return self.errors_path.read_text() if self.errors_path.exists() else ""

    def get(self, path: str, private: bool = False) -> tuple[int, bytes]:
        status, _, body = self.request("GET", path, private=private)
        return status, body

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        private: bool = False,
    ) -> tuple[int, dict[str, str], bytes]:
        """(status, headers in lower case, body); a private request carries the token."""
        port = self.port + 1 if private else self.port
        headers = dict(headers or {})
        if private:
            headers["authorization"] = f"Bearer {self.facts.token}"
        with contextlib.closing(
            http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        ) as connection:
            connection.request(method, path, body, headers)
            reply = connection.getresponse()
            return reply.status, {k.lower(): v for k, v in reply.getheaders()}, reply.read()

    def now(self) -> dict[str, Any]:
        status, body = self.get("/now")
        assert status == 200, body
        document: dict[str, Any] = json.loads(body)
        return document

    def order(self, do: str, **words: object) -> int:
        """A step from the console; returns the reply's status."""
        body = json.dumps({"do": do, **words}).encode()
        return self.request("POST", "/api/order", body, private=True)[0]

    def step(self, do: str, question: int, **words: object) -> None:
        """A step that must be possible; on return every gate may still be hearing of it."""
        wait_until(lambda: self._stepped(do, question, words), f"{do} of question {question}")

    def _stepped(self, do: str, question: int, words: dict[str, object]) -> bool:
        try:
            status = self.order(do, question=question, **words)
        except OSError:
            return False
        assert status in (200, 503), f"{do} of question {question}: {status}"
        return status == 200

    def join(self, who: str = "1FR") -> str:
        """A ticket. A gate that was born a moment ago may have no numbers to give yet."""

        def asked() -> bytes:
            status, _, body = self.request("POST", f"/t/{who}")
            assert status in (201, 503), (status, body)
            return body if status == 201 else b""

        ticket: str = json.loads(wait_until(asked, "a ticket"))["ticket"]
        return ticket

    def answer(self, ticket: str, question: int, choice: int, elapsed_ms: int = 1_000) -> int:
        """The reply's status."""
        path = f"/a/{ticket}/{question:02x}{choice:02x}{elapsed_ms:07x}"
        return self.request("POST", path)[0]

    def wait_state(self, state: str) -> None:
        """Until every gate tells this state, as far as ten connections can know."""
        wait_until(
            lambda: all(self.now()["state"] == state for _ in range(10)), f"the state {state}"
        )

    def tally(self) -> dict[str, Any]:
        """The latest `tally` event of the console."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port + 1, timeout=PATIENCE_S)
        with contextlib.closing(connection):
            headers = {"authorization": f"Bearer {self.facts.token}"}
            connection.request("GET", "/events/console", headers=headers)
            reply = connection.getresponse()
            kind = b""
            while line := reply.readline():
                if line.startswith(b"event: "):
                    kind = line[7:].strip()
                elif line.startswith(b"data: ") and kind == b"tally":
                    tally: dict[str, Any] = json.loads(line[6:])
                    return tally
        raise AssertionError("the console's events ended without a tally")

    def recounter(self) -> Recounter:
        """Reads the journal as it is now; call `run` on it."""
        return Recounter(open_journal(self.data))


def free_ports() -> int:
    """A port that is free, and the next one, too; below those that the system gives to clients."""
    for _ in range(200):
        port = random.SystemRandom().randrange(10_000, 32_000, 2)
        try:
            for number in (port, port + 1):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", number))
        except OSError:
            continue
        return port
    raise AssertionError("no two free ports side by side in 200 tries")
