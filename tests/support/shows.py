"""Small show files for tests."""

from __future__ import annotations

from collections.abc import Iterable


def question(
    text: str = "Which one?",
    choices: int = 3,
    right: int | None = 2,
    duration_s: int | None = None,
    multiple: bool = False,
    explanation: str = "",
) -> str:
    """One `[[questions]]` table; `right` counts from 1, None makes a poll."""
    names = ", ".join(f'"Choice {number}"' for number in range(1, choices + 1))
    lines = ["", "[[questions]]", f'text = {{ en = "{text}" }}', f"choices = [{names}]"]
    if right is not None:
        lines.append(f"right = {[right] if multiple else right}")
    if multiple:
        lines.append("multiple = true")
    if duration_s is not None:
        lines.append(f'duration = "{duration_s}s"')
    if explanation:
        lines.append(f'explanation = {{ en = "{explanation}" }}')
    return "\n".join(lines) + "\n"


def by_hand(questions: Iterable[str] = (), audience: int = 20_000, more: str = "") -> str:
    """A show in which nothing happens by the clock; `more`: further top-level settings."""
    head = [
        'id = "test-show"',
        'title = { en = "A test" }',
        'languages = ["en"]',
        'mode = "hand"',
        f"audience = {{ low = 10, high = {audience} }}",
        more,
    ]
    return "\n".join(head) + "\n" + "".join(questions or (question(), question(), question()))
