"""Who may claim: places, reserves and the deadline. Pure; time arrives as an argument.

A place becomes free when a contender is struck or lets the deadline pass without claiming: the next
reserve moves up, and all who may claim get a new deadline, as long as the first one was.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from hairpin.messages import Announced

UNDECIDED_KEPT_MS = 24 * 3_600_000
"""How long after the deadline a claimed name waits for the producer."""


class Status(StrEnum):
    RESERVE = "reserve"
    OPEN = "open"
    CLAIMED = "claimed"
    APPROVED = "approved"
    STRUCK = "struck"
    MISSED = "missed"


HOLDS_A_PLACE = frozenset({Status.OPEN, Status.CLAIMED, Status.APPROVED})


class Contender(msgspec.Struct, frozen=True):
    fan: int
    rank: int
    status: Status
    name: str | None = None


class Claims(msgspec.Struct, frozen=True):
    """The content of the file. `announced` says which announcement it is about."""

    announced: Announced
    deadline_ms: int
    """In force for all who may claim now."""
    contenders: tuple[Contender, ...]
    """In the order of the announcement, reserves last."""

    @property
    def window_ms(self) -> int:
        return self.announced.deadline_ms - self.announced.at_ms

    def find(self, fan: int) -> Contender | None:
        return next((one for one in self.contenders if one.fan == fan), None)

    def struck(self, contender: Contender, at_ms: int) -> Claims:
        """Without this contender and the name."""
        struck = msgspec.structs.replace(contender, status=Status.STRUCK, name=None)
        return self.replacing(struck).moved_up(at_ms)

    def expired(self, now_ms: int) -> Claims:
        """After the passing of time.

        Who has not claimed has missed the deadline, and reserves move up; not, however, when
        nobody looked for more than a whole window after it: then nobody is waiting any more.
        """
        late_ms = now_ms - self.deadline_ms
        if late_ms <= 0:
            return self
        claims = self
        for contender in self.contenders:
            undecided = contender.status is Status.CLAIMED and late_ms > UNDECIDED_KEPT_MS
            if contender.status is Status.OPEN or undecided:
                missed = msgspec.structs.replace(contender, status=Status.MISSED, name=None)
                claims = claims.replacing(missed)
        return claims.moved_up(now_ms) if late_ms <= self.window_ms else claims

    def replacing(self, changed: Contender) -> Claims:
        contenders = tuple(changed if c.fan == changed.fan else c for c in self.contenders)
        return msgspec.structs.replace(self, contenders=contenders)

    def moved_up(self, now_ms: int) -> Claims:
        """Give free places to the next reserves."""
        free = len(self.announced.fans) - sum(c.status in HOLDS_A_PLACE for c in self.contenders)
        waiting = [c for c in self.contenders if c.status is Status.RESERVE]
        claims = self
        for reserve in waiting[: max(free, 0)]:
            claims = claims.replacing(msgspec.structs.replace(reserve, status=Status.OPEN))
        if claims is self:
            return self
        deadline_ms = max(self.deadline_ms, now_ms + self.window_ms)
        return msgspec.structs.replace(claims, deadline_ms=deadline_ms)


def first_claims(announced: Announced, ranks: Mapping[int, int], before: Claims | None) -> Claims:
    """What an announcement begins with; its fans keep what they claimed after an earlier one."""
    contenders = []
    for place, fan in enumerate((*announced.fans, *announced.reserves), start=1):
        rank = ranks.get(fan, place)
        known = before.find(fan) if before is not None else None
        if known is not None and known.status in (Status.CLAIMED, Status.APPROVED):
            contenders.append(msgspec.structs.replace(known, rank=rank))
        else:
            status = Status.OPEN if fan in announced.fans else Status.RESERVE
            contenders.append(Contender(fan, rank, status))
    return Claims(announced, announced.deadline_ms, tuple(contenders))
