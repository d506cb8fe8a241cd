"""The group `counting`: the same answers counted by this product and by nine other schemes."""

from __future__ import annotations

from collections.abc import Sequence

from bench.counting import memcached, postgres, valkeys
from bench.counting.answers import Answers
from bench.counting.jetstream import JetStream
from bench.counting.ours import Ours, OursVerified
from bench.counting.scheme import Counting, Scheme
from bench.counting.sqlite import Sqlite
from bench.report import Bound
from bench.rounds import Options, Plan

FANS = 10_000_000
ANSWERS = 4_000_000
FANS_QUICK = 1_000_000
ANSWERS_QUICK = 500_000

_INCR = "memcached, incr per answer"


def runners(options: Options) -> Sequence[Counting]:
    """What is compared; the quick run needs no server but memcached."""
    if options.quick:
        answers = Answers(ANSWERS_QUICK, FANS_QUICK)
        quick: list[Scheme] = [Ours(answers), memcached.PerAnswer(), Sqlite(1000)]
        return [Counting(scheme, answers) for scheme in quick]
    answers = Answers(ANSWERS, FANS)
    schemes: list[Scheme] = [
        Ours(answers),
        OursVerified(answers),
        memcached.PerAnswer(),
        memcached.Pipelined(),
        valkeys.PerAnswer(),
        valkeys.Pipelined(),
        valkeys.Scripted(),
        postgres.Insert(),
        postgres.Copy(),
        Sqlite(1),
        Sqlite(1000),
        JetStream(1000),
        JetStream(1),
    ]
    return [Counting(scheme, answers) for scheme in schemes]


PLAN = Plan(
    name="counting",
    title="CPU of both ends, one client process, no HTTP, totals verified",
    base="hairpin",
    unit="answer",
    runners=runners,
    bounds=(
        Bound(_INCR, "hairpin", at_least=60),
        Bound("memcached, 100 at once", "hairpin", at_least=4),
        Bound("Valkey, 100 at once", "hairpin", at_least=50),
    ),
    quick_bounds=(Bound(_INCR, "hairpin", at_least=10),),
)
