"""Golden conversations with `hairpin journal export` and `hairpin verify`, by the people of a show
and by whoever doubts them; read the .txt files first. How they are written anew stands in
`models/conversation.py`.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import typer
from conversation import Conversation
from disk_night import DiskNight
from small_show import FR, GB, US, answer, make_show

from hairpin import messages as m
from hairpin.cli import journal_export, verify
from hairpin.journal.export import survey, write_file
from hairpin.node.data import DataDirectory

HERE = Path(__file__).parent

app = typer.Typer()
app.command("verify")(verify.command)
group = typer.Typer()
group.command("export")(journal_export.export)
group.callback()(lambda: None)
app.add_typer(group, name="journal")


class Heads(Conversation):
    """Heads and ids differ from night to night: names stand for them."""

    def __init__(self, names: dict[str, str], place: Path) -> None:
        super().__init__(app, self._named)
        self._names = names
        self._place = place

    def answer(self, line: str) -> str:
        for name, head in self._names.items():
            line = line.replace(name, head)
        return super().answer(line)

    def _named(self, answer: str) -> str:
        for name, head in self._names.items():
            answer = answer.replace(head, name)
        answer = answer.replace(f"{self._place}/", "")
        return re.sub(r"\b[0-9a-f]{16}\b", "(16 hex digits)", answer)


@pytest.fixture
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A show of two questions, the second one corrected, and what became of its export."""
    night = DiskNight(tmp_path / "show" / "journal", make_show(2))
    first = [answer(fan, 0b001, 1_000 + fan, country=FR, band=fan % 2) for fan in range(7)]
    second = [answer(fan, 0b010, 900 + fan, country=GB, band=2) for fan in range(10, 14)]
    night.ask(0, [*first, first[0]], [*second, answer(20, 0b001, 950, country=US, band=0)])
    night.ask(1, [answer(3, question=1), answer(10, 0b100, question=1)], [answer(20, question=1)])
    night.control(m.Corrected(night.clock.at_ms, 1, 0b100, "two was meant"))
    night.publish()
    night.seal()
    DataDirectory(tmp_path / "show", night.world).keys()
    found = survey(night.journal)
    write_file(night.world.disk, tmp_path / "given.tar", night.journal, found)
    given = (tmp_path / "given.tar").read_bytes()
    (tmp_path / "flipped.tar").write_bytes(given[:3000] + bytes([given[3000] ^ 1]) + given[3001:])
    (tmp_path / "cut.tar").write_bytes(given[: len(given) // 2])
    shutil.copytree(tmp_path / "show", tmp_path / "damaged")
    strand = tmp_path / "damaged/journal/00000002-0000.hpj"
    data = strand.read_bytes()
    strand.write_bytes(data[:200] + bytes([data[200] ^ 1]) + data[201:])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("NO_COLOR", "1")
    one, two, corrected = (record.head for record in night.keeper.book.published)
    return {
        "HEAD-OF-Q1": one,
        "HEAD-OF-Q2": two,
        "HEAD-OF-Q2-CORRECTED": corrected,
        "HEAD-OF-ALL": found.head,
    }


@pytest.mark.parametrize("name", ["journal-export.txt", "verify.txt"])
def test_the_conversation_goes_as_written(name: str, names: dict[str, str], tmp_path: Path) -> None:
    # The longest name first: one begins as another one does.
    Heads(dict(sorted(names.items(), reverse=True)), tmp_path).check(HERE / name)
