"""Golden conversations with the command line: typed lines, and the answers as they were.

A line that begins with `##` says what comes, one that begins with `$` is typed; what follows is the
answer. `ls`, `cat`, `rm` and `cp` work on files. To write the answers anew after a change that is
meant, set HAIRPIN_WRITE=1.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import typer
from typer.testing import CliRunner

from hairpin.cli import explain
from hairpin.errors import HairpinError


class Conversation:
    """`settle` makes answers independent of the day, the machine and chance."""

    def __init__(self, app: typer.Typer, settle: Callable[[str], str] = str) -> None:
        self._app = app
        self._settle = settle
        self.ports: dict[str, int] = {}
        """What stands for a port in the transcript, and the port that it is today."""

    def check(self, golden: Path) -> None:
        expected = golden.read_text("utf-8")
        told = self.replay(expected)
        if os.environ.get("HAIRPIN_WRITE"):
            golden.write_text(told, "utf-8")
        assert told == expected

    def replay(self, transcript: str) -> str:
        told = ""
        for line in transcript.splitlines():
            if line.startswith("## "):
                told += f"{line}\n"
            elif line.startswith("$ "):
                answer = self._settle(self.answer(line[2:]))
                answer = re.sub(r"\b[0-9a-f]{32}\b", "(32 hex digits)", answer)
                lines = (part.rstrip() for part in answer.strip().splitlines())
                told += f"{line}\n" + "\n".join(lines) + "\n\n"
        return told

    def answer(self, line: str) -> str:
        command, *arguments = shlex.split(line)
        if command == "hairpin":
            return self._hairpin(arguments)
        if command == "ls":
            return "\n".join(sorted(path.name for path in Path(arguments[0]).iterdir()))
        if command == "cat":
            return Path(arguments[0]).read_text("utf-8")
        if command == "rm":
            Path(arguments[0]).unlink()
            return ""
        assert command == "cp"
        shutil.copytree(arguments[0], arguments[1])
        return ""

    def _hairpin(self, arguments: list[str]) -> str:
        arguments = [str(self.ports.get(argument, argument)) for argument in arguments]
        runner = CliRunner()
        with locks_released():
            result = runner.invoke(self._app, arguments, prog_name="hairpin")
        printed, code = result.output, result.exit_code
        if isinstance(result.exception, HairpinError):
            # What `main` does with an error that Hairpin explains.
            error = result.exception
            shown = typer.Typer()
            shown.command()(lambda: explain(error))
            printed += runner.invoke(shown, []).output
            code = error.exit_code
        elif result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        for name, port in self.ports.items():
            printed = printed.replace(str(port), name)
        return printed + (f"[exit code {code}]" if code else "")


@contextmanager
def locks_released() -> Iterator[None]:
    """A command ends with its process, and with that go the locks that it took."""
    before = open_files()
    yield
    locks = {path.stat().st_ino for path in Path().glob("*/lock")}
    for fd, number in open_files().items():
        if fd not in before and number in locks:
            os.close(fd)


def open_files() -> dict[int, int]:
    """File descriptor to inode."""
    found = {}
    for name in os.listdir("/dev/fd"):
        with suppress(OSError):
            found[int(name)] = os.fstat(int(name)).st_ino
    return found
