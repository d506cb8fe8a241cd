"""A spreadsheet of questions becomes a show file.

One row is one question. What a cell may hold is decided by the show file's own reader, so that a
rule stands in one place; what is known here are the columns, and which cell a setting came from.
"""

from __future__ import annotations

import re

from hairpin.errors import Finding, YourMistake
from hairpin.sheet.cells import read_rows
from hairpin.sheet.columns import Sheet, columns_named
from hairpin.sheet.writing import show_file
from hairpin.showfile import read_show

_REMEDY = "Correct the cells and import again. docs/show-file.md explains the columns."


def import_questions(name: str, data: bytes, language: str = "en") -> str:
    """The text of a show file with the questions of a CSV or XLSX sheet.

    `name` is the file's name: it gives the event a first id and title. `language` is that of
    columns which name none. Raises `YourMistake` with one finding for every wrong cell.
    """
    name = name.encode(errors="replace").decode()  # a name on disk need not be Unicode
    rows = read_rows(name, data)
    if not rows:
        raise YourMistake(f"{name} is empty", f"The first row names columns: {columns_named()}")
    sheet = Sheet(rows, language)
    text = ""
    if sheet.complete():
        text, cells = show_file(sheet, name)
        sheet.findings.extend(_read_back(text, name, cells))
    if sheet.findings:
        count = len(sheet.findings)
        message = f"{name}: {count} mistake{'s' if count > 1 else ''}"
        raise YourMistake(message, _REMEDY, tuple(sorted(sheet.findings, key=_row_of)))
    return text


def _read_back(text: str, name: str, cells: dict[str, str]) -> list[Finding]:
    """What the show file's reader says about the import, told of the cells it came from."""
    try:
        read_show(text, name)
    except YourMistake as mistake:
        return [
            Finding(
                _cell_of(finding.place, cells),
                "an empty cell" if finding.found == '""' else finding.found,
                re.sub(r"questions\[\d+\]", lambda found: cells[found[0]], finding.allowed),
            )
            for finding in mistake.findings
        ]
    return []


def _row_of(finding: Finding) -> int:
    row = re.search(r"\d+", finding.place)
    return int(row[0]) if row else 0


def _cell_of(place: str, cells: dict[str, str]) -> str:
    path = place.partition(" (line ")[0]
    while path not in cells:
        shorter = re.sub(r"(\.[^.\[\]]+|\[\d+\])$", "", path)
        if shorter == path:
            return path
        path = shorter
    return cells[path]
