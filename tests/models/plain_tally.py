"""The tally as one would explain it: dictionaries, no words, no kernels, no increments.

Answers are kept as they came; every count is worked out from all of them when it is asked for.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from small_show import Answer

from hairpin.country import CODES
from hairpin.messages import Leader, QuestionTally
from hairpin.show import Show

RECEIVED_MAX_MS = 2**27 - 2


@dataclass
class PlainTally:
    """`opened_ms` and `answers` count from the show's epoch."""

    show: Show
    opened_ms: dict[int, int]
    answers: list[Answer] = field(default_factory=list)
    right: dict[int, int] = field(default_factory=dict)
    void: set[int] = field(default_factory=set)
    struck: set[int] = field(default_factory=set)

    def right_of(self, question: int) -> int:
        return self.right.get(question, self.show.questions[question].right)

    def journalled(self, question: int) -> int:
        return sum(1 for answer in self.answers if answer[3] == question)

    def counted(self, question: int) -> dict[int, tuple[int, int, int, int, int]]:
        """Fan to (received since the opening, elapsed, choice, age band, country)."""
        best: dict[int, tuple[int, int, int, int, int]] = {}
        for fan, received, elapsed, asked, choice, band, country in self.answers:
            if asked != question:
                continue
            since = received - self.opened_ms[question]
            since = 0 if since < 0 else since
            since = RECEIVED_MAX_MS if since > RECEIVED_MAX_MS else since
            took = elapsed
            if took < since - self.show.allowance_ms:
                took = since - self.show.allowance_ms
            if took > since:
                took = since
            if took < self.show.elapsed_floor_ms:
                took = self.show.elapsed_floor_ms
            if fan not in best or (since, took, choice) < best[fan][:3]:
                best[fan] = (since, took, choice, band, country)
        return best

    def cells(self, question: int) -> Counter[tuple[int, int, int]]:
        """How many fans by (choice, age band, country)."""
        return Counter(
            (c, band, country) for _, _, c, band, country in self.counted(question).values()
        )

    def is_right(self, question: int, choice: int) -> bool:
        right = self.right_of(question)
        if self.show.questions[question].multiple:
            return choice == right and right != 0
        return bool(choice & right)

    def scores(self, questions: list[int]) -> dict[int, tuple[int, int]]:
        """Fan to (right answers, total ms) over these questions, void ones left out."""
        scores: dict[int, tuple[int, int]] = {}
        for question in questions:
            for fan, (_, took, choice, _, _) in self.counted(question).items():
                right, total = scores.get(fan, (0, 0))
                if question not in self.void and self.is_right(question, choice):
                    right, total = right + 1, total + took
                scores[fan] = (right, total)
        return scores

    def leaders(self, questions: list[int]) -> tuple[list[Leader], int]:
        """Equal fans share a rank and stand in the order of their numbers."""
        places = self.show.contenders + self.show.reserves
        scores = {
            fan: score
            for fan, score in self.scores(questions).items()
            if score[0] and fan not in self.struck
        }
        order = sorted(scores, key=lambda fan: (-scores[fan][0], scores[fan][1], fan))
        origin = {answer[0]: (CODES[answer[6]], answer[5]) for answer in self.answers}
        listed = []
        for fan in order[:places]:
            better = sum(1 for other in order if beats(scores[other], scores[fan]))
            tied = sum(1 for other in order if scores[other] == scores[fan])
            listed.append(Leader(better + 1, fan, *scores[fan], *origin[fan], tied))
        last = scores[order[places - 1]] if len(order) > places else None
        return listed, sum(1 for fan in order[places:] if scores[fan] == last)

    def check(self, tally: QuestionTally) -> None:
        """Everything that a snapshot says of a question, against this model."""
        question = tally.question
        counted = list(self.counted(question).values())
        good = [c for c in counted if self.is_right(question, c[2])]
        choices = len(self.show.questions[question].choices)
        assert tally.journalled == self.journalled(question)
        assert tally.answers == len(counted)
        assert tally.repeats == tally.journalled - tally.answers
        assert tally.by_choice == tuple(
            sum(1 for c in counted if c[2] >> bit & 1) for bit in range(choices)
        )
        assert [(cell.answers, cell.right) for cell in tally.by_age_band] == [
            (sum(c[3] == band for c in counted), sum(c[3] == band for c in good))
            for band in range(3)
        ]
        assert {code: (cell.answers, cell.right) for code, cell in tally.by_country.items()} == {
            CODES[country]: (
                sum(c[4] == country for c in counted),
                sum(c[4] == country for c in good),
            )
            for country in {c[4] for c in counted}
        }
        poll = self.right_of(question) == 0
        assert (tally.right, tally.wrong) == (
            len(good),
            0 if poll else len(counted) - len(good),
        )


def beats(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return (-one[0], one[1]) < (-other[0], other[1])
