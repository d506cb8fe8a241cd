"""The claims desk: contenders give their name, the producer approves or strikes.

Who may claim comes from the journal; what they claimed is kept in one file of mode 600, and nowhere
else: delete the file and the names are gone. All changes are on disk before they are answered.

A name is deleted when its fan is struck, and a name that the producer has not decided about a day
after the deadline is deleted, too. Approved names stay as long as the file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from pathlib import Path

import msgspec

from hairpin.claims.contenders import HOLDS_A_PLACE, Claims, Contender, Status, first_claims
from hairpin.claims.name import UnfitNameError, clean_name
from hairpin.errors import DataDamaged, EngineDown
from hairpin.messages import (
    Announced,
    AnswerClocks,
    ClaimReply,
    ClaimRequest,
    ClaimRow,
    Leader,
    Winner,
)
from hairpin.order import IllegalStep
from hairpin.ticket import claim_code_holds
from hairpin.world import World

WRONG_CODES_MAX = 5
"""Of one fan; further wrong ones are answered with 429."""


class ClaimsDesk:
    """One desk per show; used from one event loop."""

    def __init__(self, world: World, path: Path, claim_key: bytes) -> None:
        """`path`: the file with the names; it need not exist. Raises `DataDamaged`."""
        self._disk = world.disk
        self._path = path
        self._key = claim_key
        self._claims = self._load()
        self._wrong_codes: dict[int, int] = {}

    # --- the announcement -------------------------------------------------------------------------

    def announce(self, announced: Announced, ranks: Mapping[int, int]) -> None:
        """Contenders may claim. `ranks`: by fan; without one the place in the list counts.

        One that is known already, as after a restart, or older changes nothing. A new one keeps
        what its fans have claimed, and deletes the names of the others.
        """
        before = self._claims
        if before is None or before.announced.at_ms < announced.at_ms:
            self._keep(first_claims(announced, ranks, before))

    def announced(self) -> Announced | None:
        """Who may claim now and until when, for `now_body`; None before the announcement."""
        if self._claims is None:
            return None
        reserves = [c.fan for c in self._claims.contenders if c.status is Status.RESERVE]
        return Announced(
            at_ms=self._claims.announced.at_ms,
            deadline_ms=self._claims.deadline_ms,
            fans=self.open_fans(),
            reserves=tuple(reserves),
        )

    def open_fans(self) -> tuple[int, ...]:
        """Fans who hold a place: they may claim, have claimed or are approved."""
        if self._claims is None:
            return ()
        return tuple(c.fan for c in self._claims.contenders if c.status in HOLDS_A_PLACE)

    # --- the fan ----------------------------------------------------------------------------------

    def claim(self, request: ClaimRequest, now_ms: int) -> ClaimReply:
        """Take a name. The reply's status is that of `POST /api/claim`."""
        claims = self._claims
        contender = None if claims is None else claims.find(request.fan)
        if claims is None or contender is None or contender.status is Status.STRUCK:
            return _reply(HTTPStatus.FORBIDDEN, "this ticket is not a contender's")
        if not self._code_holds(request):
            return self._wrong_code(request.fan)
        if contender.status is Status.RESERVE:
            return _reply(HTTPStatus.FORBIDDEN, "a reserve: it may claim when a place becomes free")
        if not request.consent:
            return _reply(HTTPStatus.BAD_REQUEST, "consent: found false; allowed: true")
        try:
            name = clean_name(request.name)
        except UnfitNameError as error:
            return _reply(HTTPStatus.BAD_REQUEST, f"name: {error}")
        if contender.status is Status.APPROVED:
            if name == contender.name:
                return _reply(HTTPStatus.ACCEPTED, "approved")
            return _reply(HTTPStatus.GONE, "approved already; the name stays")
        if contender.status is Status.MISSED or now_ms > claims.deadline_ms:
            return _reply(HTTPStatus.GONE, "the deadline is over")
        changed = msgspec.structs.replace(contender, status=Status.CLAIMED, name=name)
        try:
            self._keep(claims.replacing(changed))
        except EngineDown as error:
            return _reply(HTTPStatus.SERVICE_UNAVAILABLE, error.message)
        return _reply(HTTPStatus.ACCEPTED, "taken; the producer decides")

    def _code_holds(self, request: ClaimRequest) -> bool:
        return claim_code_holds(
            request.code, self._key, request.fan, request.age_band, request.country
        )

    def _wrong_code(self, fan: int) -> ClaimReply:
        """The right code is never locked out, or anyone who saw a ticket could silence a winner.

        It has 64 bits: at a thousand guesses a second for an hour the chance to find it is one in
        five million million. Only contenders are counted, so the counts are few.
        """
        wrong = self._wrong_codes[fan] = self._wrong_codes.get(fan, 0) + 1
        if wrong > WRONG_CODES_MAX:
            return _reply(HTTPStatus.TOO_MANY_REQUESTS, "too many wrong codes; wait a minute")
        return _reply(HTTPStatus.FORBIDDEN, "this is not the claim code of this ticket")

    # --- the producer -----------------------------------------------------------------------------

    def approve(self, fan: int) -> None:
        """Show the claimed name. Raises `IllegalStep`, or `EngineDown` if it cannot be kept."""
        claims, contender = self._contender(fan)
        if contender.status is Status.APPROVED:
            return
        if contender.status is not Status.CLAIMED:
            possible = ", ".join(
                str(c.fan) for c in claims.contenders if c.status is Status.CLAIMED
            )
            raise IllegalStep(
                f"fan {fan} is {contender.status}: cannot approve; "
                f"fans who have claimed: {possible or 'none yet'}"
            )
        self._keep(claims.replacing(msgspec.structs.replace(contender, status=Status.APPROVED)))

    def strike(self, fan: int, at_ms: int) -> None:
        """Take a contender off, delete the name, and let the next reserve move up.

        `at_ms` is the time of the control record, so that a replay gives the same deadline. A fan
        who was not announced is nobody's contender: nothing to do here.
        """
        claims = self._claims
        contender = claims.find(fan) if claims is not None else None
        if claims is None or contender is None or contender.status is Status.STRUCK:
            return
        self._keep(claims.struck(contender, at_ms))

    def expire(self, now_ms: int) -> bool:
        """What the passing of the deadline means; True if something changed. Call it now and then.

        Whoever has not claimed has missed it, and reserves move up; not, however, when the desk was
        closed for more than a whole window after the deadline: then nobody is waiting any more.
        """
        claims = self._claims
        if claims is None:
            return False
        after = claims.expired(now_ms)
        if after == claims:
            return False
        self._keep(after)
        return True

    def winners(self) -> list[Winner]:
        """The approved ones, by rank."""
        if self._claims is None:
            return []
        approved = [
            Winner(c.rank, c.fan, c.name)
            for c in self._claims.contenders
            if c.status is Status.APPROVED and c.name is not None
        ]
        return sorted(approved, key=lambda winner: winner.rank)

    def rerank(self, ranks: Mapping[int, int]) -> None:
        """New ranks after a strike or a correction; who is not in `ranks` keeps the old one."""
        claims = self._claims
        if claims is None:
            return
        contenders = tuple(
            msgspec.structs.replace(c, rank=ranks.get(c.fan, c.rank)) for c in claims.contenders
        )
        if contenders != claims.contenders:
            self._keep(msgspec.structs.replace(claims, contenders=contenders))

    def claims_view(
        self, leaders: Sequence[Leader], clocks: Mapping[int, Sequence[AnswerClocks]]
    ) -> list[ClaimRow]:
        """Rows for the console. `clocks`: of each contender's right answers, by fan."""
        if self._claims is None:
            return []
        by_fan = {leader.fan: leader for leader in leaders}
        rows = []
        for contender in self._claims.contenders:
            leader = by_fan.get(contender.fan)
            rows.append(
                ClaimRow(
                    fan=contender.fan,
                    rank=contender.rank,
                    right=0 if leader is None else leader.right,
                    total_ms=0 if leader is None else leader.total_ms,
                    name=contender.name,
                    status=contender.status,
                    clocks=tuple(clocks.get(contender.fan, ())),
                )
            )
        return rows

    def _contender(self, fan: int) -> tuple[Claims, Contender]:
        contender = self._claims.find(fan) if self._claims is not None else None
        if self._claims is None or contender is None:
            raise IllegalStep(f"fan {fan} is not a contender; possible: {self._numbers()}")
        return self._claims, contender

    def _numbers(self) -> str:
        return ", ".join(str(fan) for fan in self.open_fans()) or "none before the announcement"

    # --- the file ---------------------------------------------------------------------------------

    def _load(self) -> Claims | None:
        try:
            data = self._disk.read(self._path, 0, self._disk.size(self._path))
        except FileNotFoundError:
            return None
        try:
            return msgspec.json.decode(data, type=Claims)
        except msgspec.DecodeError:
            # The reason is left out: it may quote a name, and names stand nowhere else.
            raise DataDamaged(
                f"{self._path} is not a file of claims",
                "delete it: contenders will be asked for their names again",
            ) from None

    def _keep(self, claims: Claims) -> None:
        """On disk first: what could not be kept has not happened."""
        try:
            self._disk.replace(self._path, msgspec.json.encode(claims), 0o600)
        except OSError as error:
            raise EngineDown(
                f"claims cannot be kept: {error.strerror or error}", "make room on the disk"
            ) from error
        self._claims = claims


def _reply(status: HTTPStatus, detail: str) -> ClaimReply:
    return ClaimReply(status, detail)
