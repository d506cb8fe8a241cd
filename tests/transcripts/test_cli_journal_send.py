"""Golden conversations with `hairpin journal snapshot`, `snapshots`, `send` and `receive`; read the
.txt file first. How it is written anew stands in `models/conversation.py`.
"""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
import typer
from conversation import Conversation, locks_released
from disk_night import DiskNight, FixedClock
from small_show import FR, GB, answer, make_show, opened_ms
from typer.testing import CliRunner

from hairpin.cli import explain, journal_send, journal_snapshot, results
from hairpin.errors import HairpinError
from hairpin.journal.snapshots import Snapshots
from hairpin.world import real_world

HERE = Path(__file__).parent

app = typer.Typer()
app.command("recount")(results.recount)
journal = typer.Typer()
journal.command("snapshot")(journal_snapshot.snapshot)
journal.command("snapshots")(journal_snapshot.snapshots)
journal.command("send")(journal_send.send_command)
journal.command("receive")(journal_send.receive_command)
app.add_typer(journal, name="journal")


class Piping(Conversation):
    """Knows `|`, `<` and `>` too: what goes through them are bytes."""

    def answer(self, line: str) -> str:
        if not line.startswith("hairpin"):
            return super().answer(line)
        told, passed = "", b""
        steps = [shlex.split(part) for part in line.split(" | ")]
        for number, words in enumerate(steps):
            if "<" in words:
                at = words.index("<")
                passed = Path(words[at + 1]).read_bytes()
                del words[at : at + 2]
            file = Path(words[-1]) if ">" in words else None
            if file is not None:
                del words[-2:]
            last = number == len(steps) - 1 and file is None
            passed, said = self._run(words[1:], passed)
            told += said
            if file is not None:
                file.write_bytes(passed)
            elif last:
                told = passed.decode() + told
        return told

    @staticmethod
    def _run(arguments: list[str], given: bytes) -> tuple[bytes, str]:
        runner = CliRunner()
        with locks_released():
            result = runner.invoke(app, arguments, input=given, prog_name="hairpin")
        said, code = result.stderr, result.exit_code
        if isinstance(result.exception, HairpinError):
            error = result.exception
            shown = typer.Typer()
            shown.command()(lambda: explain(error))
            said += runner.invoke(shown, []).output
            code = error.exit_code
        elif result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.stdout_bytes, said + (f"[exit code {code}]\n" if code else "")


def settle(told: str) -> str:
    told = re.sub(r"\b[0-9a-f]{16}\b", "(16 hex digits)", told)
    return re.sub(r"/\S*/here/", "", told)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A show with a snapshot after its first question; it went on to its end, two minutes later."""
    place = tmp_path / "here"
    (place / "show").mkdir(parents=True)
    night = DiskNight(place / "show" / "journal", make_show(2))
    clock = FixedClock()
    world = real_world(clock)
    clock.at_ms = opened_ms(0) + 30_000
    first = [answer(fan, 0b001, 1_000 + fan, country=FR) for fan in range(7)]
    night.ask(0, first, [answer(10, 0b010, 900, country=GB)])
    Snapshots(world, night.journal.mirrors).take(night.journal, "first-question")
    night.ask(1, [answer(3, question=1)], [answer(10, question=1)])
    night.seal()
    clock.at_ms = opened_ms(1) + 30_000
    shutil.copytree(place / "show", place / "no-snapshots")
    shutil.rmtree(place / "no-snapshots" / "journal" / "snapshots")
    (place / "letter").write_text("Dear fans, thank you all.")
    (place / "empty").write_bytes(b"")
    monkeypatch.setattr("hairpin.cli.journal_snapshot.real_world", lambda: world)
    monkeypatch.setattr("hairpin.cli.journal_send.real_world", lambda: world)
    monkeypatch.chdir(place)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("NO_COLOR", "1")
    return place


class Damaging(Piping):
    """`flip FILE AT` and `cut FILE SIZE` do damage."""

    def answer(self, line: str) -> str:
        command, *arguments = shlex.split(line)
        if command not in ("flip", "cut"):
            return super().answer(line)
        path, number = Path(arguments[0]), int(arguments[1])
        data = bytearray(path.read_bytes())
        if command == "flip":
            data[number] ^= 1
        path.write_bytes(data if command == "flip" else data[:number])
        return ""


@pytest.mark.usefixtures("here")
def test_the_conversation_about_sending_goes_as_written() -> None:
    Damaging(app, settle).check(HERE / "journal-send.txt")
