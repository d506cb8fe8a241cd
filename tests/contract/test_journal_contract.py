"""What every engine of the journal promises. Each test runs over each engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hairpin import frame as framing
from hairpin.errors import DataDamaged, EngineDown
from hairpin.frame import Kind
from hairpin.journal import Journal, Writer
from hairpin.journal.disk import DiskJournal
from hairpin.messages import Synced
from hairpin.world import real_world


class DiskEngine:
    """Strands on a real disk. A writer dies when the kernel closes its files."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._world = real_world()
        self.journal: Journal = DiskJournal.create(self._world, directory)

    def reopened(self) -> Journal:
        return DiskJournal.open(self._world, self._directory)

    def kill(self, writer: Writer) -> None:
        for copy in writer._copies:  # type: ignore[attr-defined]
            copy.close()


Engine = DiskEngine
ENGINES: dict[str, Callable[[Path], Engine]] = {"disk": DiskEngine}


@pytest.fixture(params=list(ENGINES))
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    yield ENGINES[request.param](tmp_path / "journal")


def commit(writer: Writer, *bodies: bytes) -> Synced:
    synced = writer.synced
    for body in bodies:
        synced = writer.commit(Kind.ANSWERS, body, 1)
    return synced


def bodies(journal: Journal, incarnation: int, upto: int | None = None) -> list[bytes]:
    return [frame.body for frame in journal.follow(incarnation).read(upto)]


def test_what_was_committed_is_read_in_order_and_chained(engine: Engine) -> None:
    writer = engine.journal.writer()
    writer.commit(Kind.CONTROL, b"born", 1)
    synced = writer.commit(Kind.ANSWERS, b"answers", 12)
    assert synced == writer.synced == Synced(writer.incarnation, 2)
    first, second = engine.reopened().follow(writer.incarnation).read()
    assert (first.kind, first.body, first.count, first.sequence) == (Kind.CONTROL, b"born", 1, 0)
    assert (second.kind, second.count, second.sequence) == (Kind.ANSWERS, 12, 1)
    assert first.journal == second.journal == engine.journal.id
    assert framing.follows(first, framing.genesis(engine.journal.id, writer.incarnation))
    assert framing.follows(second, first.chain)


def test_two_writers_have_strands_of_their_own(engine: Engine) -> None:
    one, two = engine.journal.writer(), engine.reopened().writer()
    assert one.incarnation != two.incarnation
    commit(one, b"one")
    commit(two, b"two", b"three")
    assert bodies(engine.journal, one.incarnation) == [b"one"]
    assert bodies(engine.journal, two.incarnation) == [b"two", b"three"]
    assert engine.journal.incarnations() == [one.incarnation, two.incarnation]


def test_numbers_are_never_used_again(engine: Engine) -> None:
    used = []
    for end in ("kill", "seal", "fence", "empty"):
        writer = engine.reopened().writer()
        assert writer.incarnation not in used
        assert writer.incarnation == max([0, *used]) + 1
        used.append(writer.incarnation)
        if end != "empty":
            commit(writer, b"x")
        if end == "seal":
            writer.seal()
        else:
            engine.kill(writer)
        if end == "fence":
            engine.journal.fence(writer.incarnation)
    assert engine.journal.incarnations() == used


def test_a_follower_never_reads_past_what_it_was_told(engine: Engine) -> None:
    writer = engine.journal.writer()
    follower = engine.journal.follow(writer.incarnation)
    commit(writer, b"a", b"b", b"c")
    assert [frame.body for frame in follower.read(2)] == [b"a", b"b"]
    assert follower.frames == 2
    assert list(follower.read(2)) == []
    assert list(follower.read(1)) == []
    writer.roll()
    commit(writer, b"d", b"e")
    assert [frame.body for frame in follower.read(4)] == [b"c", b"d"]
    assert follower.frames == 4
    assert [frame.body for frame in follower.read()] == [b"e"]
    assert follower.chain == list(engine.journal.follow(writer.incarnation).read())[-1].chain


def test_a_follower_keeps_its_place_when_a_reading_is_given_up(engine: Engine) -> None:
    writer = engine.journal.writer()
    commit(writer, b"a", b"b", b"c")
    follower = engine.journal.follow(writer.incarnation)
    assert next(follower.read(3)).body == b"a"
    assert [frame.body for frame in follower.read(3)] == [b"b", b"c"]


def test_frames_that_are_not_there_are_damage(engine: Engine) -> None:
    writer = engine.journal.writer()
    commit(writer, b"a")
    with pytest.raises(DataDamaged, match="after 1 frames"):
        bodies(engine.journal, writer.incarnation, upto=2)


def test_a_living_writer_is_not_fenced(engine: Engine) -> None:
    writer = engine.journal.writer()
    assert engine.journal.fence(writer.incarnation) is None
    commit(writer, b"a")
    writer.roll()
    commit(writer, b"b")
    assert engine.reopened().fence(writer.incarnation) is None
    assert commit(writer, b"c").frames == 3
    assert bodies(engine.journal, writer.incarnation) == [b"a", b"b", b"c"]


def test_the_strand_of_a_dead_writer_ends_where_it_was_durable(engine: Engine) -> None:
    writer = engine.journal.writer()
    commit(writer, b"a", b"b")
    engine.kill(writer)
    end = engine.journal.fence(writer.incarnation)
    assert end is not None
    last = list(engine.journal.follow(writer.incarnation).read())[-1]
    assert (end.incarnation, end.frames, end.chain) == (writer.incarnation, 2, last.chain)
    assert not end.sealed
    assert end.dropped_bytes == 0
    assert engine.journal.fence(writer.incarnation) == end


def test_a_sealed_strand_says_so_and_takes_no_more(engine: Engine) -> None:
    writer = engine.journal.writer()
    commit(writer, b"a")
    writer.seal()
    with pytest.raises(EngineDown, match="sealed"):
        commit(writer, b"b")
    with pytest.raises(EngineDown, match="sealed"):
        writer.seal()
    end = engine.journal.fence(writer.incarnation)
    assert end is not None
    assert (end.frames, end.sealed) == (2, True)
    kinds = [frame.kind for frame in engine.journal.follow(writer.incarnation).read()]
    assert kinds == [Kind.ANSWERS, Kind.SEAL]


def test_an_empty_strand_of_a_dead_writer_can_be_fenced(engine: Engine) -> None:
    writer = engine.journal.writer()
    engine.kill(writer)
    end = engine.journal.fence(writer.incarnation)
    assert end is not None
    assert [f.kind for f in engine.journal.follow(writer.incarnation).read()] == [Kind.SEAL]
    assert (end.frames, end.sealed) == (1, True)
    assert engine.journal.fence(writer.incarnation) == end


def test_rolling_changes_nothing_that_a_reader_sees(engine: Engine) -> None:
    writer = engine.journal.writer()
    expected = []
    writer.roll()
    for number in range(7):
        commit(writer, b"%d" % number)
        expected.append(b"%d" % number)
        writer.roll()
        writer.roll()
    assert bodies(engine.journal, writer.incarnation) == expected
