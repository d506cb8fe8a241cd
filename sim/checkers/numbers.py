"""Fan numbers are never given twice, neither in leases nor on tickets."""

from __future__ import annotations

from base64 import urlsafe_b64decode
from collections.abc import Mapping
from typing import Any

from sim.checkers import Violation


class Numbers:
    """Told every ticket that a phone got, and in the end all leases of the journal."""

    def __init__(self) -> None:
        self.tickets: dict[int, str] = {}
        self._leased: list[tuple[int, int]] = []

    def issue(self, ticket: str) -> None:
        """A phone has joined."""
        fan = fan_of(ticket)
        if fan in self.tickets:
            raise Violation("a fan number is given once", f"{fan} stands on two tickets")
        self.tickets[fan] = ticket

    def lease(self, record: Mapping[str, Any]) -> None:
        """A control record `leased`, as plain JSON."""
        first, after = int(record["first"]), int(record["first"]) + int(record["count"])
        for begin, end in self._leased:
            if first < end and begin < after:
                raise Violation(
                    "a fan number is leased once",
                    f"[{first}, {after}) was leased after [{begin}, {end})",
                )
        self._leased.append((first, after))

    def settle(self) -> None:
        """In the end: every number on a ticket was leased."""
        for fan in self.tickets:
            if not any(begin <= fan < end for begin, end in self._leased):
                raise Violation("only leased numbers are issued", f"{fan} was never leased")


def fan_of(ticket: str) -> int:
    """The number on a ticket: its first four bytes."""
    return int.from_bytes(urlsafe_b64decode(ticket)[:4], "little")
