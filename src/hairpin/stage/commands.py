"""The steps that a producer may ask for: bodies of `POST /api/order`, told apart by "do"."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

import msgspec
from msgspec import Meta

from hairpin.errors import PeerMistake
from hairpin.show import CHOICES_MAX, QUESTIONS_MAX

Index = Annotated[int, Meta(ge=0, lt=QUESTIONS_MAX)]
"""Of a question; the first one is 0."""
Fan = Annotated[int, Meta(ge=0, lt=1 << 32)]
Reason = Annotated[str, Meta(min_length=1, max_length=200)]
Choices = Annotated[
    tuple[Annotated[int, Meta(ge=0, lt=CHOICES_MAX)], ...],
    Meta(min_length=1, max_length=CHOICES_MAX),
]


class Command(msgspec.Struct, frozen=True, tag_field="do", forbid_unknown_fields=True):
    """Base of all commands."""


class Open(Command, frozen=True, tag="open"):
    question: Index


class Close(Command, frozen=True, tag="close"):
    question: Index


class Reveal(Command, frozen=True, tag="reveal"):
    question: Index


class Void(Command, frozen=True, tag="void"):
    question: Index
    reason: Reason


class Correct(Command, frozen=True, tag="correct"):
    question: Index
    right: Choices
    """Indices of the choices that are right from now on."""
    reason: Reason

    def mask(self) -> int:
        """`right` as a bit mask."""
        return sum(1 << choice for choice in set(self.right))


class Hold(Command, frozen=True, tag="hold"):
    pass


class Arm(Command, frozen=True, tag="arm"):
    pass


class Announce(Command, frozen=True, tag="announce"):
    pass


class Strike(Command, frozen=True, tag="strike"):
    fan: Fan
    reason: Reason


class Approve(Command, frozen=True, tag="approve"):
    fan: Fan


AnyCommand = Open | Close | Reveal | Void | Correct | Hold | Arm | Announce | Strike | Approve

STEPS = "open, close, reveal, void, correct, hold, arm, announce, strike, approve"

_DECODER = msgspec.json.Decoder(AnyCommand)


def decode(body: bytes) -> AnyCommand:
    """Raises `PeerMistake` (400) that names the place of the mistake."""
    try:
        command: AnyCommand = _DECODER.decode(body)
    except msgspec.ValidationError as error:
        what, _, path = str(error).partition(" - at `$")
        place = path.removesuffix("`").lstrip(".") or "the body"
        raise PeerMistake(
            HTTPStatus.BAD_REQUEST,
            f"{place}: {what}",
            f'"do" is one of {STEPS}; docs/http-api.md says what goes with each',
        ) from error
    except msgspec.DecodeError as error:
        raise PeerMistake(
            HTTPStatus.BAD_REQUEST,
            f"the body is not JSON: {error}",
            'send for example {"do": "open", "question": 0}',
        ) from error
    return command
