"""A node's journal in several mirrors, as a test looks at it from outside."""

from __future__ import annotations

from pathlib import Path

import msgspec
from living_node import LivingNode, wait_until

from hairpin.journal import Follower, Readable
from hairpin.journal.disk import DiskJournal
from hairpin.journal.health import Health, read_health
from hairpin.journal.label import LABEL, Label
from hairpin.journal.mirrors import Mirror
from hairpin.journal.reader import StrandReader
from hairpin.journal.scrub import Scrub
from hairpin.node.data import open_journal
from hairpin.tally.recount import Recount, Recounter
from hairpin.world import real_world


def settings(*mirrors: Path, more: str = "") -> str:
    """Text of a hairpin.toml: any number may join from here, the journal lies there, too."""
    listed = ", ".join(f'"{mirror}"' for mirror in mirrors)
    return f'join_allow = ["127.0.0.0/8"]\nmirrors = [{listed}]\n{more}\n'


def states(*readable: Path) -> dict[str, str]:
    """Directory to state, by the newest label of those that can be read."""
    labels = []
    for mirror in readable:
        try:
            labels.append(msgspec.json.decode((mirror / LABEL).read_bytes(), type=Label))
        except OSError:
            continue
    label = max(labels, key=lambda label: label.epoch)
    return {entry.directory: entry.state.value for entry in label.mirrors}


def wait_state(node: LivingNode, mirror: Path, state: str, *readable: Path) -> None:
    """Until the labels of these call this mirror so."""

    def called() -> bool:
        return states(*readable)[str(mirror)] == state

    wait_until(called, f"{mirror} to be {state}; {node.errors()[-3_000:]}")


def health(node: LivingNode) -> Health:
    """What was noted against any mirror, added up."""
    journal = open_journal(node.data)
    books = [read_health(real_world().disk, m.directory) for m in journal.mirrors.all()]
    total = Health()
    for note in [note for book in books for note in book.values()]:
        total = total.plus(note)
    return total


def scrub(node: LivingNode) -> dict[str, int]:
    """Of a node that has ended: directory to how much was healed there. Nothing may be lost."""
    scrub = Scrub(real_world(), open_journal(node.data).mirrors)
    while not scrub.step().finished:
        pass
    assert scrub.result is not None
    assert scrub.result.clean, scrub.result
    return scrub.result.healed


class OneMirror:
    """A journal of which only one mirror is read."""

    def __init__(self, journal: DiskJournal, mirror: Mirror) -> None:
        self._journal = journal
        self._mirror = mirror

    @property
    def id(self) -> int:
        return self._journal.id

    def incarnations(self) -> list[int]:
        return self._journal.incarnations()

    def follow(self, incarnation: int) -> Follower:
        return StrandReader(self._journal.mirrors, incarnation, sources=[self._mirror])


def recounts_alone(node: LivingNode) -> list[Recount]:
    """What each member says on its own, when the node has ended."""
    journal = open_journal(node.data)
    readable: list[Readable] = [OneMirror(journal, m) for m in journal.mirrors.members()]
    return [Recounter(one).run() for one in readable]
