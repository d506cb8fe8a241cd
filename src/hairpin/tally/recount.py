"""Recounting: the same fold over the same records, from the journal alone.

Control records first, then answers; every chain is followed, every fenced end and every published
head is compared. What comes out must equal the live result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import count

import msgspec
import numpy as np
import numpy.typing as npt

from hairpin import frame as framing
from hairpin.errors import DataDamaged
from hairpin.frame import Frame, Kind
from hairpin.journal import Follower, Readable, decode_control
from hairpin.messages import Born, Fenced, Leader, Permission, Published, QuestionTally
from hairpin.tally.book import Book
from hairpin.tally.lines import Positions
from hairpin.tally.replay import replay
from hairpin.tally.rounds import read_in_rounds
from hairpin.tally.snapshot import Snapshots

Progress = Callable[[int, int], None]
"""Told (strands done, strands in all)."""


class Recount(msgspec.Struct, frozen=True):
    """What the journal says. `heads_verified`: published heads that were found to hold."""

    show: str
    journalled: int
    counted: int
    repeats: int
    questions: tuple[QuestionTally, ...]
    leaders: tuple[Leader, ...]
    more: int
    fans: int
    head: str
    strands: int
    frames: int
    heads_verified: int
    permission: Permission | None = None
    """On what grounds the show was armed; None in journals that do not say it."""


class Recounter:
    """Reads a whole journal once; then answers questions about it."""

    def __init__(self, journal: Readable, upto: Positions | None = None) -> None:
        """`upto`: count these frames only, of a journal that holds as a whole."""
        self._journal = journal
        self._upto = upto
        self.book = Book(partial(replay, journal))
        self._followers: dict[int, Follower] = {}
        self._chains: dict[int, list[bytes]] = {}
        """Chain after each frame, by incarnation."""

    def run(self, progress: Progress | None = None) -> Recount:
        """Raises DataDamaged where the journal is not what was written."""
        strands = self._strands()
        directors = [n for n in strands if self._role(n) == "director"]
        ended = count(1)

        def reading(incarnation: int) -> Iterator[Frame]:
            yield from self._read(incarnation)
            if progress:
                progress(next(ended), len(strands))

        for incarnation in directors:
            self._apply(reading(incarnation))
        others = {n: reading(n) for n in strands if n not in directors}
        for damage in read_in_rounds(self.book, others, strands).values():
            raise damage
        # Ends and heads may lie beyond a part; who counts one has verified the whole.
        verified = self._verify(directors) if self._upto is None else 0
        book = self.book
        book.settle(strands)
        for question in book.stale():
            book.refold(question, book.recount(question))
        snapshot = Snapshots(book).take(0, None, 0.0)
        journalled = sum(q.journalled for q in snapshot.questions)
        counted = sum(q.answers for q in snapshot.questions)
        return Recount(
            show=book.show.id,
            journalled=journalled,
            counted=counted,
            repeats=sum(q.repeats for q in snapshot.questions),
            questions=snapshot.questions,
            leaders=snapshot.leaders,
            more=snapshot.more,
            fans=snapshot.fans,
            head=snapshot.head,
            strands=len(strands),
            frames=sum(len(chains) for chains in self._chains.values()),
            heads_verified=verified,
            permission=book.permission,
        )

    def counted_fans(self, question: int) -> npt.NDArray[np.uint32]:
        """Numbers of the fans counted for a question, ascending."""
        if self.book.lines[question].opened_ms is None:
            return np.zeros(0, np.uint32)
        return self.book.recount(question, self.book.positions()).fans()

    def _strands(self) -> list[int]:
        return self._journal.incarnations() if self._upto is None else sorted(self._upto)

    def _role(self, incarnation: int) -> str | None:
        first = next(self._journal.follow(incarnation).read(), None)
        if first is None or first.kind is not Kind.CONTROL:
            return None
        record = decode_control(first.body)
        return record.role if isinstance(record, Born) else None

    def _apply(self, frames: Iterator[Frame]) -> None:
        for frame in frames:
            self.book.apply(frame)

    def _read(self, incarnation: int) -> Iterator[Frame]:
        """What was not read yet of a strand."""
        if incarnation not in self._followers:
            self._followers[incarnation] = self._journal.follow(incarnation)
        chains = self._chains.setdefault(incarnation, [])
        upto = None if self._upto is None else self._upto[incarnation]
        for frame in self._followers[incarnation].read(upto):
            chains.append(frame.chain)
            yield frame

    def _verify(self, directors: list[int]) -> int:
        """Every end and every head that the journal tells; returns how many heads."""
        book = self.book
        for fenced in book.fenced:
            self._verify_end(fenced)
        verified = sum(self._verify_head(published) for published in book.published)
        if book.unasked():  # a question may have opened while we read
            for incarnation in directors:
                self._apply(self._read(incarnation))
        self._verify_complete()
        return verified

    def _verify_complete(self) -> None:
        """Numbers are given without gaps, and a strand that a record names must be there."""
        here = set(self._journal.incarnations())
        missing = sorted(self.book.named.union(range(1, max(here, default=1))) - here)
        if missing:
            raise DataDamaged(
                f"journal damaged: no file of incarnation {', '.join(map(str, missing))} is here",
                "Restore it from a copy.",
            )
        for question in self.book.unasked():
            raise DataDamaged(
                f"journal damaged: question {question + 1} was answered, but no record opens it",
                "The strand that did is missing: restore it from a copy.",
            )

    def _verify_end(self, fenced: Fenced) -> None:
        chains = self._chains.get(fenced.incarnation, [])
        end = chains[-1].hex() if chains else ""
        if len(chains) != fenced.frames or (chains and end != fenced.chain):
            raise DataDamaged(
                f"journal damaged: incarnation {fenced.incarnation} was fenced after "
                f"{fenced.frames} frames with chain {fenced.chain}; "
                f"now it has {len(chains)} and chain {end or 'none'}",
                "Restore its files from a copy.",
            )

    def _verify_head(self, published: Published) -> bool:
        heads: dict[int, tuple[int, bytes]] = {}
        for text, frames in published.positions.items():
            chains = self._chains.get(int(text), [])
            if not 0 < frames <= len(chains):
                raise DataDamaged(
                    f"journal damaged: the result of question {published.question + 1} rests on "
                    f"{frames} frames of incarnation {text}; {len(chains)} are here",
                    "Restore its files from a copy.",
                )
            heads[int(text)] = (frames, chains[frames - 1])
        if framing.head(heads) != published.head:
            raise DataDamaged(
                f"journal damaged: the head published with question {published.question + 1} is "
                f"{published.head}; the frames give {framing.head(heads)}",
                "Somebody changed the journal after the result was shown. Restore it from a copy.",
            )
        return True
