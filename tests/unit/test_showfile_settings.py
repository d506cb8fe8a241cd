"""The reader, the annotated example and the documentation know the same settings."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from hairpin.errors import YourMistake
from hairpin.showfile import read_show
from hairpin.showfile.settings import SETTINGS

ROOT = Path(__file__).parents[2]


def names(kind: str, key: str) -> str:
    return f"{kind}.{key}" if kind else key


ALL_SETTINGS = [names(kind, key) for kind, keys in SETTINGS.items() for key in keys]


def keys_of(value: object, path: str = "") -> set[str]:
    if isinstance(value, list):
        return {key for item in value for key in keys_of(item, path)}
    if not isinstance(value, dict):
        return set()
    found = {names(path, key) for key in value}
    return found | {k for key, inner in value.items() for k in keys_of(inner, names(path, key))}


def with_a_date(setting: str) -> str:
    """A show file in which this setting is a date without a time, which is right for none."""
    *tables, key = setting.split(".")
    table = ".".join(tables)
    show: dict[str, dict[str, str]] = {
        "": {"id": '"night"', "title": '"The night"'},
        "audience": {"low": "10", "high": "100"},
        "winner": {},
        "retention": {},
        "questions": {"text": '"?"', "opens": "60", "duration": "20"},
        "questions.choices": {"text": '"Yes"'},
    }
    show[table][key] = "2027-06-20"
    tables_named = {"audience": "[audience]", "winner": "[winner]", "retention": "[retention]"}
    headers = {"": "", **tables_named, "questions": "[[questions]]"}
    headers["questions.choices"] = "[[questions.choices]]"
    if setting in headers:
        headers[setting] = ""  # a value instead of a table
        show[setting] = {}
        if setting == "questions":
            del show["questions.choices"]
    blocks = [
        "\n".join([headers[name], *(f"{k} = {v}" for k, v in settings.items())])
        for name, settings in show.items()
    ]
    return "\n".join(blocks)


@pytest.mark.parametrize("setting", ALL_SETTINGS)
def test_every_setting_is_read(setting: str) -> None:
    """Whoever reads a setting finds fault with a value that is right for none."""
    with pytest.raises(YourMistake) as caught:
        read_show(with_a_date(setting), "night.toml")
    places = [re.sub(r"\[\d\]| \(.*", "", f.place) for f in caught.value.findings]
    assert setting in places


@pytest.mark.parametrize("setting", ALL_SETTINGS)
def test_every_setting_is_in_the_annotated_example(setting: str) -> None:
    annotated = tomllib.loads((ROOT / "examples/annotated.toml").read_text("utf-8"))
    assert setting in keys_of(annotated)


@pytest.mark.parametrize("setting", ALL_SETTINGS)
def test_every_setting_is_documented(setting: str) -> None:
    assert f"`{setting}`" in (ROOT / "docs/show-file.md").read_text("utf-8")
