"""A question is never shown final before it is.

Final means: no gate that lives may still acknowledge an answer to it. The universe knows which
gates live and what they have journalled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sim.checkers import Violation


class Strand:
    """What a gate's writer was seen to do."""

    def __init__(self, lives: Callable[[], bool]) -> None:
        self.lives = lives
        self.marked: set[int] = set()
        self.sealed = False


class Finality:
    """Told what gates journal, and what anybody is shown as final."""

    def __init__(self) -> None:
        self._strands: dict[int, Strand] = {}
        self._final: dict[int, float] = {}
        """Question, and when it was shown as final for the first time."""
        self._fenced: set[int] = set()

    def born(self, incarnation: int, lives: Callable[[], bool]) -> None:
        if incarnation in self._strands:
            raise Violation("an incarnation is born once", f"{incarnation} was there before")
        self._strands[incarnation] = Strand(lives)

    def marked(self, incarnation: int, questions: Iterable[int]) -> None:
        self._strands[incarnation].marked.update(questions)

    def sealed(self, incarnation: int) -> None:
        if incarnation in self._strands:  # no director's
            self._strands[incarnation].sealed = True

    def fenced(self, incarnation: int) -> None:
        """A director wrote that this strand is at its end."""
        self._fenced.add(incarnation)

    def journalled(self, incarnation: int) -> None:
        """A writer journalled any frame."""
        if incarnation in self._fenced:
            raise Violation(
                "a fenced strand gets no more frames",
                f"incarnation {incarnation} journalled one after it was fenced",
            )

    def answered(self, incarnation: int, questions: Iterable[int], at_ms: float) -> None:
        """A gate journalled answers to these questions, and is about to acknowledge them."""
        for question in questions:
            if question in self._strands[incarnation].marked:
                raise Violation(
                    "after its close marker a gate takes no answers",
                    f"incarnation {incarnation} journalled an answer to question {question + 1}",
                )
            final_ms = self._final.get(question)
            if final_ms is not None:
                raise Violation(
                    "what is final gets no answers any more",
                    f"incarnation {incarnation} journalled an answer to question {question + 1} "
                    f"{at_ms - final_ms:.0f} ms after it was shown as final",
                )

    def shown(self, question: int, at_ms: float) -> None:
        """Somebody is shown this question as final."""
        if question in self._final:
            return
        self._final[question] = at_ms
        for incarnation, strand in self._strands.items():
            # One that lives behind its fence, since its disk was away, and its locks with it, must
            # not write any more: `journalled` demands that.
            over = question in strand.marked or strand.sealed or incarnation in self._fenced
            if not over and strand.lives():
                raise Violation(
                    "final means that no gate may still take answers",
                    f"question {question + 1} is shown as final, but incarnation {incarnation} "
                    "lives and has not marked it",
                )
