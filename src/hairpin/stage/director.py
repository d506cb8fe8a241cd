"""The director owns the running order: it journals each step, and only then tells the others."""

from __future__ import annotations

from http import HTTPStatus
from typing import Protocol

import structlog

from hairpin import messages as m
from hairpin.bus import Bus
from hairpin.errors import DataDamaged, EngineDown
from hairpin.frame import Kind
from hairpin.journal import Journal, StrandLost, Writer, encode_control
from hairpin.order import Due, IllegalStep, RunningOrder, State, Step
from hairpin.stage import commands as c
from hairpin.stage import documents
from hairpin.stage.past import Past
from hairpin.stage.view import StageView
from hairpin.world import Clock

log = structlog.get_logger()

RETRY_MS = 500
"""How often a journal that failed is tried when nobody else wants to write."""
FENCE_MS = 100
"""How often it is asked whether a gate that a result waits for is dead."""
LEASE_MIN = 64
"""Fan numbers; a lease has fewer only when no more are left."""


class Desk(Protocol):
    """Where contenders claim; a room of its own, and this is all that the stage knows of it."""

    def announce(self, announced: m.Announced, ranks: dict[int, int]) -> None: ...
    def announced(self) -> m.Announced | None: ...
    def approve(self, fan: int) -> None: ...
    def strike(self, fan: int, at_ms: int) -> None: ...
    def expire(self, now_ms: int) -> bool: ...
    def winners(self) -> list[m.Winner]: ...
    def rerank(self, ranks: dict[int, int]) -> None: ...
    def claim(self, request: m.ClaimRequest, now_ms: int) -> m.ClaimReply: ...
    def claims_view(
        self,
        leaders: tuple[m.Leader, ...],
        clocks: dict[int, tuple[m.AnswerClocks, ...]],
    ) -> list[m.ClaimRow]: ...


