"""Memory and queues are bounded, whatever happens."""

from __future__ import annotations

from sim.checkers import Violation


class Bounds:
    """`limits`: the most that each measure may be."""

    def __init__(self, limits: dict[str, int]) -> None:
        self.limits = limits
        self.highest = dict.fromkeys(limits, 0)

    def measure(self, whose: str, **found: int) -> None:
        for name, value in found.items():
            self.highest[name] = max(self.highest[name], value)
            if value > self.limits[name]:
                raise Violation(
                    "queues and memory are bounded",
                    f"{whose}: {name.replace('_', ' ')} is {value}, at most {self.limits[name]}",
                )
