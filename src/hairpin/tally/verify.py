"""Does a published head hold? For an outsider, who has the journal and the head and trusts nobody.

First the whole journal must hold: checksums, chains, ends, every published head. Then the head is
looked for: it belongs to results that the journal says were published, or to the journal as it is
now. What it covers, and nothing else, is counted again.
"""

from __future__ import annotations

import re
from functools import partial

import msgspec

from hairpin.errors import HairpinError, YourMistake
from hairpin.journal import Readable
from hairpin.messages import Published
from hairpin.tally.recount import Progress, Recount, Recounter


class DoesNotHold(HairpinError):
    """The journal is sound in itself, but it does not say what was told."""

    exit_code = 7


class Result(msgspec.Struct, frozen=True):
    """A published result: what was told of a question with the head."""

    question: str
    version: int
    answers: int
    right: int
    at_ms: int


class Verification(msgspec.Struct, frozen=True):
    """What a head that holds stands for."""

    journal: str
    """Its id."""
    head: str
    whole: bool
    """The head covers all that is here."""
    results: tuple[Result, ...]
    """That were published with this head."""
    recount: Recount
    """Of the frames that the head covers; `heads_verified` are those of the whole journal."""
    frames_after: int
    """Frames that the head says nothing of."""


def parse_head(text: str) -> str:
    """As it is compared; walls show the digits in groups. Raises YourMistake if it is no head."""
    head = "".join(text.split()).lower()
    if not re.fullmatch("[0-9a-f]{32}", head):
        raise YourMistake(
            f"--head {text!r} is no chain head", "A head has 32 hexadecimal digits: copy all of it."
        )
    return head


def verify(journal: Readable, head: str, progress: Progress | None = None) -> Verification:
    """Verify everything, and recount what `head` covers.

    Raises DataDamaged where the journal is not what was written, DoesNotHold if `head` is of
    nothing that is here, or if a result that was published with it is not what its frames give.
    """
    recounter = Recounter(journal)
    whole = recounter.run(progress)
    published = [told for told in recounter.book.published if told.head == head]
    if whole.head != head and not published:
        raise DoesNotHold(
            f"the journal holds, but {head} is the head of nothing in it: of no published result, "
            f"nor of the whole journal, whose head is {whole.head}",
            "It is another journal, or not what it was when the head was shown; or the head has a "
            "wrong digit.",
        )
    found = whole
    if whole.head != head:
        upto = {int(text): frames for text, frames in published[0].positions.items()}
        part = Recounter(journal, upto).run(progress)
        found = msgspec.structs.replace(part, heads_verified=whole.heads_verified)
    results = tuple(map(partial(_result, found), published))
    return Verification(
        journal=f"{journal.id:016x}",
        head=head,
        whole=whole.head == head,
        results=results,
        recount=found,
        frames_after=whole.frames - found.frames,
    )


def _result(found: Recount, told: Published) -> Result:
    """Raises DoesNotHold if a result is not what the frames that it rests on give."""
    tally = found.questions[told.question]
    shown = (told.version, told.answers, told.right)
    if (tally.version, tally.answers, tally.right) != shown:
        raise DoesNotHold(
            f"question {tally.id}: version {told.version} was published with {told.answers} answers"
            f", {told.right} right; the frames that it rests on give version {tally.version} with "
            f"{tally.answers} answers, {tally.right} right",
            "Whoever ran the show must explain it: the numbers that were told were not these.",
        )
    return Result(tally.id, told.version, told.answers, told.right, told.at_ms)
