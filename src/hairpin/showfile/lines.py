"""On which line of a TOML text each value stands, so that a mistake can be found at once.

The standard library's parser keeps no positions. This scanner runs over text that the parser has
already accepted; it need not judge, only count.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

Place = tuple[str | int, ...]
"""The way to a value: `("questions", 2, "choices", 0)`; list indices count from 0."""

_TOKEN = re.compile(
    r'''
      """ (?: \\. | [^\\] )*? "{3,5}
    | \'\'\' .*? \'{3,5}
    | " (?: \\. | [^"\\\n] )* "
    | ' [^'\n]* '
    | \#[^\n]*
    | \n
    | [\[\]{},=.]
    | [^\s\[\]{},=.#"']+
    ''',
    re.VERBOSE | re.DOTALL,
)


def lines_of(text: str) -> dict[Place, int]:
    """Every key, table and list element of a valid TOML text, with its line, counted from 1."""
    return _Scanner(text).scan()


def line_of(lines: dict[Place, int], place: Place) -> int | None:
    """The line of the value itself or, where it is missing, of the nearest table around it."""
    for end in range(len(place), 0, -1):
        line = lines.get(place[:end])
        if line is not None:
            return line
    return None


class _Scanner:
    def __init__(self, text: str) -> None:
        self.lines: dict[Place, int] = {}
        self._last_index: dict[Place, int] = {}
        self._pieces = self._tokenize(text)
        self._piece, self._line = "", 1
        self._next()

    def scan(self) -> dict[Place, int]:
        table: Place = ()
        while self._piece:
            if self._piece == "[":
                table = self._header()
            elif self._piece == "\n":
                self._next()
            else:
                self._pair(table)
        return self.lines

    @staticmethod
    def _tokenize(text: str) -> Iterator[tuple[str, int]]:
        line = 1
        for match in _TOKEN.finditer(text):
            token = match.group()
            if not token.startswith("#"):
                yield token, line
            line += token.count("\n")

    def _next(self) -> None:
        self._piece, self._line = next(self._pieces, ("", self._line))

    def _header(self) -> Place:
        """`[table]` or `[[list of tables]]`; returns where the pairs that follow belong."""
        line = self._line
        self._next()
        many = self._piece == "["
        if many:
            self._next()
        *parents, name = self._key()
        place: Place = ()
        for part in parents:
            place = (*place, part)
            if place in self._last_index:
                place = (*place, self._last_index[place])
        place = (*place, name)
        self.lines.setdefault(place, line)
        if many:
            index = self._last_index.get(place, -1) + 1
            self._last_index[place] = index
            place = (*place, index)
            self.lines[place] = line
        while self._piece == "]":
            self._next()
        return place

    def _key(self) -> list[str]:
        parts: list[str] = []
        while self._piece and self._piece not in "=]":
            if self._piece != ".":
                parts.append(_unquoted(self._piece))
            self._next()
        return parts

    def _pair(self, table: Place) -> None:
        line = self._line
        place = table
        for part in self._key():
            place = (*place, part)
            self.lines.setdefault(place, line)
        self._next()
        self._value(place)

    def _value(self, place: Place) -> None:
        if self._piece == "[":
            self._list(place)
        elif self._piece == "{":
            self._next()
            while self._piece and self._piece != "}":
                if self._piece in ",\n":
                    self._next()
                else:
                    self._pair(place)
            self._next()
        else:
            while self._piece and self._piece not in ",]}\n":
                self._next()

    def _list(self, place: Place) -> None:
        self._next()
        index = 0
        while self._piece and self._piece != "]":
            if self._piece in ",\n":
                self._next()
                continue
            self.lines[(*place, index)] = self._line
            self._value((*place, index))
            index += 1
        self._next()


def _unquoted(key: str) -> str:
    if key[0] == '"':
        try:
            return str(json.loads(key))
        except ValueError:  # an escape that only TOML knows
            return key[1:-1]
    return key.strip("'")
