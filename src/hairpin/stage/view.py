"""The latest of everything that wall and console show, and one event stream per browser.

News may be skipped: a stream owes its browser the latest event of each kind and nothing older. So a
slow browser costs a few numbers, never a queue; and an event is encoded once, for all browsers.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence

import msgspec

from hairpin.errors import EngineDown
from hairpin.messages import ClaimRow, GateReport, TallySnapshot, Winner
from hairpin.order import State
from hairpin.show import Show
from hairpin.stage.documents import Body, Cue, encoded, show_body, standings_public
from hairpin.stage.events import (
    Audience,
    Scene,
    Standings,
    TallyEvent,
    console_tally,
    wall_tally,
)
from hairpin.stage.gates import GateBook
from hairpin.stage.history import LagHistory, RateHistory
from hairpin.world import Clock

STREAMS_MAX = 256
"""Browsers that listen at once; all of them belong to the producer's side."""
HEARTBEAT_S = 10.0
KINDS = ("show", "order", "tally")
"""In the order in which a new browser gets them."""


class StageView:
    """Fed by the director and by the bus, in one event loop; read by the private listener."""

    def __init__(
        self,
        show: Show,
        clock: Clock,
        join_url: str | None = None,
        heartbeat_s: float = HEARTBEAT_S,
    ) -> None:
        """`join_url`: what the wall tells people to open."""
        self.show = show
        self.clock = clock
        self.gates = GateBook()
        self.snapshot: TallySnapshot | None = None
        self.cues: tuple[Cue, ...] = ()
        self.body: Body = {}
        """The latest `/now` without its time fields; empty until the first `set_order`."""
        self.wall_lag = LagHistory()
        self._armed = True
        self._heartbeat_s = heartbeat_s
        self._join_url = join_url
        self._winners: tuple[Winner, ...] = ()
        self._claims: tuple[ClaimRow, ...] = ()
        self._standings = Standings()
        self._history: RateHistory | None = None
        self._streams: dict[asyncio.Event, Audience] = {}
        self._closed = False
        self._made: dict[tuple[Audience, str], bytes] = {}
        self._versions: dict[tuple[Audience, str], int] = {
            (audience, kind): int(kind == "show") for audience in Audience for kind in KINDS
        }

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
        self.gates.update(reports)
        if self.snapshot is not None:
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

    def streams(self, audience: Audience) -> int:
        return sum(1 for listening in self._streams.values() if listening is audience)

    def subscribe(self, audience: Audience) -> AsyncIterator[bytes]:
        """Server-sent events: the latest of each kind at once, then what changes.

        Raises `EngineDown` when `STREAMS_MAX` browsers listen already.
        """
        if len(self._streams) >= STREAMS_MAX:
            raise EngineDown(
                f"{STREAMS_MAX} browsers listen already",
                "close walls and consoles that nobody looks at",
            )
        return self._stream(audience)

    def close(self) -> None:
        """End every stream, so that the listener can stop."""
        self._closed = True
        for wake in self._streams:
            wake.set()

    async def _stream(self, audience: Audience) -> AsyncIterator[bytes]:
        wake = asyncio.Event()
        seen = dict.fromkeys(KINDS, 0)
        self._streams[wake] = audience
        try:
            while not self._closed:
                wake.clear()
                fresh = [k for k in KINDS if self._versions[audience, k] > seen[k]]
                for kind in fresh:
                    seen[kind] = self._versions[audience, kind]
                    yield self._event(audience, kind)
                if fresh:
                    continue  # more may have changed while the browser took these
                try:
                    await asyncio.wait_for(wake.wait(), self._heartbeat_s)
                except TimeoutError:
                    yield b": awake\n\n"
        finally:
            del self._streams[wake]

    # --- events -----------------------------------------------------------------------------------

    def _changed(self, kind: str, *audiences: Audience) -> None:
        for audience in audiences:
            self._versions[audience, kind] += 1
            self._made.pop((audience, kind), None)
        for wake, audience in self._streams.items():
            if audience in audiences:
                wake.set()

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
            return encoded(self.body if audience is Audience.WALL else self._console_order())
        assert self.snapshot is not None, "a tally event exists only after a snapshot"
        if audience is Audience.WALL:
            return msgspec.json.encode(wall_tally(self.snapshot, self._scene()))
        return msgspec.json.encode(console_tally(self.snapshot, self._scene(), self.gates))

    def _console_order(self) -> Body:
        return {
            **self.body,
            "upcoming": self.cues,
            "mode": self.show.mode,
            "armed": self._armed,
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
