"""What one crowd does in one question: every request with its time, planned before it happens.

Most fans answer once. Some repeat themselves, lose their connection before the reply, come late,
are early since their clock is wrong, change their mind, or cheat with a ticket that is not theirs.
"""

from __future__ import annotations

import math
from enum import IntEnum

import msgspec
import numpy as np
import numpy.typing as npt

from hairpin.rehearsal import arrival, taste
from hairpin.rehearsal.phones import Phones


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


class Habits(msgspec.Struct, frozen=True):
    """Shares of the crowd, each between 0 and 1."""

    skips: float = 0.06
    repeats: float = 0.03
    drops: float = 0.01
    late: float = 0.005
    early: float = 0.002
    changes_mind: float = 0.003
    forges: float = 0.002
    asks: float = 0.05
    """Who asks `GET /now` here; a cache in front answers the others."""
    joins_late: float = 0.05


class Facts(msgspec.Struct, frozen=True):
    """What a phone knows of a question. Times in milliseconds."""

    question: int
    choices: int
    multiple: bool
    duration_ms: float
    """`math.inf` where it closes by hand."""
    spread_ms: float
    ask_again_ms: float
    """When phones look for the result, after the opening."""
    right: int = 0
    """Bit mask of the right choices where the crowd was told; 0: nobody knows."""


class Round(msgspec.Struct):
    """One question as the crowd lives it; event `i` is `fan[i]` doing `kind[i]` at `at_ms[i]`."""

    question: int
    at_ms: npt.NDArray[np.float64]
    """After the opening, ascending; milliseconds."""
    fan: list[int]
    kind: bytes
    tails: bytes
    """12 bytes for each event: a slash, then question, choice and elapsed time in hex."""
    opened_ms: float = math.inf
    """By the crowd's own monotonic clock."""
    retry_until_ms: float = math.inf
    give_up_ms: float = math.inf
    """Requests not sent by then never are."""
    released: int = 0
    tries: dict[int, int] = {}
    """How often an event failed so far."""

    def tail(self, event: int) -> bytes:
        return self.tails[12 * event : 12 * event + 12]


class _Draft:
    """Collects events before they are sorted by time."""

    def __init__(self) -> None:
        self.parts: list[tuple[npt.NDArray[np.float64], ...]] = []

    def add(
        self,
        kind: Kind,
        fan: npt.NDArray[np.int64],
        at: npt.NDArray[np.float64],
        choice: npt.NDArray[np.uint8],
        elapsed: npt.NDArray[np.float64],
    ) -> None:
        columns = (fan, at, np.full(len(fan), kind), choice, elapsed)
        self.parts.append(tuple(np.asarray(column, dtype=np.float64) for column in columns))

    def round(self, question: int) -> Round:
        fan, at, kind, choice, elapsed = (
            np.concatenate([part[column] for part in self.parts]) for column in range(5)
        )
        order = np.argsort(at, kind="stable")
        return Round(
            question=question,
            at_ms=at[order],
            fan=fan[order].astype(np.int64).tolist(),
            kind=kind[order].astype(np.uint8).tobytes(),
            tails=tails(question, choice[order], elapsed[order]),
            tries={},
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
    seen = arrival.seen_ms(rng, fans, facts.spread_ms)
    delay = arrival.delays_ms(rng, fans)
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
    _add_forgers(rng, draft, facts, habits, fans)
    _add_askers(rng, draft, facts, habits, seen)
    return draft.round(facts.question)


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


def _add_forgers(
    rng: np.random.Generator, draft: _Draft, facts: Facts, habits: Habits, fans: int
) -> None:
    """Cheats; at least one wherever there are any, so that every rehearsal meets one."""
    who = rng.integers(0, fans, math.ceil(habits.forges * fans))
    delay = arrival.delays_ms(rng, len(who))
    at = np.minimum(delay, 0.9 * facts.duration_ms)
    draft.add(Kind.FORGED, who, at, np.ones(len(who), dtype=np.uint8), delay)


def _add_askers(
    rng: np.random.Generator,
    draft: _Draft,
    facts: Facts,
    habits: Habits,
    seen: npt.NDArray[np.float64],
) -> None:
    """Phones look at the opening and again for the result."""
    who = np.flatnonzero(rng.random(len(seen)) < habits.asks)
    nothing = np.zeros(len(who))
    choice = np.zeros(len(who), dtype=np.uint8)
    draft.add(Kind.ASK, who, seen[who], choice, nothing)
    if math.isfinite(facts.ask_again_ms):
        again = facts.ask_again_ms + arrival.seen_ms(rng, len(who), facts.spread_ms)
        draft.add(Kind.ASK, who, again, choice, nothing)


def tails(
    question: int, choice: npt.NDArray[np.float64], elapsed_ms: npt.NDArray[np.float64]
) -> bytes:
    """`/<question><choice><elapsed>` in lower-case hex (2, 2 and 7 digits), 12 bytes each."""
    digits = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
    picked = choice.astype(np.int64)
    elapsed = np.clip(elapsed_ms, 0, 0xFFF_FFFF).astype(np.int64)
    value = (question << 36) | (picked << 28) | elapsed
    shifts = np.arange(40, -1, -4)
    text = np.full((len(value), 12), ord("/"), dtype=np.uint8)
    text[:, 1:] = digits[(value[:, None] >> shifts) & 15]
    return text.tobytes()
