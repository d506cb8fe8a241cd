"""The questions of a show file."""

from __future__ import annotations

from collections.abc import Callable

from hairpin.show import CHOICES_MAX, QUESTIONS_MAX, Choice, Question
from hairpin.showfile import values
from hairpin.showfile.settings import (
    CHOICE_MAX,
    EXPLANATION_MAX,
    QUESTION_MAX,
    QUESTION_MS_MAX,
    SETTINGS,
)
from hairpin.showfile.table import Node, Table, shown

Image = Callable[[Node], str]
Languages = tuple[str, ...]


def questions(
    top: Table, languages: Languages, opens: values.Reader, image: Image
) -> tuple[Question, ...]:
    """All of them; one without an id is called after its number, `q1`."""

    def read(node: Node) -> tuple[Question, ...]:
        items = node.items()
        read_all = tuple(
            _question(Table(item, SETTINGS["questions"]), f"q{number}", languages, opens, image)
            for number, item in enumerate(items, 1)
        )
        if not 1 <= len(items) <= QUESTIONS_MAX:
            raise node.wrong(f"1 to {QUESTIONS_MAX} tables that begin with [[questions]]")
        return read_all

    return top.need("questions", read, ())


def _question(
    table: Table, default_id: str, languages: Languages, opens: values.Reader, image: Image
) -> Question:
    choices = table.need("choices", _choices(languages, image), ())
    return Question(
        id=table.take("id", values.slug, default_id),
        text=table.need("text", values.text(languages, QUESTION_MAX), values.NO_TEXT),
        choices=choices,
        right=table.take("right", _right(len(choices)), 0),
        multiple=table.take("multiple", values.flag, False),
        opens_after_ms=table.take("opens", opens, None),
        duration_ms=table.take("duration", values.duration(1_000, QUESTION_MS_MAX), None),
        explanation=table.take("explanation", values.text(languages, EXPLANATION_MAX), None),
        image=table.take("image", image, None),
    )


def _choices(languages: Languages, image: Image) -> Callable[[Node], tuple[Choice, ...]]:
    def read(node: Node) -> tuple[Choice, ...]:
        choices = tuple(_choice(item, languages, image) for item in node.items())
        if not 2 <= len(choices) <= CHOICES_MAX:
            raise node.wrong(f"a list of 2 to {CHOICES_MAX} choices")
        seen: dict[tuple[str, str], int] = {}
        for number, choice in enumerate(choices, 1):
            for language, text in choice.text.items():
                twin = seen.setdefault((language, text.strip()), number)
                if text and twin != number:
                    place = (*node.place, number - 1)
                    node.mistakes.note(place, shown(text), f"not the same as choice {twin}")
                    break
        return choices

    return read


def _choice(node: Node, languages: Languages, image: Image) -> Choice:
    """A text, or a table of text and image; a table with languages in it is a text."""
    text = values.text(languages, CHOICE_MAX)
    if not isinstance(node.value, dict) or any(language in node.value for language in languages):
        return Choice(node.read(text, values.NO_TEXT))
    table = Table(node, SETTINGS["questions.choices"])
    return Choice(table.need("text", text, values.NO_TEXT), table.take("image", image, None))


def _right(choices: int) -> values.Reader:
    """Numbers of choices, counted from 1, as a bit mask. 0 choices: they are wrong themselves."""
    count = choices or CHOICES_MAX

    def read(node: Node) -> int:
        numbers = node.value if isinstance(node.value, list) else [node.value]
        legal = [n for n in numbers if type(n) is int and 1 <= n <= count]
        if not legal or len(legal) != len(numbers) or len(set(legal)) != len(legal):
            found = f"[{', '.join(map(shown, numbers))}]" if numbers != [node.value] else ""
            raise node.wrong(
                f"the number of the right choice, 1 to {count}, or a list of several; "
                "for a poll, leave `right` out",
                found,
            )
        return sum(1 << (number - 1) for number in legal)

    return read
