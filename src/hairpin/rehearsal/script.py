"""What one crowd does in one question: every request with its time, planned before it happens.

Most fans answer once. Some repeat themselves, lose their connection before the reply, come late,
are early since their clock is wrong, change their mind, or cheat with a ticket that is not theirs;
and from the same addresses comes the junk that any public door is sent.
"""

from __future__ import annotations

import math
from enum import IntEnum

import msgspec
import numpy as np
import numpy.typing as npt

from hairpin.rehearsal import arrival, taste
from hairpin.rehearsal.arrival import HUMAN, Curve
from hairpin.rehearsal.phones import Phones

TAIL_CHARS = 12
TIMELY_MS = 500.0
"""A phone that answers this long before the close is in time, whatever the network does to it."""


class Kind(IntEnum):
    ANSWER = 0
    DROP = 1
    """An answer whose connection breaks before the reply; sent again with jitter."""
    LATE = 2
    EARLY = 3
    REPEAT = 4
    OTHER = 5
    """A second, different answer of a fan who already answered."""
    FORGED = 6
    ASK = 7
    """`GET /now`."""
    JUNK = 8
    """Bytes that are no request of the game."""


class Habits(msgspec.Struct, frozen=True):
    """Shares of the crowd, each between 0 and 1."""

    skips: float = 0.06
    repeats: float = 0.03
    drops: float = 0.01
    late: float = 0.005
    early: float = 0.002
    changes_mind: float = 0.003
    forges: float = 0.002
    junk: float = 0.0005
    asks: float = 0.05
    """Who asks `GET /now` here; a cache in front answers the others."""
    joins_late: float = 0.05
    fresh: float = 0.0
    """Answers that come on a connection made for them."""


class Facts(msgspec.Struct, frozen=True):
    """What a phone knows of a question. Times in milliseconds."""

    question: int
    choices: int
    multiple: bool
    duration_ms: float
    """`math.inf` where it closes by hand."""
    spread_ms: float
    right: int = 0
    """Bit mask of the right choices where the crowd was told; 0: nobody knows."""
    stretch: float = 1.0
    """Factor on all human times, where a rehearsal gives the burst another length."""
    curve: Curve = HUMAN


class Round(msgspec.Struct):
    """One question as the crowd lives it; event `i` is `fan[i]` doing `kind[i]` at `at_ms[i]`."""

    question: int
    at_ms: npt.NDArray[np.float64]
    """After the opening, ascending; milliseconds."""
    fan: npt.NDArray[np.int32]
    kind: npt.NDArray[np.uint8]
    tails: npt.NDArray[np.uint8]
    """Shape (events, TAIL_CHARS): a slash, then question, choice and elapsed time in hex."""
    tries: npt.NDArray[np.uint8]
    """How often an event failed so far."""
    opened_ms: float = math.inf
    """By the crowd's own monotonic clock."""
    closes_ms: float = math.inf
    retry_until_ms: float = math.inf
    give_up_ms: float = math.inf
    """Requests not sent by then never are."""
    released: int = 0

    def __len__(self) -> int:
        return len(self.at_ms)


