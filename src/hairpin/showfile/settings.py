"""Every setting of the show file by name, and the limits of their values."""

from __future__ import annotations

from typing import Final

SETTINGS: Final[dict[str, tuple[str, ...]]] = {
    "": (
        *("id", "title", "languages", "mode", "start", "audience", "tickets_per_fan", "age_bands"),
        *("allowance", "elapsed_floor", "reveal_after", "tie_break", "draw_seed", "cell_min"),
        *("best_country_min", "contenders", "reserves", "claim_deadline", "accent"),
        *("heavy_countries", "winner", "retention", "questions"),
    ),
    "audience": ("low", "high"),
    "winner": ("text", "image", "link"),
    "retention": ("names", "records", "keys"),
    "questions": (
        *("id", "text", "image", "choices", "right", "multiple", "opens", "duration"),
        "explanation",
    ),
    "questions.choices": ("text", "image"),
}
"""Every setting that a show file may have, by table."""

AGE_BANDS_DEFAULT = ("≤ 24", "25–39", "≥ 40")
LANGUAGES_MAX = 30
FANS_MAX = 2**32 - 1
"""A fan's number has 32 bits."""
DAY_MS = 86_400_000
SHOW_MS_MAX = 30 * DAY_MS
"""An answer's time since the start of the show has 32 bits of milliseconds: 49 days."""
QUESTION_MS_MAX = DAY_MS
"""An answer's time since the opening has 27 bits of milliseconds: 37 hours."""

# Characters per language: what phones read again and again must stay small.
TITLE_MAX = 80
AGE_BAND_MAX = 40
QUESTION_MAX = 200
CHOICE_MAX = 80
EXPLANATION_MAX = 300
WORD_MAX = 500
QUESTION_BYTES_MAX = 4096
"""One question in all languages, as `GET /now` carries it; without image names and times."""
