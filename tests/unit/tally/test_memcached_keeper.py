"""Counting with a real memcached: what it says, and what it does not promise."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from disk_night import DiskNight
from memcached_server import Memcached
from pymemcache.client.base import Client
from small_show import EPOCH_MS, FR, GB, US, Answer, answer, make_question, make_show, opened_ms

from hairpin import messages as m
from hairpin.errors import DataDamaged, EngineDown, YourMistake
from hairpin.tally.memcached import Server
from hairpin.tally.memcached_keeper import STALE, STATUS, MemcachedKeeper
from hairpin.tally.memcached_keys import CellName, Scheme
from hairpin.tally.recount import Recounter

TIMEOUT_S = 0.3


class CountedNight:
    """A night whose keeper counts with memcached; every round is made by the test."""

    def __init__(
        self, directory: Path, memcached: Memcached, *questions: dict[str, object]
    ) -> None:
        made = [make_question(n, **changes) for n, changes in enumerate(questions or ({}, {}), 1)]
        self.memcached = memcached
        self.night = DiskNight(directory, make_show(made))
        self.night.tells = False
        self.keeper: MemcachedKeeper | None = None
        self.begin()

    def begin(self) -> None:
        """As a stage process that starts, or starts again."""
        night = self.night
        if self.keeper is not None:
            self.keeper.close()
        self.server = Server(self.memcached.address, TIMEOUT_S)
        self.keeper = MemcachedKeeper(night.journal, night.world, self.server)

    def tell(self) -> None:
        for writer in (self.night.director, *self.night.gates):
            self.keeper.synced(writer.synced)

    def round(self) -> None:
        """All that is durable by now, carried and read back."""
        self.tell()
        while self.keeper.courier.round():
            pass

    def fails(self) -> EngineDown:
        self.tell()
        with pytest.raises(EngineDown) as told:
            self.keeper.courier.round()
        return told.value

    def snapshot(self) -> m.TallySnapshot:
        self.night.clock.at_ms += 1
        self.keeper._told = None
        snapshot = self.keeper.tick()
        assert snapshot is not None
        return snapshot

    def tally(self, question: int = 0) -> m.QuestionTally:
        return self.snapshot().questions[question]

    def exact(self, question: int = 0) -> m.QuestionTally:
        return Recounter(self.night.journal).run().questions[question]

    def answer(self, *answers: Answer, gate: int = 0) -> None:
        self.night.answers(gate, answers)

    def stored(self) -> dict[str, int]:
        """All counters that memcached holds, as another client sees them."""
        scheme = Scheme(self.night.show.heavy)
        cells = [CellName(b, c, right) for b in range(3) for c in (FR, GB, US) for right in (0, 1)]
        client = Client(self.memcached.address)
        found = {}
        for cell in cells:
            found |= client.get_many(list(scheme.keys(0, cell)))
        client.close()
        return {key: int(value) for key, value in found.items()}


@pytest.fixture
def counted(tmp_path: Path, memcached: Memcached) -> Iterator[CountedNight]:
    counted = CountedNight(tmp_path / "journal", memcached)
    counted.night.open()
    yield counted
    counted.keeper.close()


def test_counts_by_age_band_country_and_outcome_come_from_memcached(counted: CountedNight) -> None:
    counted.answer(answer(1), answer(2, 0b010, country=GB, band=0), answer(3, country=GB, band=2))
    counted.answer(answer(4, country=GB, band=2), gate=1)
    counted.round()
    told = counted.tally()
    assert (told.answers, told.right, told.wrong, told.journalled) == (4, 3, 1, 4)
    assert told.by_age_band == (m.Cell(1, 0), m.Cell(1, 1), m.Cell(2, 2))
    assert told.by_country == {"FR": m.Cell(1, 1), "GB": m.Cell(3, 2)}
    assert told.best_country == m.BestCountry("GB", 2, 3)
    assert told.by_choice is None
    assert sum(counted.stored().values()) == 4


def test_what_memcached_holds_is_what_is_told(counted: CountedNight) -> None:
    """Not what this process remembers: somebody else's increment is seen, too."""
    counted.answer(answer(1))
    counted.round()
    (key,) = counted.stored()
    client = Client(counted.memcached.address)
    client.incr(key, 41)
    client.close()
    counted.answer(answer(2))
    counted.round()
    assert counted.tally().answers == 43


def test_the_keys_are_those_of_the_template(counted: CountedNight) -> None:
    counted.answer(answer(1, band=1, country=GB))
    counted.answer(answer(2, 0b100, band=2, country=US), answer(3, 0b100, band=2, country=US))
    counted.round()
    found = {key.rstrip("0123456789"): n for key, n in counted.stored().items()}
    stems = {stem.split("gb")[0].split("us")[0] for stem in found}
    assert stems == {"q1age2", "q1age3"}
    assert sorted(found.values()) == [1, 2], "answers of one load and cell are one increment"


