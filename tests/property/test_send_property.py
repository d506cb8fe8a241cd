"""Any strands, any base, any target: a copy reads as the original; damage leaves it as it was."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from journals import Source, named, seen, take_in, tree

from hairpin.errors import DataDamaged, YourMistake

born = st.tuples(st.just("born"), st.just(0), st.just(0))
write = st.tuples(st.just("write"), st.integers(0, 9), st.integers(0, 60))
roll = st.tuples(st.just("roll"), st.integers(0, 9), st.just(0))
seal = st.tuples(st.just("seal"), st.integers(0, 9), st.just(0))
take = st.tuples(st.just("take"), st.just(0), st.just(0))
histories = st.lists(st.one_of(born, write, write, write, roll, seal, take), max_size=30)


def live(source: Source, history: list[tuple[str, int, int]]) -> list[str]:
    """Let it happen; returns the names of the snapshots, at least two."""
    names: list[str] = []
    sealed: set[int] = set()
    for step, (what, which, size) in enumerate([*history, ("take", 0, 0), ("take", 0, 0)]):
        open_strands = [n for n in range(len(source.writers)) if n not in sealed]
        if what == "born":
            source.born()
        elif what == "take":
            names.append(f"s{step}")
            source.take(names[-1])
        elif open_strands:
            strand = open_strands[which % len(open_strands)]
            if what == "write":
                source.write(strand + 1, b"%03d" % step + bytes(size))
            elif what == "roll":
                source.writers[strand].roll()
            else:
                source.writers[strand].seal()
                sealed.add(strand)
    return names


@settings(deadline=None, max_examples=60)
@given(histories, st.data())
def test_a_copy_reads_as_the_original_by_whatever_steps_it_came(
    history: list[tuple[str, int, int]], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as place:
        source = Source(Path(place) / "source")
        names = live(source, history)
        chosen = sorted(data.draw(st.sets(st.sampled_from(names[:-1]))), key=names.index)
        copy = Path(place) / "copy"
        base = None
        for name in [*chosen, names[-1]]:
            target = source.snapshots.read(name)
            take_in(copy, source.stream(target, base))
            base = target
        assert seen(copy) == seen(source.directory)
        assert named(copy) == [*chosen, names[-1]]


@settings(deadline=None, max_examples=60)
@given(histories, st.data())
def test_any_damage_to_a_stream_is_refused_and_changes_nothing(
    history: list[tuple[str, int, int]], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as place:
        source = Source(Path(place) / "source")
        names = live(source, history)
        base = source.snapshots.read(data.draw(st.sampled_from(names[:-1])))
        stream = source.stream(source.snapshots.read(names[-1]), base)
        copy = Path(place) / "copy"
        take_in(copy, source.stream(base))
        before = tree(copy)
        damaged = damage(stream, data)
        if damaged == stream:
            return
        try:
            take_in(copy, damaged)
        except (DataDamaged, YourMistake) as error:
            assert error.remedy
        else:
            raise AssertionError("it was accepted")
        assert tree(copy) == before
        take_in(copy, stream)
        assert seen(copy) == seen(source.directory)


def damage(stream: bytes, data: st.DataObject) -> bytes:
    """A piece taken out, doubled, moved, overwritten, or the rest cut off."""
    start = data.draw(st.integers(0, len(stream) - 1))
    end = data.draw(st.integers(start + 1, len(stream)))
    piece, rest = stream[start:end], stream[:start] + stream[end:]
    at = data.draw(st.integers(0, len(rest)))
    noise = (
        data.draw(st.binary(min_size=len(piece), max_size=len(piece))) if end - start < 50 else b""
    )
    return data.draw(
        st.sampled_from(
            [
                rest,
                stream[:start],
                stream[:end] + piece + stream[end:],
                rest[:at] + piece + rest[at:],
                stream[:start] + noise + stream[end:],
                stream[:start] + bytes(len(piece)) + stream[end:],
            ]
        )
    )
