"""The show file: TOML text in, a `Show` out, or every mistake in it at once.

Pure: whoever reads the file passes its text, and may pass a function that says which images are
there. `docs/show-file.md` and `examples/annotated.toml` explain every setting.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable

import msgspec

from hairpin.errors import Finding, YourMistake
from hairpin.show import (
    AGE_BANDS,
    ALLOWANCE_MS_MAX,
    ELAPSED_FLOOR_MS_MAX,
    Mode,
    Retention,
    Show,
    Text,
    TieBreak,
    Word,
)
from hairpin.showfile import values
from hairpin.showfile.lines import lines_of
from hairpin.showfile.questions import questions
from hairpin.showfile.rules import check_rules
from hairpin.showfile.settings import (
    AGE_BAND_MAX,
    AGE_BANDS_DEFAULT,
    DAY_MS,
    FANS_MAX,
    LANGUAGES_MAX,
    QUESTION_MS_MAX,
    SETTINGS,
    SHOW_MS_MAX,
    TITLE_MAX,
    WORD_MAX,
)
from hairpin.showfile.table import Mistakes, Node, Table, path_of, shown

REMEDY = "Correct the file, then: hairpin check FILE. docs/show-file.md explains every setting."

Exists = Callable[[str], bool]


def read_show(text: str, source: str, image_exists: Exists | None = None) -> Show:
    """Read a show file. `source` names it in messages.

    Raises `YourMistake` with one finding for every mistake. A finding's place is the path of the
    setting, list elements counted from 0, and its line: `questions[2].right (line 41)`.
    """
    document = _parse(text, source)
    mistakes = Mistakes(lines_of(text))
    show = _show(Table(Node(document, (), mistakes), SETTINGS[""]), image_exists)
    check_rules(show, mistakes)
    findings = mistakes.findings()
    if findings:
        count = "1 mistake" if len(findings) == 1 else f"{len(findings)} mistakes"
        raise YourMistake(f"{source}: {count}", REMEDY, findings)
    return show


def images(show: Show) -> tuple[tuple[str, str], ...]:
    """Every image that the show refers to: the place in the file, and the path beside it."""
    found: list[tuple[str, str | None]] = [("winner.image", show.word.image)]
    for index, question in enumerate(show.questions):
        place = path_of(("questions", index))
        found.append((f"{place}.image", question.image))
        for number, choice in enumerate(question.choices):
            found.append((f"{place}.choices[{number}].image", choice.image))
    return tuple((place, path) for place, path in found if path is not None)


def _parse(text: str, source: str) -> dict[str, object]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        message = str(error)
        at = re.search(r" \(at (.*)\)$", message)
        place = at.group(1) if at else "the file"
        line = re.search(r"line (\d+)", place)
        lines = text.splitlines()
        row = int(line.group(1)) if line else len(lines)
        written = shown(lines[row - 1]) if 0 < row <= len(lines) else "no more text"
        allowed = f"TOML; here: {message.removesuffix(at.group() if at else '')}"
        raise YourMistake(
            f"{source}: not TOML",
            "Texts stand in quotes, settings as: name = value. The language: https://toml.io",
            (Finding(place, written, allowed),),
        ) from None


def _show(top: Table, exists: Exists | None) -> Show:
    languages = top.take("languages", _languages, ("en",))
    start_ms = top.take("start", values.moment, None)
    audience = Table(top.at("audience"), SETTINGS["audience"])
    winner = _sub(top, "winner")
    retention = _sub(top, "retention")
    title = top.need("title", values.text(languages, TITLE_MAX), values.NO_TEXT)
    image = values.image(exists)
    opens = values.opening(start_ms, top.at("start").value, SHOW_MS_MAX)
    return Show(
        id=top.need("id", values.slug, ""),
        title=title,
        languages=languages,
        mode=top.take("mode", values.one_of(Mode), Mode.CLOCK),
        start_ms=start_ms,
        audience_low=audience.need("low", values.whole(1, FANS_MAX), 1),
        audience_high=audience.need("high", values.whole(1, FANS_MAX), FANS_MAX),
        tickets_per_fan=top.take("tickets_per_fan", values.factor(1, 100), 3.0),
        age_bands=_age_bands(top, languages),
        questions=questions(top, languages, opens, image),
        allowance_ms=top.take("allowance", values.duration(0, ALLOWANCE_MS_MAX), 3_000),
        elapsed_floor_ms=top.take("elapsed_floor", values.duration(0, ELAPSED_FLOOR_MS_MAX), 300),
        reveal_after_ms=top.take("reveal_after", values.duration(0, QUESTION_MS_MAX), 3_000),
        tie_break=top.take("tie_break", values.one_of(TieBreak), TieBreak.SHARE),
        draw_seed=top.take("draw_seed", values.string(100), ""),
        cell_min=top.take("cell_min", values.whole(1, 1_000_000), 5),
        best_country_min=top.take("best_country_min", values.whole(1, FANS_MAX), 30),
        contenders=top.take("contenders", values.whole(1, 100), 10),
        reserves=top.take("reserves", values.whole(0, 100), 5),
        claim_deadline_ms=top.take(
            "claim_deadline", values.duration(60_000, 30 * DAY_MS), 15 * 60_000
        ),
        word=Word(
            text=winner.take("text", values.text(languages, WORD_MAX), title),
            image=winner.take("image", image, None),
            link=winner.take("link", values.link, None),
        ),
        retention=Retention(
            names_days=retention.take("names", values.days, 30),
            records_days=retention.take("records", values.days, 30),
            keys_days=retention.take("keys", values.days, 7),
        ),
        accent=top.take("accent", values.colour, "#ff8a3d"),
        heavy_countries=top.take("heavy_countries", _heavy_countries, msgspec.UNSET),
    )


def _sub(top: Table, name: str) -> Table:
    """A table that may be missing: then it is empty."""
    node = top.at(name)
    return Table(node if top.has(name) else Node({}, node.place, node.mistakes), SETTINGS[name])


def _languages(node: Node) -> tuple[str, ...]:
    items = node.items()
    if not 1 <= len(items) <= LANGUAGES_MAX:
        raise node.wrong(f'a list of 1 to {LANGUAGES_MAX} language tags, like ["en", "fr"]')
    # A wrong tag stands in for itself, so that the texts given in it are not called wrong too.
    tags = [item.read(values.language, str(item.value)) for item in items]
    return _each_once(node, tags, "every language once")


def _heavy_countries(node: Node) -> tuple[str, ...]:
    if not isinstance(node.value, list):
        raise node.wrong('a list of country codes, like ["GB", "US", "ZZ"]')
    codes = [item.read(values.country, str(item.value)) for item in node.items()]
    return _each_once(node, codes, "every country once")


def _each_once(node: Node, texts: list[str], allowed: str) -> tuple[str, ...]:
    for index, (item, text) in enumerate(zip(node.items(), texts, strict=True)):
        if texts.index(text) < index:
            node.mistakes.note(item.place, f"{shown(text)} again", allowed)
    return tuple(dict.fromkeys(texts))


def _age_bands(top: Table, languages: tuple[str, ...]) -> tuple[Text, Text, Text]:
    def read(node: Node) -> tuple[Text, Text, Text]:
        band = values.text(languages, AGE_BAND_MAX)
        bands = [item.read(band, values.NO_TEXT) for item in node.items()]
        if len(bands) != AGE_BANDS:
            raise node.wrong(f'a list of exactly {AGE_BANDS} texts, like ["≤ 24", "25–39", "≥ 40"]')
        return bands[0], bands[1], bands[2]

    young, middle, old = (dict.fromkeys(languages, band) for band in AGE_BANDS_DEFAULT)
    return top.take("age_bands", read, (young, middle, old))
