"""The show: one event, as everything else sees it after its file was read and checked.

`showfile` reads it from TOML; `order` knows the states of its questions. Times are milliseconds.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum

import msgspec

Text = dict[str, str]
"""One text in every language of the show: language tag to string."""

CHOICES_MAX = 8
"""A choice travels as one bit of a byte."""
QUESTIONS_MAX = 200
"""A question's index travels as one byte."""
AGE_BANDS = 3
ALLOWANCE_MS_MAX = 480_000
ELAPSED_FLOOR_MS_MAX = 10_000
"""A fan's word for a question has room for this much between receipt and the time that counts."""
HEAVY_COUNTRIES = ("GB", "US", "ZZ")
"""Where most answers come from, if the show file does not say; ZZ is unknown."""


class Mode(StrEnum):
    CLOCK = "clock"
    """Questions open, close and are revealed by the show's own times."""
    HAND = "hand"
    """The producer opens and reveals from the console."""


class TieBreak(StrEnum):
    SHARE = "share"
    """Equal fans share a rank."""
    DRAW = "draw"
    """A published seed orders equal fans."""


class Choice(msgspec.Struct, frozen=True):
    text: Text
    image: str | None = None
    """Path of an image, relative to the show file."""


class Question(msgspec.Struct, frozen=True):
    id: str
    text: Text
    choices: tuple[Choice, ...]
    right: int
    """Bit mask of the right choices; 0 for a poll, which nobody wins."""
    multiple: bool
    """Several choices may be picked; then only exactly the right set is right."""
    opens_after_ms: int | None
    """From the start of the show; None where the producer opens it by hand."""
    duration_ms: int | None
    """None: open until the producer closes it."""
    explanation: Text | None = None
    image: str | None = None

    @property
    def poll(self) -> bool:
        return self.right == 0

    def legal(self, choice: int) -> bool:
        """Is this bit mask an answer that a phone may send?"""
        if not 0 < choice < 1 << len(self.choices):
            return False
        return self.multiple or choice & (choice - 1) == 0

    def is_right(self, choice: int, right: int) -> bool:
        """Is this bit mask right, when `right` is the right answer in force?"""
        if not right:
            return False
        return choice == right if self.multiple else choice & right != 0


class Word(msgspec.Struct, frozen=True):
    """A word from the band, for the winner's phone."""

    text: Text
    image: str | None = None
    link: str | None = None


class Retention(msgspec.Struct, frozen=True):
    """Days after the end of the show until `hairpin purge` deletes each kind of data."""

    names_days: int
    records_days: int
    keys_days: int


class Show(msgspec.Struct, frozen=True):
    id: str
    """Short name in lower case; the data directory belongs to it."""
    title: Text
    languages: tuple[str, ...]
    """BCP 47 tags; the first one is the default."""
    mode: Mode
    start_ms: int | None
    """Milliseconds since 1970 UTC; None where it starts when it is run."""
    audience_low: int
    audience_high: int
    tickets_per_fan: float
    """At most this many times `audience_high` tickets are issued."""
    age_bands: tuple[Text, Text, Text]
    questions: tuple[Question, ...]
    allowance_ms: int
    """How much of the time since opening a phone may claim not to have had."""
    elapsed_floor_ms: int
    """Nobody gains below this."""
    reveal_after_ms: int
    """From close to reveal, in mode clock."""
    tie_break: TieBreak
    draw_seed: str
    cell_min: int
    """Published counts below this are suppressed."""
    best_country_min: int
    """A country needs this many answers to be the best one."""
    contenders: int
    """How many places of the leaderboard are named."""
    reserves: int
    """How many more may claim, in case a contender does not."""
    claim_deadline_ms: int
    word: Word
    retention: Retention
    accent: str = "#ff8a3d"
    heavy_countries: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    """Country codes that the tally engine memcached splits further; unset is not encoded, so that
    a show without it keeps its hash."""

    def hash(self) -> str:
        """BLAKE2b-128 of the whole show, hex."""
        encoded = msgspec.json.encode(self, order="deterministic")
        return hashlib.blake2b(encoded, digest_size=16).hexdigest()

    @property
    def heavy(self) -> tuple[str, ...]:
        """The heavy countries in force."""
        heavy = self.heavy_countries
        return HEAVY_COUNTRIES if isinstance(heavy, msgspec.UnsetType) else heavy

    @property
    def tickets_max(self) -> int:
        return int(self.audience_high * self.tickets_per_fan)


def schedule(show: Show, start_ms: int, speed: float = 1.0) -> tuple[int | None, ...]:
    """When each question opens, in milliseconds since 1970; None: by hand.

    `speed` divides the pauses only, never the time that a question is open; each pause keeps
    room for the reveal and for the people who look at it.
    """
    opens: list[int | None] = []
    real_end = 0
    end = float(start_ms)
    for question in show.questions:
        if question.opens_after_ms is None:
            opens.append(None)
            continue
        pause = (question.opens_after_ms - real_end) / speed
        if speed > 1:
            shortest = 3_000 if not opens else show.reveal_after_ms + 3_000
            pause = max(pause, min(shortest, question.opens_after_ms - real_end))
        opened = end + pause
        opens.append(round(opened))
        duration = question.duration_ms or 0
        real_end = question.opens_after_ms + duration
        end = opened + duration
    return tuple(opens)