class Director:
    """`past` must hold an armed show. `tick` takes the steps that are due; call it after all news,
    and when `next_due_ms` says so."""

    def __init__(
        self,
        clock: Clock,
        journal: Journal,
        writer: Writer,
        bus: Bus,
        past: Past,
        desk: Desk,
        view: StageView,
        media: dict[str, str],
    ) -> None:
        assert past.armed is not None
        assert past.order is not None
        self._clock = clock
        self._journal = journal
        self._writer = writer
        self._bus = bus
        self._past = past
        self._armed = past.armed
        self.order: RunningOrder = past.order
        self.show = past.armed.show
        self._desk = desk
        self._view = view
        self._media = media
        self._snapshot: m.TallySnapshot | None = None
        self._final: frozenset[int] = frozenset()
        """Questions whose counts will not change by themselves."""
        self._due: Due | None = None
        """The step that the clock will take next."""
        self._clocks: dict[int, tuple[m.AnswerClocks, ...]] = {}
        self.version = 0
        """Of the running order that was told last."""
        self._body: documents.Body = {}
        self._ranks: m.Document | None = None
        self._state: m.OrderState | None = None
        self._unreadable: set[int] = set()
        self._retry_at_ms = 0
        self.error: str | None = None
        """Why the last step could not be journalled."""
        self.lost: StrandLost | None = None
        """The strand is at its end, and so is this process."""

    # --- steps ------------------------------------------------------------------------------------

    def write(self, record: m.AnyControl) -> None:
        """Journal a control record, then believe it. Raises EngineDown; nothing happened then."""
        try:
            synced = self._writer.commit(Kind.CONTROL, encode_control(record), 1)
        except EngineDown as error:
            self._failed(error)
            raise
        self.error = None
        self._past.take(record)
        self._bus.publish(m.TOPIC_SYNCED, synced)

    def step(self, question: int, step: Step, right: int = 0, reason: str = "") -> None:
        """Raises IllegalStep, or EngineDown if it cannot be journalled."""
        self.order.check(question, step)
        at_ms = self._clock.now_ms()
        records: dict[Step, m.AnyControl] = {
            Step.OPEN: m.Opened(at_ms, question),
            Step.CLOSE: m.Closed(at_ms, question),
            Step.REVEAL: m.Revealed(at_ms, question, self.order.moments[question].right),
            Step.CORRECT: m.Corrected(at_ms, question, right, reason),
            Step.VOID: m.Voided(at_ms, question, reason),
        }
        self.write(records[step])
        log.info("step", question=question + 1, step=str(step))
        self.publish()

    async def command(self, command: c.AnyCommand) -> None:
        """One step that the producer asked for. Raises IllegalStep or EngineDown."""
        if isinstance(command, c.Open | c.Close | c.Reveal):
            self.step(command.question, Step(str(type(command).__struct_config__.tag)))
        elif isinstance(command, c.Void):
            self.step(command.question, Step.VOID, reason=command.reason)
        elif isinstance(command, c.Correct):
            self._correct(command)
        elif isinstance(command, c.Hold | c.Arm):
            self._hold(isinstance(command, c.Hold))
        elif isinstance(command, c.Announce):
            self.announce()
        elif isinstance(command, c.Strike):
            self._strike(command)
        else:
            self._desk.approve(command.fan)
        self.publish()
        await self.refresh_clocks()
        self.publish()

    def _correct(self, command: c.Correct) -> None:
        self.order.check(command.question, Step.CORRECT)
        question = self.show.questions[command.question]
        mask = command.mask()
        if mask >= 1 << len(question.choices):
            raise IllegalStep(
                f"question {command.question + 1} has choices 0 to {len(question.choices) - 1}"
            )
        self.step(command.question, Step.CORRECT, mask, command.reason)

    def _hold(self, held: bool) -> None:
        self.order.check_hold(held)
        at_ms = self._clock.now_ms()
        self.write(m.Held(at_ms) if held else m.Released(at_ms))
        log.info("step", step="hold" if held else "arm")

    def _strike(self, command: c.Strike) -> None:
        at_ms = self._clock.now_ms()
        self.write(m.Struck(at_ms, command.fan, command.reason))
        self._desk.strike(command.fan, at_ms)

    def announce(self) -> None:
        """Let contenders claim. Raises IllegalStep while a result may still change."""
        snapshot = self._snapshot
        if snapshot is not None and any(_approximate(q) for q in snapshot.questions):
            raise IllegalStep(
                "these counts are approximate, so that nobody has a rank: end the node, and start "
                "it without --tally; it counts the journal exactly, and goes on"
            )
        open_still = (
            [q.question + 1 for q in snapshot.questions if not _settled(q)] if snapshot else []
        )
        if snapshot is None or not self.order.over() or open_still:
            raise IllegalStep(
                "contenders are announced after the last reveal, when all results are final; "
                f"not yet: question {', '.join(map(str, open_still)) or 'states'}"
            )
        fans = tuple(leader.fan for leader in snapshot.leaders)
        at_ms = self._clock.now_ms()
        places = self.show.contenders
        announced = m.Announced(
            at_ms, at_ms + self.show.claim_deadline_ms, fans[:places], fans[places:]
        )
        self.write(announced)
        self._desk.announce(announced, self._all_ranks())

    def _all_ranks(self) -> dict[int, int]:
        leaders = self._snapshot.leaders if self._snapshot else ()
        return {leader.fan: leader.rank for leader in leaders}

    # --- what others say --------------------------------------------------------------------------

    def tallied(self, snapshot: m.TallySnapshot) -> None:
        """A new snapshot: publish what became final, and what people may now see."""
        self._snapshot = snapshot
        self._final = frozenset(
            q.question for q in snapshot.questions if _settled(q) or _complete(q)
        )
        self._view.set_tally(snapshot)
        for tally in snapshot.questions:
            known = self._past.published.get(tally.question)
            # One that is refolded may have a new version, but not yet all answers before its head.
            if _settled(tally) and tally.version > (known.version if known else 0):
                self._publish_result(tally, snapshot)
        try:
            self._desk.rerank(self._all_ranks())
        except EngineDown as error:
            self._failed(error)
        states = [moment.state for moment in self.order.moments]
        if documents.standings_public(states):
            self._ranks = documents.document("/ranks", documents.ranks_body(snapshot), 5)
        self.publish(if_changed=True)

    def _publish_result(self, tally: m.QuestionTally, snapshot: m.TallySnapshot) -> None:
        record = m.Published(
            at_ms=self._clock.now_ms(),
            question=tally.question,
            version=tally.version,
            reason=tally.reason,
            answers=tally.answers,
            right=tally.right,
            head=snapshot.head,
            positions=snapshot.positions,
        )
        try:
            self.write(record)
        except EngineDown as error:
            self._failed(error)

    async def claim(self, request: m.ClaimRequest) -> m.ClaimReply:
        reply = self._desk.claim(request, self._clock.now_ms())
        if reply.status == HTTPStatus.ACCEPTED:  # whoever is refused must not cost us a reading
            if request.fan not in self._clocks:
                await self.refresh_clocks()
            self.publish()
        return reply

    async def lease(self, request: m.LeaseRequest) -> m.LeaseReply:
        """Numbers that nobody ever had; journalled before they are given away."""
        first = self._past.leased
        left = self.show.tickets_max - first
        # No gate may hoard what another one needs, or burn much of it by a crash.
        count = min(request.count, max(left // 16, LEASE_MIN), left)
        if count <= 0:
            return m.LeaseReply(first, 0)
        self.write(m.Leased(self._clock.now_ms(), request.incarnation, first, count))
        return m.LeaseReply(first, count)

    async def order_now(self, _: m.Synced) -> m.OrderState:
        if self._state is None:
            raise EngineDown("the running order is not ready")
        return self._state

    async def refresh_clocks(self) -> None:
        """Both clocks of all contenders, for the producer's decision."""
        announced = self._past.announced
        if announced is None:
            return
        fans = (*announced.fans, *announced.reserves)
        request = m.ClocksRequest(fans)
        try:
            reply = await self._bus.request(m.TOPIC_CLOCKS, request, m.ClocksReply, 10_000)
        except EngineDown as error:
            # The step that led here was taken; the clocks come with the next one.
            log.warning("the contenders' clocks are not known", why=error.message)
            return
        self._clocks = {one.fan: one.clocks for one in reply.contenders}

    # --- time -------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Take what is due, fence dead gates, let claims expire."""
        now_ms = self._clock.now_ms()
        try:
            if self.error is not None and now_ms >= self._retry_at_ms:
                self._retry_at_ms = now_ms + RETRY_MS
                # It marks nothing; it asks whether the journal writes again.
                self.write(m.Marked(now_ms, ()))
            self._due = self.order.next_due(self._final)
            while self._due is not None and self._due.at_ms <= now_ms:
                self.step(self._due.question, self._due.step)
                self._due = self.order.next_due(self._final)
            self._fence_dead()
            if self._ready_to_announce():
                self.announce()
                self.publish()
            if self._past.announced is not None and self._desk.announced() is None:
                # Journalled, but the desk could not keep it at that time.
                self._desk.announce(self._past.announced, self._all_ranks())
                self.publish()
            if self._desk.expire(now_ms):
                self.publish()
        except EngineDown as error:
            self._failed(error)

    def next_due_ms(self) -> int | None:
        """After a `tick`: when there is something to do if nobody says anything; None: never."""
        dues: list[int] = []
        if self.error is not None:
            dues.append(self._retry_at_ms)
        if self._due is not None:
            dues.append(self._due.at_ms)
        if self._missing():
            dues.append(self._clock.now_ms() + FENCE_MS)
        announced = self._desk.announced()
        if announced is not None:
            dues.append(announced.deadline_ms + 1)
        return min(dues, default=None)

    def tell_again(self, known: int) -> None:
        """Somebody knows this version of the running order: news of a later one got lost."""
        if self._state is not None and known < self._state.version:
            self._bus.publish(m.TOPIC_ORDER, self._state)

    def _ready_to_announce(self) -> bool:
        return (
            self._past.announced is None
            and self.show.mode == "clock"
            and self.order.over()
            and self._snapshot is not None
            and all(_settled(q) for q in self._snapshot.questions)
        )

    def _fence_dead(self) -> None:
        """A provisional result waits for gates; one that is dead is fenced, and waits no more."""
        for incarnation in sorted(self._missing()):
            self.fence(incarnation)

    def _missing(self) -> set[int]:
        questions = self._snapshot.questions if self._snapshot else ()
        missing = {number for q in questions for number in q.missing}
        return missing - set(self._past.fenced) - self._unreadable

    def fence(self, incarnation: int) -> None:
        """End a strand if its writer is dead. Raises EngineDown."""
        try:
            end = self._journal.fence(incarnation)
        except DataDamaged as damage:
            self._unreadable.add(incarnation)
            log.critical("a strand is damaged", why=damage.message, remedy=damage.remedy)
            return
        except OSError as error:
            raise EngineDown(f"cannot fence incarnation {incarnation}: {error.strerror}") from error
        if end is None:
            return
        at_ms = self._clock.now_ms()
        self.write(m.Fenced(at_ms, incarnation, end.frames, end.chain.hex()))
        self._bus.publish(m.TOPIC_SYNCED, m.Synced(incarnation, end.frames))

    def tend(self) -> None:
        """Every second or so: the journal's mirrors are looked after."""
        self._writer.tend()

    def _failed(self, error: EngineDown) -> None:
        if self.error is None:
            log.error("a step waits for the journal", why=error.message, remedy=error.remedy)
        self.error = error.message
        if isinstance(error, StrandLost):
            self.lost = error

    def close(self) -> None:
        """The process ends in order: seal the strand."""
        try:
            self._writer.seal()
        except EngineDown as error:
            self._failed(error)

    # --- publishing -------------------------------------------------------------------------------

    def publish(self, if_changed: bool = False) -> None:
        """Tell gates, wall and console how things stand."""
        body = self._now_body()
        leaders = self._snapshot.leaders if self._snapshot else ()
        self._view.set_claims(self._desk.claims_view(leaders, self._clocks))
        cues = documents.cues(self.show, self.order, self._media, self._past.published)
        if if_changed and body == self._body and self._state is not None:
            known = next((d for d in self._state.documents if d.path == "/ranks"), None)
            if known == self._ranks:
                if cues != self._view.cues:  # a result was told that is not on the phones
                    self._view.set_order(self._view.body, cues, armed=not self.order.held)
                return
        self._body = body
        self.version = max(self.version + 1, self._clock.now_ms() - self._armed.epoch_ms)
        told = {**body, "version": self.version}
        shown = documents.document("/show.json", documents.show_body(self.show), 60)
        self._state = m.OrderState(
            version=self.version,
            epoch_ms=self._armed.epoch_ms,
            questions=documents.gate_questions(self.order),
            now=documents.encoded(told),
            poll=documents.poll_plan(self.show, self.order),
            documents=tuple(d for d in (shown, self._ranks) if d is not None),
        )
        self._bus.publish(m.TOPIC_ORDER, self._state)
        self._view.set_order(told, cues, armed=not self.order.held)

    def _now_body(self) -> documents.Body:
        tallies = {q.question: q for q in self._snapshot.questions} if self._snapshot else {}
        return documents.now_body(
            self.show,
            self.order,
            tallies,
            self._desk.announced(),
            self._desk.winners(),
            self._media,
            0,
            {question: record.head for question, record in self._past.published.items()},
        )


def _settled(tally: m.QuestionTally) -> bool:
    return tally.status in ("final", State.VOID)


def _approximate(tally: m.QuestionTally) -> bool:
    return tally.status.startswith(m.APPROXIMATE)


def _complete(tally: m.QuestionTally) -> bool:
    """Approximate for ever, and no gate has more of it: nothing better is worth waiting for."""
    return _approximate(tally) and not tally.missing
