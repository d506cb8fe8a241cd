"""Names of the files of a strand."""

from __future__ import annotations

SUFFIX = ".hpj"
LOCK_SUFFIX = ".lock"


def segment_name(incarnation: int, segment: int) -> str:
    return f"{incarnation:08x}-{segment:04x}{SUFFIX}"


def lock_name(incarnation: int) -> str:
    return f"{incarnation:08x}{LOCK_SUFFIX}"


def parse_name(name: str) -> tuple[int, int] | None:
    """(incarnation, segment) of a segment's file name; None for any other file."""
    stem, dot, suffix = name.partition(".")
    parts = stem.split("-")
    if dot + suffix != SUFFIX or len(parts) != 2:
        return None
    try:
        return int(parts[0], 16), int(parts[1], 16)
    except ValueError:
        return None
