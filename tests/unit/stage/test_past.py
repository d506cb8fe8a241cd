"""What the control records say about the clock: held, released, armed anew."""

from __future__ import annotations

import msgspec
import pytest
from small_show import armed, make_show

from hairpin import messages as m
from hairpin.errors import DataDamaged
from hairpin.show import Mode
from hairpin.stage.past import Past

HELD, RELEASED = m.Held(1), m.Released(2)
ARMED = armed(make_show(2))


def past(*records: m.AnyControl) -> Past:
    read = Past()
    for record in records:
        read.take(record)
    return read


@pytest.mark.parametrize(
    ("records", "held"),
    [
        ((), False),
        ((ARMED,), False),
        ((ARMED, HELD), True),
        ((ARMED, HELD, RELEASED), False),
        ((ARMED, HELD, RELEASED, HELD), True),
    ],
)
def test_the_last_word_on_the_clock_counts(records: tuple[m.AnyControl, ...], held: bool) -> None:
    assert past(*records).held is held


def test_a_show_that_is_armed_anew_stays_held() -> None:
    later = msgspec.structs.replace(ARMED, opens_ms=(ARMED.at_ms + 1, ARMED.at_ms + 2))
    read = past(ARMED, HELD, later)
    assert read.held
    assert read.order is not None
    assert read.order.next_opening_ms() is None


def test_holding_is_no_step_so_that_times_may_still_count_anew() -> None:
    assert past(ARMED, HELD).untouched


def test_armed_anew_by_hand_there_is_no_clock_to_hold() -> None:
    assert not past(ARMED, HELD, armed(make_show(2, mode=Mode.HAND))).held


@pytest.mark.parametrize(
    ("records", "why"),
    [
        ((HELD,), "no show"),
        ((ARMED, RELEASED), "cannot arm"),
        ((ARMED, HELD, HELD), "cannot hold"),
    ],
)
def test_what_cannot_have_happened_is_damage(records: tuple[m.AnyControl, ...], why: str) -> None:
    with pytest.raises(DataDamaged, match=why):
        past(*records)
