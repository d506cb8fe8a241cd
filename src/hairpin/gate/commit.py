"""Group commit: judge what arrived, journal it, make it durable, and only then acknowledge.

A commit takes what came in while the last one ran; nothing waits for a fixed window.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt
import structlog

from hairpin.answer import Records
from hairpin.errors import EngineDown
from hairpin.frame import BODY_BYTES_MAX, Kind
from hairpin.gate.admit import COUNTED, Admission
from hairpin.gate.http import ANSWER_TEXT_BYTES
from hairpin.journal import StrandLost, Writer
from hairpin.meter import Histogram
from hairpin.ticket import Bytes
from hairpin.world import Clock

log = structlog.get_logger()

OVERLOADED = 503


class Asker(Protocol):
    """Who waits for the verdict on an answer."""

    def verdict(self, status: int) -> None: ...


class Committer:
    """Answers in, verdicts out. `committed` is called after each durable frame."""

    def __init__(
        self,
        clock: Clock,
        writer: Writer,
        admission: Admission,
        queue_max: int,
        committed: Callable[[], None],
    ) -> None:
        self._clock = clock
        self._writer = writer
        self._admission = admission
        self._queue_max = queue_max
        self._committed = committed
        self._texts: list[bytes] = []
        self._askers: list[Asker] = []
        self._times: list[int] = []
        self._turned_away: list[Asker] = []
        self._scheduled = False
        self._ended = False
        self.epoch_ms: int | None = None
        self.statuses: Counter[int] = Counter()
        self.commits = 0
        self.commit_ms = Histogram()
        self.latency_ms = Histogram()
        self.error: str | None = None
        """Why the journal could not write the last batch; None if it could."""
        self.lost: StrandLost | None = None
        """The strand is at its end, and so is this process."""

    def put(self, text: bytes, asker: Asker) -> None:
        """Queue one answer of ANSWER_TEXT_BYTES for its verdict, which is 503 if the queue is full.

        Verdicts come in the order of the answers: once the queue is full, it stays so until the
        flush, which tells those who were turned away last.
        """
        if len(self._texts) >= self._queue_max or self.epoch_ms is None or self._ended:
            self._turned_away.append(asker)
        else:
            self._texts.append(text)
            self._askers.append(asker)
            self._times.append(self._clock.now_ms())
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self.flush)

    def flush(self) -> None:
        """Commit what is queued."""
        self._scheduled = False
        turned_away, self._turned_away = self._turned_away, []
        if self._texts:
            self._flush()
        for asker in turned_away:
            asker.verdict(OVERLOADED)
        self.statuses[OVERLOADED] += len(turned_away)

    def _flush(self) -> None:
        texts, askers, times = self._texts, self._askers, self._times
        self._texts, self._askers, self._times = [], [], []
        text = np.frombuffer(b"".join(texts), np.uint8)
        status = self.decide(text, np.array(times, np.int64))
        for asker, code in zip(askers, status.tolist(), strict=True):
            asker.verdict(code)

    def decide(self, text: Bytes, times_ms: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Commit a batch at once; returns the status of each answer.

        `text`: ANSWER_TEXT_BYTES of each; `times_ms`: when they were received, ms since 1970.
        Whatever is beyond the longest queue gets 503.
        """
        status = np.full(len(times_ms), OVERLOADED, np.int64)
        if self.epoch_ms is not None and not self._ended:
            taken = slice(self._queue_max)
            received = times_ms[taken] - self.epoch_ms
            records, status[taken] = self._admission.admit(
                text[: len(received) * ANSWER_TEXT_BYTES], received
            )
            if len(records) and not self._journal(records):
                status[status == COUNTED] = OVERLOADED
            self._note_waits(self._clock.now_ms() - self.epoch_ms - received)
        counts = np.bincount(status)
        for code in np.flatnonzero(counts).tolist():
            self.statuses[code] += int(counts[code])
        return status

    def _note_waits(self, waits_ms: npt.NDArray[np.int64]) -> None:
        """`waits_ms` falls, as the answers stand in the order in which they came."""
        if len(waits_ms) and waits_ms[0] == waits_ms[-1]:
            self.latency_ms.add_same(int(waits_ms[0]), len(waits_ms))
        else:
            self.latency_ms.add(waits_ms)

    def end(self) -> None:
        """Commit what is queued and end the strand: whoever comes now gets 503."""
        self.flush()
        self._ended = True
        self._writer.seal()

    def control(self, body: bytes) -> bool:
        """Journal a control record of this gate; False if the journal cannot write."""
        return not self._ended and self._commit(Kind.CONTROL, body, 1)

    def roll(self) -> None:
        """Begin a new segment with the next frame."""
        self._writer.roll()

    def _journal(self, records: Records) -> bool:
        most = BODY_BYTES_MAX // records.itemsize
        parts = [records[at : at + most] for at in range(0, len(records), most)]
        return all(self._commit(Kind.ANSWERS, part.tobytes(), len(part)) for part in parts)

    def _commit(self, kind: Kind, body: bytes, count: int) -> bool:
        began = self._clock.monotonic_ms()
        try:
            self._writer.commit(kind, body, count)
        except EngineDown as error:
            if self.error is None:
                log.error("the journal cannot write", why=error.message, remedy=error.remedy)
            self.error = error.message
            if isinstance(error, StrandLost):
                self.lost = error
            return False
        if self.error is not None:
            log.info("the journal writes again")
            self.error = None
        self.commits += 1
        self.commit_ms.add_same(self._clock.monotonic_ms() - began)
        self._committed()
        return True
