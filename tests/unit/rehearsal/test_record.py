from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hairpin.errors import DataDamaged, YourMistake
from hairpin.rehearsal.measure import Row, Timeline
from hairpin.rehearsal.phones import Phones
from hairpin.rehearsal.record import Record, read_record
from hairpin.world import RealDisk

JOINED = b'{"ticket": "BwAAAAAAAAAAAAAAAAAA", "claim": "c"}'


def write(directory: Path) -> Record:
    phones = Phones(np.random.default_rng(1), 3, ["FR"], 2, 0.0)
    phones.admit(1, JOINED)
    record = Record("first-light", 3, 2)
    record.sent[:, 1] = True
    record.acknowledged[1, 1] = True
    record.totals.sent = 3
    record.totals.acknowledged = 1
    record.totals.unanswered = 1
    record.totals.refused = {"closed": 1}
    record.waits["answers"].add(np.array([1.0, 2.0, 9.0]))
    record.timeline = Timeline(120_000)
    record.timeline.count(Row.JOINED, 120_250.0, 4)
    record.write(RealDisk(), directory, phones)
    return record


def test_both_files_come_back_as_written(tmp_path: Path) -> None:
    totals = write(tmp_path).totals
    found = read_record(tmp_path)
    assert found.totals == totals
    assert found.totals.refused == {"closed": 1}
    assert found.totals.fans == 1
    assert abs(found.totals.latency_ms_p50 - 2.0) < 0.05
    assert found.waits["answers"].max_ms == 9.0
    assert found.timeline.begin_ms == 120_000
    assert found.timeline.busiest(Row.JOINED) == 4
    assert found.joined.tolist() == [False, True, False]
    assert found.number[1] == 7
    assert found.sent.tolist() == [[False, True, False], [False, True, False]]
    assert found.acknowledged.sum() == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["crowd.json", "crowd.npz"]


def test_an_empty_directory_says_that_no_crowd_was_here(tmp_path: Path) -> None:
    with pytest.raises(YourMistake, match="no crowd finished a question here"):
        read_record(tmp_path)


@pytest.mark.parametrize("name", ["crowd.json", "crowd.npz"])
@pytest.mark.parametrize("content", [b"", b"{}", b"PK\x03\x04 nothing"])
def test_damaged_files_are_named(tmp_path: Path, name: str, content: bytes) -> None:
    write(tmp_path)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataDamaged, match="is not what a crowd wrote"):
        read_record(tmp_path)
