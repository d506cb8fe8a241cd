"""The ledger of one night, as sets of (fan, question).

Always: acknowledged is within sent. In the end: acknowledged is within counted, counted is within
sent, journalled = counted + repeats, and whoever sent was acknowledged, was refused or gave up.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Container, Mapping

from sim.checkers import Violation

Answer = tuple[int, int]
"""Fan and question."""
SHOWN_MAX = 5
FINAL_REFUSALS = frozenset({401, 404, 410})
"""After these a phone sends no more."""
NOT_OPEN = 409


class Ledger:
    """Told by phones what they sent and what they heard."""

    def __init__(self) -> None:
        self.sent: dict[Answer, set[int]] = defaultdict(set)
        """With all choices that were sent."""
        self.acknowledged: set[Answer] = set()
        self.refused: set[Answer] = set()
        self.abandoned: set[Answer] = set()
        """Unanswered: the phone gave up."""
        self.taken_back: set[Answer] = set()
        """Acknowledged, and then told that the question is not open yet."""
        self.replies: Counter[int] = Counter()
        """By status; 0 is a request without a reply."""
        self.requests = 0

    def send(self, fan: int, question: int, choice: int) -> None:
        """A phone puts an answer on its way, perhaps once more."""
        self.requests += 1
        self.sent[fan, question].add(choice)

    def hear(self, fan: int, question: int, status: int) -> None:
        """Its reply, or 0 if none came."""
        answer = (fan, question)
        self.replies[status] += 1
        if answer not in self.sent:
            raise Violation(
                "replied is within sent", f"{_named(answer)} got {status}, sent nothing"
            )
        if status == 204:
            self.acknowledged.add(answer)
        elif status in FINAL_REFUSALS:
            self.refused.add(answer)
        elif status == NOT_OPEN and answer in self.acknowledged:
            self.taken_back.add(answer)

    def give_up(self, fan: int, question: int) -> None:
        """The phone tries no more, and does not know what became of its answer."""
        self.abandoned.add((fan, question))

    def forged(self, status: int) -> None:
        """The reply to an answer whose ticket nobody issued."""
        if status == 204:
            raise Violation("only issued tickets answer", "a forged ticket was acknowledged")

    def settle(
        self,
        counted: Mapping[int, Mapping[int, int]],
        journalled: Mapping[int, int],
        repeats: Mapping[int, int],
        asked: Container[int] = (),
        quiet: bool = False,
    ) -> None:
        """In the end. `counted`: the fans of each question, and what they chose; `journalled`,
        `repeats`: how many answers, by question; `asked`: the questions that were opened; `quiet`:
        nothing went wrong in this night."""
        sets = {(fan, question) for question, fans in counted.items() for fan in fans}
        _within("acknowledged is within counted", self.acknowledged, sets)
        _within("counted is within sent", sets, set(self.sent))
        for question, fans in counted.items():
            in_all, again = journalled[question], repeats[question]
            if in_all != len(fans) + again:
                raise Violation(
                    "journalled = counted + repeats",
                    f"question {question + 1}: {in_all} is not {len(fans)} + {again}",
                )
            for fan, choice in fans.items():
                if choice not in self.sent[fan, question]:
                    raise Violation(
                        "counted as sent",
                        f"{_named((fan, question))} is counted with choice {choice:b}; "
                        f"sent: {', '.join(f'{c:b}' for c in self.sent[fan, question])}",
                    )
        known = self.acknowledged | self.refused | self.abandoned
        _within("sent is acknowledged, refused or unanswered", set(self.sent), known)
        if quiet:
            waiting = {answer for answer in self.abandoned if answer[1] in asked}
            _within("in a quiet night every answer gets its word", waiting, set())
            _within("in a quiet night a repetition is acknowledged", self.taken_back, set())
        if self.requests != self.replies.total():
            raise Violation(
                "every request has one outcome",
                f"{self.requests} requests, {self.replies.total()} outcomes",
            )


def _within(invariant: str, small: set[Answer], large: set[Answer]) -> None:
    outside = sorted(small - large)
    if outside:
        shown = ", ".join(_named(answer) for answer in outside[:SHOWN_MAX])
        raise Violation(invariant, f"{len(outside)} of {len(small)} are not: {shown}")


def _named(answer: Answer) -> str:
    return f"fan {answer[0]} on question {answer[1] + 1}"
