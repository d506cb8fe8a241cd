"""The bench's side of the generator's process."""

from __future__ import annotations

import subprocess
import sys
from typing import TypeVar

import msgspec

from bench.load.jobs import Job, Ready, Result
from bench.processes import ROOT
from hairpin.errors import EngineDown

T = TypeVar("T", Ready, Result)


class Generator:
    """One process, pinned to one core, for all contenders."""

    def __init__(self, core: int) -> None:
        self._core = core

    def __enter__(self) -> Generator:
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "bench.pinned", str(self._core)),
                *(sys.executable, "-m", "bench.load.generator"),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
        )
        self._read(Ready)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()

    def prepare(self, job: Job) -> None:
        """Returns when all connections stand and have been used."""
        self._write(msgspec.json.encode(job))
        self._read(Ready)

    def go(self) -> Result:
        """Take the sample that was prepared."""
        self._write(b"go")
        return self._read(Result)

    def end(self) -> None:
        """Close the job's connections."""
        self._write(b"end")

    def _write(self, line: bytes) -> None:
        assert self._process.stdin
        self._process.stdin.write(line + b"\n")
        self._process.stdin.flush()

    def _read(self, kind: type[T]) -> T:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise EngineDown(
                f"the load generator ended with exit code {self._process.wait()}",
                "What it said stands above.",
            )
        return msgspec.json.decode(line, type=kind)
