"""What all connections of one gate process share: the queue, the replies, tickets and limits."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from email.utils import formatdate
from http import HTTPStatus
from typing import Protocol

import numpy as np
import numpy.typing as npt

from hairpin.country import INDEX
from hairpin.gate.commit import Committer
from hairpin.gate.general import Application
from hairpin.gate.http import HeaderBlocks, Replies
from hairpin.gate.leases import Leases
from hairpin.gate.limits import Address, Addresses, JoinLimit, parsed
from hairpin.gate.turnstile import Turnstile
from hairpin.messages import Document, OrderState
from hairpin.order import State, poll_after_ms
from hairpin.ticket import (
    CLAIM_CHARS,
    ENCODE,
    HEX_DIGITS,
    TICKET_CHARS,
    Bytes,
    TicketKey,
    write_claims,
    write_tickets,
)
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
        self._ticket_words, self._claim_words = key.words(), key.claim_words()
        self._key_tail = np.uint64(key.number << 16)
        self._limit = limit
        self._connections_max = connections_max
        self.pages: Application
        self.blocks = HeaderBlocks()
        self.turnstile = Turnstile()
        self.connections: dict[Entrant, None] = {}
        """In order of coming, so that whatever is done to all of them can be replayed."""
        self.requests: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.tickets = 0
        self.order: OrderState | None = None
        self.documents: dict[str, Document] = {}
        self.stirred = asyncio.Event()
        """Somebody came, left or said something since it was cleared."""
        self._second = 0
        self._replies: Replies
        self.tick()

    @property
    def replies(self) -> Replies:
        """Those of this second: each carries its Date. Made when the first one is needed."""
        if self.clock.now_ms() // 1000 != self._second:
            self.tick()
        return self._replies

    def enter(self, connection: Entrant, handed: bool) -> bool:
        """False if there is no room; one that was `handed` over has its place already."""
        if not handed and len(self.connections) >= self._connections_max:
            self.refused["connections"] += 1
            return False
        self.connections[connection] = None
        self.stirred.set()
        return True

    def room(self) -> int:
        """How many connections may be open beside those of the ordinary server."""
        return self._connections_max - len(self.connections)

    def leave(self, connection: Entrant) -> None:
        self.connections.pop(connection, None)
        self.stirred.set()

    def count(self, request: str) -> None:
        self.requests[request] += 1

    def refuse(self, status: HTTPStatus) -> None:
        self.refused[f"http {status.value}"] += 1

    def tick(self) -> None:
        """Replies with the Date of now, and the `/now` of the order in force."""
        now_ms = self.clock.now_ms()
        self._second = now_ms // 1000
        replies = Replies(formatdate(now_ms / 1000, usegmt=True).encode())
        order = self.order
        if order is None:
            replies.now = replies.by_status[HTTPStatus.SERVICE_UNAVAILABLE]
            replies.now_unchanged = replies.now
        else:
            replies.set_now(*now_document(order, now_ms))
        self._replies = replies

    def set_order(self, order: OrderState) -> None:
        self.order = order
        self.documents = {document.path: document for document in order.documents}
        self.tick()

    def join(self, who: bytes, peer: str, forwarded_for: bytes) -> tuple[str, str] | int:
        """Issue a ticket to `<band><country>`; (ticket, claim code), or the status that says why
        not."""
        ticket = np.zeros((1, TICKET_CHARS), np.uint8)
        code = np.zeros((1, CLAIM_CHARS), np.uint8)
        (status,) = self.join_many([who], [parsed(peer)], [forwarded_for], ticket, code).tolist()
        if status != HTTPStatus.CREATED:
            return int(status)
        return ticket.tobytes().decode("ascii"), code.tobytes().decode("ascii")

    def join_many(
        self,
        who: Sequence[bytes],
        peers: Sequence[Address],
        forwarded_for: Sequence[bytes],
        tickets: Bytes,
        claims: Bytes,
    ) -> npt.NDArray[np.int64]:
        """The status of each join, in order; 201 where row i of `tickets`, shape (n, 20), and of
        `claims`, shape (n, 16), was written."""
        origins: list[int] = []
        statuses = np.array(
            [
                self._may_join(one, peer, forwarded, origins)
                for one, peer, forwarded in zip(who, peers, forwarded_for, strict=True)
            ],
            np.int64,
        )
        fans = np.array(self.leases.take(len(origins)), np.uint32)
        rows = np.flatnonzero(statuses == HTTPStatus.CREATED)
        statuses[rows[len(fans) :]] = HTTPStatus.SERVICE_UNAVAILABLE
        self.refused["join no numbers"] += len(rows) - len(fans)
        self.tickets += len(fans)
        tails = np.array(origins[: len(fans)], np.uint64)
        written = np.zeros((len(fans), TICKET_CHARS), np.uint8)
        k0, k1 = self._ticket_words
        write_tickets(fans, tails | self._key_tail, ENCODE, k0, k1, written)
        tickets[rows[: len(fans)]] = written
        codes = np.zeros((len(fans), CLAIM_CHARS), np.uint8)
        k0, k1 = self._claim_words
        write_claims(fans, tails, HEX_DIGITS, k0, k1, codes)
        claims[rows[: len(fans)]] = codes
        return statuses

    def _may_join(
        self, who: bytes, peer: Address, forwarded_for: bytes, origins: list[int]
    ) -> HTTPStatus:
        """CREATED if there is a ticket for this one; its age band | country << 8 is noted then."""
        band = who[0] - ord("0")
        country = INDEX_OF.get(who[1:3])
        if not 0 <= band <= 2 or country is None:
            self.refused["join no such place"] += 1
            return HTTPStatus.NOT_FOUND
        address = self.addresses.client(peer, forwarded_for)
        if not self.addresses.unlimited(address) and not self._limit.take(
            address, self.clock.monotonic_ms()
        ):
            self.refused["join too many"] += 1
            return HTTPStatus.TOO_MANY_REQUESTS
        origins.append(band | country << 8)
        return HTTPStatus.CREATED


INDEX_OF = {code.encode("ascii"): index for code, index in INDEX.items()}


def now_document(order: OrderState, now_ms: int) -> tuple[bytes, bytes]:
    """`GET /now` of this moment: body and ETag. The state's JSON gets its time fields added."""
    poll = order.poll
    state = State(poll.state) if poll.state else None
    after = poll_after_ms(now_ms, state, poll.closes_ms, poll.next_ms, poll.reveal_ms)
    times = b',"now":%d,"poll_after_ms":%d,"spread_ms":%d}' % (now_ms, after, SPREAD_MS)
    return order.now.rstrip()[:-1] + times, b'"%d"' % order.version
