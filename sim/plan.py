"""What a night is to be like: its show, its mirrors, its crowd and its troubles, by dice."""

from __future__ import annotations

import random

import msgspec

from hairpin.show import Choice, Mode, Question, Retention, Show, TieBreak, Word
from sim.net import NetFaults

PROFILES = ("quiet", "crashes", "disks", "mirrors", "network", "clocks", "everything")
QUESTIONS = 42
FULL_EVERY = 5
FIRST_MS = 120_000
PERIOD_MS = 600_000
"""A question every ten minutes: 42 of them take seven hours."""
GATES = 3
FANS = 300
WHIM = 0.12
QUEUE_MAX = 200
FORGED = 0.1


class Plan(msgspec.Struct, frozen=True):
    seed: int
    profile: str
    show: Show
    mirrors: int
    appetite: float
    """Probability that a fan answers a question."""
    beat_ms: int
    """Phones send in step with it, as in a network that lets them wait for each other, so that
    gates commit many answers at once; 0: each when it likes."""
    gates: int = GATES
    fans: int = FANS
    whim: float = WHIM
    """Probability of a whim of the producer at each question."""
    queue_max: int = QUEUE_MAX
    """Answers that a gate may have waiting."""
    troubles: tuple[str, ...] | None = None
    """What may go wrong; None: what the profile says."""
    forged: bool = False
    """After the show somebody changes an answer in the journal, which must be found out."""


def plan_of(
    seed: int,
    profile: str | None = None,
    questions: int = QUESTIONS,
    fans: int = FANS,
    mirrors: int | None = None,
    mode: Mode | None = None,
) -> Plan:
    """The night of this seed. What is given is not left to the dice."""
    dice = random.Random(f"plan {seed}")  # its own, so that a night's dice do not depend on it
    drawn = PROFILES[seed % len(PROFILES)]
    by_dice = Mode.HAND if dice.random() < 0.25 else Mode.CLOCK
    count = dice.choice((1, 1, 2, 2, 3))
    show = _show(dice, mode or by_dice, questions, fans)
    appetite, beat_ms = dice.uniform(0.05, 0.15), dice.choice((0, 200, 1_000))
    forged = dice.random() < FORGED
    return Plan(
        seed,
        profile or drawn,
        show,
        mirrors or count,
        appetite,
        beat_ms,
        fans=fans,
        forged=forged,
    )


def questions_of(seed: int) -> int:
    """Every fifth night has all its seven hours; others are a third of it, with as much trouble."""
    return QUESTIONS if seed % FULL_EVERY == 0 else QUESTIONS // 3


def calm_net(plan: Plan) -> NetFaults:
    """Connections as they are while nothing goes wrong."""
    delay_ms = (5.0, 5.0) if plan.beat_ms else (2.0, 40.0)
    return NetFaults(delay_ms=delay_ms, split=0.1)


def _show(dice: random.Random, mode: Mode, questions: int, fans: int) -> Show:
    return Show(
        id="night",
        title={"en": "A simulated night"},
        languages=("en",),
        mode=mode,
        start_ms=None,
        audience_low=fans // 2,
        audience_high=fans * 10,
        tickets_per_fan=4.0,
        age_bands=({"en": "young"}, {"en": "grown"}, {"en": "old"}),
        questions=tuple(_question(dice, n, mode) for n in range(questions)),
        allowance_ms=dice.choice((3_000, 10_000, 20_000)),
        elapsed_floor_ms=dice.choice((0, 200, 500)),
        reveal_after_ms=dice.randint(2_000, 6_000),
        tie_break=dice.choice((TieBreak.SHARE, TieBreak.SHARE, TieBreak.DRAW)),
        draw_seed="a published seed",
        cell_min=dice.choice((1, 3)),
        best_country_min=dice.randint(1, 5),
        contenders=4,
        reserves=3,
        claim_deadline_ms=600_000,
        word=Word({"en": "Thank you"}),
        retention=Retention(1, 30, 60),
    )


def _question(dice: random.Random, number: int, mode: Mode) -> Question:
    choices = dice.randint(2, 6)
    multiple = dice.random() < 0.2
    right = dice.randrange(1, 1 << choices) if multiple else 1 << dice.randrange(choices)
    if dice.random() < 0.1:
        right = 0
    by_hand = mode is Mode.HAND
    return Question(
        id=f"q{number + 1}",
        text={"en": f"Question {number + 1}?"},
        choices=tuple(Choice({"en": f"choice {n + 1}"}) for n in range(choices)),
        right=right,
        multiple=multiple,
        opens_after_ms=None if by_hand else FIRST_MS + number * PERIOD_MS,
        duration_ms=None if by_hand and dice.random() < 0.5 else dice.randint(8, 20) * 1000,
    )
