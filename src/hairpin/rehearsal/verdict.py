"""Go or no-go: one table of rules over what a rehearsal found. Pure.

Each rule looks at one thing and yields the limit that was hit, with the number found, the number
needed, and what would lift it. No limit: go. A limit that only says that the rehearsal proved
nothing makes it *inconclusive*, which is no-go, too: not having failed is not having held.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import msgspec

from hairpin.rehearsal.findings import Findings

JOINED_SHARE = 0.995
"""Of the high estimate. In a crowd like a real one some come only to leave."""
REACHED_SHARE = 0.98
"""Of the target in the busiest second. The rest is what a random arrival may miss it by."""
ANSWER_P999_MS = 250.0
"""One in a thousand may wait longer for its acknowledgement: a blink, so that nobody taps twice."""
JOIN_P999_MS = 1_000.0
"""Joining happens once, and a second is what people wait for a page."""
WALL_LAG_P99_MS = 1_000.0
"""What stands on the big screen is at most this old."""
GIVEN_UP_SHARE = 0.001
"""Of the fans' answers. Networks as bad as the crowd's lose some, whatever the node does."""
BEHIND_P99_MS = 100.0
"""A crowd that is later than this against its own plan did not send the burst it promises."""
HEADROOM = 0.7
"""The share of a core's capacity that planning fills: latency holds up to there."""


class Need(msgspec.Struct, frozen=True):
    """What the show and its configuration ask of a rehearsal."""

    fans: int
    """The high estimate of the audience."""
    questions: int
    shortest_s: float | None
    """The shortest time that a question is open; None where all are closed by hand."""
    public_url: str
    """What phones will open, if something stands in front; else empty."""


class Limit(msgspec.Struct, frozen=True):
    """One thing that was not good enough."""

    rule: str
    found: str
    needed: str
    lift: str
    inconclusive: bool = False
    """It does not show that the node is too small, but that this rehearsal cannot tell."""


class Verdict(msgspec.Struct, frozen=True):
    go: bool
    limits: tuple[Limit, ...]

    @property
    def word(self) -> str:
        return "go" if self.go else "no-go"

    @property
    def summary(self) -> str:
        """One sentence."""
        if self.go:
            return "Every rule held: this show may be armed."
        hit = ", ".join(limit.rule for limit in self.limits)
        if all(limit.inconclusive for limit in self.limits):
            return f"Inconclusive, which is no-go: {hit}."
        return f"{len(self.limits)} limit{'s' if len(self.limits) > 1 else ''} hit: {hit}."


Check = Callable[[Findings, Need], Iterator[Limit]]


def judge(found: Findings, need: Need) -> Verdict:
    limits = tuple(limit for _, _, check in RULES for limit in check(found, need))
    return Verdict(not limits, limits)


def _ledger(found: Findings, _: Need) -> Iterator[Limit]:
    ledger = found.ledger
    if not ledger.balanced:
        first = ledger.problems[0] if ledger.problems else "no reason given"
        yield Limit(
            "ledger",
            f"it does not balance: {first}",
            "journalled = counted + repeats; acknowledged in counted; counted in sent",
            "Nothing: this is a defect, or a damaged disk. Keep the data directory, run "
            "`hairpin recount` on it, and report what it says.",
        )
    elif ledger.checked != "full":
        yield Limit(
            "ledger",
            "only the crowd's own side was checked",
            "journal and crowd compared as sets",
            "Rehearse where the node's data directory can be read.",
            inconclusive=True,
        )


def _forged(found: Findings, _: Need) -> Iterator[Limit]:
    if found.forged_accepted:
        yield Limit(
            "forged answers",
            f"{found.forged_accepted:,} of {found.forged:,} were acknowledged",
            "none",
            "Nothing: this is a defect. Do not run the show on this version.",
        )


def _fans(found: Findings, need: Need) -> Iterator[Limit]:
    if found.fans < need.fans * JOINED_SHARE:
        yield Limit(
            "fans",
            f"{found.fans:,} joined",
            f"{JOINED_SHARE:.1%} of {need.fans:,}, the high estimate",
            f"Rehearse with --fans {need.fans}, or correct the estimate in the show file.",
        )


def _questions(found: Findings, need: Need) -> Iterator[Limit]:
    if found.questions < need.questions:
        yield Limit(
            "questions",
            f"{found.questions} rehearsed",
            f"all {need.questions}",
            "Let the rehearsal run to its end.",
        )


def _window(found: Findings, need: Need) -> Iterator[Limit]:
    if need.shortest_s is not None and found.window_s > need.shortest_s:
        yield Limit(
            "window",
            f"answers spread over {found.window_s:g} s",
            f"at most {need.shortest_s:g} s, the shortest time that a question is open",
            f"Rehearse with --window {need.shortest_s:g} or less.",
        )


def _front(found: Findings, need: Need) -> Iterator[Limit]:
    if need.public_url and found.url.rstrip("/") != need.public_url.rstrip("/"):
        yield Limit(
            "front door",
            f"the crowd went through {found.url}",
            f"{need.public_url}, which phones will open",
            f"Rehearse with --url {need.public_url}.",
        )


def _generator(found: Findings, _: Need) -> Iterator[Limit]:
    crowd = found.generator
    if crowd.behind_ms_p99 > BEHIND_P99_MS:
        lift = "Give the crowd a machine of its own, or more generator processes."
        if not crowd.same_machine:
            lift = "Give the crowd more cores and more generator processes."
        yield Limit(
            "generator",
            f"requests left {crowd.behind_ms_p99:,.0f} ms late (p99)",
            f"at most {BEHIND_P99_MS:g} ms",
            f"{lift} Its own lateness hides how the node behaves at the full rate.",
            inconclusive=True,
        )


