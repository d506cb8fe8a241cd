"""Bugs of counting: which answer of a fan counts, how often, and how long it took."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from hairpin.frame import Frame
from hairpin.messages import Synced
from hairpin.tally import lines, words
from hairpin.tally.cells import QuestionCount
from hairpin.tally.column import Column
from hairpin.tally.keeper import Keeper
from hairpin.tally.words import NO_ANSWER, RECEIVED_MAX_MS, Cells, Pairs, U, Words
from sim.bugs.bug import Nights, Patch, bug

NONE = int(NO_ANSWER)
BEFORE_MS = 500_000
CHOICE_BITS = 0xFF << 10
MODEL = ("the recount = model", "the live result = model")
LEADERS = ("the recount's leaderboard = model's", "the live result's leaderboard = model's")
ONE_VERSION = "a final result changes only with a new version"
LAPSES = Nights(("bad_net",), fans=100)
"""Phones send again, and some people think again."""


def _merge(
    rule: Callable[[int, int], int],
    clamps: bool,
    repeats_count: bool,
    pairs: Pairs,
    choices: int,
    multiple: bool,
    opened: int,
    allowance: int,
    floor: int,
    counted: Words,
    cells: Cells,
) -> tuple[int, int]:
    """As the kernel of that name, by hand. `rule`: the old word, the new one, and what is kept."""
    highest = words.survey(pairs, choices, multiple)
    if highest == words.REFUSED or highest >= len(counted):
        return highest, 0
    fresh = 0
    for head, tail in pairs.reshape(-1, 2).tolist():
        since = min(max((head >> 32) - opened, 0), RECEIVED_MAX_MS)
        took = tail & 0xFFFF_FFFF
        if clamps:
            took = min(max(took, since - allowance), since)
        kept = max(took, floor) - since + BEFORE_MS & 0x7FFFF
        choice, origin = tail >> 40 & 0xFF, (tail >> 40 & 0x300) | tail >> 56
        new = since << 37 | kept << 18 | choice << 10 | origin
        fan = head & 0xFFFF_FFFF
        old = int(counted[fan])
        best = new if old == NONE else rule(old, new)
        if best != old:
            if old == NONE:
                fresh += 1
            else:
                cells[old >> 10 & 0xFF, old & 0x3FF] -= 1
            counted[fan] = U(best)
            cells[best >> 10 & 0xFF, best & 0x3FF] += 1
        if old != NONE and repeats_count:
            cells[choice, origin] += 1
    return highest, fresh


def _by_rule(
    patch: Patch,
    rule: Callable[[int, int], int] = min,
    clamps: bool = True,
    repeats_count: bool = False,
) -> None:
    patch.replace(words, "merge", partial(_merge, rule, clamps, repeats_count))


@bug("repeats-counted", "tally/words.py: merge", *MODEL, seeds=2, nights=LAPSES)
def repeats_counted(patch: Patch) -> None:
    """Whoever sends an answer again is counted again."""
    _by_rule(patch, repeats_count=True)


@bug("last-answer-wins", "tally/words.py: merge", *MODEL, *LEADERS, seeds=2, nights=LAPSES)
def last_answer_wins(patch: Patch) -> None:
    """The merge takes the larger word: whoever answers twice is counted with the second answer."""
    _by_rule(patch, rule=max)


@bug("last-choice-wins", "tally/words.py: merge", *MODEL, *LEADERS, seeds=2, nights=LAPSES)
def last_choice_wins(patch: Patch) -> None:
    """The first answer's time counts, but its choice is replaced by that of a later one."""
    _by_rule(patch, rule=lambda old, new: min(old, new) & ~CHOICE_BITS | new & CHOICE_BITS)


@bug("clamp-forgotten", "tally/words.py: merge", *LEADERS, seeds=9, nights=Nights(fans=100))
def clamp_forgotten(patch: Patch) -> None:
    """The time that a phone claims is taken as it is."""
    _by_rule(patch, clamps=False)


@bug("news-counted-twice", "tally/keeper.py: Keeper._read", *MODEL, ONE_VERSION, seeds=2)
def news_counted_twice(patch: Patch) -> None:
    """News of durable frames that come twice have the same frames read and applied twice."""

    def read(keeper: Keeper, news: Synced) -> Iterator[Frame]:
        known = keeper._followers.get(news.incarnation)
        if known is not None and known.frames == news.frames:
            del keeper._followers[news.incarnation]
        return original(keeper, news)  # type: ignore[no-any-return]

    original = patch.replace(Keeper, "_read", read)


@bug(
    "words-never-freed",
    "tally/cells.py: QuestionCount.forget_words",
    "queues and memory are bounded",
    seeds=2,
    nights=Nights(questions=7, fans=40),
)
def words_never_freed(patch: Patch) -> None:
    """A question that is folded keeps the words of all its fans."""

    patch.replace(QuestionCount, "forget_words", lambda *_: Column(U, NO_ANSWER, 0))


@bug(
    "final-without-markers",
    "tally/lines.py: Strand.done_with",
    "final means that no gate may still take answers",
    "what is final gets no answers any more",
    seeds=6,
    nights=Nights(("cut_off", "bad_bus")),
)
def final_without_markers(patch: Patch) -> None:
    """A question that is closed is final: nobody waits for the gates' close markers."""
    patch.replace(lines.Strand, "done_with", lambda *_: True)
