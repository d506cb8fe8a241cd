"""Deliberate bugs: they prove that the checkers of the simulation can fail.

`python -m sim --bug list` lists them, `python -m sim --bug NAME` shows how one is found; the table
stands in docs/internals/bugs.md. To add one, write a function in the family's file, with the name,
the place, the invariants that must find it, and the nights in which it can show itself.
"""

from __future__ import annotations

import sim.bugs.counting
import sim.bugs.gate
import sim.bugs.journal
import sim.bugs.mirrors
import sim.bugs.results
import sim.bugs.stage  # noqa: F401  # each of them adds its bugs
from sim.bugs.bug import BUGS, Bug, Nights
from sim.bugs.hunt import Find, hunt

__all__ = ["BUGS", "Bug", "Find", "Nights", "hunt"]
