"""The public documents, and what must not be in them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hairpin.messages import Announced, Published, Winner
from hairpin.order import State, Step
from hairpin.show import Mode
from hairpin.stage.documents import (
    Told,
    cues,
    document,
    encoded,
    etag,
    gate_questions,
    last_told,
    now_body,
    order_state,
    poll_plan,
    ranks_body,
    show_body,
    standings_public,
    suppressed,
)

OPEN, CLOSE, REVEAL, VOID, CORRECT = Step.OPEN, Step.CLOSE, Step.REVEAL, Step.VOID, Step.CORRECT
SHOWN = [(0, OPEN), (0, CLOSE), (0, REVEAL)]


def body(make: Any, *steps: Any, show: Any = None, **fields: Any) -> Any:
    show = show or make.show()
    given = {
        "tallies": {0: make.tally(0)},
        "announced": None,
        "winners": [],
        "media": make.media,
        "version": 17,
    } | fields
    return msgspec.json.decode(encoded(now_body(show, make.order(show, *steps), **given)))


def test_before_the_first_question(make: Any) -> None:
    assert body(make) == {
        "version": 17,
        "show": "first-light",
        "state": "waiting",
        "question": None,
        "result": None,
        "past": [],
        "next_at": make.start_ms + 60_000,
        "contenders": None,
        "winners": [],
        "word": None,
    }


def test_the_keys_are_those_of_the_contract(make: Any) -> None:
    text = Path("docs/http-api.md").read_text(encoding="utf-8")
    example = re.search(r"```json\n(\{.*?\n\})\n```", text, re.DOTALL)
    assert example is not None
    promised = msgspec.json.decode(example[1])
    now = body(make, *SHOWN, (1, OPEN))
    assert [*now, "now", "poll_after_ms", "spread_ms"] == list(promised)
    assert list(now["question"]) == list(promised["question"])
    assert list(now["past"][0]) == list(promised["past"][0])


def test_an_open_question(make: Any) -> None:
    now = body(make, (0, OPEN))
    assert now["state"] == "open"
    assert now["result"] is None
    assert now["question"] == {
        "index": 0,
        "of": 3,
        "id": "q1",
        "text": {"en": "Which band? 1", "fr": "Quel groupe ? 1"},
        "image": "/media/bb.jpg",
        "multiple": False,
        "poll": False,
        "choices": [
            {"text": {"en": "First 1", "fr": "Le premier"}, "image": "/media/aa.png"},
            {"text": {"en": "Second 1", "fr": "Le second"}, "image": None},
            {"text": {"en": "Third 1", "fr": "Le tiers"}, "image": None},
        ],
        "opened_at": make.start_ms,
        "closes_at": make.start_ms + 20_000,
    }


def test_the_result_comes_with_the_reveal_and_small_counts_are_suppressed(make: Any) -> None:
    heads = {0: "ab12"}
    assert body(make, *SHOWN[:2], heads=heads)["result"] is None
    now = body(make, *SHOWN, heads=heads)
    assert now["state"] == "revealed"
    assert now["result"] == {
        "right": 0b010,
        "explanation": {"en": "Because 1 & right 2"},
        "by_choice": [37, 60, None],
        "answers": 100,
        "status": "final",
        "version": 1,
        "head": "ab12",
    }
    assert now["past"] == [
        {
            "index": 0,
            "state": "revealed",
            "right": 2,
            "multiple": False,
            "poll": False,
            "opened_at": make.start_ms,
            "version": 1,
        }
    ]


@pytest.mark.parametrize("status", ["counting", "provisional"])
def test_a_count_that_is_not_final_is_called_provisional(make: Any, status: str) -> None:
    now = body(make, *SHOWN, tallies={0: make.tally(0, status=status)})
    assert now["result"]["status"] == "provisional"


def test_a_reveal_before_any_count_invents_no_numbers(make: Any) -> None:
    result = body(make, *SHOWN, tallies={})["result"]
    assert result["by_choice"] == [None, None, None]
    assert (result["answers"], result["status"], result["version"]) == (None, "provisional", 0)


def test_a_correction_is_what_counts_from_then_on(make: Any) -> None:
    show = make.show()
    order = make.order(show, *SHOWN)
    order.apply(0, CORRECT, make.start_ms, right=0b100)
    now: Any = now_body(show, order, {}, None, [], {}, 1)
    assert now["result"]["right"] == 0b100
    assert now["past"][0]["right"] == 0b100


def test_a_void_question_keeps_its_secret(make: Any) -> None:
    now = body(make, (0, OPEN), (0, VOID))
    assert (now["state"], now["result"]) == ("void", None)
    assert (now["past"][0]["state"], now["past"][0]["right"]) == ("void", None)
    assert body(make, (1, VOID))["past"] == [], "nothing about a question that never opened"


def test_over_when_the_last_one_is_revealed(make: Any) -> None:
    show = make.show(questions=(make.question(1),))
    assert order_state(make.order(show, *SHOWN)) == "over"
    assert body(make, *SHOWN, show=show)["question"]["id"] == "q1"


def test_contenders_winners_and_the_word(make: Any) -> None:
    announced = Announced(5, 6, fans=(11, 22), reserves=(33,))
    now = body(make, announced=announced)
    assert now["contenders"] == {"deadline_at": 6, "fans": [11, 22], "reserves": [33]}
    assert now["word"] is None
    now = body(make, announced=announced, winners=[Winner(1, 11, "Ana")])
    assert now["winners"] == [{"rank": 1, "fan": 11, "name": "Ana"}]
    assert now["word"] == {
        "text": {"en": "Thank you"},
        "image": "/media/cc.jpg",
        "link": "https://example.org/",
    }


@pytest.mark.parametrize("steps", [[], SHOWN[:1], SHOWN[:2], [(0, OPEN), (0, VOID)]])
def test_shows_that_differ_in_secrets_only_are_byte_identical_until_the_reveal(
    make: Any, steps: Any
) -> None:
    """Secrets: right answers, explanations, and everything about questions that have not opened."""
    one = make.show()
    hidden = make.question(1)
    other = make.show(
        questions=(
            msgspec.structs.replace(hidden, right=0b100, explanation={"en": "Else"}),
            msgspec.structs.replace(make.question(2, text="Else?"), choices=(), multiple=True),
            make.question(3, right=0),
        )
    )
    tallies = [
        {0: make.tally(0)},
        {0: make.tally(0, right=3, wrong=97, by_choice=(1, 2, 97), best_country=None)},
    ]
    public = [
        (
            encoded(
                now_body(show, make.order(show, *steps), tally, None, [], make.media, len(steps))
            ),
            encoded(show_body(show)),
            poll_plan(show, make.order(show, *steps)),
        )
        for show, tally in zip((one, other), tallies, strict=True)
    ]
    started = bool(steps)
    assert public[0] == public[1]
    assert (b"Which band? 1" in public[0][0]) is started
    assert b"Which band? 2" not in public[0][0]
    assert b"Because" not in public[0][0]


def test_standings_wait_for_the_reveal() -> None:
    assert standings_public([State.WAITING, State.OPEN, State.REVEALED, State.VOID])
    assert not standings_public([State.REVEALED, State.CLOSED])


def test_ranks(make: Any) -> None:
    snapshot = make.snapshot(make.tally(0, version=2), make.tally(1))
    assert msgspec.json.decode(encoded(ranks_body(snapshot))) == {
        "version": 3,
        "fans": 100,
        "rows": [
            {"right": 1, "fans": 60, "total_ms": [1_234, 5_000]},
            {"right": 0, "fans": 40, "total_ms": [0, 0]},
        ],
    }


def test_show_json(make: Any) -> None:
    shown: Any = show_body(make.show())
    assert shown["age_bands"] == [{"en": "under 18"}, {"en": "18 to 35"}, {"en": "over 35"}]
    assert {"FR", "GB", "NO"} < set(shown["countries"])
    assert "ZZ" not in shown["countries"]
    assert (shown["questions"], shown["allowance_ms"], shown["floor_ms"]) == (3, 3_000, 300)


def test_the_tag_follows_the_bytes(make: Any) -> None:
    one = document("/show.json", show_body(make.show()), 60)
    same = document("/show.json", show_body(make.show()), 60)
    other = document("/show.json", show_body(make.show(accent="#000000")), 60)
    assert one == same
    assert one.etag != other.etag
    assert one.etag == etag(show_body(make.show()))
    assert re.fullmatch(r'"[0-9a-f]{16}"', one.etag)


def test_poll_plan(make: Any) -> None:
    show = make.show()
    waiting = poll_plan(show, make.order(show))
    assert (waiting.state, waiting.closes_ms, waiting.next_ms, waiting.reveal_ms) == (
        None,
        None,
        make.start_ms + 60_000,
        4_000,
    )
    opened = poll_plan(show, make.order(show, (0, OPEN)))
    assert (opened.state, opened.closes_ms) == ("open", make.start_ms + 20_000)
    by_hand = make.show(mode=Mode.HAND)
    assert poll_plan(by_hand, make.order(by_hand)).reveal_ms == 0


def test_gates_learn_when_a_question_really_closed(make: Any) -> None:
    show = make.show()
    first, second, third = gate_questions(make.order(show, (0, OPEN), (0, CLOSE), (1, VOID)))
    assert (first.opened_ms, first.closes_ms, first.closed) == (
        make.start_ms,
        make.start_ms + 10_000,
        True,
    )
    assert (second.opened_ms, second.closed) == (None, True)
    assert (third.opened_ms, third.closes_ms, third.closed) == (None, None, False)
    assert (third.choices, third.multiple) == (3, False)


def test_cues_tell_the_producer_everything(make: Any) -> None:
    show = make.show()
    first, second, _ = cues(show, make.order(show, (0, OPEN)), make.media)
    assert (first.state, first.opened_at, first.right) == ("open", make.start_ms, 0b010)
    assert first.image == "/media/bb.jpg"
    assert first.choices[0].image == "/media/aa.png"
    assert (second.state, second.due_at) == ("waiting", make.start_ms + 120_000)


def published(question: int, at_ms: int, head: str) -> Published:
    return Published(at_ms, question, 1, "", 100, 60, head, {"1": 5})


def test_cues_tell_the_head_of_each_result(make: Any) -> None:
    show = make.show()
    order = make.order(show, *SHOWN, (1, OPEN))
    first, second, _ = cues(show, order, {}, {0: published(0, 7, "ab12")})
    assert first.told == Told(0, 1, 7, "ab12")
    assert second.told is None


@pytest.mark.parametrize(
    ("steps", "question"),
    [
        ([(0, OPEN), (0, CLOSE)], None),
        ([(0, OPEN), (0, VOID)], None),
        (SHOWN, 0),
        ([*SHOWN, (1, OPEN), (1, CLOSE)], 0),
        ([*SHOWN, (1, OPEN), (1, VOID)], 1),
        ([*SHOWN, (1, OPEN), (1, CLOSE), (1, REVEAL)], 1),
    ],
)
def test_the_last_result_that_was_shown(make: Any, steps: Any, question: int | None) -> None:
    """A head rests on the right answers in the journal: none before the first reveal."""
    show = make.show()
    records = {0: published(0, 7, "ab12"), 1: published(1, 8, "cd34")}
    told = last_told(cues(show, make.order(show, *steps), {}, records))
    assert (told.index if told else None) == question


def test_a_correction_of_an_earlier_question_is_told_last(make: Any) -> None:
    show = make.show()
    order = make.order(show, *SHOWN, (1, OPEN), (1, CLOSE), (1, REVEAL))
    told = last_told(cues(show, order, {}, {0: published(0, 9, "ef"), 1: published(1, 8, "cd")}))
    assert told is not None
    assert told.head == "ef"


def test_an_image_that_is_gone_is_left_out(make: Any) -> None:
    now = body(make, (0, OPEN), media={})
    assert now["question"]["image"] is None


def test_suppressed() -> None:
    assert suppressed((0, 4, 5, 6), 5) == (0, None, 5, 6)
    assert suppressed((0, 1), 0) == (0, 1)
