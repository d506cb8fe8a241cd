"""Processes that a rehearsal starts, and ends again whatever happens."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import IO

from hairpin.errors import HairpinError

END_S = 10.0
"""How long a child may take to end in good order."""
LOG_SHOWN_BYTES = 2_000


class ChildEnded(HairpinError):
    """A child ended that should live; carries its own exit code and its last words."""

    def __init__(self, name: str, exit_code: int, log: Path) -> None:
        how = f"signal {-exit_code}" if exit_code < 0 else f"exit code {exit_code}"
        words = explained(log) if exit_code > 0 else ""
        super().__init__(words or f"the {name} ended with {how}", "" if words else f"See {log}.")
        self.exit_code = exit_code if exit_code > 0 else 1


class Child:
    """One `hairpin` process in a session of its own, so that Ctrl-C reaches only us."""

    def __init__(self, name: str, process: Process, log: Path) -> None:
        self.name = name
        self.process = process
        self.log = log

    @property
    def pid(self) -> int:
        return self.process.pid

    async def ended(self) -> int:
        """Wait for the exit code; negative: the signal that killed it."""
        return await self.process.wait()

    async def must_live(self) -> None:
        """Raises `ChildEnded` when it ends."""
        raise ChildEnded(self.name, await self.process.wait(), self.log)

    async def lines(self) -> AsyncIterator[bytes]:
        assert self.process.stdout is not None, f"{self.name} was started without a pipe"
        while line := await self.process.stdout.readline():
            yield line

    async def stop(self) -> None:
        """Ask it to end, and make it end if it does not; its own children with it.

        A cancellation meanwhile is raised only after the end.
        """
        ending = asyncio.ensure_future(self._stop())
        try:
            await asyncio.shield(ending)
        except asyncio.CancelledError:
            await ending
            raise

    async def _stop(self) -> None:
        if self.process.returncode is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self.process.wait(), END_S)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            await self.process.wait()


async def start(name: str, arguments: Sequence[str], log: Path, piped: bool = False) -> Child:
    """Start `hairpin ARGUMENTS`; its messages go to the file `log`, its output there or to us."""
    with log.open("ab") as file:
        output: int | IO[bytes] = PIPE if piped else file
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "hairpin",
            *arguments,
            stdin=DEVNULL,
            stdout=output,
            stderr=file,
            start_new_session=True,
        )
    return Child(name, process, log)


def explained(log: Path) -> str:
    """The last error that a child explained at the end of its log, if it did."""
    try:
        text = log.read_bytes()[-LOG_SHOWN_BYTES:].decode(errors="replace").strip()
    except OSError:
        return ""
    return f"\n{text}".rpartition("\nhairpin: ")[2] if "hairpin: " in text else ""