async def test_it_is_approximate_for_ever_and_ranks_nobody(counted: CountedNight) -> None:
    night = counted.night
    counted.answer(answer(1), answer(2))
    night.close()
    night.mark()
    night.reveal()
    counted.round()
    snapshot = counted.snapshot()
    assert snapshot.questions[0].status == STATUS == "approximate: memcached"
    assert (snapshot.questions[0].version, snapshot.questions[0].missing) == (0, ())
    assert (snapshot.leaders, snapshot.ranks, snapshot.fans) == ((), (), 0)
    assert (await counted.keeper.clocks((1, 2))).contenders == ()


def test_a_gate_that_is_not_done_is_missing(counted: CountedNight) -> None:
    night = counted.night
    night.close()
    night.mark(0, 1)
    counted.tell()
    assert counted.tally().missing == (night.gates[0].incarnation,)
    night.kill(night.gates[0])
    end = night.journal.fence(night.gates[0].incarnation)
    assert end is not None
    night.control(m.Fenced(0, end.incarnation, end.frames, end.chain.hex()))
    counted.keeper.synced(m.Synced(end.incarnation, end.frames))
    counted.tell()
    assert counted.tally().missing == ()


def test_repeats_are_counted_and_the_recount_of_the_same_journal_is_exact(
    counted: CountedNight,
) -> None:
    counted.answer(answer(1), answer(2), answer(1, took_ms=1_500))
    counted.answer(answer(1, 0b010, 2_000), gate=1)
    counted.round()
    told, exact = counted.tally(), counted.exact()
    assert (told.answers, told.right, told.wrong, told.repeats) == (4, 3, 1, 0)
    assert (exact.answers, exact.right, exact.wrong, exact.repeats) == (2, 2, 0, 2)


def test_news_that_comes_twice_is_counted_once(counted: CountedNight) -> None:
    counted.answer(answer(1))
    for _ in range(3):
        counted.round()
    assert counted.tally().answers == 1


def test_a_new_process_goes_on_where_the_last_one_was(counted: CountedNight) -> None:
    counted.answer(answer(1), answer(2, 0b010, country=US))
    counted.round()
    counted.keeper.close()
    counted.answer(answer(3), gate=1)
    counted.begin()
    counted.round()
    told = counted.tally()
    assert (told.answers, told.right, told.wrong, told.journalled) == (3, 2, 1, 3)


# --- memcached is away ----------------------------------------------------------------------------


def test_while_it_is_away_the_last_numbers_stay_and_are_called_stale(
    counted: CountedNight,
) -> None:
    counted.answer(answer(1))
    counted.round()
    counted.memcached.hang()
    counted.answer(answer(2))
    assert "timed out" in counted.fails().message
    told = counted.tally()
    assert (told.status, told.answers, told.journalled) == (STALE, 1, 2)
    assert "memcached does not serve since" in told.reason
    counted.memcached.go_on()
    counted.round()
    told = counted.tally()
    assert (told.status, told.answers, told.reason) == (STATUS, 2, "")


def test_before_it_can_be_reached_for_the_first_time_the_show_goes_on(
    counted: CountedNight,
) -> None:
    counted.memcached.kill()
    counted.answer(answer(1))
    assert "memcached -l 127.0.0.1" in counted.fails().remedy
    assert counted.tally().answers == 0
    counted.night.close()
    counted.night.mark()
    counted.tell()
    assert counted.tally().missing == ()
    counted.memcached.start()
    counted.round()
    assert counted.tally().answers == 1


