"""Reading whole strands question by question, so that few questions hold words at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from hairpin.errors import DataDamaged
from hairpin.frame import Frame, Kind
from hairpin.tally.book import Book


def read_in_rounds(
    book: Book, strands: Mapping[int, Iterator[Frame]], everyone: list[int]
) -> dict[int, DataDamaged]:
    """Apply all frames of these strands; returns those that end in damage, and why.

    In each round every strand is read until it is done with one question, and what is final then
    is folded. Directors must have been read before. `everyone`: all strands that there are.
    """
    damaged: dict[int, DataDamaged] = {}
    for question in [*book.asked(), None]:
        for incarnation, frames in strands.items():
            try:
                _advance(book, incarnation, frames, question)
            except DataDamaged as damage:
                damaged[incarnation] = damage
        if question is not None:
            book.settle(everyone)
    return damaged


def _advance(book: Book, incarnation: int, frames: Iterator[Frame], question: int | None) -> None:
    """Read until the strand is done with this question, or to its end."""
    if question is not None and book.done_with(incarnation, question):
        return
    for frame in frames:
        book.apply(frame)
        if question is None or frame.kind is Kind.ANSWERS:
            continue
        if book.done_with(incarnation, question):
            return
