"""A claimed name, made fit for the giant screen or refused with the reason."""

from __future__ import annotations

import unicodedata

NAME_CHARS_MAX = 40
"""As people count: a letter with its accents is one."""
MARKS_MAX = 4
"""Accents on one letter; Vietnamese needs two, Hebrew and Arabic three or four."""
JOINERS = "\u200c\u200d"
"""Persian, Indic scripts and emoji need them; no other invisible character is let in."""


class UnfitNameError(ValueError):
    """Why a name cannot be shown; the message is for the fan."""


def clean_name(text: str) -> str:
    """The name in Unicode form NFC with single spaces. Raises `UnfitNameError`."""
    name = " ".join(unicodedata.normalize("NFC", text[: 8 * NAME_CHARS_MAX]).split())
    chars = marks = 0
    seen_letter = False
    for char in name:
        category = unicodedata.category(char)
        if category.startswith("C") and char not in JOINERS:
            raise UnfitNameError(f"a character that cannot be shown: U+{ord(char):04X}; remove it")
        if category.startswith("M") or char in JOINERS:
            marks += 1
            if marks > MARKS_MAX:
                raise UnfitNameError(f"more than {MARKS_MAX} marks on one letter; remove some")
            continue
        marks = 0
        chars += 1
        seen_letter = seen_letter or category[0] in "LNS"
    if not seen_letter:
        raise UnfitNameError("no letter in it; write the name to be shown")
    if chars > NAME_CHARS_MAX or len(text) > 8 * NAME_CHARS_MAX:
        raise UnfitNameError(f"{chars} characters; at most {NAME_CHARS_MAX} are shown")
    return name
