"""The bytes of a spreadsheet (CSV or XLSX) to rows of text."""

from __future__ import annotations

import csv
import io
import warnings
import zipfile
from collections.abc import Iterable
from datetime import datetime, time, timedelta
from xml.etree.ElementTree import ParseError

import msgspec
import openpyxl
from openpyxl.utils import get_column_letter
from openpyxl.utils.exceptions import InvalidFileException

from hairpin.errors import YourMistake

SIZE_BYTES_MAX = 10 * 1024 * 1024
ROWS_MAX = 10_000
DELIMITERS = ",;\t"

_XLSX_BEGINS = b"PK\x03\x04"
_XLS_BEGINS = b"\xd0\xcf\x11\xe0"


class Row(msgspec.Struct, frozen=True):
    number: int
    """As the spreadsheet counts: from 1."""
    cells: tuple[str, ...]

    def cell(self, column: int) -> str:
        return self.cells[column] if column < len(self.cells) else ""


def name_of(row: int, column: int) -> str:
    """The name of a cell, `B7`; `column` counts from 0."""
    return f"{get_column_letter(column + 1)}{row}"


def read_rows(name: str, data: bytes) -> list[Row]:
    """All rows that are not blank; of a workbook, those of the first sheet.

    Raises `YourMistake` if the bytes are neither CSV in UTF-8 nor XLSX.
    """
    if len(data) > SIZE_BYTES_MAX:
        raise YourMistake(
            f"{name} has {len(data)} bytes; a sheet of questions may have {SIZE_BYTES_MAX}",
            "Remove pictures and other sheets, or save the sheet as CSV.",
        )
    if data.startswith(_XLS_BEGINS):
        raise YourMistake(
            f"{name} is in the old format of Excel (XLS)", "Save it as XLSX or as CSV in UTF-8."
        )
    if data.startswith(_XLSX_BEGINS):
        return _not_blank(name, _xlsx_rows(name, data))
    return _not_blank(name, _csv_rows(name, data))


def _not_blank(name: str, rows: Iterable[Iterable[object]]) -> list[Row]:
    kept: list[Row] = []
    for number, values in enumerate(rows, 1):
        cells = tuple(_written(value) for value in values)
        if not any(cells):
            continue
        kept.append(Row(number, cells))
        if len(kept) > ROWS_MAX:
            raise YourMistake(
                f"{name} has more than {ROWS_MAX} rows", "Keep one row for each question."
            )
    return kept


def _xlsx_rows(name: str, data: bytes) -> Iterable[Iterable[object]]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about styles and extensions, which we do not read
            book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
            sheet = book.worksheets[0]
            sheet.reset_dimensions()  # some programs write wrong ones
            return list(sheet.iter_rows(values_only=True))
    except (
        *(InvalidFileException, zipfile.BadZipFile, ParseError),
        *(KeyError, ValueError, IndexError, TypeError, EOFError, OSError),
    ) as error:
        raise YourMistake(
            f"{name} is not a whole XLSX workbook: {error}",
            "Open it in a spreadsheet program and save it again as XLSX, or as CSV in UTF-8.",
        ) from error


def _csv_rows(name: str, data: bytes) -> Iterable[Iterable[object]]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise YourMistake(
            f"{name} is not text in UTF-8: line {line} holds the byte 0x{data[error.start]:02x}",
            'In Excel, save it as "CSV UTF-8", or import the XLSX itself.',
        ) from None
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    try:
        return list(reader)
    except csv.Error as error:
        raise YourMistake(
            f"{name}, line {reader.line_num}: not CSV: {error}",
            'A text that holds a quote, a line end or the delimiter stands in "..."; a quote in '
            'it is written "".',
        ) from None


def _delimiter(text: str) -> str:
    """The one that the first line holds most often, outside of quotes."""
    first = text.lstrip("\r\n").partition("\n")[0]
    bare = "".join(first.split('"')[::2])
    return max(DELIMITERS, key=bare.count)


def _written(value: object) -> str:
    """A cell as somebody would type it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, time):
        return f"{value.hour}:{value:%M:%S}"
    if isinstance(value, timedelta):
        minutes, seconds = divmod(round(value.total_seconds()), 60)
        return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"
    return str(value).replace("\r\n", "\n").replace("\r", "\n").strip()
