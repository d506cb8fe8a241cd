"""Golden conversations with `hairpin recount`, `results`, `purge` and `run`; read the .txt files
first. How they are written anew stands in `models/conversation.py`.
"""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from conversation import Conversation
from disk_night import DiskNight, FixedClock
from small_show import EPOCH_MS, FR, GB, US, answer, make_show, opened_ms

from hairpin import messages as m
from hairpin.cli import node, results
from hairpin.cli.show import load_show
from hairpin.node.data import DataDirectory
from hairpin.node.purge import DAY_MS
from hairpin.show import Retention
from hairpin.world import real_world

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[1] / "examples"

app = typer.Typer()
for command in (results.recount, results.results, results.purge, node.run):
    app.command()(command)


def write_show(directory: Path) -> None:
    """Two questions, two gates, some fans, a correction; sealed in good order."""
    directory.mkdir()
    show = make_show(2, cell_min=3, retention=Retention(1, 30, 60))
    night = DiskNight(directory / "journal", show)
    first = [answer(fan, 0b001, 1_000 + fan, country=FR, band=fan % 2) for fan in range(7)]
    second = [answer(fan, 0b010, 900 + fan, country=GB, band=2) for fan in range(10, 14)]
    night.ask(0, [*first, first[0]], [*second, answer(20, 0b001, 950, country=US, band=0)])
    night.ask(1, [answer(3, question=1), answer(10, 0b100, question=1)], [answer(20, question=1)])
    night.control(m.Corrected(night.clock.at_ms, 1, 0b100, "two was meant"))
    night.publish()
    night.seal()
    data = DataDirectory(directory, night.world)
    data.keys()
    data.winners_path.write_text("[]")


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(bytes(data))


def write_damaged(directory: Path) -> None:
    """Copies of the show, each damaged in its own way."""
    for name in ("flipped", "cut", "without-a-gate", "without-a-director", "newer"):
        shutil.copytree(directory, directory.parent / name)
    parent = directory.parent
    flip(parent / "flipped/journal/00000002-0000.hpj", 200)
    cut = parent / "cut/journal/00000003-0000.hpj"
    cut.write_bytes(cut.read_bytes()[:150])
    (parent / "without-a-gate/journal/00000002-0000.hpj").unlink()
    (parent / "without-a-director/journal/00000001-0000.hpj").unlink()
    (parent / "newer/journal/journal.json").write_text('{"format": 3, "id": "00"}')


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with the shows that the transcripts speak of; the day after they ended."""
    write_show(tmp_path / "show")
    write_damaged(tmp_path / "show")
    (tmp_path / "empty").mkdir()
    clock = FixedClock()
    clock.at_ms = opened_ms(1) + 20_000 + 2 * DAY_MS
    world = real_world(clock)
    monkeypatch.setattr("hairpin.cli.results.real_world", lambda: world)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("NO_COLOR", "1")
    return tmp_path


@pytest.fixture
def taken(here: Path) -> Iterator[dict[str, int]]:
    """8000 stands for a free port whose next one is in use."""
    shutil.copytree(EXAMPLES / "images", here / "images")
    for name in ("first-light.toml", "by-hand.toml"):
        shutil.copy(EXAMPLES / name, here / name)
    begun = DiskNight(here / "begun" / "journal", load_show(here / "by-hand.toml"))
    begun.control(m.Opened(EPOCH_MS, 0))
    text = (here / "by-hand.toml").read_text("utf-8")
    (here / "changed.toml").write_text(text.replace("Between two songs", "After the show"), "utf-8")
    (here / "settings.toml").write_text("gates = 0\n")
    (here / "running").mkdir()
    DataDirectory(here / "running", real_world()).prepare()
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            second.listen()
            first.close()
            yield {"8000": port, "8001": port + 1}
            return


@pytest.mark.parametrize("name", ["recount.txt", "results.txt", "purge.txt"])
def test_the_conversation_about_data_goes_as_written(name: str, here: Path) -> None:
    Conversation(app).check(HERE / name)


def test_what_hinders_a_run_is_told_as_written(taken: dict[str, int]) -> None:
    conversation = Conversation(app)
    conversation.ports = taken
    conversation.check(HERE / "run.txt")
