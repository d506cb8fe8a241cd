"""A mounted file system that breaks when it is told to: `faulty_server` in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest
from living_node import wait_until

END_S = 30


class FaultyMount:
    """Whatever is written below `path` goes through it. Of no use after `end`."""

    def __init__(self, path: Path, seed: int = 0) -> None:
        """Skips the test, saying why, where this machine does not let us mount."""
        expect_mounts("/dev/fuse")
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        self._process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("faulty_server.py"), path, str(seed)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            self._hear()
        except EOFError:
            _, said = self._process.communicate(timeout=END_S)
            pytest.skip(f"this machine mounts no FUSE file system: {said.strip().splitlines()[-1]}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def break_with(self, **faults: object) -> None:
        """From now on; words as of `faulty_files.Faults`. None of them: it works again."""
        self._tell(do="faults", **faults)

    def heal(self) -> None:
        self.break_with()

    def cut_power(self, keep_some: bool) -> None:
        """From now on everything fails, and what was not synced is lost, wholly or in parts."""
        self._tell(do="cut", keep_some=keep_some)

    def restore_power(self) -> None:
        self._tell(do="restore")

    @property
    def fired(self) -> int:
        """How many operations a fault has hit so far."""
        return int(self._tell(do="tell")["fired"])

    def end(self) -> None:
        """Unmounted on return; whoever still waits for it gets an error."""
        if self._process.poll() is not None:
            return
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            subprocess.run(["umount", "--lazy", self.path], check=False)
            self._process.wait(END_S)
        for pipe in (self._process.stdout, self._process.stderr):
            assert pipe is not None
            pipe.close()
        wait_until(lambda: not os.path.ismount(self.path), f"{self.path} to be unmounted")

    def _tell(self, **order: object) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return self._hear()

    def _hear(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise EOFError("the file system's process ended")
        heard: dict[str, Any] = json.loads(line)
        return heard


def expect_mounts(device: str) -> None:
    """Skips the test where mounting is not for us, or the kernel lacks the device."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        pytest.skip("mounting a file system needs Linux, and root")
    try:
        os.close(os.open(device, os.O_RDWR))
    except OSError as error:
        pytest.skip(f"this machine has no usable {device}: {error.strerror}")


@contextlib.contextmanager
def mounted(command: list[str], point: Path) -> Iterator[None]:
    """Skips the test, saying why, where `command` may not mount something at `point`."""
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", "") or str(error)
        pytest.skip(f"this machine does not let us mount: {said.strip()}")
    try:
        yield
    finally:
        unmount(point)


def unmount(point: Path) -> None:
    """Whoever was killed may take a moment to let go of it; whoever was not keeps what he has."""

    def gone() -> bool:
        done = subprocess.run(["umount", point], check=False, capture_output=True)
        return done.returncode == 0

    try:
        wait_until(gone, f"{point} to be let go of", patience_s=END_S)
    except AssertionError:
        subprocess.run(["umount", "--lazy", point], check=True)
        raise
