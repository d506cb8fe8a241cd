"""Strands in memory: frames as a journal gives them, in whatever order a test wants."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from small_show import Answer, records_of

from hairpin import frame as framing
from hairpin import messages as m
from hairpin.frame import Frame, Kind
from hairpin.journal import encode_control
from hairpin.tally.book import Book
from hairpin.tally.lines import Positions

JOURNAL = 7


class Strands:
    """Every frame is kept by incarnation, as truth; a book reads what a test gives it."""

    def __init__(self) -> None:
        self.frames: dict[int, list[Frame]] = {}
        self.replays = 0

    def control(self, incarnation: int, record: m.AnyControl) -> Frame:
        return self._append(incarnation, Kind.CONTROL, encode_control(record), 1)

    def answers(self, incarnation: int, answers: Iterable[Answer]) -> Frame:
        records = records_of(answers)
        return self._append(incarnation, Kind.ANSWERS, records.tobytes(), len(records))

    def seal(self, incarnation: int) -> Frame:
        return self._append(incarnation, Kind.SEAL, b"", 0)

    def fenced(self, incarnation: int, at_ms: int = 0) -> m.Fenced:
        """What the director would write of a strand that ends here."""
        frames = self.frames.get(incarnation, [])
        chain = frames[-1].chain.hex() if frames else ""
        return m.Fenced(at_ms, incarnation, len(frames), chain)

    def replay(self, upto: Positions) -> Iterator[Frame]:
        self.replays += 1
        for incarnation, count in upto.items():
            for frame in self.frames.get(incarnation, [])[:count]:
                if frame.kind is Kind.ANSWERS:
                    yield frame

    def book(self) -> Book:
        return Book(self.replay)

    def read(self, book: Book, *order: int) -> Book:
        """All frames, strand after strand; in the order of birth if none is given."""
        for incarnation in order or sorted(self.frames):
            for frame in self.frames[incarnation]:
                book.apply(frame)
        return book

    @staticmethod
    def refold(book: Book) -> None:
        """What a keeper does beside counting: all stale questions anew."""
        for index in book.stale():
            book.refold(index, book.recount(index))

    def _append(self, incarnation: int, kind: Kind, body: bytes, count: int) -> Frame:
        frames = self.frames.setdefault(incarnation, [])
        previous = frames[-1].chain if frames else framing.genesis(JOURNAL, incarnation)
        data, _ = framing.pack(kind, JOURNAL, incarnation, len(frames), previous, body, count)
        frames.append(framing.unpack(data))
        return frames[-1]
