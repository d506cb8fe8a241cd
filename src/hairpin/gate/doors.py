"""What all connections of one gate process share: the queue, the replies, tickets and limits."""

from __future__ import annotations

from collections import Counter
from email.utils import formatdate
from http import HTTPStatus
from typing import Protocol

from hairpin.country import INDEX
from hairpin.gate.commit import Committer
from hairpin.gate.general import Application
from hairpin.gate.http import HeaderBlocks, Replies
from hairpin.gate.leases import Leases
from hairpin.gate.limits import Addresses, JoinLimit
from hairpin.messages import Document, OrderState
from hairpin.order import State, poll_after_ms
from hairpin.ticket import TicketKey, claim_code, issue
from hairpin.world import Clock

SPREAD_MS = 1_500
"""Phones spread each poll over this time."""


class Entrant(Protocol):
    def tend(self, now_ms: float) -> None: ...
    def drain(self) -> None: ...


class Doors:
    """State of one gate process that requests meet."""

    def __init__(
        self,
        clock: Clock,
        key: TicketKey,
        answers: Committer,
        leases: Leases,
        addresses: Addresses,
        limit: JoinLimit,
        connections_max: int,
    ) -> None:
        self.clock = clock
        self.key = key
        self.answers = answers
        self.leases = leases
        self.addresses = addresses
        self._limit = limit
        self._connections_max = connections_max
        self.pages: Application
        self.blocks = HeaderBlocks()
        self.connections: set[Entrant] = set()
        self.requests: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.tickets = 0
        self.order: OrderState | None = None
        self.documents: dict[str, Document] = {}
        self.replies: Replies
        self.tick()

    def enter(self, connection: Entrant) -> bool:
        if len(self.connections) >= self._connections_max:
            self.refused["connections"] += 1
            return False
        self.connections.add(connection)
        return True

    def leave(self, connection: Entrant) -> None:
        self.connections.discard(connection)

    def count(self, request: str) -> None:
        self.requests[request] += 1

    def refuse(self, status: HTTPStatus) -> None:
        self.refused[f"http {status.value}"] += 1

    def tick(self) -> None:
        """Once a second, and when the order changes: replies with the new Date and `/now`."""
        now_ms = self.clock.now_ms()
        replies = Replies(formatdate(now_ms / 1000, usegmt=True).encode())
        order = self.order
        if order is None:
            replies.now = replies.by_status[HTTPStatus.SERVICE_UNAVAILABLE]
            replies.now_unchanged = replies.now
        else:
            replies.set_now(*now_document(order, now_ms))
        self.replies = replies

    def set_order(self, order: OrderState) -> None:
        self.order = order
        self.documents = {document.path: document for document in order.documents}
        self.tick()

    def join(self, who: bytes, peer: str, forwarded_for: bytes) -> tuple[str, str] | int:
        """Issue a ticket to `<band><country>`; (ticket, claim code), or the status that says why
        not."""
        band = who[0] - ord("0")
        country = INDEX.get(who[1:].decode("latin-1"))
        if not 0 <= band <= 2 or country is None:
            self.refused["join no such place"] += 1
            return HTTPStatus.NOT_FOUND
        address = self.addresses.client(peer, forwarded_for)
        if not self.addresses.unlimited(address) and not self._limit.take(
            address, self.clock.monotonic_ms()
        ):
            self.refused["join too many"] += 1
            return HTTPStatus.TOO_MANY_REQUESTS
        fans = self.leases.take(1)
        if not fans:
            self.refused["join no numbers"] += 1
            return HTTPStatus.SERVICE_UNAVAILABLE
        self.tickets += 1
        fan = fans[0]
        code = claim_code(self.key.claim, fan, band, country)
        return issue(fan, band, country, self.key), code


def now_document(order: OrderState, now_ms: int) -> tuple[bytes, bytes]:
    """`GET /now` of this moment: body and ETag. The state's JSON gets its time fields added."""
    poll = order.poll
    state = State(poll.state) if poll.state else None
    after = poll_after_ms(now_ms, state, poll.closes_ms, poll.next_ms, poll.reveal_ms)
    times = b',"now":%d,"poll_after_ms":%d,"spread_ms":%d}' % (now_ms, after, SPREAD_MS)
    return order.now.rstrip()[:-1] + times, b'"%d"' % order.version
