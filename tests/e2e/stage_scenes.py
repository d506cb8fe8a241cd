"""Scenes of a made-up night for the fake private listener: 20,000 answers from 60 countries.

Every count is drawn from a seed, so that a test can compare what a page shows with what was sent.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from typing import Any

Event = dict[str, Any]
ANSWERS = 20_000
DURATION_MS = 20_000
SHOWN = 2  # the index of the question on show
RIGHT = 1  # of its choices
CODES = (
    "US BR GB FR DE JP MX ES IT CA AU NL PL SE AR TR IN KR ID ZA BE PT CH AT NO DK FI IE CZ GR "
    "CL CO PE UY NZ PH TH VN MY SG IL EG MA TN NG KE GH SN UA RO HU HR RS BG LT IS EE CU JM DO"
)
COUNTRIES = CODES.split()
QUESTIONS: list[tuple[str, str, list[str]]] = [
    (
        "Which city opened the first public opera house?",
        "Dans quelle ville a ouvert le premier opéra public ?",
        ["Vienna", "Venice", "Paris", "Prague"],
    ),
    (
        "How many strings does a concert harp have?",
        "Combien de cordes a une harpe de concert ?",
        ["32", "41", "47", "52"],
    ),
    (
        "Which instrument plays the swan in “The Carnival of the Animals”?",
        "Quel instrument joue le cygne dans « Le Carnaval des animaux » ?",
        ["Clarinet", "Cello", "Flute", "Horn"],
    ),
    (
        "What does the sign < > under a staff ask of the players?",
        "Que demande le signe < > sous une portée ?",
        ["Faster, then slower", "Louder, then softer", "Higher, then lower", "Repeat twice"],
    ),
    (
        "Which of these were written by women?",
        "Lesquelles de ces œuvres sont de compositrices ?",
        ["Gaelic Symphony", "The Wreckers", "Boléro", "D’un matin de printemps", "Finlandia"],
    ),
    (
        "Which song should close the night?",
        "Quelle chanson doit finir la soirée ?",
        ["The slow one", "The loud one", "The one from the first album"],
    ),
    (
        "In which year was the first concert sent live by satellite?",
        "En quelle année le premier concert en direct par satellite ?",
        ["1957", "1962", "1967", "1973"],
    ),
]
SHOW: Event = {
    "show": "first-light",
    "title": {"en": "First Light", "fr": "Première lumière"},
    "languages": ["en", "fr"],
    "age_bands": [
        {"en": "under 25", "fr": "moins de 25 ans"},
        {"en": "25 to 44", "fr": "25 à 44 ans"},
        {"en": "45 and over", "fr": "45 ans et plus"},
    ],
    "countries": COUNTRIES,
    "accent": "#ff8a3d",
    "questions": len(QUESTIONS),
    "allowance_ms": 2000,
    "floor_ms": 300,
    "join_url": "https://firstlight.example",
}


def scene(name: str, now: int) -> dict[str, dict[str, Event]]:
    """Events of both streams for one of SCENES; times are around `now`."""
    if name not in SCENES:
        raise KeyError(f"no scene {name!r}; there are: {', '.join(SCENES)}")
    state, at_ms = SCENES[name]
    order = _order(name, state, now, at_ms)
    answers = _answered(at_ms) if state == "open" else ANSWERS
    counts = _counts(name, state, 0 if state == "waiting" else answers)
    tally = _tally(name, state, now, at_ms, counts)
    wall = dict(tally, question=_censored(counts, state))
    for hidden in ("gates", "refused", "acknowledged"):
        del wall[hidden]
    public = {
        key: value
        for key, value in order.items()
        if key not in ("upcoming", "mode", "armed", "permission", "claims")
    }
    return {
        "wall": {"show": SHOW, "order": public, "tally": wall},
        "console": {"show": SHOW, "order": order, "tally": tally},
    }


# name: state of the running order, ms since the opening of the question on show
SCENES: dict[str, tuple[str, int]] = {
    "waiting": ("waiting", 0),
    "early": ("open", 2_600),
    "open": ("open", 9_000),
    "late": ("open", 16_200),
    "closed": ("closed", 21_000),
    "revealed": ("revealed", 28_000),
    "final": ("revealed", 30_000),
    "corrected": ("revealed", 60_000),
    "poll": ("revealed", 31_000),
    "void": ("void", 40_000),
    "clock": ("revealed", 33_000),
    "held": ("revealed", 34_000),
    "over": ("over", 70_000),
    "winner": ("over", 90_000),
}


def move(order: Event, index: int, state: str, now: int) -> None:
    """One question of an `order` event takes a step, as the director would tell it."""
    cue = order["upcoming"][index]
    cue["state"] = state
    if state == "open":
        cue["opened_at"], cue["closes_at"] = now, now + DURATION_MS
        order["question"] = _question(index, now)
    elif state == "closed":
        cue["closes_at"] = order["question"]["closes_at"] = now
    order["state"] = state
    order["version"] += 1


def hold(order: Event, held: bool) -> None:
    """The clock of an `order` event is held, or armed again, as the director would tell it."""
    dues = [cue["due_at"] for cue in order["upcoming"] if cue["state"] == "waiting"]
    order["armed"] = not held
    order["next_at"] = None if held else min(dues)
    order["version"] += 1


def _order(name: str, state: str, now: int, at_ms: int) -> Event:
    opened = now - at_ms
    revealed = state in ("revealed", "over")
    poll = name == "poll"
    upcoming = [_cue(i, state, now, opened) for i in range(len(QUESTIONS))]
    for cue in upcoming:
        cue["told"] = _told(cue, name)
    told = [cue["told"] for cue in upcoming if cue["told"]]
    question = None if state == "waiting" else _question(SHOWN, opened, poll)
    return {
        "version": 17,
        "show": "first-light",
        "state": state,
        "question": question,
        "result": {
            "right": 0 if poll else 1 << RIGHT,
            "explanation": {
                "en": "Saint-Saëns allowed only this movement to be played while he lived.",
                "fr": "De son vivant, Saint-Saëns n’a laissé jouer que ce mouvement.",
            },
            "by_choice": [],
            "answers": ANSWERS,
            "status": "final",
            "version": 1,
            "head": upcoming[SHOWN]["told"] and upcoming[SHOWN]["told"]["head"],
        }
        if revealed
        else None,
        "past": [
            {"index": i, "state": "revealed", "right": 2, "multiple": False, "poll": False}
            for i in range(SHOWN)
        ],
        "next_at": None if state == "over" or name == "held" else now + 252_000,
        "contenders": {"deadline_at": now + 300_000, "fans": [4711], "reserves": []}
        if name in ("over", "winner")
        else None,
        "winners": [
            {"rank": 1, "fan": 4711, "name": "Amélie Moreau"},
            {"rank": 2, "fan": 17022, "name": "Kenji"},
            {"rank": 3, "fan": 391, "name": "Lucía F."},
        ]
        if name == "winner"
        else [],
        "word": None,
        "told": max(told, key=lambda one: one["at"], default=None),
        "now": now,
        "mode": "clock" if name in ("clock", "held") else "hand",
        "armed": name != "held",
        "permission": _permission("override" if name == "held" else "certificate"),
        "upcoming": upcoming,
        "claims": _claims() if state == "over" else [],
    }


def _permission(grounds: str) -> dict[str, Any]:
    override = grounds == "override"
    return {
        "grounds": grounds,
        "certificate": "" if override else "5b0c1d9a77e2",
        "certified_ms": None if override else 1_795_463_101_000,
        "reason": "the <b>sponsor</b> insists" if override else "",
        "lacking": "setting gates: found 4; allowed: 2, as rehearsed" if override else "",
    }


def _text(english: str, french: str) -> dict[str, str]:
    return {"en": english, "fr": french}


def _question(index: int, opened: int, poll: bool = False) -> Event:
    english, french, choices = QUESTIONS[index]
    return {
        "index": index,
        "of": len(QUESTIONS),
        "id": f"q{index + 1}",
        "text": _text(english, french),
        "image": None,
        "multiple": False,
        "poll": poll,
        "choices": [{"text": {"en": choice}, "image": None} for choice in choices],
        "opened_at": opened,
        "closes_at": opened + DURATION_MS,
    }


def _cue(index: int, state: str, now: int, opened: int) -> Event:
    english, french, choices = QUESTIONS[index]
    own = "revealed" if index < SHOWN or state == "over" else "waiting"
    if index == SHOWN and state not in ("waiting", "over"):
        own = state
    started = own != "waiting"
    at = opened - (SHOWN - index) * 600_000
    return {
        "index": index,
        "id": f"q{index + 1}",
        "text": _text(english, french),
        "state": own,
        "due_at": now + 252_000 + (index - SHOWN - 1) * 600_000 if not started else at,
        "opened_at": at if started else None,
        "closes_at": at + DURATION_MS if started else None,
        "right": 1 << RIGHT,
        "multiple": index == 4,
        "choices": [{"text": {"en": choice}, "image": None} for choice in choices],
    }


def head_of(index: int) -> str:
    """The head that is published with a question's result."""
    return f"{0x9E3779B97F4A7C15F39CC0605CEDC835 * (index + 1) % (1 << 128):032x}"


