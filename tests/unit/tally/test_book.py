"""The book: when a question is final, what is missing, and what changes it afterwards."""

from __future__ import annotations

import numpy as np
import pytest
from small_show import answer, armed, make_question, make_show, opened_ms
from strands import Strands

from hairpin import messages as m
from hairpin.answer import RECORD
from hairpin.errors import DataDamaged, YourMistake
from hairpin.frame import Frame, Kind
from hairpin.show import Show
from hairpin.tally.book import Book
from hairpin.tally.snapshot import Snapshots

DIRECTOR, GATE, OTHER = 1, 2, 3
EVERYONE = [DIRECTOR, GATE, OTHER]


class Night:
    """Two gates and a director; every record goes to the strand and at once into the book."""

    def __init__(self, show: Show | None = None) -> None:
        self.strands = Strands()
        self.book: Book = self.strands.book()
        self.director(m.Born(0, "director"), armed(show or make_show(2)))
        for gate in (GATE, OTHER):
            self.gate(gate, m.Born(0, "gate"))

    def director(self, *records: m.AnyControl) -> None:
        for record in records:
            self.book.apply(self.strands.control(DIRECTOR, record))

    def gate(self, incarnation: int, *records: m.AnyControl) -> None:
        for record in records:
            self.book.apply(self.strands.control(incarnation, record))

    def answers(self, incarnation: int, *answers: tuple[int, ...]) -> None:
        self.book.apply(self.strands.answers(incarnation, answers))  # type: ignore[arg-type]

    def open(self, question: int = 0) -> None:
        self.director(m.Opened(opened_ms(question), question))

    def close(self, question: int = 0) -> None:
        self.director(m.Closed(opened_ms(question) + 20_000, question))

    def mark(self, *gates: int, question: int = 0) -> None:
        for gate in gates or (GATE, OTHER):
            self.gate(gate, m.Marked(0, (question,)))

    def final(self, *answers: tuple[int, ...], question: int = 0) -> None:
        """The question is asked, answered at one gate, closed and settled."""
        self.open(question)
        self.answers(GATE, *answers)
        self.close(question)
        self.mark(question=question)
        assert self.book.settle(EVERYONE) == [question]
        self.publish(question)

    def publish(self, question: int = 0) -> None:
        """As the director does with a new version."""
        self.strands.refold(self.book)
        told = Snapshots(self.book).take(0, None, 0.0)
        tally = told.questions[question]
        says = (tally.version, tally.reason, tally.answers, tally.right)
        self.director(m.Published(0, question, *says, told.head, told.positions))

    def told(self, question: int = 0) -> m.QuestionTally:
        self.strands.refold(self.book)
        return Snapshots(self.book).take(0, None, 0.0).questions[question]

    def leaders(self) -> list[tuple[int, int, int, int]]:
        self.strands.refold(self.book)
        leaders = Snapshots(self.book).take(0, None, 0.0).leaders
        return [(one.rank, one.fan, one.right, one.total_ms) for one in leaders]


@pytest.fixture
def night() -> Night:
    return Night()


# --- final ----------------------------------------------------------------------------------------


def test_a_question_is_counting_then_provisional_then_final(night: Night) -> None:
    night.open()
    night.answers(GATE, answer(1))
    assert (night.told().status, night.book.settle(EVERYONE)) == ("counting", [])
    night.close()
    assert night.book.settle(EVERYONE) == []
    assert (night.told().status, night.told().missing) == ("provisional", (GATE, OTHER))
    night.mark(GATE)
    assert night.book.settle(EVERYONE) == []
    assert night.told().missing == (OTHER,)
    night.mark(OTHER)
    assert night.book.settle(EVERYONE) == [0]
    assert (night.told().status, night.told().version, night.told().missing) == ("final", 1, ())
    assert night.book.settle(EVERYONE) == []


def test_a_marker_is_for_its_question_only(night: Night) -> None:
    night.open()
    night.close()
    night.mark(GATE, OTHER, question=1)
    assert night.book.settle(EVERYONE) == []
    assert night.told().missing == (GATE, OTHER)


def test_a_sealed_strand_needs_no_marker(night: Night) -> None:
    night.open()
    night.close()
    night.mark(GATE)
    night.book.apply(night.strands.seal(OTHER))
    assert night.book.settle(EVERYONE) == [0]


def test_a_fenced_strand_needs_no_marker_once_all_of_it_was_read(night: Night) -> None:
    night.open()
    night.close()
    night.mark(GATE)
    unread = night.strands.answers(OTHER, [answer(7)])
    night.director(night.strands.fenced(OTHER))
    assert night.book.settle(EVERYONE) == []
    assert night.told().missing == (OTHER,)
    night.book.apply(unread)
    assert night.book.settle(EVERYONE) == [0]
    assert night.told().answers == 1


def test_a_strand_of_which_nothing_is_known_is_missing(night: Night) -> None:
    """It may be a gate whose birth is not read yet, and which acknowledged answers."""
    night.open()
    night.close()
    night.mark()
    assert night.book.settle([*EVERYONE, 9]) == []
    assert night.told().missing == (9,)


