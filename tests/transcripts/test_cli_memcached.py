"""A golden conversation with `hairpin results --tally` and a real memcached; read
results-memcached.txt first. How it is written anew stands in `models/conversation.py`.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import typer
from conversation import Conversation
from disk_night import DiskNight
from memcached_server import Memcached
from small_show import FR, GB, US, answer, make_show

from hairpin.cli import node, results
from hairpin.node.data import DataDirectory
from hairpin.tally.memcached import PORT, Server
from hairpin.tally.memcached_keeper import MemcachedKeeper

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[1] / "examples"

app = typer.Typer()
for command in (results.results, node.run):
    app.command()(command)


def write_show(directory: Path, memcached: Memcached | None) -> None:
    """Two questions; three fans send theirs twice, and one of them changes their mind."""
    directory.mkdir()
    night = DiskNight(directory / "journal", make_show(2, cell_min=3))
    first = [answer(fan, 0b001, 1_000 + fan, country=FR, band=fan % 2) for fan in range(7)]
    second = [answer(fan, 0b010, 900 + fan, country=GB, band=2) for fan in range(10, 14)]
    night.ask(0, [*first, *first[:2]], [*second, answer(20, 0b001, 950, country=US, band=0)])
    night.ask(1, [answer(3, question=1), answer(3, 0b100, 5_000, question=1)], [])
    night.seal()
    DataDirectory(directory, night.world).keys()
    if memcached is not None:
        keeper = MemcachedKeeper(night.journal, night.world, Server(memcached.address))
        for writer in (night.director, *night.gates):
            keeper.synced(writer.synced)
        while keeper.courier.round():
            pass
        keeper.close()


def test_the_conversation_about_counters_goes_as_written(
    tmp_path: Path, memcached: Memcached, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_show(tmp_path / "show", memcached)
    write_show(tmp_path / "other", None)
    (tmp_path / "empty").mkdir()
    shutil.copy(EXAMPLES / "by-hand.toml", tmp_path)
    shutil.copytree(EXAMPLES / "images", tmp_path / "images")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("NO_COLOR", "1")

    def settle(answer: str) -> str:
        return hide_ids(answer.replace(f":{memcached.address.port}", f":{PORT}"))

    conversation = Conversation(app, settle)
    conversation.ports = {f"memcached://127.0.0.1:{PORT}": memcached.url}  # type: ignore[dict-item]
    conversation.check(HERE / "results-memcached.txt")


def hide_ids(text: str) -> str:
    """The ids of journals differ from run to run."""
    return re.sub(r"\b[0-9a-f]{16}\b", "(16 hex digits)", text)
