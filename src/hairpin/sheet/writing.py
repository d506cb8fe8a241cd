"""Rows of a sheet, written as the TOML of a show file."""

from __future__ import annotations

import json
import re
from pathlib import PurePath

from hairpin.sheet.cells import Row, name_of
from hairpin.sheet.columns import LETTERS, PLAIN, Sheet
from hairpin.show import CHOICES_MAX

DURATION = "60s"
"""Where questions have an opening time but no duration."""


_YES, _NO = ("yes", "true", "1", "x"), ("no", "false", "0", "")
_ERRORS = ("#DIV/0!", "#N/A", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!")


def show_file(sheet: Sheet, name: str) -> tuple[str, dict[str, str]]:
    """The text of the show file, and for every place in it the cell that it came from."""
    cells: dict[str, str] = {}
    for index, tag in enumerate(sheet.languages):
        column = next(c for c in sheet.columns if c.language == tag)
        cells[f"languages[{index}]"] = name_of(sheet.head.number, sheet.columns[column])
    timed = any(sheet.cell(row, "opens") for row in sheet.rows)
    parts = [_head(sheet, name, timed)]
    for index, row in enumerate(sheet.rows):
        cells[f"questions[{index}]"] = f"row {row.number}"
        parts.append("\n".join(_Question(sheet, row, f"questions[{index}]", cells).lines(timed)))
    return "\n\n".join(parts) + "\n", cells


def _head(sheet: Sheet, name: str, timed: bool) -> str:
    stem = PurePath(name).stem
    slug = re.sub("[^a-z0-9]+", "-", stem.lower()).strip("-")[:40].strip("-") or "show"
    mode = '"clock"' if timed else '"hand" # no opening times: you open each from the console'
    return "\n".join(
        (
            f"# Imported from {_quoted(PurePath(name).name)[1:-1]}.",
            "# The settings above the questions are a beginning: make them yours, then run",
            "# `hairpin check` on this file. docs/show-file.md explains every setting.",
            "",
            f"id = {_quoted(slug)} # a short name of the event",
            f"title = {_quoted(stem.strip()[:80] or slug)} # what people see",
            f"languages = [{', '.join(map(_quoted, sheet.languages))}]",
            f"mode = {mode}",
            "audience = { low = 1_000, high = 10_000 } # how many fans you expect",
        )
    )


class _Question:
    """Writes one row as a `[[questions]]` table."""

    def __init__(self, sheet: Sheet, row: Row, place: str, cells: dict[str, str]) -> None:
        self.sheet, self.row, self.path, self.cells = sheet, row, place, cells

    def lines(self, timed: bool) -> list[str]:
        for setting in PLAIN:
            self.cells[f"{self.path}.{setting}"] = self.sheet.place(self.row, setting)
        self._check_errors()
        lines = ["[[questions]]", *self._plain("id"), f"text = {self._text('question', 'text')}"]
        lines += [*self._plain("image"), *self._choices(), *self._right()]
        if self._multiple():
            lines.append("multiple = true")
        lines += self._plain("opens", numbers=True)
        lines += self._plain("duration", numbers=True)
        if timed and not self._get("duration"):
            lines.append(f"duration = {_quoted(DURATION)} # the sheet gave none")
        if any(self._get("explanation", language) for language in self.sheet.languages):
            lines.append(f"explanation = {self._text('explanation', 'explanation')}")
        return lines

    def _get(self, setting: str, language: str = "") -> str:
        return self.sheet.cell(self.row, setting, language)

    def _wrong(self, setting: str, allowed: str) -> None:
        found = json.dumps(self._get(setting), ensure_ascii=False)
        self.sheet.wrong(self.sheet.place(self.row, setting), found, allowed)

    def _check_errors(self) -> None:
        for column in self.sheet.columns:
            found = self._get(column.setting, column.language)
            if found in _ERRORS:
                place = self.sheet.place(self.row, column.setting, column.language)
                self.sheet.wrong(place, found, "a value, not the error of a formula")

    def _plain(self, setting: str, numbers: bool = False) -> list[str]:
        value = self._get(setting)
        if not value:
            return []
        bare = numbers and re.fullmatch("[0-9]{1,9}", value)
        return [f"{setting} = {int(value) if bare else _quoted(value)}"]

    def _text(self, setting: str, path: str, shared: bool = False) -> str:
        """One string where the sheet has one language, or where a choice is given in one only."""
        place = f"{self.path}.{path}"
        languages = self.sheet.languages
        given = {tag: self._get(setting, tag) for tag in languages if self._get(setting, tag)}
        self.cells[place] = self.sheet.place(self.row, setting, languages[0])
        for tag in languages:
            self.cells[f"{place}.{tag}"] = self.sheet.place(self.row, setting, tag)
        if len(languages) == 1 or (shared and list(given) == [languages[0]]):
            return _quoted(given.get(languages[0], ""))
        return "{ " + ", ".join(f"{_key(tag)} = {_quoted(t)}" for tag, t in given.items()) + " }"

    def _choices(self) -> list[str]:
        languages = self.sheet.languages
        count = max(
            (
                number
                for number in range(1, CHOICES_MAX + 1)
                if any(self._get(f"choice {number}", language) for language in languages)
            ),
            default=0,
        )
        self.cells[f"{self.path}.choices"] = self.sheet.place(self.row, "choice 2", languages[0])
        texts = [
            self._text(f"choice {number}", f"choices[{number - 1}]", shared=True)
            for number in range(1, count + 1)
        ]
        one_line = f"choices = [{', '.join(texts)}]"
        if len(one_line) <= 100:
            return [one_line]
        return ["choices = [", *(f"    {text}," for text in texts), "]"]

    def _right(self) -> list[str]:
        names = re.split(r"[\s,;+]+", self._get("right").lower().strip(" ,;"))
        if names == [""]:
            return []
        numbers = [LETTERS.find(name) + 1 if name in tuple(LETTERS) else name for name in names]
        if not all(re.fullmatch("[0-9]{1,2}", str(number)) for number in numbers):
            allowed = "numbers or letters of choices, like 2, B or 1, 3; nothing for a poll"
            self._wrong("right", allowed)
            return []
        written = ", ".join(str(int(number)) for number in numbers)
        return [f"right = {written}" if len(numbers) == 1 else f"right = [{written}]"]

    def _multiple(self) -> bool:
        value = self._get("multiple").lower()
        if value not in (*_YES, *_NO):
            self._wrong("multiple", "yes or no")
        return value in _YES


def _quoted(text: str) -> str:
    """A TOML string. JSON's escapes are TOML's, but for one character that JSON leaves bare."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(tag: str) -> str:
    return tag if re.fullmatch("[A-Za-z0-9_-]+", tag) else _quoted(tag)
