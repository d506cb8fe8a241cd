"""What the crowd did and what came back: the sender's half of the ledger, kept in two files.

`crowd.json` holds totals; `crowd.npz` the fan numbers, for each question who sent an answer and who
received an acknowledgement, and what was measured over time. Totals count requests: each one ends
as acknowledged, refused with a reason, or unanswered, so that `sent = acknowledged + refused +
unanswered`. Records of several crowds, who share no fan, can be added up.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from zipfile import BadZipFile

import msgspec
import numpy as np
import numpy.typing as npt

from hairpin.errors import DataDamaged, YourMistake
from hairpin.rehearsal.measure import Timeline, Waits
from hairpin.rehearsal.phones import Phones
from hairpin.world import Disk

Flags = npt.NDArray[np.bool_]

REASONS = {
    400: "malformed",
    401: "bad_ticket",
    404: "no_such_choice",
    409: "not_open",
    410: "closed",
    429: "too_many",
    503: "overloaded",
}
KINDS = ("answers", "joins", "now")
"""Of which waits are measured."""


def reason(status: int) -> str:
    return REASONS.get(status, f"status_{status}")


class CrowdTotals(msgspec.Struct):
    """Counts of answer requests unless a name says otherwise."""

    show: str
    fans: int = 0
    """Who joined."""
    sent: int = 0
    acknowledged: int = 0
    refused: dict[str, int] = {}
    refused_honest: dict[str, int] = {}
    """Answers of honest and timely fans that were refused for good."""
    unanswered: int = 0
    """Sent, but the connection broke before the reply."""
    given_up: int = 0
    """Answers that their fans stopped trying to send."""
    retries: int = 0
    """Requests that were sent again, with the same bytes."""
    duplicates: int = 0
    """Requests of fans who had answered already: the same again, or another choice."""
    dropped: int = 0
    """Connections that the crowd broke itself, before the reply."""
    forged: int = 0
    """Requests with a ticket or choice that cannot be."""
    forged_accepted: int = 0
    junk: int = 0
    """Requests that are none of the game."""
    junk_accepted: int = 0
    joins: int = 0
    """Join requests."""
    joins_refused: dict[str, int] = {}
    joins_failed: dict[str, int] = {}
    """Fans who never got a ticket, by the last refusal."""
    now_requests: int = 0
    claims: int = 0
    """Prizes claimed by contenders of this crowd."""
    connections_lost: int = 0
    """Broken by the other side, or timed out, while a request was under way."""
    latency_ms_p50: float = 0.0
    """From the request's first byte to the reply's last, answers only."""
    latency_ms_p99: float = 0.0
    behind_ms_p99: float = 0.0
    """How much later than planned answers left, since the crowd or the node was busy."""
    seconds: float = 0.0
    cpu_s: float = 0.0

    @property
    def requests(self) -> int:
        return self.sent + self.joins + self.now_requests + self.junk


class CrowdRecord(msgspec.Struct, frozen=True):
    """Both files, read back. `joined` has shape (fans,), `sent` and `acknowledged` (questions,
    fans); `number` is u32 and counts only where `joined`."""

    totals: CrowdTotals
    number: npt.NDArray[np.uint32]
    joined: Flags
    sent: Flags
    acknowledged: Flags
    waits: dict[str, Waits] = {}
    """By kind of request, and `behind`."""
    timeline: Timeline = Timeline(0)


class Record:
    """The open book: one byte per fan and question, plus the totals."""

    def __init__(self, show: str, fans: int, questions: int) -> None:
        self.totals = CrowdTotals(show=show)
        self.sent = np.zeros((questions, fans), dtype=np.bool_)
        self.acknowledged = np.zeros((questions, fans), dtype=np.bool_)
        self.waits = {kind: Waits() for kind in (*KINDS, "behind")}
        self.timeline = Timeline(0)

    def write(self, disk: Disk, directory: Path, phones: Phones) -> None:
        """Set both files, each all at once; the totals last. Raises `OSError`."""
        totals = self.totals
        totals.fans = phones.joined
        refused, times = np.unique(phones.refused[~phones.holds], return_counts=True)
        totals.joins_failed = {
            reason(status): int(number)
            for status, number in zip(refused.tolist(), times, strict=True)
            if status
        }
        _summarise(totals, self.waits)
        arrays = io.BytesIO()
        np.savez(
            arrays,
            number=phones.number,
            joined=phones.holds,
            sent=self.sent,
            acknowledged=self.acknowledged,
            waits=np.stack([waits.counts for waits in self.waits.values()]),
            waits_max_ms=np.array([waits.max_ms for waits in self.waits.values()]),
            timeline=self.timeline.counts,
            timeline_begin_ms=np.array(self.timeline.begin_ms),
        )
        disk.replace(directory / "crowd.npz", arrays.getvalue())
        encoded = msgspec.json.format(msgspec.json.encode(totals), indent=2)
        disk.replace(directory / "crowd.json", encoded + b"\n")


def read_record(directory: Path) -> CrowdRecord:
    """What a crowd left in `directory`. Raises `YourMistake` where no crowd wrote, `DataDamaged`
    where the files are not what it wrote."""
    try:
        totals = msgspec.json.decode((directory / "crowd.json").read_bytes(), type=CrowdTotals)
        packed = io.BytesIO((directory / "crowd.npz").read_bytes())
        with np.load(packed, allow_pickle=False) as arrays:
            rows = zip(arrays["waits"], arrays["waits_max_ms"].tolist(), strict=True)
            names = (*KINDS, "behind")
            return CrowdRecord(
                totals=totals,
                number=arrays["number"],
                joined=arrays["joined"],
                sent=arrays["sent"],
                acknowledged=arrays["acknowledged"],
                waits={name: Waits(*row) for name, row in zip(names, rows, strict=True)},
                timeline=Timeline(int(arrays["timeline_begin_ms"]), arrays["timeline"]),
            )
    except FileNotFoundError as error:
        raise YourMistake(
            f"{error.filename}: no such file: no crowd finished a question here",
            "Give the directory that `hairpin crowd --out` wrote to.",
        ) from error
    except (msgspec.DecodeError, BadZipFile, ValueError, KeyError, EOFError) as error:
        raise DataDamaged(
            f"{directory}: crowd.json or crowd.npz is not what a crowd wrote: {error}",
            "Run the rehearsal again; the node's own journal does not depend on these files.",
        ) from error


def add_up(records: Sequence[CrowdRecord]) -> CrowdRecord:
    """One record of several crowds at the same show; they share no fan. At least one."""
    first = records[0]
    waits, timeline = dict(first.waits), first.timeline
    for record in records[1:]:
        waits = {name: waits[name] + record.waits[name] for name in waits}
        timeline = timeline + record.timeline
    totals = _add_totals([record.totals for record in records])
    _summarise(totals, waits)
    return CrowdRecord(
        totals=totals,
        number=np.concatenate([record.number for record in records]),
        joined=np.concatenate([record.joined for record in records]),
        sent=np.concatenate([record.sent for record in records], axis=1),
        acknowledged=np.concatenate([record.acknowledged for record in records], axis=1),
        waits=waits,
        timeline=timeline,
    )


def _add_totals(parts: Sequence[CrowdTotals]) -> CrowdTotals:
    total = CrowdTotals(show=parts[0].show)
    for name in CrowdTotals.__struct_fields__:
        values = [getattr(part, name) for part in parts]
        if isinstance(values[0], dict):
            counted: Counter[str] = Counter()
            for value in values:
                counted.update(value)
            setattr(total, name, dict(counted))
        elif name == "seconds":
            total.seconds = max(values)
        elif name != "show":
            setattr(total, name, sum(values))
    return total


def _summarise(totals: CrowdTotals, waits: dict[str, Waits]) -> None:
    if not waits:
        return
    totals.latency_ms_p50 = waits["answers"].quantile_ms(0.5)
    totals.latency_ms_p99 = waits["answers"].quantile_ms(0.99)
    totals.behind_ms_p99 = waits["behind"].quantile_ms(0.99)
