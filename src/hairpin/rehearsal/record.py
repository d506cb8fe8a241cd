"""What the crowd did and what came back: the sender's half of the ledger, kept in two files.

`crowd.json` holds totals; `crowd.npz` the fan numbers and, for each question, who sent an answer
and who received an acknowledgement. Totals count requests: each one ends as acknowledged, refused
with a reason, or unanswered, so that `sent = acknowledged + refused + unanswered`.
"""

from __future__ import annotations

import io
from array import array
from pathlib import Path
from zipfile import BadZipFile

import msgspec
import numpy as np
import numpy.typing as npt

from hairpin.errors import DataDamaged, YourMistake
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
    unanswered: int = 0
    """Sent, but the connection broke before the reply."""
    given_up: int = 0
    """Answers that their fans stopped trying to send."""
    forged: int = 0
    """Requests with a ticket or choice that cannot be."""
    forged_accepted: int = 0
    joins: int = 0
    """Join requests."""
    joins_refused: dict[str, int] = {}
    now_requests: int = 0
    claims: int = 0
    """Prizes claimed by contenders of this crowd."""
    connections_lost: int = 0
    """Broken by the other side, or timed out."""
    latency_ms_p50: float = 0.0
    """From the request's first byte to the reply's last, answers only."""
    latency_ms_p99: float = 0.0
    behind_ms_p99: float = 0.0
    """How much later than planned answers left, since the crowd or the node was busy."""
    seconds: float = 0.0
    cpu_s: float = 0.0

    @property
    def requests(self) -> int:
        return self.sent + self.joins + self.now_requests


class CrowdRecord(msgspec.Struct, frozen=True):
    """Both files, read back. `joined` has shape (fans,), `sent` and `acknowledged` (questions,
    fans); `number` is u32 and counts only where `joined`."""

    totals: CrowdTotals
    number: npt.NDArray[np.uint32]
    joined: Flags
    sent: Flags
    acknowledged: Flags


class Record:
    """The open book: one byte per fan and question, plus the totals."""

    def __init__(self, show: str, fans: int, questions: int) -> None:
        self.totals = CrowdTotals(show=show, refused={}, joins_refused={})
        self.sent = [bytearray(fans) for _ in range(questions)]
        self.acknowledged = [bytearray(fans) for _ in range(questions)]
        self.latency_ms = array("f")
        self.behind_ms = array("f")

    def refuse(self, status: int) -> None:
        why = reason(status)
        self.totals.refused[why] = self.totals.refused.get(why, 0) + 1

    def write(self, disk: Disk, directory: Path, phones: Phones) -> None:
        """Set both files, each all at once; the totals last. Raises `OSError`."""
        self.totals.fans = phones.joined
        self.totals.latency_ms_p50, self.totals.latency_ms_p99 = _quantiles(self.latency_ms)
        self.totals.behind_ms_p99 = _quantiles(self.behind_ms)[1]
        arrays = io.BytesIO()
        np.savez(
            arrays,
            number=phones.number,
            joined=phones.holders(),
            sent=_table(self.sent, len(phones)),
            acknowledged=_table(self.acknowledged, len(phones)),
        )
        disk.replace(directory / "crowd.npz", arrays.getvalue())
        totals = msgspec.json.format(msgspec.json.encode(self.totals), indent=2)
        disk.replace(directory / "crowd.json", totals + b"\n")


def read_record(directory: Path) -> CrowdRecord:
    """What a crowd left in `directory`. Raises `YourMistake` where no crowd wrote, `DataDamaged`
    where the files are not what it wrote."""
    try:
        totals = msgspec.json.decode((directory / "crowd.json").read_bytes(), type=CrowdTotals)
        packed = io.BytesIO((directory / "crowd.npz").read_bytes())
        with np.load(packed, allow_pickle=False) as arrays:
            return CrowdRecord(
                totals=totals,
                number=arrays["number"],
                joined=arrays["joined"],
                sent=arrays["sent"],
                acknowledged=arrays["acknowledged"],
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


def _table(rows: list[bytearray], fans: int) -> Flags:
    if not rows:
        return np.zeros((0, fans), dtype=np.bool_)
    return np.stack([np.frombuffer(bytes(row), dtype=np.bool_) for row in rows])


def _quantiles(values: array[float]) -> tuple[float, float]:
    """Median and 99th percentile; zeros of nothing."""
    if not values:
        return 0.0, 0.0
    middle, high = np.percentile(np.array(values, dtype=np.float32), [50, 99])
    return round(float(middle), 3), round(float(high), 3)
