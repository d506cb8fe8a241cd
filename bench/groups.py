"""All groups, in the order in which they are run."""

from __future__ import annotations

from bench.counting.plan import PLAN as COUNTING
from bench.counting.tally import PLAN as TALLY
from bench.fanout.plan import PLAN as FANOUT
from bench.http.handshake import PLAN as HANDSHAKE
from bench.http.overload import PLANS as OVERLOAD
from bench.http.plans import PLANS as HTTP
from bench.journal.plan import PLAN as JOURNAL
from bench.rounds import Plan


def plans() -> tuple[Plan, ...]:
    return (*HTTP, *OVERLOAD, HANDSHAKE, COUNTING, TALLY, FANOUT, JOURNAL)