def _rates(found: Findings, _: Need) -> Iterator[Limit]:
    if found.rate("answers") is None:
        yield Limit("answers", "no answers were sent", "a burst", "Rehearse again.", True)
    for rate in found.rates:
        if rate.reached_per_s < rate.target_per_s * REACHED_SHARE:
            yield Limit(
                f"{rate.kind} per second",
                f"{rate.reached_per_s:,.0f}/s reached",
                f"{rate.target_per_s:,.0f}/s, of which {REACHED_SHARE:.0%} must be reached",
                _more(found),
            )


def _latency(found: Findings, _: Need) -> Iterator[Limit]:
    for kind, name, allowed_ms in (
        ("answers", "acknowledgement", ANSWER_P999_MS),
        ("joins", "join", JOIN_P999_MS),
    ):
        latency = found.latency(kind)
        if latency is not None and latency.p999_ms > allowed_ms:
            yield Limit(
                f"latency of {kind}",
                f"{name} after {latency.p999_ms:,.0f} ms (p99.9)",
                f"at most {allowed_ms:,.0f} ms",
                _more(found),
            )


def _refused(found: Findings, _: Need) -> Iterator[Limit]:
    for name, refused in (("answers", found.refused_honest), ("joins", found.joins_refused)):
        if sum(refused.values()):
            reasons = ", ".join(f"{why} {times:,}" for why, times in sorted(refused.items()))
            yield Limit(
                f"honest {name} refused",
                reasons,
                "none",
                " ".join(_REFUSED.get(why, "Look at this reason.") for why in sorted(refused)),
            )


_REFUSED = {
    "overloaded": "Overloaded: more gates or cores, a faster disk, or a larger queue_max.",
    "too_many": "Too many: let the crowd's and the venue's addresses join with join_allow, or "
    "raise join_burst and join_per_s.",
    "closed": "Closed: answers arrived too late; give the questions more time, or the gates more "
    "cores.",
    "not_open": "Not open: phones were told later than they asked; look at the node's clock.",
    "bad_ticket": "Bad ticket: gates disagree about keys, or a proxy changes addresses.",
}


def _given_up(found: Findings, _: Need) -> Iterator[Limit]:
    answers = found.ledger.sent
    if found.given_up > answers * GIVEN_UP_SHARE:
        yield Limit(
            "answers given up",
            f"{found.given_up:,} never got through",
            f"at most {GIVEN_UP_SHARE:.1%} of {answers:,}",
            _more(found),
        )


def _wall(found: Findings, _: Need) -> Iterator[Limit]:
    lag = found.wall_lag_p99_ms
    if lag is None:
        yield Limit("wall", "nobody watched it", "a lag", "Let a wall be watched.", True)
    elif lag > WALL_LAG_P99_MS:
        yield Limit(
            "wall",
            f"{lag:,.0f} ms old (p99)",
            f"at most {WALL_LAG_P99_MS:,.0f} ms",
            "Leave a core to the stage: fewer gates than cores, or a machine with more of them.",
        )


RULES: tuple[tuple[str, str, Check], ...] = (
    ("ledger", "What was acknowledged is counted, once, for anyone who counts again.", _ledger),
    ("forged answers", "A wrong ticket never counts.", _forged),
    ("fans", "The high estimate came.", _fans),
    ("questions", "The whole running order was gone through.", _questions),
    ("window", "The burst was as short as the shortest question.", _window),
    ("front door", "The crowd took the way that phones will take.", _front),
    ("generator", "The crowd kept its own times; else nothing is proved.", _generator),
    (
        "rates",
        f"Answers, joins and /now each reach {REACHED_SHARE:.0%} of the busiest second.",
        _rates,
    ),
    (
        "latency",
        f"p99.9: answers within {ANSWER_P999_MS:g} ms, joins within {JOIN_P999_MS:g} ms.",
        _latency,
    ),
    ("refusals", "No honest and timely phone is refused for good.", _refused),
    (
        "answers given up",
        f"At most {GIVEN_UP_SHARE:.1%} of answers never get through.",
        _given_up,
    ),
    ("wall", f"The wall is at most {WALL_LAG_P99_MS:g} ms behind (p99).", _wall),
)
"""Name, what it asks, and the check; the order is that of the certificate."""


def cores_needed(found: Findings) -> int | None:
    """Cores for gates at the target rate of answers; None where no capacity was measured."""
    rate, capacity = found.rate("answers"), found.gate.capacity_answers_per_s_per_core
    if rate is None or not capacity:
        return None
    return max(1, math.ceil(rate.target_per_s / (capacity * HEADROOM)))


def _more(found: Findings) -> str:
    """What to add where the node did not keep up, from the measured capacity."""
    cores, gate = cores_needed(found), found.gate
    if cores is None:
        return "More cores and gates; which of them is short was not measured."
    capacity = f"{gate.capacity_answers_per_s_per_core:,.0f} answers/s"
    if cores > gate.gates:
        return f"{cores} cores for gates, with --gates {cores}: one core took {capacity} here."
    shared = " The crowd took cores from it: give it another machine."
    return (
        f"{gate.gates} gates suffice, at {capacity} per core, if each has a core of its own."
        f"{shared if found.generator.same_machine else ''}"
    )
