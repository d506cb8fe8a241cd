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

TICKET_CHARS = 20
CLAIM_CHARS = 16
JOIN_CHARS = 11
"""`POST /t/1FR`."""


class Joined(msgspec.Struct):
    """The reply to a join."""

    ticket: str
    claim: str


_decoder = msgspec.json.Decoder(Joined)


class Phones:
    """Arrays with one place per synthetic fan, about 90 bytes each, and no object for any of them.
    A fan without a ticket has not joined yet."""

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
        first = np.where(late, rng.integers(0, max(questions, 1), fans), -1)
        self.first_question = first.astype(np.int16)
        """-1: joins before the show; else joins when this question is open."""
        self.ticket = np.zeros((fans, TICKET_CHARS), dtype=np.uint8)
        self.claim = np.zeros(fans, dtype=f"S{CLAIM_CHARS}")
        self.number = np.zeros(fans, dtype=np.uint32)
        self.holds = np.zeros(fans, dtype=np.bool_)
        """Who has a ticket."""
        self.joining = np.zeros(fans, dtype=np.bool_)
        self.tries = np.zeros(fans, dtype=np.uint8)
        """Join requests that failed so far."""
        self.refused = np.zeros(fans, dtype=np.int16)
        """Status of the last join that was refused; 0: none."""
        self.joined = 0
        self._codes = np.array([list(code.encode()) for code in codes], dtype=np.uint8)

    def __len__(self) -> int:
        return len(self.number)

    def join_lines(self, fans: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        """Method and path of each join; shape (n, JOIN_CHARS)."""
        lines = np.empty((len(fans), JOIN_CHARS), dtype=np.uint8)
        lines[:, :8] = np.frombuffer(b"POST /t/", dtype=np.uint8)
        lines[:, 8] = self.age_band[fans] + ord("0")
        lines[:, 9:] = self._codes[self.country[fans]]
        return lines

    def admit(self, fan: int, reply: bytes) -> None:
        """Keep what the gate handed out; raises `msgspec.DecodeError` if that is no ticket."""
        joined = _decoder.decode(reply)
        self.number[fan] = fan_number(joined.ticket)
        self.ticket[fan] = np.frombuffer(joined.ticket.encode(), dtype=np.uint8)
        self.claim[fan] = joined.claim.encode()
        self.holds[fan] = True
        self.joining[fan] = False
        self.joined += 1

    def fan_of(self, number: int) -> int | None:
        """Which of these phones holds fan number `number`; None if it is a stranger's."""
        found = np.flatnonzero((self.number == number) & self.holds)
        return int(found[0]) if len(found) else None

    def ticket_of(self, fan: int) -> str:
        return bytes(self.ticket[fan]).decode()

    def claim_of(self, fan: int) -> str:
        return bytes(self.claim[fan]).decode()


def fan_number(ticket: str) -> int:
    """The first 4 bytes of a ticket, little-endian. Raises `msgspec.ValidationError`."""
    try:
        raw = base64.urlsafe_b64decode(ticket)
    except ValueError:
        raw = b""
    if len(raw) != 15 or len(ticket) != TICKET_CHARS:
        raise msgspec.ValidationError(f"found {ticket!r}; a ticket has 20 base64url characters")
    return int.from_bytes(raw[:4], "little")


def _shares(codes: Sequence[str]) -> npt.NDArray[np.float64]:
    parts = np.array([AUDIENCE.get(code, 0) for code in codes], dtype=np.float64)
    everywhere = np.full(len(codes), 1.0 / len(codes))
    if not parts.any():
        return everywhere
    return np.asarray((1.0 - EVERYWHERE) * parts / parts.sum() + EVERYWHERE * everywhere)
