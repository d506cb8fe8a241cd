"""What single values of a show file mean: texts, durations, times, colours, images."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import PurePosixPath
from typing import TypeVar

from hairpin.country import INDEX as COUNTRIES
from hairpin.show import Text
from hairpin.showfile.settings import DAY_MS
from hairpin.showfile.table import Node, Table, shown

STAGE = "#0b0d12"
"""The dark stage that the accent colour must stand out from."""
CONTRAST_MIN = 3.0
"""For large text and graphics: WCAG 2.2, success criteria 1.4.3 and 1.4.11."""
NO_TEXT: Text = {}
"""Stands in for a text that is wrong."""
IMAGES = (".avif", ".gif", ".jpeg", ".jpg", ".png", ".webp")

Reader = Callable[[Node], int]
E = TypeVar("E", bound=StrEnum)

_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_UNITS_MS = {"d": DAY_MS, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_WITH_UNITS = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?", re.ASCII)
_WITH_COLONS = re.compile(r"(\d{1,3}):([0-5]\d):([0-5]\d)", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def text(languages: tuple[str, ...], length_max: int) -> Callable[[Node], Text]:
    """A string, the same in every language, or a table with one string for each language."""

    allowed = f"a text of 1 to {length_max} characters"

    def one(node: Node) -> str:
        if not isinstance(node.value, str) or not node.value.strip():
            raise node.wrong(allowed)
        if len(node.value) > length_max:
            raise node.wrong(allowed, f"{len(node.value)} characters")
        if any(unicodedata.category(c) == "Cc" and c != "\n" for c in node.value):
            raise node.wrong("a text without control characters")
        return node.value

    def read(node: Node) -> Text:
        if not isinstance(node.value, dict | str):
            raise node.wrong(f"{allowed}, or a table with one for each language")
        if isinstance(node.value, str):
            same = one(node)
            return dict.fromkeys(languages, same)
        table = Table(node, languages)
        return {language: table.need(language, one, "") for language in languages}

    return read


def slug(node: Node) -> str:
    if not isinstance(node.value, str) or len(node.value) > 40 or not _SLUG.fullmatch(node.value):
        raise node.wrong("a short name in a-z, 0-9 and single hyphens, at most 40 characters")
    return node.value


def language(node: Node) -> str:
    if not isinstance(node.value, str) or not _LANGUAGE.fullmatch(node.value):
        raise node.wrong('a language tag like "en", "fr" or "pt-BR"')
    return node.value


def country(node: Node) -> str:
    if not isinstance(node.value, str) or node.value not in COUNTRIES:
        raise node.wrong('an ISO 3166-1 code in two capital letters, like "FR", or "ZZ", unknown')
    return node.value


def flag(node: Node) -> bool:
    if not isinstance(node.value, bool):
        raise node.wrong("true or false")
    return node.value


def whole(low: int, high: int) -> Reader:
    def read(node: Node) -> int:
        if type(node.value) is not int or not low <= node.value <= high:
            raise node.wrong(f"a whole number from {low} to {high}")
        return node.value

    return read


def factor(low: float, high: float) -> Callable[[Node], float]:
    allowed = f"a number from {low:g} to {high:g}"

    def read(node: Node) -> float:
        value = node.value
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise node.wrong(allowed)
        if not low <= value <= high:
            raise node.wrong(allowed)
        return float(value)

    return read


def one_of(allowed: type[E]) -> Callable[[Node], E]:
    """A member of a `StrEnum`."""

    def read(node: Node) -> E:
        for member in allowed:
            if node.value == member:
                return member
        raise node.wrong(" or ".join(shown(member.value) for member in allowed))

    return read


def string(length_max: int) -> Callable[[Node], str]:
    def read(node: Node) -> str:
        if not isinstance(node.value, str) or not 0 < len(node.value) <= length_max:
            raise node.wrong(f"a text of 1 to {length_max} characters")
        return node.value

    return read


def duration(low_ms: int, high_ms: int) -> Reader:
    """ "60s", "1m30s", "250ms", "0:01:30", or whole seconds; in milliseconds."""
    allowed = (
        f'{span(low_ms)} to {span(high_ms)}, written like "90s", "1m30s", "0:01:30" or, in '
        "seconds, 90"
    )

    def read(node: Node) -> int:
        value_ms = _duration_ms(node.value)
        if value_ms is None or not low_ms <= value_ms <= high_ms:
            raise node.wrong(allowed)
        return value_ms

    return read


def opening(start_ms: int | None, start: object, high_ms: int) -> Reader:
    """When a question opens, in milliseconds after the start: a duration, or a date and time."""

    def read(node: Node) -> int:
        if not isinstance(node.value, datetime):
            return duration(0, high_ms)(node)
        if start_ms is None and start is not None:
            return 0  # a wrong start is named already; its openings cannot be judged
        if start_ms is None or not isinstance(start, datetime):
            raise node.wrong('the time since the start, like "0:10:00", as there is no start')
        at = node.value if node.value.tzinfo else node.value.replace(tzinfo=start.tzinfo)
        after_ms = _since_1970_ms(at) - start_ms
        if not 0 <= after_ms <= high_ms:
            raise node.wrong(f"a time from the start ({start}) to {span(high_ms)} later")
        return after_ms

    return read


def moment(node: Node) -> int:
    """A date and time with its offset from UTC; in milliseconds since 1970."""
    value = node.value
    if not isinstance(value, datetime) or value.tzinfo is None or value.year < 1971:
        raise node.wrong(
            "a date and time with its offset from UTC, without quotes, like "
            "2027-06-20T20:00:00+02:00"
        )
    return _since_1970_ms(value)


def days(node: Node) -> int:
    value_ms = _duration_ms(node.value) if isinstance(node.value, str) else None
    if value_ms is None or value_ms % DAY_MS or value_ms > 3650 * DAY_MS:
        raise node.wrong('whole days from "0d" to "3650d"')
    return value_ms // DAY_MS


def image(exists: Callable[[str], bool] | None) -> Callable[[Node], str]:
    """The path of an image beside the show file; `exists` asks whether it is there."""

    def read(node: Node) -> str:
        allowed = f"a path beside the show file, with /, ending in {' '.join(IMAGES)}"
        value = node.value
        if not isinstance(value, str) or not value.isprintable() or "\\" in value:
            raise node.wrong(allowed)
        path = PurePosixPath(value)
        if path.is_absolute() or ".." in path.parts or path.suffix.lower() not in IMAGES:
            raise node.wrong(allowed)
        if exists is not None and not exists(value):
            raise node.wrong("an image that is there", f"{shown(value)}, which is no file")
        return value

    return read


def link(node: Node) -> str:
    value = node.value
    if (
        not isinstance(value, str)
        or len(value) > 300
        or not re.fullmatch(r"https://[^\s/?#<>\"]+\.[^\s<>\"]+", value)
    ):
        raise node.wrong('an address like "https://example.org/thanks", at most 300 characters')
    return value


def colour(node: Node) -> str:
    """`#rrggbb` in lower case, light enough to be read on the dark stage."""
    if not isinstance(node.value, str) or not re.fullmatch("#[0-9a-fA-F]{6}", node.value):
        raise node.wrong('a colour like "#ff8a3d"')
    value = node.value.lower()
    seen = contrast(value, STAGE)
    if seen < CONTRAST_MIN:
        raise node.wrong(
            f"a lighter colour: a contrast of at least {CONTRAST_MIN:g} : 1 to the dark stage "
            f"({STAGE})",
            f"{shown(node.value)}, a contrast of {math.floor(seen * 10) / 10:g} : 1",
        )
    return value


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two `#rrggbb` colours, 1 to 21, as WCAG 2.2 defines it."""
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def span(value_ms: int) -> str:
    """A duration in the words that `duration` reads: `1m30s`."""
    if value_ms == 0:
        return "0s"
    written = ""
    for unit, size_ms in _UNITS_MS.items():
        count, value_ms = divmod(value_ms, size_ms)
        written += f"{count}{unit}" if count else ""
    return written


def _duration_ms(value: object) -> int | None:
    if type(value) is int:
        return value * 1_000 if value >= 0 else None
    if not isinstance(value, str) or not value or len(value) > 40:
        return None
    if match := _WITH_COLONS.fullmatch(value):
        hours, minutes, seconds = map(int, match.groups())
        return ((hours * 60 + minutes) * 60 + seconds) * 1_000
    if match := _WITH_UNITS.fullmatch(value):
        counts = zip(match.groups(), _UNITS_MS.values(), strict=True)
        return sum(int(count) * size_ms for count, size_ms in counts if count)
    return None


def _since_1970_ms(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(milliseconds=1)


def _luminance(colour_: str) -> float:
    channels = [int(colour_[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