def test_directors_never_hold_a_result_up(night: Night) -> None:
    night.book.apply(night.strands.control(4, m.Born(0, "director")))
    night.open()
    night.close()
    night.mark()
    assert night.book.settle([*EVERYONE, 4]) == [0]


def test_a_question_without_an_answer_becomes_final(night: Night) -> None:
    night.final()
    assert (night.told().status, night.told().answers, night.leaders()) == ("final", 0, [])


# --- what changes a result ------------------------------------------------------------------------


def test_a_late_answer_refolds_and_makes_a_new_version(night: Night) -> None:
    night.final(answer(1, took_ms=5_000), answer(2, 0b010, 1_000))
    night.answers(OTHER, answer(1, 0b001, 4_000), answer(2, 0b001, 1_500), answer(3, 0b001, 900))
    assert (night.told().version, night.told().reason) == (2, "late answers")
    assert (night.told().answers, night.told().journalled) == (3, 5)
    assert night.leaders() == [(1, 3, 1, 900), (2, 1, 1, 4_000)]


def test_a_late_frame_with_answers_to_two_questions_counts_for_both(night: Night) -> None:
    night.final(answer(1))
    night.final(answer(1, question=1), question=1)
    night.answers(OTHER, answer(2), answer(2, question=1), answer(1, took_ms=2_000))
    for question in (0, 1):
        assert (night.told(question).answers, night.told(question).version) == (2, 2)
    assert night.leaders() == [(1, 1, 2, 2_000), (1, 2, 2, 2_000)]


def test_a_correction_after_the_end_is_as_if_it_had_been_right_from_the_start() -> None:
    answers = [answer(1, 0b001), answer(2, 0b010, 700), answer(3, 0b010, 900), answer(4, 0b100)]
    corrected = Night()
    corrected.final(*answers)
    corrected.director(m.Corrected(0, 0, 0b010, "a slip"))
    corrected.final(answer(2, 0b001, question=1), question=1)
    from_the_start = Night(make_show([make_question(1, right=0b010), make_question(2)]))
    from_the_start.final(*answers)
    from_the_start.final(answer(2, 0b001, question=1), question=1)
    assert corrected.leaders() == from_the_start.leaders()
    assert (corrected.told().version, corrected.told().reason) == (2, "a slip")
    for name in ("answers", "right", "wrong", "by_age_band", "by_country", "best_country"):
        assert getattr(corrected.told(), name) == getattr(from_the_start.told(), name)


def test_a_correction_and_its_correction_leave_no_trace_in_the_scores(night: Night) -> None:
    night.final(answer(1, 0b001, 800), answer(2, 0b010, 700))
    before = night.leaders()
    night.director(m.Corrected(0, 0, 0b010, "no"), m.Corrected(0, 0, 0b001, "yes"))
    assert night.leaders() == before
    assert (night.told().version, night.told().reason) == (2, "yes"), "nobody was told of 'no'"


def test_a_correction_before_the_end_needs_no_refold_and_keeps_its_reason(night: Night) -> None:
    night.director(m.Corrected(0, 0, 0b100, "found in time"))
    night.final(answer(1, 0b001), answer(2, 0b100))
    assert night.leaders() == [(1, 2, 1, 1_000)]
    assert night.told().reason == "found in time"
    assert night.told().version == 1


def test_a_correction_to_no_right_answer_makes_a_poll_of_it(night: Night) -> None:
    night.final(answer(1), answer(2, 0b010))
    night.director(m.Corrected(0, 0, 0, "nobody could know"))
    assert (night.told().right, night.told().wrong, night.leaders()) == (0, 0, [])


def test_a_void_question_scores_nobody_and_keeps_its_counts(night: Night) -> None:
    night.final(answer(1), answer(2, 0b010))
    night.director(m.Voided(0, 0, "the sound failed"))
    told = night.told()
    assert (told.status, told.version, told.reason) == ("void", 2, "the sound failed")
    assert (told.answers, night.leaders()) == (2, [])


def test_a_question_voided_while_open_is_void_when_all_gates_are_done(night: Night) -> None:
    night.open()
    night.answers(GATE, answer(1))
    night.director(m.Voided(0, 0, "the sound failed"))
    assert night.told().status == "void"
    night.mark()
    assert night.book.settle(EVERYONE) == [0]
    assert (night.told().answers, night.told().reason) == (1, "the sound failed")
    assert night.leaders() == []


def test_a_question_voided_before_it_opened_is_void_and_waits_for_nothing(night: Night) -> None:
    night.director(m.Voided(0, 0, "dropped"))
    assert night.book.settle(EVERYONE) == []
    assert (night.told().status, night.told().missing) == ("void", ())


def test_a_late_answer_to_a_void_question_is_counted_and_scores_nobody(night: Night) -> None:
    night.final(answer(1))
    night.director(m.Voided(0, 0, "no"))
    night.publish()
    night.answers(OTHER, answer(2))
    assert (night.told().answers, night.told().version, night.leaders()) == (2, 3, [])


