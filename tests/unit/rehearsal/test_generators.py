from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hairpin.rehearsal.crowd import Progress, Settings
from hairpin.rehearsal.generators import Generators, _share
from hairpin.rehearsal.measure import Row, Timeline, Waits
from hairpin.rehearsal.record import CrowdRecord, CrowdTotals, add_up
from hairpin.rehearsal.script import Habits

PLAN = Settings("http://127.0.0.1:1", 10_001, 50, 5, Habits(), exit_after_over=True)


@pytest.mark.parametrize("number", [1, 2, 3, 7])
def test_every_fan_and_connection_is_in_one_process(number: int) -> None:
    parts = [_share(PLAN, place, number) for place in range(number)]
    assert sum(part.fans for part in parts) == PLAN.fans
    assert sum(part.connections for part in parts) == PLAN.connections
    assert len({part.seed for part in parts}) == number


def test_no_process_is_started_for_a_handful(tmp_path: Path) -> None:
    few = Settings("http://127.0.0.1:1", 900, 50, 5, Habits(), exit_after_over=True)
    assert Generators(few, 8, tmp_path).number == 1
    assert Generators(PLAN, 8, tmp_path).number == 8


def test_progress_is_that_of_all_together(tmp_path: Path) -> None:
    generators = Generators(PLAN, 2, tmp_path)
    ahead = Progress("open", 1, 7, 5_000, 10, 20, 18, 1, 1, 0, 25, 2.0)
    generators._latest[0] = ahead
    assert generators.progress is None, "the other one has not said anything"
    generators._latest[1] = Progress("waiting", None, 7, 5_001, 30, 0, 0, 0, 0, 0, 25, 1.0)
    total = generators.progress
    assert total is not None
    assert (total.state, total.question, total.of) == ("open", 1, 7)
    assert (total.fans, total.joined, total.sent, total.cpu_s) == (10_001, 40, 20, 3.0)


def record(first: int, acknowledged: int) -> CrowdRecord:
    waits = {kind: Waits() for kind in ("answers", "joins", "now", "behind")}
    waits["answers"].add(np.full(acknowledged, 1.0 + first))
    timeline = Timeline(1_000 * first)
    timeline.count(Row.ACKNOWLEDGED, 5_050.0, acknowledged)
    return CrowdRecord(
        CrowdTotals(
            show="s",
            fans=2,
            sent=acknowledged + 1,
            acknowledged=acknowledged,
            refused={"closed": 1},
            seconds=9.0 - first,
        ),
        np.array([first, first + 1], np.uint32),
        np.ones(2, np.bool_),
        np.ones((3, 2), np.bool_),
        np.zeros((3, 2), np.bool_),
        waits,
        timeline,
    )


def test_records_of_several_crowds_add_up() -> None:
    total = add_up([record(0, 3), record(2, 4)])
    assert total.totals.sent == 9
    assert total.totals.refused == {"closed": 2}
    assert total.totals.seconds == 9.0
    assert total.number.tolist() == [0, 1, 2, 3]
    assert total.sent.shape == total.acknowledged.shape == (3, 4)
    assert total.waits["answers"].total == 7
    assert total.waits["answers"].max_ms == 3.0
    assert total.timeline.busiest(Row.ACKNOWLEDGED) == 7
