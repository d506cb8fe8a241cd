"""The journal: truth. This is the port; `disk` is the engine of one machine.

A journal is a set of strands, one for each writer's incarnation. Only its writer appends to a
strand, and only what is durable may be read from it. An incarnation's number is never used again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import msgspec

from hairpin.errors import EngineDown, YourMistake
from hairpin.frame import Frame, Kind
from hairpin.messages import AnyControl, Synced

_ENCODER = msgspec.json.Encoder()
_DECODER: msgspec.json.Decoder[AnyControl] = msgspec.json.Decoder(AnyControl)


class StrandLost(EngineDown):
    """Others may have ended this writer's strand. It will never write again: end the process, so
    that another one begins a new strand."""


class StrandEnd(msgspec.Struct, frozen=True):
    """Where a dead writer's strand ends for ever."""

    incarnation: int
    frames: int
    chain: bytes
    sealed: bool
    """Its last frame is a seal."""
    dropped_bytes: int
    """Size of the torn last frame that was cut off."""


class Writer(Protocol):
    """Appends to one strand. Not for use by several threads."""

    @property
    def incarnation(self) -> int: ...

    @property
    def synced(self) -> Synced:
        """How far the strand is durable."""
        ...

    def commit(self, kind: Kind, body: bytes, count: int) -> Synced:
        """Append one frame; on return it is as durable as the journal's rules ask for.

        Raises EngineDown if it is not: then nothing of it will ever be read.
        """
        ...

    def roll(self) -> None:
        """Begin a new segment with the next frame."""
        ...

    def seal(self) -> None:
        """End the strand for good, and let go of it."""
        ...

    def tend(self) -> None:
        """Call it about every second: copies that were away are brought up to date."""
        ...

    @property
    def degraded(self) -> list[str]:
        """Where copies of the journal lie that lack something; empty if all is well."""
        ...


class Readable(Protocol):
    """What it takes to read a journal, wherever it lies."""

    @property
    def id(self) -> int: ...

    def incarnations(self) -> list[int]:
        """All strands there are, in order of birth."""
        ...

    def follow(self, incarnation: int) -> Follower:
        """A reader that begins at the strand's first frame and keeps its place."""
        ...


class Journal(Readable, Protocol):
    def writer(self) -> Writer:
        """A new strand under a number that was never used."""
        ...

    def fence(self, incarnation: int) -> StrandEnd | None:
        """Make sure that a strand's writer is dead and end the strand; None while it lives."""
        ...


class Follower(Protocol):
    @property
    def frames(self) -> int:
        """How many frames were read."""
        ...

    @property
    def chain(self) -> bytes: ...

    def read(self, upto_frames: int | None = None) -> Iterator[Frame]:
        """Frames not read yet, verified and chained, until `upto_frames` of the strand were read.

        Without a limit, all intact ones. Raises DataDamaged with the range that cannot be read.
        """
        ...


def encode_control(record: AnyControl) -> bytes:
    return _ENCODER.encode(record)


def decode_control(body: bytes) -> AnyControl:
    """Raises YourMistake if the record is of a kind that this version does not know."""
    try:
        return _DECODER.decode(body)
    except msgspec.MsgspecError as error:
        # Checksum and chain held, so that this is what was written.
        raise YourMistake(
            f"the journal holds a control record that this program does not know: {error}",
            "Use the version of hairpin that wrote it.",
        ) from error
