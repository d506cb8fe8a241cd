"""Golden conversation with `hairpin rehearse`, as far as nothing is started; read rehearse.txt."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from conversation import Conversation

from hairpin.cli import rehearse

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[1] / "examples"

app = typer.Typer()
app.command()(rehearse.rehearse)
app.command("nothing")(lambda: None)  # with one command alone its name would not be asked for


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Path]:
    shutil.copytree(EXAMPLES / "images", tmp_path / "images")
    shutil.copy(EXAMPLES / "first-light.toml", tmp_path / "night.toml")
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "keys.json").write_text("{}")
    before = Path.cwd()
    os.chdir(tmp_path)
    yield tmp_path
    os.chdir(before)


def test_mistakes_are_named_before_anything_is_started(here: Path) -> None:
    Conversation(app).check(HERE / "rehearse.txt")
    assert sorted(path.name for path in here.iterdir()) == ["images", "night.toml", "used"]
