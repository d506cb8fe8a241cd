"""Who takes part in what is acknowledged, while mirrors come and go by other hands."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cared_journal import Cared, bring_up, run, settle, write

from hairpin.errors import EngineDown
from hairpin.journal.opening import attach
from hairpin.journal.resilver import Resilver


@pytest.fixture
def cared(tmp_path: Path) -> Iterator[Cared]:
    cared = Cared(tmp_path, 2)
    yield cared
    cared.end()


def test_a_strand_begun_by_an_old_label_takes_a_new_mirror_along(
    cared: Cared, tmp_path: Path
) -> None:
    """Opened before it came, begun after: nobody would wait for this strand, and it would lack."""
    cared.night()
    old = cared.reopen()
    new = attach(cared.world, cared.journal.mirrors, tmp_path / "new")
    assert run(Resilver(cared.world, cared.reopen().mirrors, new))[-1].finished
    writer = old.writer()
    write(writer, b"everywhere")
    settle(writer)
    name = f"{writer.incarnation:08x}-0000.hpj"
    assert (new.directory / name).read_bytes() == (cared.places[0] / name).read_bytes()
    writer.seal()


def test_a_mirror_that_is_being_filled_does_not_acknowledge_for_members(
    cared: Cared, tmp_path: Path
) -> None:
    """Two of them write, the only member does not: that is no majority of members."""
    writer = cared.born()
    write(writer, b"one")
    for name in ("x", "y"):
        attach(cared.world, cared.reopen().mirrors, tmp_path / name)
    bring_up(writer)
    released = threading.Event()
    writing = cared.disk.write

    def held(fd: int, offset: int, data: bytes) -> None:
        if cared.disk._paths[fd].parent in cared.places:
            released.wait(10)
        writing(fd, offset, data)

    cared.disk.write = held  # type: ignore[method-assign]
    releasing = threading.Timer(0.3, released.set)
    releasing.start()
    write(writer, b"two")
    assert released.is_set()
    releasing.join()


def test_who_was_taken_out_cannot_go_on_alone(cared: Cared) -> None:
    """A writer that has not heard of it yet ejects the other one; nobody would read its mirror."""
    writer = cared.born()
    write(writer, b"one")
    out = cared.mirror(1)
    other = cared.reopen().mirrors
    assert other.agree(lambda label: label.without(out.id))
    cared.disk.fail(cared.places[0], "write", "truncate")
    with pytest.raises(EngineDown):
        write(writer, b"on b alone")
    cared.disk.mend(cared.places[0])
    writer.tend()
    write(writer, b"two")
    assert cared.bodies() == {1: [b"one", b"two"]}


def test_a_missing_mirror_is_given_up_by_what_is_written_not_by_looking(cared: Cared) -> None:
    """Opening degraded changes no epoch: another process's change in between would be missed."""
    cared.night()
    away = cared.places[1].rename(cared.place / "away")
    looking = cared.reopen(degraded=True).mirrors
    epoch = looking.label.epoch
    away.rename(cared.places[1])
    assert cared.reopen().mirrors.agree(lambda label: label.changed())
    assert cared.reopen().mirrors.label.epoch == epoch + 1
    assert not looking.agree(lambda label: label.changed())
