"""Bugs of several mirrors: who must have a frame, who is a member, and which copy is good."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from hairpin.journal import opening
from hairpin.journal.copy import Copy
from hairpin.journal.label import Label, State, in_force
from hairpin.journal.mirrors import Mirror, Mirrors
from hairpin.journal.writer import StrandWriter
from sim.bugs.bug import ENDS, PROMISES, Nights, Patch, bug
from sim.bugs.journal import COUNTED, DURABLE

AWAY = ("hang", "pull", "slow_disk", "failing_disk")
"""What a mirror is ejected for."""


@bug(
    "one-of-two",
    "journal/writer.py: StrandWriter._attempt",
    DURABLE,
    seeds=2,
    nights=Nights(("slow_disk", "hang"), mirrors=2),
)
def one_of_two(patch: Patch) -> None:
    """A frame is acknowledged when the first of two mirrors has it; the other one will follow."""

    def run(
        writer: StrandWriter, copies: list[Copy], job: Any, need: int, voters: Any = None
    ) -> None:
        if voters is None:
            original(writer, copies, job, need)
        else:
            original(writer, copies, job, 1)

    def eject(writer: StrandWriter, lost: list[Copy]) -> bool:
        failed = [copy for copy in lost if copy.error is not None]
        return not failed or bool(ejected(writer, failed))

    original = patch.replace(StrandWriter, "_run", run)
    ejected = patch.replace(StrandWriter, "_eject", eject)


def _go_on(writer: StrandWriter, lost: list[Copy]) -> list[Any]:
    """Without these, as far as this process knows."""
    entries = [writer._as_lost(copy) for copy in lost]
    for copy in lost:
        writer._let_go(copy)
    writer._mirrors.label = writer._mirrors.label.changed(*entries)
    return entries


@bug(
    "ejection-in-memory",
    "journal/writer.py: StrandWriter._eject",
    DURABLE,
    seeds=2,
    nights=Nights(AWAY, mirrors=2),
)
def ejection_in_memory(patch: Patch) -> None:
    """A mirror that is too slow is ejected in memory, and no label says so."""

    def eject(writer: StrandWriter, lost: list[Copy]) -> bool:
        _go_on(writer, lost)
        return bool(writer._on())

    patch.replace(StrandWriter, "_eject", eject)


@bug(
    "label-after-ack",
    "journal/writer.py: StrandWriter._eject",
    DURABLE,
    seeds=2,
    nights=Nights(AWAY, mirrors=2),
)
def label_after_ack(patch: Patch) -> None:
    """The label that ejects a mirror is written when there is time: after the acknowledgement."""
    owed: dict[int, list[Any]] = {}

    def eject(writer: StrandWriter, lost: list[Copy]) -> bool:
        owed.setdefault(id(writer), []).extend(_go_on(writer, lost))
        return bool(writer._on())

    def tend(writer: StrandWriter) -> None:
        entries = owed.pop(id(writer), [])
        if entries:
            mirrors = writer._mirrors
            drop: Any = partial(mirrors.drop, lost=entries, epoch=mirrors.next_epoch())
            writer._run(writer._on(), lambda copy: partial(drop, copy.mirror), -1)
        original(writer)

    patch.replace(StrandWriter, "_eject", eject)
    original = patch.replace(StrandWriter, "tend", tend)


@bug(
    "stale-mirror-believed",
    "journal/opening.py: find_mirrors",
    DURABLE,
    COUNTED,
    PROMISES,
    ENDS,
    "the live result = model",
    "the live result's leaderboard = model's",
    "in the end every result is final",
    seeds=15,
    nights=Nights((*AWAY, "put_back_old", "all"), mirrors=2),
)
def stale_mirror_believed(patch: Patch) -> None:
    """The node boots from the first directory: mirrors with another label are taken for stale."""

    def first(labels: dict[Path, Label]) -> Label:
        own, *others = labels.values()
        if all(other.epoch == own.epoch for other in others):
            return in_force(labels)
        differ = {other.mirror for other in others if other.epoch != own.epoch}
        entries = [
            msgspec.structs.replace(entry, state=State.STALE)
            for entry in own.mirrors
            if entry.id in differ
        ]
        itself = own.entry(own.mirror)
        assert itself is not None
        changed = own.changed(*entries, msgspec.structs.replace(itself, state=State.MEMBER))
        return msgspec.structs.replace(changed, epoch=max(o.epoch for o in labels.values()) + 1)

    patch.replace(opening, "in_force", first)


@bug(
    "bad-over-good",
    "journal/mirrors.py: Mirrors.heal",
    DURABLE,
    PROMISES,
    COUNTED,
    ENDS,
    seeds=15,
    nights=Nights(("rot", "kill", "all"), mirrors=2),
)
def bad_over_good(patch: Patch) -> None:
    """Healing goes the wrong way: what the first mirror holds is written over the others."""

    def heal(
        mirrors: Mirrors, mirror: Mirror, name: str, offset: int, data: bytes, why: str
    ) -> bool:
        bad = mirrors.disk.read(mirror.directory / name, offset, len(data))
        for other in mirrors.members():
            if other.id != mirror.id and bad:
                original(mirrors, other, name, offset, bad, why)
        return True

    original = patch.replace(Mirrors, "heal", heal)