def honest(kind: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Which events are answers by the rules; what comes late or early on purpose is not."""
    fair = (kind <= Kind.DROP) | (kind == Kind.REPEAT) | (kind == Kind.OTHER)
    return np.asarray(fair, dtype=np.bool_)


class _Draft:
    """Collects events before they are sorted by time."""

    def __init__(self) -> None:
        self._at: list[npt.NDArray[np.float64]] = []
        self._fan: list[npt.NDArray[np.int32]] = []
        self._kind: list[npt.NDArray[np.uint8]] = []
        self._choice: list[npt.NDArray[np.uint8]] = []
        self._elapsed: list[npt.NDArray[np.float64]] = []

    def add(
        self,
        kind: Kind,
        fan: npt.NDArray[np.int64],
        at: npt.NDArray[np.float64],
        choice: npt.NDArray[np.uint8],
        elapsed: npt.NDArray[np.float64],
    ) -> None:
        self._at.append(at)
        self._fan.append(fan.astype(np.int32))
        self._kind.append(np.full(len(fan), kind, dtype=np.uint8))
        self._choice.append(choice)
        self._elapsed.append(elapsed)

    def round(self, question: int) -> Round:
        at = np.concatenate(self._at)
        order = np.argsort(at, kind="stable")
        choice, elapsed = np.concatenate(self._choice), np.concatenate(self._elapsed)
        return Round(
            question=question,
            at_ms=at[order],
            fan=np.concatenate(self._fan)[order],
            kind=np.concatenate(self._kind)[order],
            tails=tails(question, choice[order], elapsed[order]),
            tries=np.zeros(len(order), dtype=np.uint8),
        )


def plan(
    rng: np.random.Generator,
    phones: Phones,
    facts: Facts,
    habits: Habits,
    busy: npt.NDArray[np.bool_],
) -> Round:
    """The whole question, from its opening on. `busy`: fans who sent an early answer already."""
    fans = len(phones)
    seen = facts.stretch * arrival.seen_ms(rng, fans, facts.spread_ms)
    delay = facts.stretch * arrival.delays_ms(rng, fans, facts.curve)
    choice = _choose(rng, phones, facts)
    answers = (rng.random(fans) >= habits.skips) & ~busy
    answers &= phones.first_question <= facts.question
    at = seen + delay
    late = answers & (rng.random(fans) < habits.late) & math.isfinite(facts.duration_ms)
    in_time = answers & ~late & (at < facts.duration_ms)
    drops = in_time & (rng.random(fans) < habits.drops)

    draft = _Draft()
    for kind, who in ((Kind.ANSWER, in_time & ~drops), (Kind.DROP, drops)):
        index = np.flatnonzero(who)
        draft.add(kind, index, at[index], choice[index], delay[index])
    index = np.flatnonzero(late)
    after = facts.duration_ms + rng.uniform(20.0, 900.0, len(index))
    draft.add(Kind.LATE, index, after, choice[index], delay[index])
    _add_seconds(rng, draft, facts, habits, np.flatnonzero(in_time), at, choice, delay)
    _add_hostile(rng, draft, Kind.FORGED, facts, habits.forges, fans)
    _add_hostile(rng, draft, Kind.JUNK, facts, habits.junk, fans)
    return draft.round(facts.question)


def plan_looks(
    rng: np.random.Generator, fans: int, facts: Facts, asks: float, again_ms: float
) -> Round:
    """`GET /now` as phones send it: at the opening, and `again_ms` after it for the result."""
    times = []
    for after in (0.0, again_ms):
        if math.isfinite(after):
            number = int(rng.binomial(fans, asks))
            times.append(after + facts.stretch * arrival.seen_ms(rng, number, facts.spread_ms))
    at = np.sort(np.concatenate(times))
    return Round(
        question=facts.question,
        at_ms=at,
        fan=np.zeros(len(at), dtype=np.int32),
        kind=np.full(len(at), Kind.ASK, dtype=np.uint8),
        tails=np.zeros((len(at), TAIL_CHARS), dtype=np.uint8),
        tries=np.zeros(len(at), dtype=np.uint8),
    )


def _choose(rng: np.random.Generator, phones: Phones, facts: Facts) -> npt.NDArray[np.uint8]:
    """What each fan picks; shape (fans,)."""
    country, age_band = phones.country, phones.age_band
    choice = taste.choices(rng, country, age_band, facts.choices, facts.multiple)
    if facts.right:
        knows = taste.knowing(rng, phones.skill, country, age_band)
        choice[knows] = taste.right_choice(facts.right, facts.multiple)
    return choice


def plan_early(rng: np.random.Generator, phones: Phones, question: int, habits: Habits) -> Round:
    """The few whose clocks run ahead of the opening. What is asked they cannot know: they pick
    the first choice, which every question has."""
    who = np.flatnonzero(
        (rng.random(len(phones)) < habits.early) & (phones.first_question < question)
    )
    draft = _Draft()
    at = -rng.uniform(20.0, 400.0, len(who))
    first = np.ones(len(who), dtype=np.uint8)
    draft.add(Kind.EARLY, who, at, first, arrival.delays_ms(rng, len(who)))
    return draft.round(question)


def _add_seconds(
    rng: np.random.Generator,
    draft: _Draft,
    facts: Facts,
    habits: Habits,
    who: npt.NDArray[np.int64],
    at: npt.NDArray[np.float64],
    choice: npt.NDArray[np.uint8],
    delay: npt.NDArray[np.float64],
) -> None:
    """Fans who send the same bytes again, and fans who try another choice."""
    again = who[rng.random(len(who)) < habits.repeats]
    wait = rng.uniform(50.0, 3_000.0, len(again))
    draft.add(Kind.REPEAT, again, at[again] + wait, choice[again], delay[again])
    if facts.choices < 2:
        return
    other = who[rng.random(len(who)) < habits.changes_mind]
    wait = rng.uniform(50.0, 2_000.0, len(other))
    second = taste.another(rng, choice[other], facts.choices)
    draft.add(Kind.OTHER, other, at[other] + wait, second, delay[other])


def _add_hostile(
    rng: np.random.Generator, draft: _Draft, kind: Kind, facts: Facts, share: float, fans: int
) -> None:
    """At least one wherever there are any, so that every rehearsal meets one."""
    who = rng.integers(0, fans, math.ceil(share * fans))
    delay = facts.stretch * arrival.delays_ms(rng, len(who), facts.curve)
    at = np.minimum(delay, 0.9 * facts.duration_ms)
    draft.add(kind, who, at, np.ones(len(who), dtype=np.uint8), delay)


def tails(
    question: int, choice: npt.NDArray[np.uint8], elapsed_ms: npt.NDArray[np.float64]
) -> npt.NDArray[np.uint8]:
    """`/<question><choice><elapsed>` in lower-case hex (2, 2 and 7 digits); (n, TAIL_CHARS)."""
    digits = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
    elapsed = np.clip(elapsed_ms, 0, 0xFFF_FFFF).astype(np.int64)
    value = (question << 36) | (choice.astype(np.int64) << 28) | elapsed
    text = np.full((len(value), TAIL_CHARS), ord("/"), dtype=np.uint8)
    for place, shift in enumerate(range(40, -1, -4), start=1):
        text[:, place] = digits[(value >> shift) & 15]
    return text
