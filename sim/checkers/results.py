"""Live result = recount = model, leaderboard included; and answers came while one could answer."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from hairpin.messages import Leader, QuestionTally
from hairpin.show import TieBreak
from hairpin.ticket import siphash7
from sim.checkers import Violation
from sim.model import Reckoning


def told(tally: QuestionTally) -> dict[str, object]:
    """What a tally says, in the words of `Reckoning.told`."""
    return {
        "journalled": tally.journalled,
        "answers": tally.answers,
        "repeats": tally.repeats,
        "by_choice": list(tally.by_choice or ()),
        "by_age_band": [(cell.answers, cell.right) for cell in tally.by_age_band],
        "by_country": {c: (cell.answers, cell.right) for c, cell in tally.by_country.items()},
        "right": tally.right,
        "wrong": tally.wrong,
    }


def check_tallies(whose: str, tallies: Sequence[QuestionTally], model: Reckoning) -> None:
    """Every question of a live result or a recount against the model."""
    for tally in tallies:
        expected, found = model.told(tally.question), told(tally)
        for name, value in expected.items():
            if found[name] != value:
                raise Violation(
                    f"{whose} = model",
                    f"question {tally.question + 1}: {name} is {found[name]}, by the model {value}",
                )
        expected_status = "void" if tally.question in model.voided else "final"
        never_opened = tally.question not in model.opened
        if tally.status != expected_status and not never_opened:
            raise Violation(
                "in the end every result is final",
                f"{whose}: question {tally.question + 1} is {tally.status}, "
                f"missing {tally.missing}",
            )


def check_leaders(whose: str, leaders: Sequence[Leader], more: int, model: Reckoning) -> None:
    expected, also = model.leaders(_lots(model))
    if list(leaders) != expected or more != also:
        place = next(
            (n for n, (a, b) in enumerate(zip(leaders, expected, strict=False)) if a != b),
            min(len(leaders), len(expected)),
        )
        raise Violation(
            f"{whose}'s leaderboard = model's",
            f"at place {place + 1}: {leaders[place : place + 1]}, "
            f"by the model {expected[place : place + 1]}; {more} more, by the model {also}",
        )


def check_same(live: Sequence[QuestionTally], recount: Sequence[QuestionTally]) -> None:
    """Bit by bit, versions and reasons included."""
    for one, other in zip(live, recount, strict=True):
        if one != other:
            names = [n for n in one.__struct_fields__ if getattr(one, n) != getattr(other, n)]
            differ = "; ".join(f"{n} {getattr(one, n)} and {getattr(other, n)}" for n in names)
            raise Violation("live = recount", f"question {one.question + 1}: {differ}")


def check_fans(question: int, fans: Sequence[int], counted: Mapping[int, object]) -> None:
    """The recount's set of fans is the model's."""
    differ = set(fans) ^ counted.keys()
    if differ:
        raise Violation(
            "the recount's fans = the model's",
            f"question {question + 1}: {len(differ)} are in one of them only: {sorted(differ)[:5]}",
        )


def check_times(model: Reckoning, closes_ms: dict[int, int], skew_ms: int) -> None:
    """No gate took an answer before the opening or after the close by the clock.

    `closes_ms`: when each question closed by the clock; others are not in it.
    """
    for answer in model.given:
        at_ms = model.epoch_ms + answer.received_ms
        opened_ms = model.opened.get(answer.question)
        if opened_ms is None or at_ms < opened_ms - skew_ms:
            raise Violation(
                "nobody answers before the opening",
                f"fan {answer.fan}, question {answer.question + 1}: received at {at_ms}, "
                f"opened at {opened_ms}",
            )
        closed_ms = closes_ms.get(answer.question)
        if closed_ms is not None and at_ms >= closed_ms + skew_ms:
            raise Violation(
                "nobody answers after the close",
                f"fan {answer.fan}, question {answer.question + 1}: received at {at_ms}, "
                f"closed at {closed_ms}",
            )


def _lots(model: Reckoning) -> dict[int, int] | None:
    """The order of equal fans, where a published seed draws: docs/formats.md says how."""
    if model.show.tie_break is not TieBreak.DRAW:
        return None
    digest = hashlib.blake2b(model.show.draw_seed.encode(), digest_size=16).digest()
    k0, k1 = np.frombuffer(digest, "<u8").astype(np.uint64)
    return {fan: int(siphash7(np.uint64(fan), k0, k1)) for fan in model.scores()}
