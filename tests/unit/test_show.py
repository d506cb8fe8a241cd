"""What an answer may be, which one is right, and when questions open."""

from __future__ import annotations

import msgspec
import pytest

from hairpin.show import Choice, Question, Show, schedule
from hairpin.showfile import read_show

HEAD = """\
id = "night"
title = "The night"
audience = { low = 10, high = 101 }
tickets_per_fan = 1.5
"""


def question(choices: int = 3, right: int = 0b001, multiple: bool = False) -> Question:
    return Question(
        id="q1",
        text={"en": "?"},
        choices=tuple(Choice({"en": str(n)}) for n in range(choices)),
        right=right,
        multiple=multiple,
        opens_after_ms=None,
        duration_ms=None,
    )


def show(*opens: str, duration: str = "20s", head: str = "") -> Show:
    text = HEAD + head
    for at in opens:
        times = f'opens = "{at}"\nduration = "{duration}"' if at else ""
        text += f'[[questions]]\ntext = "?"\nchoices = ["a", "b"]\n{times}\n'
    return read_show(text, "night.toml")


# --- answers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("choice", [0b001, 0b010, 0b100])
def test_one_choice_is_legal(choice: int) -> None:
    assert question().legal(choice)
    assert question(multiple=True).legal(choice)


@pytest.mark.parametrize("choice", [0, -1, 0b1000, 0b1001, 256])
def test_nothing_and_choices_that_do_not_exist_are_illegal(choice: int) -> None:
    assert not question().legal(choice)
    assert not question(multiple=True).legal(choice)


def test_several_choices_are_legal_only_where_the_question_says_so() -> None:
    assert not question().legal(0b011)
    assert question(multiple=True).legal(0b011)
    assert question(choices=8, multiple=True).legal(0xFF)


def test_any_of_several_right_choices_is_right_where_one_is_picked() -> None:
    one = question(right=0b101)
    assert [one.is_right(choice, one.right) for choice in (0b001, 0b010, 0b100)] == [
        *(True, False, True),
    ]


def test_only_exactly_the_right_set_is_right_where_several_are_picked() -> None:
    several = question(right=0b101, multiple=True)
    right = [choice for choice in range(1, 8) if several.is_right(choice, several.right)]
    assert right == [0b101]


@pytest.mark.parametrize("multiple", [False, True])
def test_nobody_is_right_in_a_poll(multiple: bool) -> None:
    poll = question(right=0, multiple=multiple)
    assert poll.poll
    assert not any(poll.is_right(choice, poll.right) for choice in range(1, 8))


def test_a_corrected_answer_counts_instead_of_the_first_one() -> None:
    corrected = question(right=0b001)
    assert corrected.is_right(0b010, right=0b010)
    assert not corrected.is_right(0b001, right=0b010)


# --- the show -----------------------------------------------------------------------------------


def test_the_cap_of_tickets() -> None:
    assert show("0:01:00").tickets_max == 151


def test_the_hash_tells_shows_apart_and_survives_the_wire() -> None:
    one, same, other = show("0:01:00"), show("1m"), show("0:01:01")
    assert one.hash() == same.hash() != other.hash()
    assert len(one.hash()) == 32
    assert msgspec.json.decode(msgspec.json.encode(one), type=Show).hash() == one.hash()


# --- opening times ------------------------------------------------------------------------------

START_MS = 1_795_000_000_000


def after(opens: tuple[int | None, ...]) -> list[int | None]:
    return [None if at is None else at - START_MS for at in opens]


def test_at_normal_speed_questions_open_as_written() -> None:
    assert after(schedule(show("5m", "15m", "25m"), START_MS)) == [300_000, 900_000, 1_500_000]


def test_speed_divides_the_pauses_and_never_the_time_that_a_question_is_open() -> None:
    opens = after(schedule(show("5m", "15m", "25m"), START_MS, speed=10))
    pause = (600_000 - 20_000) / 10
    assert opens == [30_000, 30_000 + 20_000 + pause, 30_000 + 2 * (20_000 + pause)]


def test_a_pause_keeps_room_for_the_reveal() -> None:
    opens = after(schedule(show("5m", "15m", "25m"), START_MS, speed=1_000_000))
    assert opens == [3_000, 3_000 + 20_000 + 6_000, 3_000 + 2 * (20_000 + 6_000)]


def test_speed_never_makes_a_pause_longer_than_it_was() -> None:
    opens = after(schedule(show("1s", "25s", "49s"), START_MS, speed=2))
    assert opens == [1_000, 25_000, 49_000]


def test_below_one_the_pauses_grow() -> None:
    assert after(schedule(show("5m", "15m"), START_MS, speed=0.5)) == [
        *(600_000, 600_000 + 20_000 + 2 * 580_000),
    ]


def test_a_question_opened_by_hand_has_no_time() -> None:
    by_hand = show("", "5m", "", "15m", head='mode = "hand"\n')
    assert after(schedule(by_hand, START_MS)) == [None, 300_000, None, 900_000]
