"""Bugs of the stage: the running order, its journal, and the numbers of fans."""

from __future__ import annotations

from typing import Any

from hairpin import messages as m
from hairpin import order
from hairpin.errors import EngineDown
from hairpin.frame import Kind
from hairpin.journal import encode_control
from hairpin.order import State
from hairpin.stage.director import LEASE_MIN, Director
from sim.bugs.bug import ENDS, PROMISES, Nights, Patch, bug

ONCE = "a fan number is given once"
LEASED_ONCE = "a fan number is leased once"
LEASED = "only leased numbers are issued"
TAKEN_BACK = "what was shown is not taken back"
KNOWN = "gates learn of the running order"
DEATHS = Nights(("kill", "all", "at_an_await"), fans=100)


@bug(
    "lease-reused", "stage/director.py: Director.lease", LEASED_ONCE, ONCE, seeds=15, nights=DEATHS
)
def lease_reused(patch: Patch) -> None:
    """When a gate has died the next one is given its block of fan numbers."""
    left: dict[int, list[m.LeaseReply]] = {}
    given: dict[int, dict[int, m.LeaseReply]] = {}

    def fence(director: Director, incarnation: int) -> None:
        original_fence(director, incarnation)
        reply = given.get(id(director), {}).pop(incarnation, None)
        if reply is not None and incarnation in director._past.fenced:
            left.setdefault(id(director), []).append(reply)

    async def lease(director: Director, request: m.LeaseRequest) -> m.LeaseReply:
        blocks = left.get(id(director))
        if blocks:
            reply = blocks.pop()
            at_ms = director._clock.now_ms()
            director.write(m.Leased(at_ms, request.incarnation, reply.first, reply.count))
        else:
            reply = await original(director, request)
        given.setdefault(id(director), {})[request.incarnation] = reply
        return reply

    original_fence = patch.replace(Director, "fence", fence)
    original = patch.replace(Director, "lease", lease)


@bug(
    "lease-after-reply",
    "stage/director.py: Director.lease",
    LEASED_ONCE,
    ONCE,
    LEASED,
    seeds=9,
    nights=DEATHS,
)
def lease_after_reply(patch: Patch) -> None:
    """A lease is journalled together with the director's next record, to save a sync."""
    owed: dict[int, list[m.Leased]] = {}

    async def lease(director: Director, request: m.LeaseRequest) -> m.LeaseReply:
        first = director._past.leased
        left = director.show.tickets_max - first
        count = min(request.count, max(left // 16, LEASE_MIN), left)
        record = m.Leased(director._clock.now_ms(), request.incarnation, first, count)
        director._past.take(record)
        owed.setdefault(id(director), []).append(record)
        return m.LeaseReply(first, count)

    def write(director: Director, record: m.AnyControl) -> None:
        for lease in owed.pop(id(director), []):
            director._writer.commit(Kind.CONTROL, encode_control(lease), 1)
        original(director, record)

    patch.replace(Director, "lease", lease)
    original = patch.replace(Director, "write", write)


@bug(
    "opened-anew",
    "stage/director.py: Director.__init__",
    "an opening stays",
    seeds=2,
    nights=Nights(("kill", "all"), questions=4),
)
def opened_anew(patch: Patch) -> None:
    """A stage that was started again stamps the open question anew."""

    def init(director: Director, *arguments: Any) -> None:
        original(director, *arguments)
        index = director.order.open_question()
        if index is not None:
            moment, question = director.order.moments[index], director.show.questions[index]
            moment.opened_ms = director._clock.now_ms()
            if question.duration_ms is not None:
                moment.closes_ms = moment.opened_ms + question.duration_ms

    original = patch.replace(Director, "__init__", init)


@bug(
    "told-before-journalled",
    "stage/director.py: Director.write",
    TAKEN_BACK,
    "an opening stays",
    "nothing is counted before it is durable",
    PROMISES,
    seeds=9,
    nights=Nights(("full_disk", "failing_disk", "in_a_disk_operation")),
)
def told_before_journalled(patch: Patch) -> None:
    """A step is believed and told, and then it is journalled."""

    def write(director: Director, record: m.AnyControl) -> None:
        director._past.take(record)
        director.publish()
        try:
            synced = director._writer.commit(Kind.CONTROL, encode_control(record), 1)
        except EngineDown as error:
            director._failed(error)
            return
        director.error = None
        director._bus.publish(m.TOPIC_SYNCED, synced)

    patch.replace(Director, "write", write)


@bug(
    "reveal-before-final",
    "order.py: RunningOrder.next_due",
    "by the clock a reveal waits for its result",
    seeds=6,
    nights=Nights(("cut_off",), questions=4),
)
def reveal_before_final(patch: Patch) -> None:
    """The clock reveals a question when its time has come, whether its count is final or not."""
    patch.replace(order, "REVEAL_WAIT_MS", 0)


@bug(
    "order-told-once",
    "stage/director.py: Director.tell_again",
    KNOWN,
    ENDS,
    PROMISES,
    seeds=17,
    nights=Nights(("bad_bus", "cut_off"), questions=1),
)
def order_told_once(patch: Patch) -> None:
    """A gate that missed a running order is not told again."""
    patch.replace(Director, "tell_again", lambda *_: None)


@bug(
    "order-counted-anew",
    "stage/director.py: Director.publish",
    KNOWN,
    ENDS,
    PROMISES,
    seeds=9,
    nights=Nights(("kill",)),
)
def order_counted_anew(patch: Patch) -> None:
    """A stage that was started again numbers its running orders from 1, which gates have seen."""

    class Early:
        def __init__(self, epoch_ms: int) -> None:
            self.epoch_ms = epoch_ms

        def now_ms(self) -> int:
            return self.epoch_ms

    def publish(director: Director, if_changed: bool = False) -> None:
        clock = director._clock
        director._clock = Early(director._armed.epoch_ms)  # type: ignore[assignment]
        try:
            original(director, if_changed)
        finally:
            director._clock = clock

    original = patch.replace(Director, "publish", publish)


@bug(
    "step-taken-twice",
    "order.py: STEPS",
    "no illegal step",
    TAKEN_BACK,
    seeds=12,
    nights=Nights(questions=16, fans=5, whim=1.0),
)
def step_taken_twice(patch: Patch) -> None:
    """The table lets a question that is revealed be closed once more."""
    patch.replace(order, "STEPS", {**order.STEPS, (State.REVEALED, order.Step.CLOSE): State.CLOSED})
