"""Whatever happens to one copy of a frame, a scrub brings back; what happened to all, it names."""

from __future__ import annotations

import tempfile
from pathlib import Path

from cared_journal import Cared, files
from hypothesis import given
from hypothesis import strategies as st

from hairpin import frame as framing
from hairpin.journal.names import parse_name
from hairpin.journal.scrub import Scrub, ScrubResult

KINDS = ("flip", "zero", "truncate", "swap", "older", "delete")
Wound = tuple[int, int, str, float, float]
"""(which file, which mirror, kind, where, how much): the last two as parts of the whole."""

wounds = st.lists(
    st.tuples(
        st.integers(0, 99),
        st.integers(0, 99),
        st.sampled_from(KINDS),
        st.floats(0, 1, exclude_max=True),
        st.floats(0, 1, exclude_max=True),
    ),
    min_size=1,
    max_size=6,
)


def hurt(data: bytes, kind: str, where: float, extent: float) -> bytes | None:
    at = int(where * len(data))
    size = 1 + int(extent * min(len(data) - at, 700))
    if kind == "flip":
        return data[:at] + bytes([data[at] ^ (1 << int(extent * 8))]) + data[at + 1 :]
    if kind == "zero":
        return data[:at] + bytes(size) + data[at + size :]
    if kind == "truncate":
        return data[:at]
    if kind == "swap":
        block = max(size // 2, 1)
        one, two = data[at : at + block], data[at + block : at + 2 * block]
        return data[:at] + two + one + data[at + 2 * block :] if len(two) == block else data
    if kind == "older":
        ends = [frame.offset for frame in framing.frames(data)]
        return data[: ends[int(where * len(ends))]]
    return None


def spans(data: bytes) -> list[tuple[int, int]]:
    return [(frame.offset, frame.offset + frame.size_bytes) for frame in framing.frames(data)]


def scrub(cared: Cared) -> ScrubResult:
    work = Scrub(cared.world, cared.reopen().mirrors)
    while not work.step().finished:
        pass
    assert work.result is not None
    return work.result


def night(place: Path, mirrors: int) -> Cared:
    cared = Cared(place, mirrors)
    cared.dead([b"a" * 200, b"b" * 3000], [b"c"], [b"d" * 500] * 3)
    cared.dead([b"e" * 40] * 5)
    return cared


def strike(path: Path, whole: bytes, wound: Wound) -> None:
    """Hurt the file as it was: wounds do not add up, so that counting stays plain."""
    hurt_ = hurt(whole, *wound[2:])
    if hurt_ is None:
        path.unlink()
    else:
        path.write_bytes(hurt_)


def lacking(whole: dict[str, bytes], directory: Path) -> int:
    """Frames that are not in their places."""
    found = files(directory)
    return sum(
        found.get(name, b"")[start:end] != data[start:end]
        for name, data in whole.items()
        for start, end in spans(data)
    )


@given(st.integers(2, 3), wounds)
def test_one_copy_of_each_frame_may_be_hurt_in_any_way(mirrors: int, found: list[Wound]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        cared = night(Path(directory), mirrors)
        whole = cared.files(0)
        hurt_files: set[str] = set()
        for wound in found:
            name = sorted(whole)[wound[0] % len(whole)]
            if name not in hurt_files:
                hurt_files.add(name)
                strike(cared.places[wound[1] % mirrors] / name, whole[name], wound)
        lost = {str(place): lacking(whole, place) for place in cared.places}
        result = scrub(cared)
        assert result.clean
        assert [cared.files(n) for n in range(mirrors)] == [whole] * mirrors
        assert result.healed == {place: frames for place, frames in lost.items() if frames}
        cared.end()


@given(st.integers(1, 2), st.sets(st.integers(0, 10), min_size=1), st.integers(0, 10_000))
def test_frames_that_are_bad_in_all_copies_are_named_exactly(
    mirrors: int, chosen: set[int], noise: int
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        cared = night(Path(directory), mirrors)
        whole = cared.files(0)
        frames = [(name, *span) for name, data in sorted(whole.items()) for span in spans(data)]
        lasts = {_last_of_strand(whole, incarnation) for incarnation in (1, 2)}
        bad = sorted(frames[n] for n in chosen if n < len(frames) and frames[n] not in lasts)
        for number in range(mirrors):
            for name, start, end in bad:
                path = cared.places[number] / name
                data = bytearray(path.read_bytes())
                data[start + (noise + 7 * number) % (end - start)] ^= 0x21
                path.write_bytes(data)
        before = [cared.files(n) for n in range(mirrors)]
        result = scrub(cared)
        assert [cared.files(n) for n in range(mirrors)] == before
        assert not result.healed
        named = sum(damage.frames or 0 for damage in result.damages)
        assert (named, result.frames) == (len(bad), len(frames) - len(bad))
        covered = sorted(
            (damage.file, frame[1], frame[2])
            for damage in result.damages
            for frame in frames
            if frame[0] == damage.file
            and damage.offset <= frame[1]
            and frame[2] <= damage.offset + damage.bytes
        )
        assert covered == bad
        cared.end()


def _last_of_strand(whole: dict[str, bytes], incarnation: int) -> tuple[str, int, int]:
    """A bad last frame is what a crash leaves, and no damage."""
    name = max(name for name in whole if (parse_name(name) or (0,))[0] == incarnation)
    return (name, *spans(whole[name])[-1])
