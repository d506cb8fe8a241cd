from __future__ import annotations

from pathlib import Path

import pytest

from hairpin.cli import demo as demo_command
from hairpin.config import read_settings
from hairpin.errors import YourMistake


def test_the_example_is_there_and_a_missing_one_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert demo_command._example().name == "first-light.toml"
    monkeypatch.setattr(demo_command, "__file__", str(tmp_path / "a" / "b" / "c" / "demo.py"))
    with pytest.raises(YourMistake, match=r"first-light\.toml: no such file"):
        demo_command._example()


def test_a_fresh_directory_lets_this_machine_join_as_a_crowd(tmp_path: Path) -> None:
    demo_command._prepare(tmp_path / "new" / "deep")
    settings = read_settings(tmp_path / "new" / "deep" / "hairpin.toml")
    assert settings.join_allow == ("127.0.0.1", "::1")


def test_a_directory_with_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "journal").mkdir()
    with pytest.raises(YourMistake, match="allowed: a new or empty directory"):
        demo_command._prepare(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["journal"]


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(YourMistake, match=r"--data: cannot write .*file/below"):
        demo_command._prepare(tmp_path / "file" / "below")
