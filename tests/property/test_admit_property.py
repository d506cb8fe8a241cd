"""The kernel that judges answers against the same rules in plain Python."""

from __future__ import annotations

import numpy as np
from gate_stand import EPOCH, KEY, QUESTIONS
from hypothesis import given, settings
from hypothesis import strategies as st

from hairpin.gate.admit import Admission, answer_text
from hairpin.messages import GateQuestion
from hairpin.ticket import TicketKey, issue, verify

TICKETS = tuple(issue(fan, fan % 3, fan % 200, KEY) for fan in range(6))
FOREIGN = issue(1, 1, 1, TicketKey(7, bytes(16), bytes(16)))
OTHER_NUMBER = issue(1, 1, 1, TicketKey(8, KEY.ticket, KEY.claim))

_EDGES = st.sampled_from([-1, 0, 999, 1_000, 1_001, 10_000, 59_999, 60_000, 60_001, 1 << 33])


def expected(text: bytes, received_ms: int, questions: tuple[GateQuestion, ...]) -> int:
    """The status of an answer, in plain Python."""
    told = text.decode("latin-1")
    ticket, slash, rest = told[:20], told[20], told[21:]
    if verify(ticket, KEY) is None:
        return 401
    if slash != "/" or set(rest) - set("0123456789abcdef"):
        return 404
    index, choice = int(rest[:2], 16), int(rest[2:4], 16)
    if index >= len(questions) or not choice:
        return 404
    question = questions[index]
    opened_ms = question.opened_ms
    if opened_ms is None or received_ms < opened_ms - EPOCH:
        return 409
    if choice >= 1 << question.choices or (not question.multiple and choice.bit_count() != 1):
        return 404
    if question.closed:
        return 410
    closes_ms = question.closes_ms
    return 410 if closes_ms is not None and received_ms >= closes_ms - EPOCH else 204


@st.composite
def answer_texts(draw: st.DrawFn) -> bytes:
    ticket = draw(st.sampled_from([*TICKETS, *TICKETS, FOREIGN, OTHER_NUMBER, "A" * 20]))
    text = bytearray(
        answer_text(
            ticket,
            draw(st.sampled_from([0, 0, 1, 1, 2, 3, 4, 255])),
            draw(st.sampled_from([0, 1, 2, 4, 8, 16, 3, 5, 15, 255])),
            draw(st.integers(0, (1 << 28) - 1)),
        )
    )
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        text[draw(st.integers(0, 31))] = draw(st.integers(0, 255))
    return bytes(text.upper()) if draw(st.integers(0, 9)) == 0 else bytes(text)


@given(st.lists(st.tuples(answer_texts(), _EDGES), min_size=1, max_size=20))
@settings(max_examples=300, deadline=None)
def test_the_kernel_judges_as_the_words_say(answers: list[tuple[bytes, int]]) -> None:
    admission = Admission(KEY)
    admission.set_questions(QUESTIONS, EPOCH)
    admission.shut(3)
    texts = [text for text, _ in answers]
    received = np.array([at for _, at in answers], np.int64)
    records, status = admission.admit(np.frombuffer(b"".join(texts), np.uint8), received)
    told = [expected(text, at, QUESTIONS) for text, at in answers]
    assert status.tolist() == told
    good = [(text, at) for (text, at), code in zip(answers, told, strict=True) if code == 204]
    assert len(records) == len(good)
    for record, (text, at) in zip(records, good, strict=True):
        ticket = verify(text[:20].decode(), KEY)
        assert ticket is not None
        assert (int(record["fan"]), int(record["age_band"]), int(record["country"])) == (
            *(ticket.fan, ticket.age_band, ticket.country),
        )
        assert int(record["received_ms"]) == at
        assert int(record["elapsed_ms"]) == int(text[25:], 16)
        assert (int(record["question"]), int(record["choice"])) == (
            *(int(text[21:23], 16), int(text[23:25], 16)),
        )
