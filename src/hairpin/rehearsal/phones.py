"""Who the synthetic fans are, and what each one's phone carries: a ticket and a claim code."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

AUDIENCE = {
    "FR": 22, "GB": 14, "DE": 11, "US": 11, "ES": 7, "IT": 7, "BE": 5, "NL": 4, "CH": 3, "PL": 3,
    "PT": 3, "SE": 2, "NO": 2, "IE": 2, "CA": 2, "BR": 2, "JP": 2, "MA": 2, "DZ": 1, "TN": 1,
    "EG": 1, "LB": 1, "AU": 1, "ZZ": 1,
}  # fmt: skip
"""Where a European concert's stream is watched, in parts; only countries of the show count."""
EVERYWHERE = 0.04
"""Share of the crowd that comes from any country at all."""
AGE_SHARES = (0.38, 0.44, 0.18)


class Joined(msgspec.Struct):
    """The reply to a join."""

    ticket: str
    claim: str


class Phones:
    """Arrays with one place per synthetic fan. A fan without a ticket has not joined yet."""

    def __init__(
        self,
        rng: np.random.Generator,
        fans: int,
        countries: Sequence[str],
        questions: int,
        late_share: float,
    ) -> None:
        codes = tuple(countries) or ("ZZ",)
        self.codes = codes
        self.country = rng.choice(len(codes), fans, p=_shares(codes)).astype(np.uint8)
        self.age_band = rng.choice(3, fans, p=AGE_SHARES).astype(np.uint8)
        self.skill = rng.normal(0.0, 1.0, fans)
        """How likely each fan is to know an answer; logits."""
        late = rng.random(fans) < late_share
        self.first_question = np.where(late, rng.integers(0, max(questions, 1), fans), -1)
        """-1: joins before the show; else joins when this question is open."""
        self.ticket: list[bytes | None] = [None] * fans
        self.claim: list[str] = [""] * fans
        self.number: npt.NDArray[np.uint32] = np.zeros(fans, dtype=np.uint32)
        self.joining = bytearray(fans)
        self.joined = 0
        self._fan_of: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self.ticket)

    def join_line(self, fan: int) -> bytes:
        return b"POST /t/%d%s" % (self.age_band[fan], self.codes[self.country[fan]].encode())

    def admit(self, fan: int, reply: bytes) -> None:
        """Keep what the gate handed out; raises `msgspec.DecodeError` if that is no ticket."""
        joined = msgspec.json.decode(reply, type=Joined)
        number = fan_number(joined.ticket)
        self.ticket[fan] = joined.ticket.encode()
        self.claim[fan] = joined.claim
        self.number[fan] = number
        self._fan_of[number] = fan
        self.joining[fan] = 0
        self.joined += 1

    def fan_of(self, number: int) -> int | None:
        """Which of these phones holds fan number `number`; None if it is a stranger's."""
        return self._fan_of.get(number)

    def holders(self) -> npt.NDArray[np.bool_]:
        """Who has joined; shape (fans,)."""
        return np.fromiter((t is not None for t in self.ticket), np.bool_, len(self.ticket))


def fan_number(ticket: str) -> int:
    """The first 4 bytes of a ticket, little-endian. Raises `msgspec.ValidationError`."""
    try:
        raw = base64.urlsafe_b64decode(ticket)
    except ValueError:
        raw = b""
    if len(raw) != 15:
        raise msgspec.ValidationError(f"found {ticket!r}; a ticket has 20 base64url characters")
    return int.from_bytes(raw[:4], "little")


def _shares(codes: Sequence[str]) -> npt.NDArray[np.float64]:
    parts = np.array([AUDIENCE.get(code, 0) for code in codes], dtype=np.float64)
    everywhere = np.full(len(codes), 1.0 / len(codes))
    if not parts.any():
        return everywhere
    return np.asarray((1.0 - EVERYWHERE) * parts / parts.sum() + EVERYWHERE * everywhere)
