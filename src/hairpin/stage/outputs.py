"""Question, results and leaderboard as flat rows for broadcast graphics, and the QR code to join.

Pure. Rows are made from what the wall may show at this moment, so a graphic never knows more than
the wall. Every row of a kind has the same keys in the same order, whatever the state;
docs/broadcast.md explains them. An empty cell is null in JSON and an empty text in CSV and XML.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from xml.etree import ElementTree

import msgspec
import segno

from hairpin.order import State
from hairpin.show import CHOICES_MAX, Show, Text
from hairpin.stage.documents import Cue, Told
from hairpin.stage.events import ShownCell, ShownQuestion, TallyEvent

Value = str | int | float | None
Row = dict[str, Value]

QUESTION_KEYS = (
    *("show", "state", "number", "of", "id", "question", "image", "opened_at", "closes_at"),
    *("seconds_left", "answers", "answers_per_s", "status", "explanation"),
    *(
        f"{key}_{number}"
        for number in range(1, CHOICES_MAX + 1)
        for key in ("choice", "image", "count", "percent", "right")
    ),
    *("head", "head_number"),
)
RESULT_KEYS = (
    *("number", "id", "state", "status", "version", "group", "key", "label"),
    *("answers", "share_percent", "right", "right_percent", "is_right"),
    "head",
)
LEADER_KEYS = (
    *("rank", "tied", "fan", "name", "country", "age_band"),
    *("right", "total_ms", "seconds", "more"),
)

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def question_rows(
    show: Show,
    cue: Cue | None,
    tally: TallyEvent | None,
    language: str,
    now_ms: int,
    told: Told | None = None,
) -> list[Row]:
    """One row: the question on show; its texts are empty before the first one opens.

    `told`: the result that was told last, as `documents.last_told` gives it.
    """
    row: Row = dict.fromkeys(QUESTION_KEYS)
    row |= {"show": said(show, show.title, language), "of": len(show.questions)}
    row["state"] = State.WAITING if cue is None else cue.state
    if cue is None or cue.state is State.WAITING:
        return [row]
    left_ms = max(cue.closes_at - now_ms, 0) if cue.closes_at is not None else None
    explanation = show.questions[cue.index].explanation
    row |= {
        "number": cue.index + 1,
        "id": cue.id,
        "question": said(show, cue.text, language),
        "image": cue.image,
        "opened_at": cue.opened_at,
        "closes_at": cue.closes_at,
        "seconds_left": None if left_ms is None else -(-left_ms // 1000),
    }
    if explanation is not None and cue.state is State.REVEALED:
        row["explanation"] = said(show, explanation, language)
    shown = _shown(tally, cue.index)
    if tally is not None and shown is not None:
        row |= {
            "answers": shown.answers,
            "answers_per_s": round(tally.answers_per_s, 1),
            "status": shown.status,
        }
    for index, choice in enumerate(cue.choices):
        count = _choice_count(shown, index)
        row |= {
            f"choice_{index + 1}": said(show, choice.text, language),
            f"image_{index + 1}": choice.image,
            f"count_{index + 1}": count,
            f"percent_{index + 1}": _percent(count, shown.answers if shown else None),
            f"right_{index + 1}": _is_right(cue, index),
        }
    if told is not None:
        row |= {"head": told.head, "head_number": told.index + 1}
    return [row]


def result_rows(show: Show, cue: Cue | None, tally: TallyEvent | None, language: str) -> list[Row]:
    """All fans, the best country, then choices, age bands and countries of one question.

    No row before it opens. Countries come by number of answers, the largest first.
    """
    shown = None if cue is None else _shown(tally, cue.index)
    if cue is None or shown is None or cue.state is State.WAITING:
        return []
    rows = [_result(shown, cue, "all", "", "", ShownCell(shown.answers, shown.right))]
    best = shown.best_country
    code = "" if best is None else best.country
    cell = ShownCell(None, None) if best is None else ShownCell(best.answers, best.right)
    rows.append(_result(shown, cue, "best_country", code, code, cell))
    for index, choice in enumerate(cue.choices):
        label = said(show, choice.text, language)
        cell = ShownCell(_choice_count(shown, index), None)
        rows.append(_result(shown, cue, "choice", str(index + 1), label, cell))
        rows[-1]["is_right"] = _is_right(cue, index)
    for band, text in enumerate(show.age_bands):
        cell = shown.by_age_band[band] if shown.by_age_band else ShownCell(None, None)
        rows.append(_result(shown, cue, "age_band", str(band), said(show, text, language), cell))
    countries = sorted(
        (shown.by_country or {}).items(), key=lambda item: (-(item[1].answers or 0), item[0])
    )
    rows.extend(_result(shown, cue, "country", code, code, cell) for code, cell in countries)
    return rows


def leader_rows(show: Show, tally: TallyEvent | None, language: str) -> list[Row]:
    """The leaderboard that the wall shows, the first one first."""
    if tally is None:
        return []
    return [
        {
            "rank": leader.rank,
            "tied": leader.tied,
            "fan": leader.fan,
            "name": leader.name,
            "country": leader.country,
            "age_band": said(show, show.age_bands[leader.age_band], language),
            "right": leader.right,
            "total_ms": leader.total_ms,
            "seconds": round(leader.total_ms / 1000, 3),
            "more": tally.more,
        }
        for leader in tally.leaders
    ]


def said(show: Show, text: Text, language: str) -> str:
    """A text in this language, else in the show's first one."""
    return text.get(language) or text.get(show.languages[0]) or next(iter(text.values()), "")


