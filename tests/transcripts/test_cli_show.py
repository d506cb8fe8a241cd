"""Golden conversations with `hairpin check` and `hairpin import`; read the .txt files first.

A line that begins with `##` says what comes, one that begins with `$` is typed; what follows is the
answer. `cat` and `ls` show files. To write the answers anew after a change that is meant:
HAIRPIN_WRITE=1 .venv/bin/pytest tests/transcripts/test_cli_show.py
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from hairpin.cli.show import check, import_
from hairpin.errors import HairpinError, YourMistake

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[1] / "examples"
BROKEN_SHEET = """\
Question;Choice 1;Choice 2;Right;Opens;Explantion
How many strings has a violin?;3;4;B;0:10:00;
;Yes;No;C;soon;
"""
BROKEN_SHOW = """\
id = "The Night"
title = { en = "The night" }
languages = ["en", "fr"]
audience = { low = 5_000, high = 500 }
accent = "#101020"

[[questions]]
text = { en = "How many strings has a violin?", fr = "Combien de cordes a un violon ?" }
choices = ["3", "4"]
rigth = 2
opens = "0:10:00"
duration = "60s"

[[questions]]
text = { en = "One more song?", fr = "Encore une ?" }
choices = ["Yes"]
image = "images/encore.png"
opens = "0:10:30"
duration = "soon"
"""

app = typer.Typer()
app.command("check")(check)
app.command("import")(import_)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with the files that the transcripts speak of."""
    shutil.copytree(EXAMPLES / "images", tmp_path / "images")
    for name in ("first-light.toml", "by-hand.toml", "questions.csv"):
        shutil.copy(EXAMPLES / name, tmp_path / name)
    (tmp_path / "broken.toml").write_text(BROKEN_SHOW, "utf-8")
    (tmp_path / "broken.csv").write_text(BROKEN_SHEET, "utf-8")
    (tmp_path / "syntax.toml").write_text('id = "night"\ntitle = The night\n', "utf-8")
    (tmp_path / "latin1.toml").write_bytes('title = "Première"\n'.encode("latin-1"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("NO_COLOR", "1")
    return tmp_path


def answer(line: str) -> str:
    command, *arguments = shlex.split(line)
    if command == "cat":
        return Path(arguments[0]).read_text("utf-8")
    if command == "ls":
        return "\n".join(sorted(path.name for path in Path().iterdir() if path.is_file()))
    assert command == "hairpin"
    result = CliRunner().invoke(app, arguments)
    printed, code = result.output, result.exit_code
    if isinstance(result.exception, HairpinError):
        # What the root of the command line does with an error that Hairpin explains.
        printed += f"{result.exception}\n"
        if isinstance(result.exception, YourMistake):
            printed += "".join(f"  {finding}\n" for finding in result.exception.findings)
        code = result.exception.exit_code
    elif result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    printed = re.sub('"hash": "[0-9a-f]{32}"', '"hash": "(32 hex digits)"', printed)
    return printed + (f"[exit code {code}]" if code else "")


def replay(transcript: str) -> str:
    told = ""
    for line in transcript.splitlines():
        if line.startswith("## "):
            told += f"{line}\n"
        elif line.startswith("$ "):
            printed = "\n".join(part.rstrip() for part in answer(line[2:]).strip().splitlines())
            told += f"{line}\n{printed}\n\n"
    return told


@pytest.mark.parametrize("name", ["check.txt", "check-json.txt", "import.txt"])
def test_the_conversation_goes_as_written(name: str, here: Path) -> None:
    golden = HERE / name
    expected = golden.read_text("utf-8")
    told = replay(expected)
    if os.environ.get("HAIRPIN_WRITE"):
        golden.write_text(told, "utf-8")
    assert told == expected


def test_an_import_leaves_no_half_written_file(here: Path) -> None:
    before = {path.name for path in here.iterdir()}
    answer("hairpin import broken.csv -o night.toml")
    assert {path.name for path in here.iterdir()} == before
    answer("hairpin import questions.csv -o night.toml")
    assert {path.name for path in here.iterdir()} == before | {"night.toml"}
    assert (here / "night.toml").stat().st_mode & 0o777 == 0o644
