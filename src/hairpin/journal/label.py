"""The label of a mirror: which journal it holds, and which mirrors hold all of that journal.

Every mirror carries one, `journal.json`. Labels differ after a mirror was away; the one with the
highest epoch is in force. A change is durable on all mirrors that stay before anybody relies on it.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum
from pathlib import Path

import msgspec

from hairpin.errors import DataDamaged, YourMistake

LABEL = "journal.json"
FORMAT = 2
FORMAT_SINGLE = 1
"""Journals of one mirror, whose label says nothing but their id."""
LABEL_BYTES_MAX = 1 << 20


class State(StrEnum):
    MEMBER = "member"
    """Holds everything that was acknowledged."""
    JOINING = "joining"
    """New, and being filled."""
    STALE = "stale"
    """Was a member; what came since is missing."""


class Entry(msgspec.Struct, frozen=True):
    """One mirror as the labels of all name it."""

    id: str
    directory: str
    """Where it was last seen."""
    state: State = State.MEMBER
    why: str = ""
    """Why it is no member."""
    distrusted: bool = False
    """Its disk failed: what can be read of it may never have reached the disk."""
    replaces: str = ""
    """Id of the mirror that leaves when this one is a member."""


class Replica(msgspec.Struct, frozen=True):
    """What a received journal consists of; frames beyond are not there."""

    snapshot: str
    strands: dict[str, int]
    """Incarnation to number of frames."""


class Label(msgspec.Struct, frozen=True, omit_defaults=True):
    format: int
    id: str
    """Of the journal, 16 hexadecimal digits."""
    mirror: str = ""
    """Id of the mirror that carries this label."""
    epoch: int = 0
    mirrors: tuple[Entry, ...] = ()
    replica: Replica | None = None
    check: str = ""
    """BLAKE2b-64 of the label without it, from format 2 on."""

    def __post_init__(self) -> None:
        """Raises ValueError if an id is not 64 bits."""
        for text in (self.id, self.mirror or "0", *(entry.id for entry in self.mirrors)):
            if not 0 <= int(text, 16) < 1 << 64:
                raise ValueError(f"id {text} is not 64 bits")

    @property
    def journal(self) -> int:
        return int(self.id, 16)

    @property
    def members(self) -> tuple[str, ...]:
        return tuple(entry.id for entry in self.mirrors if entry.state is State.MEMBER)

    def entry(self, mirror: str) -> Entry | None:
        return next((entry for entry in self.mirrors if entry.id == mirror), None)

    def changed(self, *entries: Entry) -> Label:
        """The next epoch, with these entries in the place of those of the same mirrors."""
        new = {entry.id: entry for entry in entries}
        kept = [new.pop(entry.id, entry) for entry in self.mirrors]
        return msgspec.structs.replace(
            self, format=FORMAT, epoch=self.epoch + 1, mirrors=(*kept, *new.values())
        )

    def without(self, mirror: str) -> Label:
        """The next epoch, in which this mirror is unknown."""
        kept = tuple(entry for entry in self.mirrors if entry.id != mirror)
        return msgspec.structs.replace(self, epoch=self.epoch + 1, mirrors=kept)

    def with_replica(self, replica: Replica | None) -> Label:
        return msgspec.structs.replace(self, replica=replica)

    def of(self, mirror: str) -> Label:
        """The same, as that mirror carries it."""
        return msgspec.structs.replace(self, mirror=mirror)


def encode_label(label: Label) -> bytes:
    label = msgspec.structs.replace(label, check=_check(label))
    return msgspec.json.format(msgspec.json.encode(label), indent=1) + b"\n"


def _check(label: Label) -> str:
    bare = msgspec.structs.replace(label, check="")
    return hashlib.blake2b(msgspec.json.encode(bare), digest_size=8).hexdigest()


def decode_label(data: bytes, path: Path) -> Label:
    """`path`: of its file. Raises DataDamaged, or YourMistake if the format is newer than this
    program."""
    try:
        label = msgspec.json.decode(data, type=Label)
    except (msgspec.MsgspecError, ValueError) as error:
        raise DataDamaged(f"{path} cannot be read: {error}", "Restore it from a copy.") from None
    if not FORMAT_SINGLE <= label.format <= FORMAT:
        raise YourMistake(
            f"{path}: format {label.format}; this program reads formats "
            f"{FORMAT_SINGLE} to {FORMAT}",
            "Use the version of hairpin that wrote it.",
        )
    if label.format > FORMAT_SINGLE and label.check != _check(label):
        raise DataDamaged(
            f"{path} cannot be read: its check is {label.check or 'missing'}, not {_check(label)}",
            "Restore it from a copy.",
        )
    if not label.mirrors:
        # A single mirror needs no name of its own until it has company.
        own = label.mirror or label.id
        label = msgspec.structs.replace(label, mirror=own, mirrors=(Entry(own, str(path.parent)),))
    return label


def in_force(labels: dict[Path, Label]) -> Label:
    """The label that counts. Raises YourMistake if there are two histories or two journals."""
    first = next(iter(labels))
    newest = max(labels, key=lambda directory: labels[directory].epoch)
    same_time: list[Label] = []
    for directory, label in labels.items():
        if label.id != labels[first].id:
            raise YourMistake(
                f"{directory} holds journal {label.id}, {first} holds {labels[first].id}",
                "Name only mirrors of one journal.",
            )
        if label.epoch == labels[newest].epoch:
            same_time.append(label)
            if not _agreed(same_time):
                raise YourMistake(
                    f"{directory} and {newest} were each opened without the other, "
                    "and went on alone",
                    "Keep the one that the show ran on, and move the other one away.",
                )
    return _merged(labels[newest], same_time)


def _agreed(labels: list[Label]) -> set[str]:
    """Members that all of these name."""
    return set.intersection(*(set(label.members) for label in labels))


def _merged(newest: Label, labels: list[Label]) -> Label:
    """Two processes may have been ejecting mirrors when all ended: who stays by both stays."""
    out = {
        entry.id: entry
        for label in labels
        for entry in label.mirrors
        if entry.state is not State.MEMBER and entry.id in newest.members
    }
    mirrors = tuple(out.get(entry.id, entry) for entry in newest.mirrors)
    return msgspec.structs.replace(newest, mirrors=mirrors) if out else newest