def test_a_struck_contender_is_gone_and_the_others_move_up(night: Night) -> None:
    night.final(answer(1, took_ms=700), answer(2, took_ms=800))
    night.director(m.Struck(0, 1, "two phones"))
    assert night.leaders() == [(1, 2, 1, 800)]
    assert night.told().answers == 2


# --- order ----------------------------------------------------------------------------------------


def test_answers_read_before_the_opening_are_kept_and_counted(night: Night) -> None:
    night.answers(GATE, answer(1, received_ms=-50))
    assert night.told().answers == 0
    night.open()
    night.answers(GATE, answer(1), answer(2))
    assert (night.told().answers, night.told().journalled) == (2, 3)
    night.close()
    night.mark()
    night.book.settle(EVERYONE)
    assert night.leaders() == [(1, 1, 1, 200), (2, 2, 1, 1_000)]


def test_control_first_and_interleaved_give_the_same_counts() -> None:
    """Live, the director's records come between the answers; a recount reads them first."""
    night = Night()
    night.final(answer(1), answer(2, 0b010))
    night.open(1)
    night.answers(OTHER, answer(1, question=1), answer(3))
    night.director(m.Corrected(0, 0, 0b010, "a slip"), m.Struck(0, 9, "x"))
    night.answers(GATE, answer(3, 0b010, question=1), answer(2, 0b001, question=1))
    night.close(1)
    night.mark(question=1)
    night.book.settle(EVERYONE)
    night.strands.refold(night.book)
    again = night.strands.read(night.strands.book(), DIRECTOR, OTHER, GATE)
    assert again.settle(EVERYONE) == [0, 1]
    live, recount = (Snapshots(book).take(0, None, 0.0) for book in (night.book, again))
    assert live.leaders == recount.leaders
    assert live.ranks == recount.ranks
    assert (live.head, live.positions) == (recount.head, recount.positions)
    for shown, found in zip(live.questions, recount.questions, strict=True):
        for name in ("answers", "journalled", "right", "wrong", "by_choice", "by_country"):
            assert getattr(shown, name) == getattr(found, name)


# --- published ------------------------------------------------------------------------------------


def test_a_published_version_is_found_again_by_whoever_counts_anew(night: Night) -> None:
    night.final(answer(1), answer(2, 0b010))
    night.director(m.Corrected(0, 0, 0b010, "a slip"))
    night.publish()
    assert (night.told().version, night.told().reason) == (2, "a slip")
    again = night.strands.read(night.strands.book())
    again.settle(EVERYONE)
    assert Snapshots(again).take(0, None, 0.0).questions[0] == night.told()


def test_what_came_after_the_last_published_version_makes_a_new_one(night: Night) -> None:
    """A restart right after late answers: nobody was told of them yet."""
    night.final(answer(1), answer(2, 0b010))
    night.answers(OTHER, answer(3))
    again = night.strands.read(night.strands.book())
    again.settle(EVERYONE)
    told = Snapshots(again).take(0, None, 0.0).questions[0]
    assert told == night.told()
    assert told.version == 2


# --- damage ---------------------------------------------------------------------------------------


def foreign(night: Night, incarnation: int, body: bytes, count: int, kind: Kind) -> Frame:
    frame = night.strands.answers(incarnation, [answer(1)])
    return Frame(kind, 0, frame.journal, incarnation, frame.sequence, count, frame.chain, body, 0)


def test_a_body_that_is_not_whole_records_is_damage(night: Night) -> None:
    night.open()
    for body, count in ((bytes(15), 1), (bytes(32), 1), (bytes(16), 2)):
        with pytest.raises(DataDamaged, match=f"{len(body)} bytes are not {count} answers"):
            night.book.apply(foreign(night, GATE, body, count, Kind.ANSWERS))


def test_an_answer_to_no_question_of_the_show_is_damage(night: Night) -> None:
    with pytest.raises(DataDamaged, match="an answer to question 6, which does not exist"):
        night.answers(GATE, answer(1, question=5))


@pytest.mark.parametrize("early", [False, True], ids=["while-open", "before-the-opening"])
def test_a_choice_that_the_question_does_not_have_is_damage(night: Night, early: bool) -> None:
    if not early:
        night.open()
    with pytest.raises(DataDamaged, match="incarnation 2"):
        night.answers(GATE, answer(1, 0b1000))
        night.open()


def test_a_late_choice_that_does_not_exist_is_damage(night: Night) -> None:
    night.final(answer(1))
    with pytest.raises(DataDamaged, match="incarnation 2"):
        night.answers(GATE, answer(1, 0b1000))


def test_a_control_record_of_a_newer_version_is_named(night: Night) -> None:
    with pytest.raises(YourMistake, match="teleported"):
        night.book.apply(foreign(night, GATE, b'{"type":"teleported"}', 1, Kind.CONTROL))


def test_a_book_without_a_show_says_so() -> None:
    with pytest.raises(DataDamaged, match="no show"):
        _ = Strands().book().show


def test_an_empty_answers_frame_changes_nothing(night: Night) -> None:
    night.open()
    night.book.apply(foreign(night, GATE, np.zeros(0, RECORD).tobytes(), 0, Kind.ANSWERS))
    assert night.told().journalled == 0
