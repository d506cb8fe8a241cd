"""The columns of a sheet of questions, and the cells below them."""

from __future__ import annotations

import difflib
import json
import re

import msgspec

from hairpin.errors import Finding
from hairpin.sheet.cells import Row, name_of
from hairpin.show import CHOICES_MAX

LETTERS = "abcdefgh"
"""Choices by letter, as in `choice b` or `b`."""
PLAIN = ("id", "image", "right", "multiple", "opens", "duration")
"""Columns of one value."""
TEXTS = ("question", "explanation", *(f"choice {n}" for n in range(1, CHOICES_MAX + 1)))
"""Columns of text, which may be given per language: `question (fr)`."""
NEEDED = ("question", "choice 1", "choice 2")


class Column(msgspec.Struct, frozen=True):
    setting: str
    language: str
    """Empty for a column of one value."""


class Sheet:
    """Rows and columns of one spreadsheet, and what is wrong with it."""

    def __init__(self, rows: list[Row], language: str) -> None:
        self.head, self.rows = rows[0], rows[1:]
        self.findings: list[Finding] = []
        self.columns: dict[Column, int] = {}
        for index, heading in enumerate(self.head.cells):
            self._add(index, heading, language)
        named = dict.fromkeys(column.language for column in self.columns if column.language)
        first = [language] if language in named else []
        self.languages = tuple(dict.fromkeys((*first, *named))) or (language,)

    def complete(self) -> bool:
        """Is there a question at all? Notes what is missing."""
        named = {column.setting for column in self.columns}
        missing = [setting for setting in NEEDED if setting not in named]
        for setting in missing:
            self.wrong(f"row {self.head.number}", f"no column `{setting}`", columns_named())
        if not self.rows:
            self.wrong(f"row {self.head.number + 1}", "nothing", "one row for each question")
        return not missing and bool(self.rows)

    def cell(self, row: Row, setting: str, language: str = "") -> str:
        index = self.columns.get(Column(setting, language))
        return "" if index is None else row.cell(index)

    def place(self, row: Row, setting: str, language: str = "") -> str:
        """`B7 (choice 1)`, or the row where there is no such column."""
        index = self.columns.get(Column(setting, language))
        heading = f"{setting} ({language})" if language and len(self.languages) > 1 else setting
        where = f"row {row.number}" if index is None else name_of(row.number, index)
        return f"{where} ({heading})"

    def wrong(self, place: str, found: str, allowed: str) -> None:
        self.findings.append(Finding(place, found, allowed))

    def _add(self, index: int, heading: str, language: str) -> None:
        if not heading or heading.startswith("#"):
            return  # a column for notes
        place = name_of(self.head.number, index)
        column = _column(heading, language)
        if column is None:
            known = ("question", "choice 1", "choice 2", "right", *PLAIN, "explanation")
            close = difflib.get_close_matches(heading.lower(), known, n=1)
            allowed = f"did you mean {close[0]}?" if close else columns_named()
            self.wrong(place, f"the heading {json.dumps(heading, ensure_ascii=False)}", allowed)
        elif column in self.columns:
            twin = name_of(self.head.number, self.columns[column])
            self.wrong(place, f"the same column as {twin}", "every column once")
        else:
            self.columns[column] = index


def _column(heading: str, language: str) -> Column | None:
    match = re.fullmatch(r"(.*?)\s*(?:\(\s*([^()]+?)\s*\))?", heading)
    words = " ".join(match[1].lower().split()) if match else ""
    given = match[2] if match else None
    choice = re.fullmatch(r"(?:choice )?([a-h])|choice ?([1-9])", words)
    if choice:
        number = LETTERS.index(choice[1]) + 1 if choice[1] else int(choice[2])
        words = f"choice {number}"
    if words in PLAIN and given is None:
        return Column(words, "")
    return Column(words, given or language) if words in TEXTS else None


def columns_named() -> str:
    return (
        f"question, choice 1 to choice {CHOICES_MAX}, explanation, {', '.join(PLAIN)}; texts also "
        "per language, like `question (fr)`"
    )
