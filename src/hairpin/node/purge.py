"""Retention: what the show file promised to delete, and when.

names      winners.json
records    the journal's segments: every answer of every numbered fan. The counts stay, in
           results.json, written from a last recount before anything is deleted
keys       keys.json: after that no ticket of the show can be verified or issued
"""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from hairpin.errors import DataDamaged, YourMistake
from hairpin.journal.opening import LOST_AND_FOUND
from hairpin.journal.replica import receiving_folder
from hairpin.node.data import DataDirectory, read_settings_of
from hairpin.stage.past import Past, directors, read_past
from hairpin.tally.export import as_json
from hairpin.tally.recount import Recounter
from hairpin.world import World

DAY_MS = 86_400_000
LEAVING = "journal-leaving"


class PurgeRow(msgspec.Struct, frozen=True):
    """One kind of data: where it is, and from when on it must be gone."""

    what: str
    where: str
    until: str
    due: bool


class Kept(msgspec.Struct, frozen=True):
    """What must be known of a show after its journal is gone; no secret, no fan."""

    show: str
    end_ms: int
    names_days: int
    records_days: int
    keys_days: int


class PurgePlan:
    """Which data are due. `carry_out` deletes them."""

    def __init__(self, data: DataDirectory, world: World, kept: Kept, all_now: bool) -> None:
        self._data = data
        self._world = world
        self._kept = kept
        self._now_ms = world.clock.now_ms()
        self._all_now = all_now

    def rows(self) -> list[PurgeRow]:
        kept = self._kept
        return [
            self._row("names", self._data.winners_path, kept.names_days),
            self._row("records", self._data.journal_path, kept.records_days),
            self._row("keys", self._data.keys_path, kept.keys_days),
        ]

    def carry_out(self) -> None:
        """Deletes what is due; a second run finishes what a crash left.

        Raises DataDamaged if the records cannot be counted: then they, and only they, stay.
        """
        due = {row.what: Path(row.where) for row in self.rows() if row.due}
        for what in ("names", "keys"):
            if what in due:
                due[what].unlink(missing_ok=True)
        if "records" in due:
            self._delete_records(due["records"])

    def _delete_records(self, journal: Path) -> None:
        """The counts are safe first, and no crash leaves half a journal in its place."""
        disk = self._world.disk
        leaving = self._data.path / LEAVING
        if journal.exists():
            if not self._data.end_path.exists():
                recounter = Recounter(self._data.journal())
                text = as_json(recounter.book, recounter.run())
                disk.replace(self._data.results_path, text.encode(), 0o600)
                disk.replace(self._data.end_path, msgspec.json.encode(self._kept), 0o600)
            for mirror in self._data.mirrors():
                empty(mirror)
            journal.replace(leaving)
        for left in (leaving, receiving_folder(journal)):
            if left.exists():
                shutil.rmtree(left)

    def _row(self, what: str, where: Path, days: int) -> PurgeRow:
        until_ms = self._kept.end_ms + days * DAY_MS
        until = datetime.fromtimestamp(until_ms / 1000, UTC).date().isoformat()
        return PurgeRow(what, str(where), until, self._all_now or self._now_ms >= until_ms)


def empty(mirror: Path) -> None:
    """The directory may be where a disk is mounted: only what lies in it goes."""
    for path in mirror.iterdir() if mirror.is_dir() else ():
        if path.name == LOST_AND_FOUND:
            continue
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def purge_plan(path: Path, world: World, all_now: bool) -> PurgePlan:
    """Raises YourMistake if there is no show, or a node still runs on it."""
    data = DataDirectory(path, world)
    data.use(read_settings_of(data))
    end = data.end_path
    try:
        kept = msgspec.json.decode(end.read_bytes(), type=Kept)
    except (FileNotFoundError, NotADirectoryError):
        kept = _kept_of(data)
    except msgspec.MsgspecError as error:
        raise DataDamaged(f"{end} cannot be read: {error}", "Restore it from a copy.") from error
    data.prepare()
    return PurgePlan(data, world, kept, all_now)


def _kept_of(data: DataDirectory) -> Kept:
    journal = data.journal()
    past = read_past(journal, directors(journal))
    if past.armed is None:
        raise YourMistake(f"no show was ever armed in {data.path}", "There is nothing to purge.")
    retention = past.armed.show.retention
    return Kept(
        past.armed.show.id,
        _end_ms(past),
        retention.names_days,
        retention.records_days,
        retention.keys_days,
    )


def _end_ms(past: Past) -> int:
    """The last thing that happened to any question; else the arming."""
    assert past.armed is not None
    moments = past.order.moments if past.order else []
    times = [past.armed.at_ms]
    for moment in moments:
        times += [t for t in (moment.opened_ms, moment.closed_ms, moment.revealed_ms) if t]
    return max(times)
