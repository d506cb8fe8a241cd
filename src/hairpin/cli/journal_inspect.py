"""`hairpin journal inspect`: strands and frames as they are, for whoever wants to look."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from hairpin.cli.journal_places import journal_at, many
from hairpin.errors import DataDamaged, HairpinError, YourMistake
from hairpin.frame import Frame, Kind
from hairpin.journal import decode_control
from hairpin.journal.disk import DiskJournal
from hairpin.journal.holders import is_alive
from hairpin.journal.looking import Gap, Seen, look
from hairpin.journal.mirrors import Mirror
from hairpin.messages import Born, Fenced
from hairpin.world import real_world

INSPECT_EPILOG = "Example: hairpin journal inspect ./my-show 1 --frames"


class StrandView(msgspec.Struct):
    """One strand, in short."""

    incarnation: int
    role: str
    """What its writer was born as."""
    state: str
    """alive, sealed, fenced or open: its writer is dead, and nobody has fenced it yet."""
    segments: int
    frames: int
    answers: int
    controls: int
    bytes: int
    chain: str
    gaps: list[Gap]


class FrameView(msgspec.Struct, frozen=True):
    """One frame."""

    sequence: int
    segment: int
    offset: int
    kind: str
    count: int
    bytes: int
    chain: str
    control: object | None
    """The record, if it is a control frame."""


def inspect_command(
    data: Annotated[
        Path, typer.Argument(help="Data directory of a show, or a mirror.", metavar="DIR")
    ],
    strand: Annotated[
        int | None, typer.Argument(help="Number of one strand; default: all.", metavar="[STRAND]")
    ] = None,
    frames: Annotated[bool, typer.Option("--frames", help="List each frame.")] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print for machines, one document per line.")
    ] = False,
) -> None:
    """List strands, or the frames of one, with what cannot be read named in between."""
    journal = journal_at(data, real_world())
    numbers = journal.incarnations()
    if strand is not None and strand not in numbers:
        known = f"{numbers[0]} to {numbers[-1]}" if numbers else "none"
        raise YourMistake(f"there is no strand {strand}", f"There are: {known}.")
    mirror = journal.mirrors.members()[0]
    fenced = _fenced(journal, mirror)
    gaps: list[Gap] = []
    if not json:
        typer.echo(f"journal {journal.id:016x}, as {mirror.directory} has it")
    for number in numbers if strand is None else [strand]:
        view = StrandView(number, "unknown", "open", 0, 0, 0, 0, 0, "", [])
        for line in _look(journal, mirror, view, json):
            if frames or strand is not None:
                typer.echo(line)
        _settle(view, is_alive(journal.mirrors, number), number in fenced)
        typer.echo(msgspec.json.encode(view).decode() if json else _line(view))
        gaps += view.gaps
    if gaps:
        raise DataDamaged(
            f"cannot be read in {mirror.directory}: {many(len(gaps), 'range')}",
            "Is it good elsewhere? hairpin journal check DIR",
        )


def _look(journal: DiskJournal, mirror: Mirror, view: StrandView, json: bool) -> Iterator[str]:
    """A line for each frame and gap; what they add up to goes into the view."""
    for item in look(journal.mirrors, mirror, view.incarnation):
        if isinstance(item, Gap):
            view.gaps.append(item)
            text = f"  byte {item.offset} of segment {item.segment}: {item.lost} lost: {item.why}"
            yield msgspec.json.encode(item).decode() if json else text
            continue
        _add(view, item)
        shown = _frame(item)
        yield msgspec.json.encode(shown).decode() if json else _frame_line(shown)


def _add(view: StrandView, seen: Seen) -> None:
    frame = seen.frame
    if frame.sequence == 0:
        record = _control(frame)
        view.role = record.role if isinstance(record, Born) else "unknown"
    view.segments = seen.segment + 1
    view.frames = frame.sequence + 1
    view.answers += frame.count if frame.kind is Kind.ANSWERS else 0
    view.controls += frame.kind is Kind.CONTROL
    view.bytes += frame.size_bytes
    view.chain = frame.chain.hex()
    view.state = "sealed" if frame.kind is Kind.SEAL else "open"


def _settle(view: StrandView, alive: bool, fenced: bool) -> None:
    if alive:
        view.state = "alive"
    elif fenced and view.state != "sealed":
        view.state = "fenced"


def _fenced(journal: DiskJournal, mirror: Mirror) -> set[int]:
    """Strands whose end a director has journalled."""
    found = set()
    for number in journal.incarnations():
        strand = look(journal.mirrors, mirror, number)
        first = next(strand, None)
        if not isinstance(first, Seen) or not _is_director(first.frame):
            continue
        for item in strand:
            record = _control(item.frame) if isinstance(item, Seen) else None
            if isinstance(record, Fenced):
                found.add(record.incarnation)
    return found


def _is_director(frame: Frame) -> bool:
    record = _control(frame)
    return isinstance(record, Born) and record.role == "director"


def _control(frame: Frame) -> object | None:
    """The record of a control frame; its bytes if this version does not know it."""
    if frame.kind is not Kind.CONTROL:
        return None
    try:
        return decode_control(frame.body)
    except HairpinError:
        return frame.body.decode("utf-8", "replace")


def _frame(seen: Seen) -> FrameView:
    frame = seen.frame
    return FrameView(
        sequence=frame.sequence,
        segment=seen.segment,
        offset=seen.offset,
        kind=frame.kind.name.lower(),
        count=frame.count,
        bytes=frame.size_bytes,
        chain=frame.chain.hex(),
        control=_control(frame),
    )


def _frame_line(shown: FrameView) -> str:
    told = ""
    if shown.control is not None:
        text = msgspec.json.encode(shown.control).decode()
        told = f"  {text if len(text) <= 160 else text[:159] + '…'}"
    return (
        f"  frame {shown.sequence:>6}  segment {shown.segment:>3}  byte {shown.offset:>9}  "
        f"{shown.bytes:>7} bytes  {shown.kind:<7}  {shown.count:>6}{told}"
    )


def _line(view: StrandView) -> str:
    bad = f"; cannot be read: {many(len(view.gaps), 'range')}" if view.gaps else ""
    return (
        f"strand {view.incarnation} ({view.role}, {view.state}): "
        f"{many(view.segments, 'segment')}, {many(view.frames, 'frame')} "
        f"({view.controls:,} control), {many(view.answers, 'answer')}, "
        f"{view.bytes:,} bytes, chain {view.chain or 'none'}{bad}"
    )
