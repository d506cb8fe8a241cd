"""The card: what a show leaves in memcached beside its counters, so that a reader knows whose they
are, and so that it is noticed when they are gone.

Keys of counters do not name the show: one memcached holds the counters of one show.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from hairpin.errors import DataDamaged, YourMistake
from hairpin.show import Show
from hairpin.tally.lines import Positions
from hairpin.tally.memcached import Server

T = TypeVar("T")

CARD = "hairpin-show"
COUNTED = "hairpin-counted"
"""How far the journal is counted: incarnation to number of frames, as JSON."""


class Card(msgspec.Struct, frozen=True):
    """JSON under the key `hairpin-show`."""

    journal: str
    """The journal's id, hex: another run of the same show has another one."""
    show: str
    questions: tuple[str, ...]
    """Their ids, in order."""
    heavy: tuple[str, ...]
    cell_min: int
    evictions: int
    """memcached's own counter when the card was written."""
    lost_ms: int | None = None
    """When it was found that memcached had lost its counts; ms since 1970."""


def card_of(journal_id: int, show: Show, evicted: int, lost_ms: int | None) -> Card:
    ids = tuple(question.id for question in show.questions)
    name = f"{journal_id:016x}"
    return Card(name, show.id, ids, show.heavy, show.cell_min, evicted, lost_ms)


def read_card(server: Server) -> Card | None:
    """None if there is none. Raises EngineDown; DataDamaged if it is no card."""
    data = server.get(CARD)
    return None if data is None else _decoded(server, CARD, data, Card)


def write_card(server: Server, card: Card) -> None:
    server.put(CARD, msgspec.json.encode(card))


def read_counted(server: Server) -> Positions:
    """How far the journal is counted. Nothing there: from its beginning."""
    data = server.get(COUNTED)
    found = {} if data is None else _decoded(server, COUNTED, data, dict[str, int])
    return {int(number): frames for number, frames in found.items()}


def counted_note(counted: Positions) -> tuple[str, bytes]:
    return COUNTED, msgspec.json.encode({str(number): n for number, n in counted.items()})


def evictions(server: Server) -> int:
    """How many items memcached has thrown out since it was started."""
    return int(server.stats().get("evictions", 0))


def expect_own(card: Card | None, journal_id: int, server: Server) -> None:
    """Raises YourMistake if the counters belong to another show, or another run of this one."""
    if card is not None and int(card.journal, 16) != journal_id:
        raise YourMistake(
            f"{server.address} holds the counters of the show {card.show!r}, "
            f"journal {card.journal}; this journal is {journal_id:016x}",
            "Give every show a memcached of its own, or empty this one: restart it.",
        )


def memory_bytes_of(server: Server) -> int:
    """How much memory it may use for items. Raises EngineDown."""
    return int(server.stats().get("limit_maxbytes", 0))


def _decoded(server: Server, key: str, data: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.MsgspecError as error:
        raise DataDamaged(
            f"{server.address}: key {key} cannot be read: {error}",
            "Somebody else writes to this memcached: give the show one of its own.",
        ) from error