def _told(cue: Event, name: str) -> Event | None:
    """In the scene `revealed` the result is not final yet, and has no head."""
    provisional = name == "revealed" and cue["index"] == SHOWN
    if cue["state"] != "revealed" or provisional:
        return None
    index = cue["index"]
    version = 2 if name == "corrected" and index == SHOWN else 1
    at = cue["opened_at"] + DURATION_MS + 900
    return {"index": index, "version": version, "at": at, "head": head_of(index)}


def _answered(at_ms: float) -> int:
    """Most people answer soon after the opening, some long after it."""
    if at_ms <= 250:
        return 0
    share = 0.5 * (1 + math.erf((math.log((at_ms - 250) / 4600)) / (0.62 * math.sqrt(2))))
    late = 0.07 * math.exp(-(((at_ms - 13_500) / 1_900) ** 2))
    return int(ANSWERS * min(1.0, share * 0.98 + late * 0.15))


def history(at_ms: int) -> list[list[int]]:
    end = min(at_ms, DURATION_MS)
    steps = max(1, min(119, end // 150))
    return [[end * i // steps, _answered(end * i / steps)] for i in range(steps + 1)]


def _counts(name: str, state: str, answers: int) -> Event:
    dice = random.Random(2014)
    weights = [1 / (place + 2) ** 0.8 for place in range(len(COUNTRIES))]
    skill = {code: dice.uniform(0.42, 0.86) for code in COUNTRIES}
    band_skill = (-0.09, 0.02, 0.08)
    by_choice: Counter[int] = Counter()
    bands = [Counter[str]() for _ in range(3)]
    countries: dict[str, Counter[str]] = {}
    for _ in range(answers):
        code = dice.choices(COUNTRIES, weights)[0]
        band = dice.choices((0, 1, 2), (5, 4, 2))[0]
        right = dice.random() < skill[code] + band_skill[band]
        by_choice[RIGHT if right else dice.choice((0, 2, 2, 3))] += 1
        for cell in (bands[band], countries.setdefault(code, Counter())):
            cell["answers"] += 1
            cell["right"] += right
    shares = {
        code: cell["right"] / cell["answers"]
        for code, cell in countries.items()
        if cell["answers"] >= 100
    }
    best = max(shares, key=lambda code: shares[code]) if shares else None
    corrected = name == "corrected"
    return {
        "index": SHOWN,
        "id": f"q{SHOWN + 1}",
        "status": {"open": "counting", "closed": "provisional", "void": "void"}.get(
            state, "provisional" if name == "revealed" else "final"
        ),
        "version": 2 if corrected else 1,
        "reason": "the cello part, not the clarinet’s" if corrected else "",
        "missing": [],
        "journalled": answers + 312,
        "repeats": 312,
        "answers": answers,
        "by_choice": [by_choice[i] for i in range(4)],
        "by_age_band": [{"answers": cell["answers"], "right": cell["right"]} for cell in bands],
        "by_country": {
            code: {"answers": c["answers"], "right": c["right"]} for code, c in countries.items()
        },
        "right": by_choice[RIGHT],
        "wrong": answers - by_choice[RIGHT],
        "best_country": best
        and {
            "country": best,
            "right": countries[best]["right"],
            "answers": countries[best]["answers"],
        },
    }


def _censored(counts: Event, state: str) -> Event | None:
    """What the wall may know in this state."""
    if state == "waiting":
        return None
    told = dict(counts)
    if state not in ("revealed", "over"):
        told |= {"right": None, "wrong": None, "best_country": None}
        if state == "open":
            told |= {"by_choice": None, "by_age_band": None, "by_country": None}
    return told


def _tally(name: str, state: str, now: int, at_ms: int, counts: Event) -> Event:
    before = [
        dict(counts, index=i, id=f"q{i + 1}", answers=19_000 + i, status="final")
        for i in range(SHOWN)
    ]
    waiting = state == "waiting"
    rate = (_answered(at_ms) - _answered(at_ms - 1000)) if state == "open" else 0
    return {
        "at": now,
        "oldest_at": now - 180 if state == "open" else None,
        "answers_per_s": float(rate),
        "journalled": 0 if waiting else 58_311 + counts["answers"],
        "counted": 0 if waiting else 57_402 + counts["answers"],
        "repeats": 0 if waiting else 909,
        "fans": 0 if waiting else 19_684,
        "head": "5e1f0c6a9b2d4478",
        "question": None if waiting else counts,
        "questions": [] if waiting else [*before, counts],
        "leaders": _leaders(name) if not waiting else [],
        "more": 3,
        "rate_history": [] if waiting else history(at_ms),
        "gates": [_gate(1, now), _gate(2, now)],
        "refused": {"late": 412, "repeat_too_fast": 18, "bad_ticket": 96} if not waiting else {},
        "acknowledged": 0 if waiting else 58_305 + counts["answers"],
    }


def _leaders(name: str) -> list[Event]:
    fans = [4711, 17022, 391, 8820, 12345, 19004, 7, 15571, 2208, 10110]
    countries = ["FR", "JP", "AR", "GB", "BR", "DE", "US", "KR", "SE", "ZA"]
    names = {4711: "Amélie Moreau", 17022: "Kenji", 391: "Lucía F."} if name == "winner" else {}
    ranks = [1, 2, 3, 4, 4, 6, 7, 8, 9, 10]
    return [
        {
            "rank": ranks[i],
            "fan": fan,
            "right": 7 if i < 8 else 6,
            "total_ms": 9_412 + ranks[i] * 337,
            "country": countries[i],
            "age_band": i % 3,
            "tied": 2 if ranks[i] == 4 else 4 if i == 9 else 1,
            "name": names.get(fan),
        }
        for i, fan in enumerate(fans)
    ]


def _claims() -> list[Event]:
    statuses = ["claimed", "claimed", "open", "struck"]
    names = ["Amélie Moreau", "Kenji", None, "Robot 9000"]
    return [
        {
            "fan": leader["fan"],
            "rank": leader["rank"],
            "right": leader["right"],
            "total_ms": leader["total_ms"],
            "name": names[i],
            "status": statuses[i],
            "clocks": [
                {"index": q, "received_ms": 1_400 + 90 * q + 10 * i, "elapsed_ms": 1_180 + 80 * q}
                for q in range(len(QUESTIONS))
            ],
        }
        for i, leader in enumerate(_leaders("over")[:4])
    ]


def _gate(number: int, now: int) -> Event:
    return {
        "incarnation": number,
        "at_ms": now,
        "pid": 4100 + number,
        "cpu_s": 12.5,
        "connections": 260 - number,
        "acknowledged": 29_000 + number,
        "refused": {},
        "tickets": 10_000,
        "requests": {},
        "commits": 900,
        "commit_ms_p50": 1.8 + number / 10,
        "commit_ms_p99": 6.4,
        "latency_ms_p50": 3.1,
        "latency_ms_p99": 14.0,
        "journal_error": None,
    }
