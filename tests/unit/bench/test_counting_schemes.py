"""The counting bench counts what it was given, and would notice if a contender did not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from memcached_server import program

from bench.counting import memcached, tally
from bench.counting.answers import BATCH, Answers, Batch, question
from bench.counting.night import write_night
from bench.counting.ours import Ours, OursVerified
from bench.counting.scheme import Counting, Scheme, WrongTotals
from bench.counting.sqlite import Sqlite
from bench.rounds import Missing
from hairpin.country import CODES
from hairpin.journal.disk import DiskJournal
from hairpin.tally.recount import Recounter
from hairpin.world import real_world


@pytest.fixture(scope="module")
def answers() -> Answers:
    return Answers(3 * BATCH, 5_000)


class Forgetful(Ours):
    """Loses the first answer of each batch, after it was journalled."""

    def count(self, batch: Batch) -> None:
        super().count(Batch(batch.question, batch.records[1:], batch.text, [], batch.right[1:]))


class Unscored(Ours):
    """Counts, but never adds to the fans' scores."""

    def finish(self, question_number: int) -> None:
        """Nothing."""


def counted(scheme: Scheme, answers: Answers, questions: int = 2) -> str:
    with Counting(scheme, answers) as counting:
        for _ in range(questions):
            measured = counting.measure(60.0)
            assert measured.answers == len(answers)
            assert measured.cpu_s > 0
        return counting.verify()


def test_repeats_are_the_same_bytes_received_later(answers: Answers) -> None:
    records = answers.records
    first = np.unique(records["fan"], return_index=True)[1]
    again = np.setdiff1d(np.arange(len(records)), first)
    assert 0.01 < len(again) / len(records) < 0.03
    assert (np.diff(records["received_ms"].astype(np.int64)) >= 0).all()
    for name in ("elapsed_ms", "choice", "age_band", "country"):
        by_fan = dict(zip(records["fan"][first], records[name][first], strict=True))
        assert [by_fan[fan] for fan in records["fan"][again]] == list(records[name][again])


def test_a_plain_count_tells_repeats_apart(answers: Answers) -> None:
    fans = len(np.unique(answers.records["fan"]))
    assert answers.counts(len(answers), deduplicated=True).sum() == fans
    assert answers.counts(len(answers), deduplicated=False).sum() == len(answers) > fans


@pytest.mark.parametrize("kind", [Ours, OursVerified])
def test_the_product_counts_and_scores_like_numpy(kind: type[Ours], answers: Answers) -> None:
    assert "6,000 answers verified, score included" in counted(kind(answers), answers)


@pytest.mark.parametrize("together", [1, 1000])
def test_so_does_sqlite(together: int, answers: Answers) -> None:
    few = Answers(BATCH, 5_000) if together == 1 else answers
    assert "score included" in counted(Sqlite(together), few)


@pytest.mark.parametrize("kind", [Forgetful, Unscored])
def test_whoever_counts_something_else_is_found_out(kind: type[Ours], answers: Answers) -> None:
    with pytest.raises(WrongTotals, match="hairpin"):
        counted(kind(answers), answers)


def test_what_a_scheme_left_on_disk_is_removed(answers: Answers) -> None:
    counting = Counting(Sqlite(1000), answers)
    with counting:
        directory = counting._directory
        assert list(directory.iterdir())
    assert not directory.exists()


# --- the account's scheme -------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [memcached.PerAnswer, memcached.Pipelined])
def test_the_accounts_scheme_counts_repeats_twice(
    kind: type[memcached.Memcached], answers: Answers
) -> None:
    program()
    note = counted(kind(), answers, questions=1)
    assert "3,000 answers verified" in note
    assert "score" not in note


def test_an_absent_memcached_is_said(answers: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(Missing, match="install the system package memcached"):
        counted(memcached.PerAnswer(), answers)


def test_an_answer_increments_a_key_of_its_own_cell(answers: Answers) -> None:
    names = memcached.keys(4)
    batch = answers.batch(4, slice(0, BATCH), frozenset())
    drawn = [names[place] for place in memcached.Draw().places(batch)]
    for key, record, right in zip(drawn, batch.records, batch.right, strict=True):
        country = CODES[record["country"]].lower()
        assert key.startswith(f"q5age{record['age_band'] + 1}{country}")
        assert ("right" in key) is bool(right)
    assert len(set(drawn)) > BATCH // 2


# --- the tally alone ------------------------------------------------------------------------------


def test_the_recounted_night_is_whole(tmp_path: Path) -> None:
    wanted = write_night(tmp_path, 5_500, 2_000)
    found = Recounter(DiskJournal.open(real_world(), tmp_path)).run()
    assert (found.journalled, found.counted) == (5_500, wanted)
    assert [q.status for q in found.questions] == ["final"]
    assert found.questions[0].right > 0
    assert question(0).right == 0b10


def test_a_goal_is_judged_by_the_median_after_warming_up() -> None:
    goal = tally.Goal("ns", 20.0)
    assert goal.judged([90.0, 30.0, 19.0, 18.0]).startswith("met: ns at most 20; found 19")
    assert goal.judged([10.0, 19.0, 21.0, 30.0]).startswith("missed")
    assert goal.judged([21.0]).startswith("missed: ns at most 20; found 21")


def test_repeats_of_a_merge_are_measured_as_repeats() -> None:
    chance = np.random.default_rng(1)
    records = tally.records_of(chance.integers(0, 9_000, 5_000), chance)
    with tally.Merge(records, BATCH, again=True) as merge:
        assert merge.measure(0.0).answers == 5_000
        assert "repeats, 1,000 at once" in merge.verify()
