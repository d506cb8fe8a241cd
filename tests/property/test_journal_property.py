"""Any history of commits, rolls, failing disks and a crash: acknowledged is what is read."""

from __future__ import annotations

import tempfile
from pathlib import Path

from faulty_disk import Fault, faulty_world
from hypothesis import given, settings
from hypothesis import strategies as st

from hairpin.errors import EngineDown
from hairpin.frame import Kind
from hairpin.journal.disk import DiskJournal
from hairpin.journal.names import segment_name

commits = st.tuples(st.just("commit"), st.integers(0, 90))
rolls = st.tuples(st.just("roll"), st.just(0))
faults = st.tuples(st.sampled_from(["write", "sync", "truncate", "create"]), st.integers(0, 200))
follows = st.tuples(st.just("follow"), st.just(0))
histories = st.lists(st.one_of(commits, commits, rolls, faults, follows), max_size=25)


@settings(deadline=None, max_examples=100)
@given(histories, st.integers(0, 300))
def test_readers_see_exactly_what_was_acknowledged_whatever_the_disk_does(
    history: list[tuple[str, int]], torn_bytes: int
) -> None:
    with tempfile.TemporaryDirectory() as place:
        world, disk = faulty_world()
        directory = Path(place)
        journal = DiskJournal.create(world, directory)
        writer = journal.writer()
        follower = journal.follow(writer.incarnation)
        acknowledged: list[bytes] = []
        seen: list[bytes] = []
        for number, (what, size) in enumerate(history):
            if what == "commit":
                body = b"%03d" % number + bytes(size)
                try:
                    writer.commit(Kind.ANSWERS, body, 1)
                except EngineDown:
                    continue
                acknowledged.append(body)
            elif what == "roll":
                writer.roll()
            elif what == "follow":
                seen += [frame.body for frame in follower.read(writer.synced.frames)]
                assert seen == acknowledged
            else:
                disk.faults.append(Fault(what, keep=size))
        disk.faults.clear()
        for copy in writer._copies:  # type: ignore[attr-defined]
            copy.close()
        tear(directory, writer.incarnation, torn_bytes)
        end = journal.fence(writer.incarnation)
        assert end is not None
        read = [f.body for f in journal.follow(writer.incarnation).read() if f.kind != Kind.SEAL]
        assert read[: len(acknowledged)] == acknowledged
        # A frame in flight at the crash may be whole; here that takes a disk on which a write
        # and taking it back fail both.
        assert len(read) - len(acknowledged) <= any(what == "truncate" for what, _ in history)


def tear(directory: Path, incarnation: int, torn_bytes: int) -> None:
    """The crash leaves a piece of a frame that was being written."""
    names = sorted(p.name for p in directory.glob(f"{incarnation:08x}-*.hpj"))
    with (directory / names[-1]).open("ab") as file:
        file.write(b"HPN1\x01\x01"[:torn_bytes] + bytes(max(torn_bytes - 6, 0)))
    assert names[0] == segment_name(incarnation, 0)
