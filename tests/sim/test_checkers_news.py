"""The checkers of watermark, patience, news and chains can fail."""

from __future__ import annotations

import msgspec
import pytest

from hairpin import frame as framing
from hairpin.frame import Frame, Kind
from sim.checkers import Violation
from sim.checkers.chains import Chains
from sim.checkers.ledger import Ledger
from sim.checkers.patience import WAIT_MS, Patience
from sim.checkers.prompt import WITHIN_S, Prompt
from sim.checkers.watermark import Watermark


def test_what_is_counted_before_it_is_durable_is_found() -> None:
    watermark = Watermark()
    watermark.durable(1, 5)
    watermark.durable(1, 4)
    watermark.counted({"1": 5})
    with pytest.raises(Violation, match="6 frames of incarnation 1 are counted; durable: 5"):
        watermark.counted({"1": 6})
    watermark.sealed(1)
    watermark.counted({"1": 6})
    with pytest.raises(Violation, match="incarnation 2"):
        watermark.counted({"2": 1})


def test_a_reveal_that_does_not_wait_is_found() -> None:
    patience = Patience(reveal_after_ms=2_000)
    patience.closed(0, 100_000)
    patience.revealed(0, 102_000 + WAIT_MS)
    with pytest.raises(Violation, match="question 1 is not final"):
        patience.revealed(0, 102_000 + WAIT_MS - 1)
    patience.excused(0)
    patience.revealed(0, 102_000)


def test_a_gate_that_stays_behind_is_found() -> None:
    prompt = Prompt()
    prompt.knows(3, 7, 8, 0.0)
    prompt.knows(3, 7, 9, WITHIN_S)
    with pytest.raises(Violation, match="incarnation 3 knows 7 for 61 s, while the stage tells 9"):
        prompt.knows(3, 7, 9, WITHIN_S + 1)
    prompt.excused()
    prompt.knows(3, 7, 9, WITHIN_S + 2)
    prompt.knows(3, 9, 9, 2 * WITHIN_S)
    prompt.knows(3, 9, 10, 9 * WITHIN_S)


def strand(bodies: list[bytes]) -> list[Frame]:
    chain, frames = framing.genesis(7, 3), []
    for sequence, body in enumerate(bodies):
        data, chain = framing.pack(Kind.CONTROL, 7, 3, sequence, chain, body, 1)
        frames.append(framing.unpack(data))
    return frames


def test_a_frame_that_was_changed_or_left_out_is_found() -> None:
    first, second, third = strand([b"one", b"two", b"three"])
    chains = Chains()
    for frame in (first, second, third):
        chains.take(frame)
    chains = Chains()
    chains.take(first)
    with pytest.raises(Violation, match="frame 2 of incarnation 3 is read where 1 belongs"):
        chains.take(third)
    with pytest.raises(Violation, match="what is read continues its chain"):
        chains.take(msgspec.structs.replace(second, body=b"owt"))


def test_in_a_quiet_night_nobody_is_left_without_a_word() -> None:
    ledger = Ledger()
    ledger.send(1, 0, 1)
    ledger.hear(1, 0, 409)
    ledger.give_up(1, 0)
    counted: dict[int, dict[int, int]] = {0: {}}
    ledger.settle(counted, {0: 0}, {0: 0}, [], quiet=True)
    with pytest.raises(Violation, match="every answer gets its word"):
        ledger.settle(counted, {0: 0}, {0: 0}, [0], quiet=True)
    ledger.settle(counted, {0: 0}, {0: 0}, [0])


def test_a_repetition_that_is_refused_is_found() -> None:
    ledger = Ledger()
    for status in (204, 409, 410):
        ledger.send(1, 0, 1)
        ledger.hear(1, 0, status)
    with pytest.raises(Violation, match="a repetition is acknowledged"):
        ledger.settle({0: {1: 1}}, {0: 1}, {0: 0}, [0], quiet=True)
