"""The checker of durability can fail: by one mirror, by two, and by a majority of three."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from hairpin import frame as framing
from hairpin.frame import Kind
from sim.checkers import Violation
from sim.checkers.durable import Durability

BODY = b"body"
NAME = "00000003-0001.hpj"


class Platters:
    """What is durable, by path."""

    def __init__(self, members: str, *mirrors: str) -> None:
        self.files: dict[Path, bytes] = {}
        self.paths = [Path(f"/{mirror}") for mirror in mirrors]
        for path in self.paths:
            self.label(path, 1, members)
        self.checker = Durability(self.files.get, self.paths)

    def label(self, path: Path, epoch: int, members: str) -> None:
        states = {
            mirror.name: "member" if mirror.name in members else "stale" for mirror in self.paths
        }
        entries = [{"id": name, "state": state} for name, state in states.items()]
        told = {"format": 2, "id": "00", "mirror": path.name, "epoch": epoch, "mirrors": entries}
        self.files[path / "journal.json"] = msgspec.json.encode(told)

    def write(self, *mirrors: str, sequence: int = 5, incarnation: int = 3) -> None:
        frames = [
            framing.pack(Kind.CONTROL, 7, incarnation, n, bytes(16), BODY, 1)[0]
            for n in range(sequence - 1, sequence + 1)
        ]
        for mirror in mirrors:
            self.files[Path(f"/{mirror}") / NAME] = b"".join(frames)

    def acknowledge(self) -> None:
        self.checker.acknowledged(3, 5, BODY)

    def lacks(self) -> None:
        with pytest.raises(Violation, match="what is acknowledged is durable"):
            self.acknowledge()


def test_one_mirror_must_hold_the_frame() -> None:
    platters = Platters("a", "a")
    platters.lacks()
    platters.write("a", sequence=4)
    platters.lacks()
    platters.write("a", incarnation=4)
    platters.lacks()
    platters.write("a")
    platters.acknowledge()


def test_of_two_members_both_must_hold_it() -> None:
    platters = Platters("ab", "a", "b")
    platters.write("a")
    platters.lacks()
    platters.write("b")
    platters.acknowledge()


def test_who_was_ejected_need_not_hold_it_once_that_is_durable() -> None:
    platters = Platters("ab", "a", "b")
    platters.write("a")
    platters.lacks()
    platters.label(Path("/a"), 2, "a")
    platters.acknowledge()
    platters.write("b")
    platters.files.pop(Path("/a") / NAME)
    platters.lacks()


def test_of_three_members_two_must_hold_it_and_a_stale_one_does_not_count() -> None:
    platters = Platters("abc", "a", "b", "c")
    platters.write("c")
    platters.lacks()
    platters.write("b")
    platters.acknowledge()
    platters.label(Path("/a"), 2, "ab")
    platters.lacks()


def test_a_disk_that_lies_is_excused_and_the_other_one_is_not() -> None:
    platters = Platters("ab", "a", "b")
    platters.checker.excuse(Path("/a"))
    platters.lacks()
    platters.write("b")
    platters.acknowledge()
