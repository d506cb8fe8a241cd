"""The producer's steps as they arrive, and what is said about wrong ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hairpin.errors import PeerMistake
from hairpin.stage.commands import (
    STEPS,
    Announce,
    AnyCommand,
    Approve,
    Arm,
    Close,
    Correct,
    Hold,
    Open,
    Reveal,
    Strike,
    Void,
    decode,
)


@pytest.mark.parametrize(
    ("body", "command"),
    [
        (b'{"do": "open", "question": 0}', Open(0)),
        (b'{"do": "close", "question": 199}', Close(199)),
        (b'{"question": 1, "do": "reveal"}', Reveal(1)),
        (b'{"do": "void", "question": 1, "reason": "typo"}', Void(1, "typo")),
        (
            b'{"do": "correct", "question": 1, "right": [0, 2], "reason": "x"}',
            Correct(1, (0, 2), "x"),
        ),
        (b'{"do": "hold"}', Hold()),
        (b'{"do": "arm"}', Arm()),
        (b'{"do": "announce"}', Announce()),
        (b'{"do": "strike", "fan": 7, "reason": "a machine"}', Strike(7, "a machine")),
        (b'{"do": "approve", "fan": 7}', Approve(7)),
    ],
)
def test_steps(body: bytes, command: AnyCommand) -> None:
    assert decode(body) == command


def test_a_correction_as_a_mask() -> None:
    assert Correct(0, (0, 2, 2), "x").mask() == 0b101


@pytest.mark.parametrize(
    ("body", "place", "found"),
    [
        (b'{"do": "fly"}', "do", "'fly'"),
        (b'{"do": "open"}', "the body", "missing required field `question`"),
        (b'{"do": "open", "question": "1"}', "question", "got `str`"),
        (b'{"do": "open", "question": -1}', "question", ">= 0"),
        (b'{"do": "open", "question": 200}', "question", "<= 199"),
        (b'{"do": "open", "question": 1, "now": true}', "the body", "unknown field `now`"),
        (b'{"do": "correct", "question": 1, "right": [8], "reason": "x"}', "right[0]", "<= 7"),
        (b'{"do": "correct", "question": 1, "right": [], "reason": "x"}', "right", "length >= 1"),
        (b'{"do": "void", "question": 1, "reason": ""}', "reason", "length >= 1"),
        (b"[]", "the body", "got `array`"),
        (b"{", "the body", "not JSON"),
        (b"", "the body", "not JSON"),
    ],
)
def test_mistakes_are_named(body: bytes, place: str, found: str) -> None:
    with pytest.raises(PeerMistake) as error:
        decode(body)
    assert error.value.status == 400
    assert error.value.message.startswith(place)
    assert found in error.value.message
    assert error.value.remedy


def test_the_remedy_lists_every_step() -> None:
    tags = {kind.__struct_config__.tag for kind in AnyCommand.__args__}
    assert tags == set(STEPS.split(", "))


@given(st.binary(max_size=200))
def test_no_bytes_do_more_than_a_400(body: bytes) -> None:
    try:
        decode(body)
    except PeerMistake as error:
        assert error.status == 400
