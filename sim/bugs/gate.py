"""Bugs of the gate: who may answer when, what is acknowledged, and how much may wait."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from hairpin.answer import RECORD, Records
from hairpin.gate.admit import BAD_TICKET, COUNTED, NOT_OPEN, Admission
from hairpin.gate.commit import Committer
from hairpin.gate.http import ANSWER_TEXT_BYTES
from hairpin.gate.server import Gate
from hairpin.messages import GateQuestion, GateReport
from hairpin.show import Mode
from hairpin.ticket import Bytes
from sim.bugs.bug import ENDS, PROMISES, Nights, Patch, bug
from sim.bugs.journal import COUNTED as WITHIN

AFTER_MARK = "after its close marker a gate takes no answers"
AFTER_FINAL = "what is final gets no answers any more"
GATHER_S = 0.25
Statuses = npt.NDArray[np.int64]


@bug(
    "reply-before-commit",
    "gate/commit.py: Committer._flush",
    WITHIN,
    seeds=15,
    nights=Nights(("in_a_write",), fans=120),
)
def reply_before_commit(patch: Patch) -> None:
    """Phones get their verdicts when a batch is judged, and then it is journalled."""

    def flush(committer: Committer) -> None:
        texts, askers, times = committer._texts, committer._askers, committer._times
        committer._texts, committer._askers, committer._times = [], [], []
        text = np.frombuffer(b"".join(texts), np.uint8)
        received = np.array(times, np.int64)
        assert committer.epoch_ms is not None
        _, status = committer._admission.admit(text, received - committer.epoch_ms)
        for asker, code in zip(askers, status.tolist(), strict=True):
            asker.verdict(code)
        committer.decide(text, received)

    patch.replace(Committer, "_flush", flush)


@bug(
    "error-swallowed",
    "gate/commit.py: Committer._journal",
    WITHIN,
    seeds=2,
    nights=Nights(("full_disk", "failing_disk")),
)
def error_swallowed(patch: Patch) -> None:
    """A journal that cannot write is logged, and the batch is acknowledged nevertheless."""

    def journal(committer: Committer, records: Records) -> bool:
        original(committer, records)
        return True

    original = patch.replace(Committer, "_journal", journal)


@bug(
    "verdicts-mixed-up",
    "gate/commit.py: Committer._flush",
    WITHIN,
    "only issued tickets answer",
    seeds=2,
    nights=Nights(beat_ms=1000, fans=120),
)
def verdicts_mixed_up(patch: Patch) -> None:
    """Verdicts of a batch go to those who asked in the wrong order."""

    def flush(committer: Committer) -> None:
        committer._askers.reverse()
        original(committer)

    original = patch.replace(Committer, "_flush", flush)


@bug(
    "admitted-after-the-close",
    "gate/admit.py: Admission.set_questions",
    AFTER_MARK,
    AFTER_FINAL,
    "nobody answers after the close",
    seeds=2,
    nights=Nights(mode=Mode.HAND, fans=120),
)
def admitted_after_the_close(patch: Patch) -> None:
    """A gate goes by the time at which a question opens, and not by that at which it closes."""

    def set_questions(
        admission: Admission, questions: tuple[GateQuestion, ...], epoch_ms: int
    ) -> None:
        without = tuple(msgspec.structs.replace(one, closes_ms=None) for one in questions)
        original(admission, without, epoch_ms)

    original = patch.replace(Admission, "set_questions", set_questions)
    patch.replace(Admission, "shut", lambda *_: None)


@bug(
    "queue-after-the-marker",
    "gate/server.py: Gate._mark",
    AFTER_MARK,
    AFTER_FINAL,
    seeds=6,
    nights=Nights(mode=Mode.HAND, questions=4, fans=120, appetite=0.9),
)
def queue_after_the_marker(patch: Patch) -> None:
    """The queue is committed a little later, and the close marker does not wait for it: its
    answers were received in time."""

    def flush(committer: Committer) -> None:
        asyncio.get_running_loop().call_later(GATHER_S, original, committer)

    original = patch.replace(Committer, "flush", flush)
    patch.replace(Admission, "shut", lambda *_: None)


@bug(
    "admitted-before-the-opening",
    "gate/admit.py: Admission.set_questions",
    "nobody answers before the opening",
    seeds=6,
    nights=Nights(fans=150),
)
def admitted_before_the_opening(patch: Patch) -> None:
    """A gate lets in whoever answers a question that it knows, open or not."""

    def set_questions(
        admission: Admission, questions: tuple[GateQuestion, ...], epoch_ms: int
    ) -> None:
        original(admission, questions, epoch_ms)
        admission._opens[: len(questions)] = 0

    original = patch.replace(Admission, "set_questions", set_questions)


@bug(
    "signature-unchecked",
    "gate/admit.py: admit",
    "only issued tickets answer",
    "counted is within sent",
    seeds=2,
    nights=Nights(fans=150),
)
def signature_unchecked(patch: Patch) -> None:
    """A ticket is decoded, and nobody looks at its signature."""

    def admit(admission: Admission, text: Bytes, received: Statuses) -> tuple[Records, Statuses]:
        records, status = original(admission, text, received)
        let_in = [records]
        for at in np.flatnonzero(status == BAD_TICKET).tolist():
            row = text[at * ANSWER_TEXT_BYTES : (at + 1) * ANSWER_TEXT_BYTES].tobytes()
            ticket = base64.urlsafe_b64decode(row[:20])
            question, choice, elapsed = int(row[21:23], 16), int(row[23:25], 16), int(row[25:], 16)
            fan = int.from_bytes(ticket[:4], "little")
            if admission._opens[question] <= received[at] < admission._closes[question]:
                one = (fan, received[at], elapsed, question, choice, ticket[4], ticket[5])
                let_in.append(np.array([one], RECORD))
                status[at] = COUNTED
        return np.concatenate(let_in), status

    original = patch.replace(Admission, "admit", admit)


@bug(
    "retry-refused",
    "gate/admit.py: Admission.admit",
    "in a quiet night every answer gets its word",
    "in a quiet night a repetition is acknowledged",
    seeds=2,
    nights=Nights(fans=120),
)
def retry_refused(patch: Patch) -> None:
    """A gate that has counted an answer refuses its repetition with 409, as it is no news."""
    known: dict[int, set[bytes]] = {}

    def admit(admission: Admission, text: Bytes, received: Statuses) -> tuple[Records, Statuses]:
        records, status = original(admission, text, received)
        seen = known.setdefault(id(admission), set())
        keep = []
        for at in np.flatnonzero(status == COUNTED).tolist():
            who = text[at * ANSWER_TEXT_BYTES :][:23].tobytes()
            keep.append(who not in seen)
            if who in seen:
                status[at] = NOT_OPEN
            seen.add(who)
        return records[np.array(keep, bool)], status

    original = patch.replace(Admission, "admit", admit)


@bug(
    "queue-unbounded",
    "gate/commit.py: Committer.put",
    "queues and memory are bounded",
    seeds=2,
    nights=Nights(fans=150, appetite=0.9, beat_ms=1000, queue_max=6),
)
def queue_unbounded(patch: Patch) -> None:
    """Nobody looks at how many answers wait already."""

    def init(committer: Committer, *arguments: Any) -> None:
        original(committer, *arguments)
        committer._queue_max = 1 << 30

    original = patch.replace(Committer, "__init__", init)


@bug(
    "news-told-once",
    "gate/server.py: Gate._report",
    ENDS,
    PROMISES,
    seeds=15,
    nights=Nights(("bad_bus", "cut_off"), questions=1),
)
def news_told_once(patch: Patch) -> None:
    """How far a strand is durable is news that is told once: reports do not repeat it."""

    def report(gate: Gate) -> None:
        publish = gate._bus.publish

        def silent(topic: str, message: Any) -> None:
            told_once = isinstance(message, GateReport)
            publish(topic, msgspec.structs.replace(message, frames=0) if told_once else message)

        gate._bus.publish = silent  # type: ignore[method-assign]
        try:
            original(gate)
        finally:
            del gate._bus.publish

    original = patch.replace(Gate, "_report", report)
