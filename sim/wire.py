"""One connection of the simulated bus, between a hub and a link."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import structlog

from hairpin.errors import HairpinError
from sim.process import Process

if TYPE_CHECKING:
    from sim.bus import SimBus, SimHub, SimLink

log = structlog.get_logger()


class Message(NamedTuple):
    """What travels; `what` is publish, request, reply or failure."""

    what: str
    topic: str
    number: int
    data: bytes


class Wire:
    """One connection between a hub and a link. An end that is closed sends and hears nothing."""

    def __init__(self, net: SimBus, hub: SimHub, link: SimLink) -> None:
        self._net = net
        self._loop = net.universe.loop
        self._hub = hub
        self._link = link
        self._hub_open = True
        self._link_open = True
        self._ends: list[Callable[[], None]] = []
        """Of the link's subscriptions; the hub's process calls them."""
        self._clear_s = [0.0, 0.0]
        """When the last punctual message arrives: at the hub, at the link."""

    # --- closing ----------------------------------------------------------------------------------

    def close_link(self) -> None:
        """By the link: what it sent before still arrives."""
        if self._link_open:
            self._link_open = False
            self._at_hub_in_time(self._close_hub_end)

    def close_hub(self) -> None:
        """By the hub, or since it is dead: what it sent before still arrives."""
        if self._hub_open:
            self._close_hub_end()
            self._at_link_in_time(self._close_link_end)

    def _break(self) -> None:
        """In between: what is on its way is lost."""
        self._hub_open = self._link_open = False
        self._at_hub_in_time(self._close_hub_end)
        self._at_link_in_time(self._close_link_end)

    def _close_hub_end(self) -> None:
        self._hub_open = False
        self._hub.forget(self)
        for end in self._ends:
            end()
        self._ends.clear()

    def _close_link_end(self) -> None:
        self._link_open = False
        self._link.lost(self)

    # --- from the link's process ------------------------------------------------------------------

    def subscribe(self, topic: str) -> None:
        """Never lost alone: a real one travels ahead of everything else."""
        if self._link_open:
            self._at_hub_in_time(self._subscribed, topic)

    def to_hub(self, message: Message) -> None:
        if self._link_open:
            self._travel(0, self._at_hub, message, self._hub.process)

    # --- from the hub's process -------------------------------------------------------------------

    def to_link(self, message: Message) -> None:
        if self._hub_open:
            self._travel(1, self._at_link, message, self._link.process)

    # --- on the way -------------------------------------------------------------------------------

    def _travel(
        self, way: int, arrive: Callable[[Message], None], message: Message, process: Process
    ) -> None:
        net, faults = self._net, self._net.faults
        if self._is_cut() or net.chance(faults.drop):
            return
        if net.chance(faults.break_link):
            self._break()
            return
        for _ in range(2 if net.chance(faults.duplicate) else 1):
            at_s = self._punctual_s(way)
            if net.chance(faults.late):
                at_s += net.universe.dice.uniform(*faults.late_ms) / 1000
            self._loop.call_at(at_s, arrive, message, context=process.context)

    def _at_hub_in_time(self, call: Callable[..., None], *args: object) -> None:
        self._loop.call_at(self._punctual_s(0), call, *args, context=self._hub.process.context)

    def _at_link_in_time(self, call: Callable[..., None], *args: object) -> None:
        self._loop.call_at(self._punctual_s(1), call, *args, context=self._link.process.context)

    def _punctual_s(self, way: int) -> float:
        """When what leaves now arrives, behind what left before."""
        delay_ms = self._net.universe.dice.uniform(*self._net.faults.delay_ms)
        at_s = max(self._loop.now_s + delay_ms / 1000, self._clear_s[way])
        self._clear_s[way] = at_s
        return at_s

    def _is_cut(self) -> bool:
        cut = self._net.cut
        return bool(cut) and (self._hub.process.name in cut or self._link.process.name in cut)

    # --- arriving, run by the process at that end -------------------------------------------------

    def _subscribed(self, topic: str) -> None:
        if self._hub_open:
            end = self._hub.bus.subscribe_raw(
                topic, lambda data: self.to_link(Message("publish", topic, 0, data))
            )
            self._ends.append(end)

    def _at_hub(self, message: Message) -> None:
        if not self._hub_open:
            return
        if message.what == "request":
            self._loop.create_task(self._answer(message))
            return
        try:
            self._hub.bus.publish_raw(message.topic, message.data)
        except msgspec.MsgspecError as error:
            log.warning("a fellow on the bus is cut off", why=str(error))
            self.close_hub()
        except Exception:
            # So it is with a real hub: the task that serves this fellow ends.
            self.close_hub()
            raise

    async def _answer(self, message: Message) -> None:
        what = "reply"
        try:
            data = await self._hub.bus.request_raw(message.topic, message.data)
        except HairpinError as error:
            what, data = "failure", error.message.encode()
        except Exception:
            log.exception("a request failed", topic=message.topic)
            what, data = "failure", f"the server of {message.topic!r} failed".encode()
        self.to_link(Message(what, message.topic, message.number, data))

    def _at_link(self, message: Message) -> None:
        if self._link_open:
            self._link.take(message)
