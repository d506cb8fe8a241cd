"""Deliberate bugs: they prove that the checkers of the simulation can fail.

`python -m sim --bug list` lists them, `python -m sim --bug NAME` shows how one is found; the table
stands in docs/internals/bugs.md. To add one, write a function in the family's file, with the name,
the place, the invariants that must find it, and the nights in which it can show itself.
"""

from __future__ import annotations

from sim.bugs import counting, gate, journal, mirrors, results, stage
from sim.bugs.bug import BUGS, Bug, Nights

__all__ = ["BUGS", "Bug", "Nights"]

FAMILIES = (journal, mirrors, gate, counting, results, stage)
