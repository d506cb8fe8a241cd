"""Reading settings so that every mistake is named at once.

A reader is a function from a `Node` to what it means; it raises `Finding` where the value means
nothing. `Table` and `Node` note the finding, put a stand-in in its place and read on.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable
from typing import TypeVar

from hairpin.errors import Finding
from hairpin.showfile.lines import Place, line_of

T = TypeVar("T")
D = TypeVar("D")


class Mistakes:
    """What is wrong with one file, in the order of its lines."""

    def __init__(self, lines: dict[Place, int]) -> None:
        self._lines = lines
        self._noted: list[tuple[Place, Finding]] = []

    def note(self, place: Place, found: str, allowed: str) -> None:
        self._noted.append((place, Finding(self._written(place), found, allowed)))

    def within(self, *places: Place) -> bool:
        """Is something wrong at, below or above one of these places? Then a rule must wait."""
        return any(
            place[: len(noted)] == noted[: len(place)]
            for noted, _ in self._noted
            for place in places
        )

    def findings(self) -> tuple[Finding, ...]:
        ordered = sorted(self._noted, key=lambda noted: line_of(self._lines, noted[0]) or 0)
        return tuple(finding for _, finding in ordered)

    def _written(self, place: Place) -> str:
        line = line_of(self._lines, place)
        return path_of(place) if line is None else f"{path_of(place)} (line {line})"


class Node:
    """One value of the file and its place."""

    def __init__(self, value: object, place: Place, mistakes: Mistakes) -> None:
        self.value = value
        self.place = place
        self.mistakes = mistakes

    def wrong(self, allowed: str, found: str = "") -> Finding:
        """For a reader to raise. `found` defaults to the value itself."""
        return Finding(path_of(self.place), found or shown(self.value), allowed)

    def read(self, reader: Callable[[Node], T], stand_in: D) -> T | D:
        try:
            return reader(self)
        except Finding as finding:
            self.mistakes.note(self.place, finding.found, finding.allowed)
            return stand_in

    def items(self) -> list[Node]:
        """The elements of a list; none if it is not a list."""
        values = self.value if isinstance(self.value, list) else []
        return [Node(v, (*self.place, i), self.mistakes) for i, v in enumerate(values)]


class Table(Node):
    """One TOML table. `known` are all settings that it may have; any other is a mistake."""

    def __init__(self, node: Node, known: Iterable[str]) -> None:
        super().__init__(node.value, node.place, node.mistakes)
        self._known = tuple(known)
        self._values: dict[str, object] = node.value if isinstance(node.value, dict) else {}
        if not isinstance(node.value, dict):
            self.mistakes.note(
                self.place, shown(node.value), f"a table of {', '.join(self._known)}"
            )
        for key in self._values:
            if key not in self._known:
                self.mistakes.note((*self.place, key), "an unknown setting", self._meant(key))

    def has(self, key: str) -> bool:
        return key in self._values

    def at(self, key: str) -> Node:
        assert key in self._known, key
        return Node(self._values.get(key), (*self.place, key), self.mistakes)

    def take(self, key: str, reader: Callable[[Node], T], default: D) -> T | D:
        """The setting, or the default where it is missing or wrong."""
        return self.at(key).read(reader, default) if self.has(key) else default

    def need(self, key: str, reader: Callable[[Node], T], stand_in: D) -> T | D:
        """The setting; that it is missing is a mistake, unless the whole table is one."""
        if not isinstance(self.value, dict):
            return stand_in
        return self.at(key).read(reader, stand_in)

    def _meant(self, key: str) -> str:
        close = difflib.get_close_matches(key.lower(), self._known, n=1)
        return f"did you mean {close[0]}?" if close else ", ".join(self._known)


def path_of(place: Place) -> str:
    """`("questions", 2, "choices", 0)` as people read it: `questions[2].choices[0]`."""
    path = ""
    for part in place:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path


def shown(value: object) -> str:
    """A value as a finding shows it: short, and in TOML's words."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value if len(value) <= 60 else value[:57] + "...", ensure_ascii=False)
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        return f"a table of {', '.join(value)}" if value else "an empty table"
    return str(value)