def as_json(rows: Sequence[Row]) -> bytes:
    return msgspec.json.encode(rows)


def as_csv(keys: Sequence[str], rows: Sequence[Row]) -> bytes:
    """RFC 4180, UTF-8. A text that a spreadsheet would run as a formula gets a leading `'`."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(keys)
    writer.writerows([_harmless(row[key]) for key in keys] for row in rows)
    return out.getvalue().encode()


def as_xml(name: str, keys: Sequence[str], rows: Sequence[Row]) -> bytes:
    """`<name><row><key>...</key>...</row>...</name>`, UTF-8."""
    root = ElementTree.Element(name)
    for row in rows:
        line = ElementTree.SubElement(root, "row")
        for key in keys:
            value = row[key]
            text = "" if value is None else _NOT_IN_XML.sub("\ufffd", str(value))
            ElementTree.SubElement(line, key).text = text
    document: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return document


def join_svg(address: str) -> bytes:
    """QR code of the public address, black on white with its quiet zone, and no fixed size."""
    out = io.BytesIO()
    segno.make(address, error="m", micro=False).save(
        out, kind="svg", border=4, dark="#000", light="#fff", omitsize=True, xmldecl=False
    )
    return out.getvalue()


def _harmless(value: Value) -> Value:
    if isinstance(value, str) and value.startswith(_FORMULA_STARTS):
        return f"'{value}"
    return value


def _shown(tally: TallyEvent | None, index: int) -> ShownQuestion | None:
    if tally is None:
        return None
    return next((one for one in tally.questions if one.index == index), None)


def _choice_count(shown: ShownQuestion | None, index: int) -> int | None:
    return None if shown is None or shown.by_choice is None else shown.by_choice[index]


def _is_right(cue: Cue, index: int) -> int | None:
    return cue.right >> index & 1 if cue.state is State.REVEALED else None


def _percent(part: int | None, whole: int | None) -> float | None:
    return round(100 * part / whole, 1) if part is not None and whole else None


def _result(
    shown: ShownQuestion, cue: Cue, group: str, key: str, label: str, cell: ShownCell
) -> Row:
    return {
        "number": shown.index + 1,
        "id": shown.id,
        "state": cue.state,
        "status": shown.status,
        "version": shown.version,
        "group": group,
        "key": key,
        "label": label,
        "answers": cell.answers,
        "share_percent": _percent(cell.answers, shown.answers),
        "right": cell.right,
        "right_percent": _percent(cell.right, cell.answers),
        "is_right": None,
        "head": cue.told.head if cue.told and cue.state is State.REVEALED else None,
    }
