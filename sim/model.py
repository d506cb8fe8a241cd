"""The whole night with pencil and paper: lists and dictionaries, no words, kernels or increments.

Nothing of the product counts here. All frames of the journal are taken down as they are, and every
number is worked out from all of them when it is asked for.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from hairpin.country import CODES
from hairpin.messages import Leader
from hairpin.show import Show, TieBreak

RECORD = struct.Struct("<IIIBBBB")
RECEIVED_MAX_MS = 2**27 - 2
ANSWERS, CONTROL = 1, 2


class Given(NamedTuple):
    """One journalled answer, as its record says it."""

    fan: int
    received_ms: int
    elapsed_ms: int
    question: int
    choice: int
    band: int
    country: int


class Counted(NamedTuple):
    """The answer of a fan that counts."""

    since_ms: int
    took_ms: int
    choice: int
    band: int
    country: int


class Reckoning:
    """`frames`: kind and body of every frame, directors' first and in their order."""

    def __init__(self, frames: Iterable[tuple[int, bytes]]) -> None:
        self.given: list[Given] = []
        self.controls: list[dict[str, Any]] = []
        for kind, body in frames:
            if kind == ANSWERS:
                self.given.extend(Given(*record) for record in RECORD.iter_unpack(body))
            elif kind == CONTROL:
                self.controls.append(msgspec.json.decode(body))
        armed = self._all("armed")[-1]
        self.epoch_ms = int(armed["epoch_ms"])
        self.show = msgspec.convert(armed["show"], Show)
        self.opened = {int(c["question"]): int(c["at_ms"]) for c in self._all("opened")}
        self.voided = {int(c["question"]) for c in self._all("voided")}
        self.struck = {int(c["fan"]) for c in self._all("struck")}
        self.right = {n: question.right for n, question in enumerate(self.show.questions)}
        self.right |= {int(c["question"]): int(c["right"]) for c in self._all("corrected")}
        self._counted: dict[int, dict[int, Counted]] = {}

    def _all(self, kind: str) -> list[dict[str, Any]]:
        return [control for control in self.controls if control["type"] == kind]

    def journalled(self, question: int) -> int:
        return sum(1 for answer in self.given if answer.question == question)

    def counted(self, question: int) -> dict[int, Counted]:
        """By fan: the one that was received first."""
        if question not in self._counted:
            best: dict[int, Counted] = {}
            for answer in self.given:
                if answer.question == question:
                    counts = self._as_it_counts(answer)
                    known = best.get(answer.fan)
                    if known is None or counts[:3] < known[:3]:
                        best[answer.fan] = counts
            self._counted[question] = best
        return self._counted[question]

    def _as_it_counts(self, answer: Given) -> Counted:
        since = answer.received_ms - (self.opened[answer.question] - self.epoch_ms)
        since = min(max(since, 0), RECEIVED_MAX_MS)
        took = min(max(answer.elapsed_ms, since - self.show.allowance_ms), since)
        took = max(took, self.show.elapsed_floor_ms)
        return Counted(since, took, answer.choice, answer.band, answer.country)

    def is_right(self, question: int, choice: int) -> bool:
        return self.show.questions[question].is_right(choice, self.right[question])

    def told(self, question: int) -> dict[str, object]:
        """What a tally of this question must say."""
        counted = list(self.counted(question).values())
        good = [one for one in counted if self.is_right(question, one.choice)]
        choices = len(self.show.questions[question].choices)
        bands, good_bands = Counter(c.band for c in counted), Counter(c.band for c in good)
        places, good_places = Counter(c.country for c in counted), Counter(c.country for c in good)
        poll = self.right[question] == 0
        return {
            "journalled": self.journalled(question),
            "answers": len(counted),
            "repeats": self.journalled(question) - len(counted),
            "by_choice": [sum(c.choice >> bit & 1 for c in counted) for bit in range(choices)],
            "by_age_band": [(bands[band], good_bands[band]) for band in range(3)],
            "by_country": {CODES[c]: (places[c], good_places[c]) for c in sorted(places)},
            "right": len(good),
            "wrong": 0 if poll else len(counted) - len(good),
        }

    # --- the leaderboard --------------------------------------------------------------------------

    def scores(self) -> dict[int, tuple[int, int]]:
        """By fan: how many right, and how long these took; struck fans and void questions not."""
        scores: dict[int, tuple[int, int]] = {}
        for question in self.opened:
            if question in self.voided:
                continue
            for fan, one in self.counted(question).items():
                if self.is_right(question, one.choice) and fan not in self.struck:
                    right, total = scores.get(fan, (0, 0))
                    scores[fan] = right + 1, total + one.took_ms
        return scores

    def leaders(self, lot: dict[int, int] | None = None) -> tuple[list[Leader], int]:
        """Who is listed, and how many more share the last rank. `lot`: draws, where a seed does."""
        scores = self.scores()
        draws = self.show.tie_break is TieBreak.DRAW
        lots = lot or {}
        places = self.show.contenders + self.show.reserves
        order = sorted(
            scores, key=lambda fan: (-scores[fan][0], scores[fan][1], lots.get(fan, fan))
        )
        origins = {answer.fan: (CODES[answer.country], answer.band) for answer in self.given}
        listed = []
        for place, fan in enumerate(order[:places], start=1):
            right, total = scores[fan]
            better = sum(1 for r, t in scores.values() if (-r, t) < (-right, total))
            tied = sum(1 for score in scores.values() if score == scores[fan])
            rank, shared = (place, 1) if draws else (better + 1, tied)
            listed.append(Leader(rank, fan, right, total, *origins[fan], shared))
        last = scores[order[places - 1]] if len(order) > places else None
        more = sum(1 for fan in order[places:] if scores[fan] == last)
        return listed, 0 if draws else more
