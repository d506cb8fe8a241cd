"""Reading the journal a second time, beside the counting that goes on meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from threading import Event
from typing import Protocol, TypeVar

from hairpin.frame import Frame, Kind
from hairpin.journal import Follower, Journal
from hairpin.tally.lines import Positions

T = TypeVar("T")


class Strands(Protocol):
    """The part of a journal that is needed to read it."""

    def follow(self, incarnation: int) -> Follower: ...


def replay(journal: Strands, upto: Positions) -> Iterator[Frame]:
    """All frames of answers up to these positions. Raises DataDamaged."""
    for incarnation, frames in upto.items():
        for frame in journal.follow(incarnation).read(frames):
            if frame.kind is Kind.ANSWERS:
                yield frame


class Ended(Exception):
    """Nobody wants to know any more."""


class Replays:
    """Jobs that read the journal, one after the other in a thread of their own.

    They read through `follow`, so that `close` ends them at their next frame.
    """

    def __init__(self, journal: Journal, worker: Executor | None = None) -> None:
        """`worker`: something else than a thread, for tests."""
        self._journal = journal
        self._ended = Event()
        self._worker = worker or ThreadPoolExecutor(1, "replay")

    def begin(self, job: Callable[[], T]) -> Future[T]:
        return self._worker.submit(job)

    def follow(self, incarnation: int) -> Follower:
        return _UntilEnded(self._journal.follow(incarnation), self._ended)

    def close(self) -> None:
        self._ended.set()
        self._worker.shutdown(wait=False, cancel_futures=True)


class _UntilEnded:
    """A follower that stops when nobody waits for it any more."""

    def __init__(self, follower: Follower, ended: Event) -> None:
        self._follower = follower
        self._ended = ended

    @property
    def frames(self) -> int:
        return self._follower.frames

    @property
    def chain(self) -> bytes:
        return self._follower.chain

    def read(self, upto_frames: int | None = None) -> Iterator[Frame]:
        for frame in self._follower.read(upto_frames):
            if self._ended.is_set():
                raise Ended
            yield frame
