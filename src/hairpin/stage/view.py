"""The latest of everything that wall and console show, and its events, each encoded once for all.

An event of a kind replaces the one before it: `streams` owes a browser the latest of each kind and
nothing older.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from hairpin.messages import ClaimRow, GateReport, Permission, TallySnapshot, Winner
from hairpin.order import State
from hairpin.show import Show
from hairpin.stage.documents import Body, Cue, encoded, last_told, show_body, standings_public
from hairpin.stage.events import (
    Audience,
    Scene,
    Standings,
    TallyEvent,
    console_tally,
    wall_event,
    wall_tally,
)
from hairpin.stage.gates import GateBook
from hairpin.stage.history import LagHistory, RateHistory
from hairpin.stage.streams import STREAMS_MAX, Seen, Streams
from hairpin.world import Clock

KINDS = ("show", "order", "tally")
"""In the order in which a new browser gets them."""


class StageView:
    """Fed by the director and by the bus, in one event loop; read by the private listener."""

    def __init__(
        self,
        show: Show,
        clock: Clock,
        join_url: str | None = None,
        streams_max: int = STREAMS_MAX,
    ) -> None:
        """`join_url`: what the wall tells people to open; `streams_max`: browsers that listen."""
        self.show = show
        self.clock = clock
        self.gates = GateBook()
        self.snapshot: TallySnapshot | None = None
        self.cues: tuple[Cue, ...] = ()
        self.body: Body = {}
        """The latest `/now` without its time fields; empty until the first `set_order`."""
        self.permission: Permission | None = None
        """On what grounds the show is armed; set before the first event is asked for."""
        self.wall_lag = LagHistory()
        self._armed = True
        self._join_url = join_url
        self._winners: tuple[Winner, ...] = ()
        self._claims: tuple[ClaimRow, ...] = ()
        self._standings = Standings()
        self._history: RateHistory | None = None
        self.streams = Streams(self, streams_max)
        self._made: dict[tuple[Audience, str], bytes] = {}
        only_the_show = tuple(int(kind == "show") for kind in KINDS)
        self._versions: dict[Audience, Seen] = dict.fromkeys(Audience, only_the_show)

    # --- what is fed ------------------------------------------------------------------------------

    def set_order(self, body: Body, upcoming: tuple[Cue, ...], armed: bool = True) -> None:
        """`body` as `documents.now_body`, `upcoming` as `documents.cues` give them.

        `armed`: false while the producer holds the clock.
        """
        self.body, self.cues, self._armed = body, upcoming, armed
        self._winners = msgspec.convert(body["winners"], tuple[Winner, ...])
        self._settle_standings()
        self._changed("order", Audience.WALL, Audience.CONSOLE)
        if self.snapshot is not None:
            self._changed("tally", Audience.WALL, Audience.CONSOLE)

    def set_tally(self, snapshot: TallySnapshot) -> None:
        """The counts of this moment; older ones than the last are dropped."""
        if self.snapshot is not None and snapshot.at_ms < self.snapshot.at_ms:
            return
        self.snapshot = snapshot
        if snapshot.oldest_ms is not None:
            self.wall_lag.add(max(0, self.clock.now_ms() - snapshot.oldest_ms))
        self._settle_standings()
        self._draw(snapshot)
        self._changed("tally", Audience.WALL, Audience.CONSOLE)

    def set_gates(self, reports: Mapping[int, GateReport]) -> None:
        """The latest report of every living gate, by incarnation."""
        before = self.gates.alive()
        self.gates.update(reports)
        if self.snapshot is not None and self.gates.alive() != before:
            self._changed("tally", Audience.CONSOLE)

    def set_claims(self, rows: Sequence[ClaimRow]) -> None:
        changed = tuple(rows) != self._claims
        self._claims = tuple(rows)
        if changed and self.body:
            self._changed("order", Audience.CONSOLE)

    # --- what is read -----------------------------------------------------------------------------

    def current(self) -> int | None:
        """The question on show: the last one that opened."""
        opened = [(cue.opened_at, cue.index) for cue in self.cues if cue.opened_at is not None]
        return max(opened)[1] if opened else None

    def wall_tally(self) -> TallyEvent | None:
        """The counts that may be published now; None before the first snapshot."""
        if self.snapshot is None or not self.cues:
            return None
        return wall_tally(self.snapshot, self._scene())

    def versions(self, audience: Audience) -> Seen:
        """The version of each kind's latest event, in the order of `KINDS`; 0: there is none."""
        return self._versions[audience]

    def nothing_seen(self) -> Seen:
        """The versions of a browser that comes."""
        return (0,) * len(KINDS)

    def news(self, audience: Audience, seen: Seen) -> bytes:
        """Server-sent events: the latest of each kind that is newer than `seen`."""
        latest = self._versions[audience]
        fresh = zip(KINDS, latest, seen, strict=True)
        return b"".join(self._event(audience, kind) for kind, now, then in fresh if now > then)

    # --- events -----------------------------------------------------------------------------------

    def _changed(self, kind: str, *audiences: Audience) -> None:
        for audience in audiences:
            self._versions[audience] = tuple(
                version + (one == kind)
                for one, version in zip(KINDS, self._versions[audience], strict=True)
            )
            self._made.pop((audience, kind), None)
        self.streams.changed(*audiences)

    def _event(self, audience: Audience, kind: str) -> bytes:
        """One event as it is sent. Made when the first browser asks, kept until it changes."""
        made = self._made.get((audience, kind))
        if made is None:
            made = self._made[audience, kind] = self._make(audience, kind)
        if kind != "order":
            return b"event: %b\ndata: %b\n\n" % (kind.encode(), made)
        # The countdown needs our clock at sending, and this event may be minutes old.
        return b'event: order\ndata: %b,"now":%d}\n\n' % (made[:-1], self.clock.now_ms())

    def _make(self, audience: Audience, kind: str) -> bytes:
        if kind == "show":
            return encoded({**show_body(self.show), "join_url": self._join_url})
        if kind == "order":
            body = self.body | {"told": last_told(self.cues)}
            return encoded(body if audience is Audience.WALL else body | self._console_order())
        assert self.snapshot is not None, "a tally event exists only after a snapshot"
        if audience is Audience.WALL:
            return msgspec.json.encode(wall_event(self.snapshot, self._scene()))
        return msgspec.json.encode(console_tally(self.snapshot, self._scene(), self.gates))

    def _console_order(self) -> Body:
        """What only the console gets."""
        return {
            "upcoming": self.cues,
            "mode": self.show.mode,
            "armed": self._armed,
            "permission": self.permission,
            "claims": self._claims,
        }

    def _states(self) -> tuple[State, ...]:
        return tuple(cue.state for cue in self.cues)

    def _scene(self) -> Scene:
        return Scene(
            states=self._states() or (State.WAITING,) * len(self.show.questions),
            current=self.current(),
            cell_min=self.show.cell_min,
            standings=self._standings,
            winners=self._winners,
            rate_history=self._curve(),
        )

    def _curve(self) -> tuple[tuple[int, int], ...]:
        current = self.current()
        if self._history is None or current is None:
            return ()
        drawn = self._history.opened_ms == self.cues[current].opened_at
        return self._history.points() if drawn else ()

    def _settle_standings(self) -> None:
        if self.snapshot is not None and self.cues and standings_public(self._states()):
            self._standings = Standings(self.snapshot.leaders, self.snapshot.more)

    def _draw(self, snapshot: TallySnapshot) -> None:
        """Add this moment to the curve of the question on show."""
        current = self.current()
        if current is None:
            return
        cue = self.cues[current]
        tally = next((one for one in snapshot.questions if one.question == current), None)
        if tally is None or cue.opened_at is None:
            return
        if self._history is None or self._history.opened_ms != cue.opened_at:
            self._history = RateHistory(cue.opened_at)
        if cue.state is State.OPEN or self._history.points()[-1][1] != tally.answers:
            self._history.add(snapshot.at_ms, tally.answers)
