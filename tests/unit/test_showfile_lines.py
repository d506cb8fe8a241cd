"""Lines of values in a TOML text."""

from __future__ import annotations

import tomllib

from hairpin.showfile.lines import line_of, lines_of
from hairpin.showfile.table import path_of


def test_lines_of_every_kind_of_value() -> None:
    text = """\
# a = 1
a.b = "x # no comment" # a comment
"c d" = '''
[not.a.table]
'''
e = [
  1, [2,
  3], { f = "]",
  }
]
[g.h]
i = 2027-06-20 20:00:00
[[j]]
k = 1
[[j]]
l = 2
[j.m]
n = 3
[[j.o]]
""".replace('"]",\n  }', '"]" }')
    tomllib.loads(text)
    by_line: dict[int, list[str]] = {}
    for place, line in lines_of(text).items():
        by_line.setdefault(line, []).append(path_of(place))
    assert by_line == {
        2: ["a", "a.b"],
        3: ["c d"],
        6: ["e"],
        7: ["e[0]", "e[1]", "e[1][0]"],
        8: ["e[1][1]", "e[2]", "e[2].f"],
        10: ["g.h"],
        11: ["g.h.i"],
        12: ["j", "j[0]"],
        13: ["j[0].k"],
        14: ["j[1]"],
        15: ["j[1].l"],
        16: ["j[1].m"],
        17: ["j[1].m.n"],
        18: ["j[1].o", "j[1].o[0]"],
    }


def test_a_missing_value_has_the_line_of_the_table_around_it() -> None:
    lines = lines_of("a = 1\n[[b]]\nc = { d = 1 }\n")
    assert line_of(lines, ("b", 0, "c", "e")) == 3
    assert line_of(lines, ("b", 0, "x")) == 2
    assert line_of(lines, ("x",)) is None