def test_what_left_and_was_not_confirmed_is_not_sent_again(
    counted: CountedNight, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted or not: nobody knows. It is told, and the next load is a new one."""
    counted.answer(answer(1))
    counted.round()
    counted.answer(answer(2), answer(3))
    ask = Server._ask

    def cut(server: Server, request: bytes, end: bytes) -> list[bytes]:
        reply = ask(server, request, end)
        if request.startswith(b"ma "):
            raise server._down("the cable was cut")
        return reply

    with monkeypatch.context() as patch:
        patch.setattr(Server, "_ask", cut)
        counted.fails()
    counted.answer(answer(4))
    counted.round()
    told = counted.tally()
    assert told.answers == 4, "it had arrived; sent again it would be 6"
    assert told.reason == "2 answers unconfirmed"


def test_a_restart_loses_counts_and_says_so_and_the_journal_has_them(
    counted: CountedNight,
) -> None:
    counted.answer(answer(1), answer(2))
    counted.round()
    counted.memcached.restart()
    counted.fails()  # the connection of before
    counted.answer(answer(3))
    counted.round()
    told = counted.tally()
    assert (told.status, told.answers, told.journalled) == (STATUS, 1, 3)
    assert "memcached lost its counts before" in told.reason
    assert counted.exact().answers == 3
    counted.begin()
    counted.round()
    assert "lost its counts" in counted.tally().reason, "a new process knows it, too"
    assert counted.tally().answers == 1


def test_loss_is_noticed_while_nobody_answers(counted: CountedNight) -> None:
    counted.answer(answer(1))
    counted.round()
    client = Client(counted.memcached.address)
    client.flush_all(noreply=False)
    client.close()
    counted.round()
    assert counted.tally().answers == 0
    assert "lost its counts" in counted.tally().reason


def test_an_emptied_one_and_a_new_process_count_the_journal_from_its_beginning(
    counted: CountedNight,
) -> None:
    counted.answer(answer(1), answer(2))
    counted.round()
    counted.memcached.restart()
    counted.begin()
    counted.round()
    assert (counted.tally().answers, counted.tally().reason) == (2, "")


def test_another_shows_counters_are_left_alone(counted: CountedNight, tmp_path: Path) -> None:
    counted.answer(answer(1))
    counted.round()
    other = CountedNight(tmp_path / "other", counted.memcached)
    other.night.open()
    other.answer(answer(1))
    other.tell()
    with pytest.raises(YourMistake, match="holds the counters of the show 'small'"):
        other.keeper.courier.round()
    assert other.tally().status == STALE
    other.keeper.close()
    assert sum(counted.stored().values()) == 1


# --- the running order ----------------------------------------------------------------------------


def test_the_right_answer_at_the_opening_is_the_one_that_counts(
    tmp_path: Path, memcached: Memcached
) -> None:
    counted = CountedNight(tmp_path / "journal", memcached)
    counted.night.control(m.Corrected(EPOCH_MS, 0, 0b010, "before it opened"))
    counted.night.open()
    counted.answer(answer(1), answer(2, 0b010), answer(3, 0b010))
    counted.round()
    assert (counted.tally().right, counted.tally().reason) == (2, "")
    counted.night.close()
    counted.night.control(m.Corrected(EPOCH_MS, 0, 0b001, "a slip"))
    counted.round()
    told = counted.tally()
    assert told.right == 2
    assert told.reason == "corrected (a slip), but counted by the answer before that"
    assert counted.exact().right == 1
    counted.keeper.close()


def test_a_poll_has_answers_and_nobody_is_right_or_wrong(
    tmp_path: Path, memcached: Memcached
) -> None:
    counted = CountedNight(tmp_path / "journal", memcached, {"right": 0})
    counted.night.open()
    counted.answer(answer(1), answer(2, 0b010))
    counted.round()
    told = counted.tally()
    assert (told.answers, told.right, told.wrong, told.best_country) == (2, 0, 0, None)
    counted.keeper.close()


def test_exactly_the_right_set_is_right(tmp_path: Path, memcached: Memcached) -> None:
    several = {"right": 0b011, "multiple": True}
    counted = CountedNight(tmp_path / "journal", memcached, several)
    counted.night.open()
    counted.answer(answer(1, 0b011), answer(2, 0b001), answer(3, 0b111))
    counted.round()
    assert (counted.tally().right, counted.tally().wrong) == (1, 2)
    counted.keeper.close()


def test_a_void_question_is_void(counted: CountedNight) -> None:
    counted.answer(answer(1))
    counted.night.control(m.Voided(EPOCH_MS, 0, "a mistake in it"))
    counted.round()
    told = counted.tally()
    assert (told.status, told.reason, told.answers) == ("void", "a mistake in it", 1)


def test_a_snapshot_is_made_only_when_something_changed(counted: CountedNight) -> None:
    counted.answer(answer(1, received_ms=700))
    counted.round()
    first = counted.keeper.tick()
    assert first is not None
    assert first.oldest_ms == opened_ms(0) + 700
    counted.night.clock.at_ms += 5_000
    quiet = []
    for _ in range(4):
        counted.round()
        quiet.append(counted.keeper.tick())
    assert quiet[1:] == [None] * 3
    assert counted.snapshot().oldest_ms is None


def test_positions_and_head_are_those_of_what_was_read(counted: CountedNight) -> None:
    counted.answer(answer(1))
    counted.round()
    snapshot = counted.snapshot()
    assert snapshot.positions == {"1": 3, "2": 2, "3": 1}
    assert snapshot.head == Recounter(counted.night.journal).run().head


def test_a_strand_that_cannot_be_read_is_damage_and_the_others_count(
    counted: CountedNight,
) -> None:
    night = counted.night
    counted.answer(answer(1))
    counted.answer(answer(2), gate=1)
    path = night.directory / f"{night.gates[0].incarnation:08x}-0000.hpj"
    whole = bytearray(path.read_bytes())
    whole[-1] ^= 1
    path.write_bytes(bytes(whole))
    with pytest.raises(DataDamaged, match=path.name):
        counted.keeper.synced(night.gates[0].synced)
    counted.keeper.synced(night.director.synced)
    counted.keeper.synced(night.gates[1].synced)
    counted.keeper.courier.round()
    assert counted.tally().answers == 1


def test_counters_that_were_thrown_out_are_missing_and_that_is_told(tmp_path: Path) -> None:
    small = Memcached(memory_mib=2)
    small.start()
    counted = CountedNight(tmp_path / "journal", small)
    counted.night.open()
    try:
        counted.answer(answer(1), answer(2, 0b010))
        counted.round()
        assert counted.tally().answers == 2
        counted.server.add((f"somebody-elses-{n}", 1) for n in range(60_000))
        counted.answer(answer(3, country=GB))
        counted.round()
        told = counted.tally()
        assert "counters evicted" in told.reason
        assert told.answers < told.journalled == 3
        assert counted.exact().answers == 3
    finally:
        counted.keeper.close()
        small.kill()
