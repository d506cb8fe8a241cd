"""Golden conversations with `hairpin journal status`, `check`, `scrub`, `inspect`, `replace`,
`attach` and `detach`; read journal-care.txt first.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import typer
from conversation import Conversation
from disk_night import DiskNight, FixedClock
from faulty_disk import FaultyDisk
from small_show import EPOCH_MS, FR, GB, answer, make_show

from hairpin.cli import journal
from hairpin.journal.disk import DiskJournal
from hairpin.journal.opening import attach
from hairpin.journal.resilver import Resilver
from hairpin.node.data import DataDirectory
from hairpin.world import World, real_world

HERE = Path(__file__).parent

whole = typer.Typer()
whole.add_typer(journal.app, name="journal")


def write_night(directory: Path) -> DiskNight:
    """One question, two gates, a published result."""
    directory.mkdir()
    night = DiskNight(directory / "journal", make_show(1))
    first = [answer(fan, 0b001, 1_000 + fan, country=FR) for fan in range(7)]
    night.ask(0, first, [answer(10, 0b010, 900, country=GB)])
    night.publish()
    night.seal()
    DataDirectory(directory, night.world).keys()
    return night


def add_mirror(night: DiskNight, directory: Path, world: World) -> None:
    mirrors = DiskJournal.open(world, night.directory).mirrors
    mirror = attach(world, mirrors, directory)
    resilver = Resilver(world, mirrors, mirror)
    while not resilver.step().finished:
        pass
    settings = night.directory.parent / "hairpin.toml"
    settings.write_text(f'mirrors = ["{directory}"]\n')


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(bytes(data))


def write_mirrored(here: Path, world: World) -> None:
    for name in ("hurt", "lost", "gone", "back"):
        night = write_night(here / name)
        add_mirror(night, here / f"disk-{name}", world)
    flip(here / "disk-hurt/00000002-0000.hpj", 200)
    for place in (here / "lost/journal", here / "disk-lost"):
        flip(place / "00000002-0000.hpj", 200)
    shutil.rmtree(here / "disk-gone")


def put_back_old(here: Path, world: World) -> None:
    """Strand 4 was written while a mirror was away; it comes back as it was."""
    directory, other = here / "back/journal", here / "disk-back"
    other.rename(here / "away")
    writer = DiskJournal.open(world, directory, degraded=True).writer()
    writer.seal()
    (here / "away").rename(other)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    clock = FixedClock()
    clock.at_ms = EPOCH_MS + 86_400_000
    world = real_world(clock, FaultyDisk())
    write_night(tmp_path / "show")
    write_mirrored(tmp_path, world)
    put_back_old(tmp_path, world)
    for module in ("status", "scrub", "mirrors", "inspect"):
        monkeypatch.setattr(f"hairpin.cli.journal_{module}.real_world", lambda: world)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("NO_COLOR", "1")
    return tmp_path


def test_the_conversation_about_the_care_of_the_journal_goes_as_written(here: Path) -> None:
    def settle(text: str) -> str:
        text = re.sub(r"(?m)^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \[.*\n", "", text)  # log
        text = text.replace(str(here), "/night")
        text = re.sub(r"\b[0-9a-f]{16}\b", "(16 hex digits)", text)
        text = re.sub(r"  +[0-9.]+ [kMGT]?B  +\S+  ", "  (free)  (kind)  ", text)
        text = re.sub(r"\d\d:\d\d:\d\dZ", "(time)Z", text)
        return "\n".join(re.sub(r"(?<=\S)  +", "  ", line) for line in text.splitlines()) + "\n"

    Conversation(whole, settle).check(HERE / "journal-care.txt")
